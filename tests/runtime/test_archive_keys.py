"""Keys of encrypted archives are given to tenants by name, and shown to nobody (SM-11, S9)."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.archive_keys import parse_archive_keys
from runtime.settings import SettingsError, load

TEXT = "# of the towers\nacme:tower:a:b c \n\nother:tower:x\nacme:old-1:ü\n"


def test_keys_are_given_by_tenant_and_name() -> None:
    """A password may hold anything but an end of line; comments and empty lines count for nothing."""
    expected = {("acme", "tower"): b"a:b c ", ("other", "tower"): b"x", ("acme", "old-1"): "ü".encode()}
    assert expected == parse_archive_keys(TEXT)
    assert {} == parse_archive_keys("")


@pytest.mark.parametrize(
    "text", ["acme:tower", "Acme:tower:p4ssw0rd", "acme:a b:p4ssw0rd", "acme:a:p4ssw0rd\nacme:a:p4ssw0rd2"]
)
def test_a_wrong_line_stops_the_service_and_is_not_shown(text: str, tmp_path: Path) -> None:
    """The message names the setting and the line, nothing of what stands there."""
    file = tmp_path / "keys"
    file.write_text(text)

    with pytest.raises(SettingsError, match="archive_keys") as refused:
        load({"ASPECTSTORE_ARCHIVE_KEYS_FILE": str(file)}, folder=tmp_path)
    assert "p4ssw0rd" not in str(refused.value)
    assert "line" in str(refused.value)


def test_passwords_are_kept_out_of_logs(tmp_path: Path) -> None:
    """They come from a file, and each of them is masked (S9)."""
    file = tmp_path / "keys"
    file.write_text(TEXT)
    settings = load({"ASPECTSTORE_ARCHIVE_KEYS_FILE": str(file)}, folder=tmp_path)

    assert {"a:b c ", "x", "ü"} <= set(settings.secrets)
    assert "a:b c" not in repr(settings)
