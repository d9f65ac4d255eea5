"""Settings: read once, frozen, typed; the only place where the environment and `aspectstore.toml` are read.

Option > `ASPECTSTORE_X` > `aspectstore.toml` > default (design 8.25). A secret may be given as a file:
`ASPECTSTORE_X_FILE` or `x_file` in the file. A name that nobody knows is an error, so that a
misspelt limit is not a missing limit. `docs/reference/settings.md` is generated from the fields below.
Only values live here: `runtime.wiring` turns them into adapters.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, Struct

from runtime.addresses import Bucket, CassandraAddress, parse_bucket, parse_listen, parse_store
from runtime.archive_keys import parse_archive_keys
from runtime.settings_sources import from_environ, from_file
from schemas.limits import JOB_MEMORY_MB_DEFAULT, JOB_S_MAX, TOKEN_LIFE_S_MAX, UNDO_DAYS_MAX
from schemas.retention import DAYS_MAX
from schemas.webhooks import parse_networks

PREFIX = "ASPECTSTORE_"

CLIENT_NAMES = ("URL", "CLIENT", "SECRET", "SECRET_FILE")
"""Variables of the same prefix that belong to the commands that talk to a server (`cli.target`)."""

CONFIG_NAME = "CONFIG"
"""`ASPECTSTORE_CONFIG`: the settings file; empty: none."""

CONFIG_DEFAULT = "aspectstore.toml"


class SettingsError(Exception):
    """A setting is unknown, malformed or does not fit another; the message says what to do."""


def _field(unit: str, text: str, **bounds: Any) -> Meta:
    """Describe a field: its unit ("" for none), its sentence and its bounds."""
    return Meta(description=text, extra={"unit": unit}, **bounds)


def _secret(text: str) -> Meta:
    """Describe a field that never appears in a log or a listing and may be given as a file."""
    return Meta(description=text, extra={"unit": "", "secret": True})


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that an installation may choose; each field says its unit, default and meaning."""

    data: Annotated[
        str, _field("path", "Folder of everything that the embedded parts keep.", min_length=1)
    ] = "aspectstore-data"
    listen: Annotated[
        str, _field("host:port", "Address of the door; a busy port gives way to the next free one, 0 to any.")
    ] = "127.0.0.1:8080"
    store: Annotated[
        str,
        _field("", "`sqlite`, or `cassandra://HOST[,HOST]:PORT/KEYSPACE`: where series and catalogue live."),
    ] = "sqlite"
    store_user: Annotated[str, _field("", "User name for Cassandra; empty: no authentication.")] = ""
    store_password: Annotated[str, _secret("Password for Cassandra.")] = ""
    store_replicas: Annotated[
        int,
        _field("copies", "Copies of a row, when a Cassandra keyspace is made; 3 in production.", ge=1, le=9),
    ] = 1
    stream: Annotated[
        str,
        _secret(
            "`embedded` (a private Valkey server), or the address of a Redis 7+ or Valkey 8+ server: "
            "`redis://[:PASSWORD@]HOST:PORT[/DB]` or `unix:///PATH`."
        ),
    ] = "embedded"
    files: Annotated[
        str,
        _field("", "`disk` (in the data folder), or `s3://BUCKET[/PREFIX]`: where the bytes of files lie."),
    ] = "disk"
    files_endpoint: Annotated[
        str, _field("", "URL of a service that speaks S3; empty: Amazon's own, in the region.")
    ] = ""
    files_region: Annotated[str, _field("", "Region of the bucket.")] = "us-east-1"
    files_key_id: Annotated[
        str, _field("", "Id of the access key; empty: what the machine or `AWS_` variables say.")
    ] = ""
    files_secret: Annotated[str, _secret("Secret of the access key.")] = ""
    durability: Annotated[
        Literal["always", "everysec"],
        _field("", "`always`: acknowledged is on disk. `everysec`: a crash may lose the last second or two."),
    ] = "always"
    profile: Annotated[
        Literal["open", "strict"], _field("", "Limits of tenants that have none of their own.")
    ] = "open"
    retention_days: Annotated[
        int,
        _field(
            "days",
            "How long rows live before only their summaries do, for tenants that say nothing; 0: for ever.",
            ge=0,
            le=DAYS_MAX,
        ),
    ] = 0
    erase_days: Annotated[
        int,
        _field(
            "days",
            "How long a deleted asset's records, events and files are kept before they are erased for good.",
            ge=0,
            le=DAYS_MAX,
        ),
    ] = 30
    erase_again_s: Annotated[
        float,
        _field("s", "Wait before an erasing is proved; longer than any upload lasts.", ge=1, le=604_800),
    ] = 7_200.0
    erase_retry_s: Annotated[
        float, _field("s", "Wait before what an erasing has left is erased again.", ge=1, le=3_600)
    ] = 30.0
    undo_days: Annotated[
        int,
        _field(
            "days",
            "How long a delete can be undone, where a tenant's policy says nothing; 0: not at all. "
            "What was deleted takes its place in the store until then.",
            ge=0,
            le=UNDO_DAYS_MAX,
        ),
    ] = 7
    bootstrap: Annotated[
        str, _secret("`TENANT:CLIENT:SECRET` of a technical user with all scopes, made at the first start.")
    ] = ""
    public_url: Annotated[
        str, _field("", "Origin that clients use, for links; empty: taken from each request's Host header.")
    ] = ""
    webhook_networks: Annotated[
        str,
        _field(
            "",
            "Networks that webhooks may reach besides public addresses, also by `http`: such as "
            "`10.1.0.0/16,fd00::/8`, divided by commas; empty: none.",
        ),
    ] = ""
    tls_certificate: Annotated[
        str,
        _field("path", "PEM file of the door's certificate and those above it; empty: plain HTTP."),
    ] = ""
    tls_key: Annotated[
        str, _field("path", "PEM file of the certificate's key; empty: it lies in the certificate's file.")
    ] = ""
    tls_key_password: Annotated[str, _secret("Password of the key's file; empty: it has none.")] = ""
    secrets_key: Annotated[
        str,
        _secret(
            "64 hexadecimal digits that encrypt stored secrets, those of API keys and of webhooks; the same "
            "at every door and writer. Empty: with SQLite, `secrets.key` in the data folder; with Cassandra, "
            "none are kept."
        ),
    ] = ""
    archive_keys: Annotated[
        str,
        _secret(
            "Keys of encrypted archives that imports may name, a line each: `TENANT:NAME:PASSWORD`; a tenant "
            "may name its own only. Workers of jobs need it."
        ),
    ] = ""
    access_token_s: Annotated[
        int,
        _field(
            "s",
            "Life of a client's access token, and of one from the login page.",
            ge=60,
            le=TOKEN_LIFE_S_MAX,
        ),
    ] = 1_799
    device_token_s: Annotated[
        int,
        _field("s", "Life of an access token that a device got by a password.", ge=10, le=TOKEN_LIFE_S_MAX),
    ] = 300
    refresh_token_s: Annotated[
        int, _field("s", "Life of a refresh token since its last use.", ge=60, le=31_536_000)
    ] = 86_400
    doors: Annotated[
        int, _field("processes", "Door processes that `serve` starts; they share the port.", ge=1, le=64)
    ] = 1
    writers: Annotated[
        int, _field("processes", "Writer processes that share the shards; 1 with SQLite.", ge=1, le=64)
    ] = 1
    job_workers: Annotated[
        int, _field("processes", "Processes that run jobs, such as the replay of dead letters.", ge=0, le=64)
    ] = 1
    job_memory_mb: Annotated[
        int, _field("MB", "Memory of one job; one that needs more fails alone.", ge=256, le=1_048_576)
    ] = JOB_MEMORY_MB_DEFAULT
    job_s: Annotated[
        int, _field("s", "Time of one job; one that takes longer fails alone.", ge=1, le=JOB_S_MAX)
    ] = JOB_S_MAX
    job_lost_s: Annotated[
        float,
        _field(
            "s",
            "After so long without a sign of life the worker of a job counts as dead, and another goes on; "
            "longer than its longest step, which takes seconds.",
            ge=1,
            le=3_600,
        ),
    ] = 120.0
    shards: Annotated[
        int,
        _field(
            "shards", "Ordered parts of the stream; fixed for the life of an installation.", ge=1, le=1024
        ),
    ] = 64
    lease_s: Annotated[
        float, _field("s", "How long a writer holds a shard without renewing.", gt=0, le=300)
    ] = 10.0
    seal_grace_s: Annotated[
        float,
        _field("s", "How long sealed deltas are kept before they are purged.", gt=0, le=86_400),
    ] = 600.0
    read_deadline_s: Annotated[
        float, _field("s", "How long a read of a slice may take; shorter than the grace.", gt=0, le=86_400)
    ] = 30.0
    trim_delay_s: Annotated[
        float, _field("s", "How long applied entries stay in the stream.", ge=0, le=86_400)
    ] = 60.0
    seal_quiet_s: Annotated[
        float,
        _field("s", "Quiet time after which a slice with deltas is sealed.", gt=0, le=86_400),
    ] = 600.0
    backlog_bytes_max: Annotated[
        int,
        _field("bytes", "Unapplied bytes that one shard may hold before it refuses.", ge=1 << 20, le=1 << 40),
    ] = 1 << 30
    accept_gap: Annotated[
        bool, _field("", "Start although the stream was trimmed beyond what the store holds; audited.")
    ] = False
    drain_s: Annotated[
        float, _field("s", "How long each process may take to end before it is killed.", gt=0, le=3600)
    ] = 30.0
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], _field("", "Least level of the lines that are logged.")
    ] = "info"

    def __post_init__(self) -> None:
        """Check what one field cannot know of itself."""
        parse_listen(self.listen)
        if self.store != "sqlite":
            parse_store(self.store)
        elif self.writers != 1:
            raise ValueError("store `sqlite` has one writer: set `writers` to 1 or use Cassandra")
        if self.files != "disk":
            parse_bucket(self.files)
        try:
            parse_networks(self.webhook_networks)
        except ValueError as wrong:
            raise ValueError(f"`webhook_networks` lists networks such as 10.1.0.0/16: {wrong}") from None
        try:
            parse_archive_keys(self.archive_keys)
        except ValueError as wrong:
            raise ValueError(f"`archive_keys` has lines TENANT:NAME:PASSWORD: {wrong}") from None
        if bool(self.files_key_id) != bool(self.files_secret):
            raise ValueError("`files_key_id` and `files_secret` go together")
        if self.stream != "embedded" and urlsplit(self.stream).scheme not in {"redis", "rediss", "unix"}:
            raise ValueError(
                "`stream` is `embedded`, `redis://HOST:PORT`, `rediss://HOST:PORT` or `unix:///PATH`"
            )
        if self.secrets_key and re.fullmatch(r"[0-9a-fA-F]{64}", self.secrets_key) is None:
            raise ValueError("`secrets_key` has 64 hexadecimal digits")
        if self.tls_key and not self.tls_certificate:
            raise ValueError("`tls_key` needs `tls_certificate`")
        if self.bootstrap and len(self.bootstrap.split(":", 2)) != 3:
            raise ValueError("`bootstrap` has the form TENANT:CLIENT:SECRET")
        if self.read_deadline_s >= self.seal_grace_s:
            raise ValueError("`read_deadline_s` must be shorter than `seal_grace_s`")

    def __repr__(self) -> str:
        """Show every field but the secrets, so that no traceback can leak one."""
        values = msgspec.structs.asdict(self).items()
        shown = [f"{name}={'…' if is_secret(name) else repr(value)}" for name, value in values]
        return f"Settings({', '.join(shown)})"

    @property
    def folder(self) -> Path:
        """Give the data folder as an absolute path."""
        return Path(self.data).expanduser().absolute()

    @property
    def address(self) -> tuple[str, int]:
        """Give host and port of the door."""
        return parse_listen(self.listen)

    @property
    def secrets(self) -> list[str]:
        """List every secret value, for the log to mask."""
        values = msgspec.structs.asdict(self)
        given = [str(values[name]) for name in values if name in _metas() and is_secret(name)]
        last_part = self.bootstrap.split(":", 2)[-1]
        passwords = [key.decode() for key in parse_archive_keys(self.archive_keys).values()]
        return [text for text in (*given, last_part, *passwords) if text not in {"", "embedded"}]

    @property
    def cassandra(self) -> CassandraAddress | None:
        """Give the cluster's address; None where the store is SQLite."""
        return None if self.store == "sqlite" else parse_store(self.store)

    @property
    def bucket(self) -> Bucket | None:
        """Give the bucket of files; None where they lie in the data folder."""
        return None if self.files == "disk" else parse_bucket(self.files)

    def changed(self, **values: object) -> Settings:
        """Give the same settings with other values, checked again."""
        return _convert({**msgspec.structs.asdict(self), **values})

    def to_environ(self) -> dict[str, str]:
        """Write every field as a variable, for a child process that must see just these settings."""
        values = msgspec.structs.asdict(self)
        written = {PREFIX + name.upper(): _to_text(value) for name, value in values.items()}
        return written | {PREFIX + CONFIG_NAME: ""}


