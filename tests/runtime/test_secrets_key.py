"""The key that encrypts stored secrets: given, or made beside an embedded store."""

import itertools
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from runtime import wiring
from runtime.places import SECRETS_NAME, secrets_key_of
from runtime.settings import Settings, SettingsError, load
from schemas.errors import Corrupt

GIVEN = "0123456789abcdef" * 4


def test_the_key_is_made_once_and_nobody_else_may_read_it(tmp_path):
    """32 random bytes in a file of its own, for this user alone; the same at each start."""
    key = secrets_key_of(tmp_path)

    assert len(key) == 32
    assert secrets_key_of(tmp_path) == key
    assert stat.S_IMODE((tmp_path / SECRETS_NAME).stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [SECRETS_NAME]


def test_doors_that_start_together_agree(tmp_path, monkeypatch):
    """Whoever is first makes it; nobody reads half of one."""
    numbers = itertools.count()
    monkeypatch.setattr("os.getpid", lambda: next(numbers))
    with ThreadPoolExecutor(8) as pool:
        made = set(pool.map(lambda _: secrets_key_of(tmp_path), range(16)))

    assert len(made) == 1


@pytest.mark.parametrize("content", ["", "x", "00" * 31, "00" * 33, "zz" * 32, "\0" * 64])
def test_a_spoilt_file_is_not_replaced(tmp_path, content):
    """A new key would make every stored secret unreadable for good: the start fails and names the file."""
    (tmp_path / SECRETS_NAME).write_text(content)

    with pytest.raises(Corrupt, match=r"secrets\.key does not hold"):
        secrets_key_of(tmp_path)
    assert (tmp_path / SECRETS_NAME).read_text() == content


def test_a_given_key_is_used(tmp_path):
    """With the setting no file is made, whatever the store."""
    settings = Settings(data=str(tmp_path), secrets_key=GIVEN)

    assert wiring._secrets_key(settings) == bytes.fromhex(GIVEN)
    assert list(tmp_path.iterdir()) == []


def test_several_machines_need_the_setting(tmp_path):
    """With Cassandra a file of one machine would be no key for the others: without the setting, none."""
    settings = Settings(data=str(tmp_path), store="cassandra://a/k")

    assert wiring._secrets_key(settings) == b""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("key", ["00", "x" * 64, GIVEN + "0", "ü" * 64])
def test_what_is_no_key_is_refused(key):
    """64 hexadecimal digits; the message does not repeat what was given (S16)."""
    with pytest.raises(SettingsError, match="64 hexadecimal digits") as refused:
        load({"ASPECTSTORE_CONFIG": "", "ASPECTSTORE_SECRETS_KEY": key})

    assert key not in str(refused.value)


def test_lifetimes_are_settings():
    """A door's policy says what the settings say (TB-07); a life beyond what keys are kept for is refused."""
    given = {"ASPECTSTORE_CONFIG": "", "ASPECTSTORE_DEVICE_TOKEN_S": "60"}

    assert load(given).device_token_s == 60
    with pytest.raises(SettingsError):
        load({**given, "ASPECTSTORE_ACCESS_TOKEN_S": "86401"})
