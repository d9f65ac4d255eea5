"""Settings (design 8.25): order of sources, secrets from files, refusal of what nobody knows."""

from pathlib import Path

import pytest

from runtime import settings
from runtime.addresses import CassandraAddress
from runtime.settings import Settings, SettingsError, load


def test_defaults_run_embedded_and_durable():
    """Without any setting the service is embedded, durable and open, on the loopback address."""
    chosen = load({"ASPECTSTORE_CONFIG": ""})

    assert ("sqlite", "embedded", "always", "open") == (
        chosen.store,
        chosen.stream,
        chosen.durability,
        chosen.profile,
    )
    assert ("127.0.0.1", 8080) == chosen.address
    assert chosen.cassandra is None


def test_option_beats_variable_beats_file_beats_default(tmp_path: Path):
    """An option wins over a variable, a variable over the file, the file over the default."""
    (tmp_path / "aspectstore.toml").write_text('profile = "strict"\nshards = 8\ndoors = 3\n')
    environ = {"ASPECTSTORE_SHARDS": "16", "ASPECTSTORE_DOORS": "5", "HOME": "/"}

    chosen = load(environ, {"doors": 7, "data": None}, tmp_path)

    assert ("strict", 16, 7, "aspectstore-data") == (
        chosen.profile,
        chosen.shards,
        chosen.doors,
        chosen.data,
    )


@pytest.mark.parametrize(
    ("environ", "place"),
    [
        ({"ASPECTSTORE_SHARD": "8"}, "ASPECTSTORE_SHARD in the environment is no setting"),
        ({"ASPECTSTORE_SHARDS_FILE": "x"}, "ASPECTSTORE_SHARDS_FILE in the environment is no setting"),
        ({"ASPECTSTORE_SHARDS": "many"}, "shards"),
        ({"ASPECTSTORE_SHARDS": "0"}, "shards"),
        ({"ASPECTSTORE_DURABILITY": "never"}, "durability"),
        ({"ASPECTSTORE_LISTEN": "8080"}, "HOST:PORT"),
        ({"ASPECTSTORE_LISTEN": "127.0.0.1:70000"}, "HOST:PORT"),
        ({"ASPECTSTORE_STORE": "cassandra://host:9042"}, "cassandra://HOST[,HOST]:PORT/KEYSPACE"),
        ({"ASPECTSTORE_STORE": "mysql://x/y"}, "cassandra://HOST[,HOST]:PORT/KEYSPACE"),
        ({"ASPECTSTORE_STREAM": "kafka://x"}, "redis://HOST:PORT"),
        ({"ASPECTSTORE_BOOTSTRAP": "acme"}, "TENANT:CLIENT:SECRET"),
        ({"ASPECTSTORE_WRITERS": "2"}, "one writer"),
        ({"ASPECTSTORE_SEAL_GRACE_S": "2"}, "read_deadline_s"),
        ({"ASPECTSTORE_CONFIG": "missing.toml"}, "does not exist"),
        ({"ASPECTSTORE_BOOTSTRAP_FILE": "/nonexistent/secret"}, "cannot be read"),
    ],
)
def test_bad_settings_are_refused_with_the_place(environ: dict[str, str], place: str, tmp_path: Path):
    """A setting that is unknown, malformed or unfitting is refused in one line that names it."""
    with pytest.raises(SettingsError) as refused:
        load(environ, folder=tmp_path)

    assert place in str(refused.value)
    assert "\n" not in str(refused.value)


def test_unknown_name_in_the_file_is_refused(tmp_path: Path):
    """A misspelt line of the file is an error, not a silent default."""
    (tmp_path / "aspectstore.toml").write_text("sharts = 8\n")

    with pytest.raises(SettingsError, match=r"sharts in .*aspectstore\.toml is no setting"):
        load({}, folder=tmp_path)


def test_broken_file_is_refused(tmp_path: Path):
    """A file that is no TOML is named."""
    (tmp_path / "aspectstore.toml").write_text("= 8\n")

    with pytest.raises(SettingsError, match="cannot be read"):
        load({}, folder=tmp_path)


def test_secret_may_come_from_a_file(tmp_path: Path):
    """`ASPECTSTORE_X_FILE` and `x_file` give a secret by its file; the line end is not part of it."""
    secret = tmp_path / "secret"
    secret.write_text("acme:loader:s3:cret\n")
    (tmp_path / "aspectstore.toml").write_text(f'store_password_file = "{secret}"\n')

    chosen = load({"ASPECTSTORE_BOOTSTRAP_FILE": str(secret)}, folder=tmp_path)

    assert ("acme:loader:s3:cret", "acme:loader:s3:cret") == (chosen.bootstrap, chosen.store_password)


def test_refusal_does_not_quote_a_secret(tmp_path: Path):
    """The message about a bad secret does not show it."""
    with pytest.raises(SettingsError) as refused:
        load({"ASPECTSTORE_STREAM": "kafka://:canary@x"}, folder=tmp_path)

    assert "canary" not in str(refused.value)


def test_variables_of_the_client_commands_are_not_settings(tmp_path: Path):
    """`ASPECTSTORE_URL`, `_CLIENT` and `_SECRET` belong to `load` and `read` and are left alone."""
    environ = {"ASPECTSTORE_URL": "http://x", "ASPECTSTORE_CLIENT": "c", "ASPECTSTORE_SECRET": "s"}

    assert Settings() == load(environ, folder=tmp_path)


def test_settings_survive_the_way_through_the_environment(tmp_path: Path):
    """A child process that reads the written variables has equal settings, whatever file lies about."""
    chosen = Settings(
        data="x",
        store="cassandra://a,b:9142/ks",
        stream="redis://:p@h:1",
        accept_gap=True,
        writers=3,
        lease_s=0.5,
    )
    (tmp_path / "aspectstore.toml").write_text("shards = 8\n")

    assert chosen == load(chosen.to_environ(), folder=tmp_path)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("cassandra://127.0.0.1:9042/aspects", CassandraAddress(("127.0.0.1",), 9042, "aspects")),
        ("cassandra://a,b:1/k", CassandraAddress(("a", "b"), 1, "k")),
        ("cassandra://a/k", CassandraAddress(("a",), 9042, "k")),
    ],
)
def test_cassandra_addresses_are_read(text: str, address: CassandraAddress):
    """Several hosts and the default port are understood."""
    assert address == Settings(store=text).cassandra


def test_every_setting_is_described():
    """Each field has a sentence that ends with a full stop, and one default that is shown."""
    for name, _, _, sentence in settings.describe():
        assert sentence.endswith("."), name


def test_changed_settings_are_checked_again():
    """A changed copy passes the same checks; the original stays."""
    chosen = Settings()

    assert ("unix:///run/v.sock", "embedded") == (
        chosen.changed(stream="unix:///run/v.sock").stream,
        chosen.stream,
    )
    with pytest.raises(SettingsError):
        chosen.changed(shards=0)


def test_secrets_are_not_shown():
    """Whoever prints the settings, by accident or in a traceback, prints no secret."""
    chosen = Settings(bootstrap="acme:c:canary1", stream="redis://:canary2@h", store_password="canary3")

    assert "canary" not in f"{chosen} {chosen!r}"
    assert {"canary1", "redis://:canary2@h", "canary3"} <= set(chosen.secrets)