def load(
    environ: Mapping[str, str], options: Mapping[str, object] | None = None, folder: Path | None = None
) -> Settings:
    """Read the settings once: options (None: not given) over variables over the file over defaults.

    `folder` is where `aspectstore.toml` is looked for; None: the present one.
    Raises SettingsError with one line that names the place and the remedy.
    """
    secrets = {name: is_secret(name) for name in _metas()}
    chosen = environ.get(PREFIX + CONFIG_NAME)
    apart = {PREFIX + name for name in (CONFIG_NAME, *CLIENT_NAMES)}
    try:
        path = (folder or Path.cwd()) / (chosen or CONFIG_DEFAULT)
        values = {} if chosen == "" else from_file(path, secrets, must_be=bool(chosen))
        values |= from_environ(environ, PREFIX, apart, secrets)
    except ValueError as wrong:
        raise SettingsError(str(wrong)) from None
    values |= {name: value for name, value in (options or {}).items() if value is not None}
    return _convert(values)


def is_secret(name: str) -> bool:
    """Tell whether a field must stay out of logs and listings."""
    return bool((_metas()[name].extra or {}).get("secret"))


def describe() -> list[tuple[str, str, str, str]]:
    """List (name, unit, default, sentence) of each field, in order, for the reference page."""
    rows = []
    for field in msgspec.structs.fields(Settings):
        meta = _metas()[field.name]
        unit = (meta.extra or {}).get("unit", "")
        rows.append((field.name, unit, _to_text(field.default), meta.description or ""))
    return rows


def _metas() -> dict[str, Meta]:
    hints = get_type_hints(Settings, include_extras=True)
    return {name: hint.__metadata__[0] for name, hint in hints.items() if hasattr(hint, "__metadata__")}


def _to_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _convert(values: Mapping[str, object]) -> Settings:
    try:
        return msgspec.convert(dict(values), Settings, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsError(f"bad setting: {_redacted(str(error), values)}") from None


def _redacted(message: str, values: Mapping[str, object]) -> str:
    """Take the values of secrets out of a message that may quote them."""
    for name, value in values.items():
        if name in _metas() and is_secret(name) and value not in {"", "embedded"}:
            message = message.replace(str(value), "…")
    return message
