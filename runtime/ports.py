"""The bundle of ports that a door or a worker is built from.

Only types live here: `runtime.wiring` fills the bundle with adapters, tests with memory ones.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from runtime.metrics import DoorFigures
from schemas.limits import MB
from schemas.webhooks import Networks
from storage.audit_port import AuditStore
from storage.event_port import EventStore
from storage.files import FileStore
from storage.port import CatalogStore, SeriesStore
from streams.job_port import JobQueue
from streams.notice_port import NoticeLog
from streams.port import RecordStream


class Clock(Protocol):
    """Where the time comes from; nothing below the wiring reads a clock of its own."""

    def now_ms(self) -> int:
        """Give the present as milliseconds since 1970, UTC."""

    def monotonic_s(self) -> float:
        """Give seconds that never run backwards, for deadlines and rates."""


@dataclass(slots=True, frozen=True)
class DoorPolicy:
    """What an installation decides about its door (design 7, 8.14)."""

    profile: str = "open"
    """`open` or `strict`: which of the two built-in limit tables holds where a tenant names none."""
    retention_days: int = 0
    """How long rows live where a tenant says nothing; 0: for ever (design 4.13)."""
    undo_days: int = 7
    """How long a delete can be undone where a policy says nothing; 0: not at all (design 4.14)."""
    shards: int = 64
    """Ordered parts of the stream; fixed for the life of an installation (design 3.5)."""
    public_url: str = ""
    """Origin (and path prefix) that clients use, for links; empty: taken from each request's Host header."""
    access_token_s: int = 1_799
    """Life of a user token."""
    device_token_s: int = 300
    """Life of a token from the password grant (TB-07)."""
    refresh_token_s: int = 86_400
    """Life of a family of refresh tokens since its last use (TB-07)."""
    secrets_key: bytes = field(default=b"", repr=False)
    """32 bytes that encrypt stored secrets which must be read again; empty: none are kept."""
    read_deadline_s: float = 30.0
    """A read of a slice that takes longer is refused with 503: purge waits longer than this (design 4.7)."""
    body_deadline_s: float = 30.0
    """A request body that has not arrived by then is refused with 408."""
    body_rate_bytes_min: int = 1_024
    """… and so is one that, after the first five seconds, comes in slower than this a second."""
    body_bytes_held_max: int = 256 * MB
    """Request bodies that a door process holds at once; what does not fit is refused with 503. Room for 256
    of the largest PUTs or a million single records: far more than are under way unless something stalls."""
    password_memory_kib: int = 19_456
    """Memory of one argon2 hash: OWASP's figure; tests take less."""
    signing_key_bits: int = 3_072
    """Size of a token key made at first start: at least 2,048 (design 8.14); 3,072 lasts beyond 2030."""
    webhook_networks: Networks = field(default_factory=Networks)
    """Where webhooks may lead besides public addresses, also in clear (S9)."""
    catalog_refresh_s: float = 0.5
    """How often the catalogue's change log is read; design 4 asks for at most one second."""


@dataclass(slots=True, frozen=True)
class Ports:
    """Everything outside the process that a door may use."""

    stream: RecordStream
    series: SeriesStore
    catalog: CatalogStore
    clock: Clock
    policy: DoorPolicy = field(default_factory=DoorPolicy)
    jobs: JobQueue | None = None
    """None where nothing is there that would ask for a job."""
    files: FileStore | None = None
    """None where nothing is there that would keep a file."""
    events: EventStore | None = None
    """None where nothing is there that would keep an event."""
    audit: AuditStore | None = None
    """None where nothing is there that would be written down."""
    figures: DoorFigures = field(default_factory=DoorFigures)
    """What this process counts as a door."""
    notices: NoticeLog | None = None
    """None where nothing is there that would be told."""
