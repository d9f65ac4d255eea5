"""What the ordered queue between door and writer is, whichever server keeps it (design 3, 4).

A shard is one order. A position is given once, is the order of everything in its shard for ever,
and an entry is acknowledged only when it is durable. Adapters pass `streams.testing`; their
driver's errors come out as `StreamUnavailable` with the driver's error as the cause.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

import msgspec

from schemas.ids import SeriesId
from streams.budgets import TenantBudgets
from streams.erasing_port import Forgets


class Admission(msgspec.Struct, frozen=True, gc=False):
    """One request for one series that asks to be appended: all of its entries, or none."""

    shard: int
    series: SeriesId
    body: bytes
    """The entry (`streams.entries`)."""
    idempotency: Idempotency | None = None
    more: tuple[bytes, ...] = ()
    """Further entries of a request that is too large for one, in their order."""
    rate: Rate | None = None
    """The limit that the series' requests keep to; None: no limit."""

    @property
    def bodies(self) -> tuple[bytes, ...]:
        """Give all entries in their order."""
        return (self.body, *self.more)

    @property
    def bucket(self) -> tuple[SeriesId, str]:
        """Name the bucket of its rate."""
        return self.series, "" if self.rate is None else self.rate.lane

    @property
    def bytes_count(self) -> int:
        """Count the bytes of all entries."""
        return len(self.body) + sum(map(len, self.more)) if self.more else len(self.body)


@dataclass(slots=True, frozen=True)
class Rate:
    """What a request takes from the token bucket of its series (MS-23); every door draws on the same one."""

    bytes_per_s: int
    burst_bytes: int
    cost_bytes: int
    """Of this request; one above the burst is never admitted."""
    lane: str = ""
    """Each lane of a series has a bucket of its own."""

    @property
    def burst_us(self) -> int:
        """Give the time in which an empty bucket fills."""
        return self.burst_bytes * 1_000_000 // self.bytes_per_s

    @property
    def cost_us(self) -> int:
        """Give the time in which what the request takes flows back."""
        return self.cost_bytes * 1_000_000 // self.bytes_per_s

    def bytes_of(self, debt_us: int) -> int:
        """Give what is missing in a bucket that is full after this time."""
        return -(-debt_us * self.bytes_per_s // 1_000_000)


class Idempotency(msgspec.Struct, frozen=True, gc=False):
    """A client's key (design 8.18): same key and hash → the first answer again, other hash → refused.

    It names one request for one series, whatever the number of its entries.
    """

    tenant: str
    key: str
    payload_hash: bytes


class Refusal(Enum):
    """Why an admission was not appended."""

    NOT_PROVED = "not_proved"
    """The server restarted, failed over or was emptied and no writer has proved the shard: 503."""
    LIMIT = "limit"
    """No position below the stored limit is left (no writer or store for an hour): 503."""
    BACKLOG = "backlog"
    """The shard holds its cap of unapplied bytes: 429 or 503 with Retry-After."""
    KEY_REUSED = "key_reused"
    """Same idempotency key, other payload: 422."""
    KEYS_CAP = "keys_cap"
    """The tenant holds its cap of idempotency keys: 429."""


@dataclass(slots=True, frozen=True)
class Throttled:
    """Why an admission was not appended: the series' bucket has too little left (MS-23): 429."""

    debt_us: int
    """Time until the bucket is full."""


class Admitted(msgspec.Struct, frozen=True, gc=False):
    """A request that is durable at its position."""

    incarnation: int
    position: int
    """Of the first entry; the others stand behind it without a gap."""
    repeated: bool = False
    """True: an idempotency key was known and this is the first answer."""
    entries: int = 1
    debt_us: int = 0
    """Time until the series' bucket is full; 0 without a rate."""


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One entry as the writer and the reader get it back."""

    position: int
    previous: int
    """The series' previous position, 0 for none: the chain of design 4.17."""
    body: bytes


@dataclass(slots=True, frozen=True)
class Tail:
    """What a fresh read fetches first, in one call (design 4.17)."""

    applied: int
    latest: bytes | None
    """The latest cache of the series as the writer left it; None: missing, read the store."""
    chain: Sequence[Entry] | None
    """Unapplied entries of the series, ascending; None: longer than the caps, or broken."""


@dataclass(slots=True, frozen=True)
class ShardState:
    """What the stream server holds of a shard."""

    run_id: str
    """Identity of the running server process."""
    time_us: int
    """The server's clock."""
    last_found: int
    """The highest position in the stream or in `last`; 0 for an empty one."""
    applied: int
    trimmed: int
    limit: int | None
    proved: str | None
    """The run id for which the shard was proved; None: never, or wiped."""
    incarnation: int | None
    backlog_bytes: int


@dataclass(slots=True, frozen=True)
class Applied:
    """What a writer reports after a turn is stored."""

    position: int
    """Everything up to and including it is in the store."""
    latest: Mapping[SeriesId, bytes | None] = field(default_factory=dict)
    """New content of latest caches (None: drop). Stored only over a lower position (design 4.12)."""


@dataclass(slots=True, frozen=True)
class DeadLetter:
    """An entry that failed by its own fault, at first sight (design 4)."""

    shard: int
    position: int
    reason: str
    body: bytes

    @property
    def head(self) -> Letterhead:
        """Give what a list shows of it."""
        opening = self.body[:OPENING_BYTES]
        return Letterhead(self.shard, self.position, self.reason, opening, len(self.body))


OPENING_BYTES = 64
"""Of a dead letter's body, in lists: an entry's header is no longer (`streams.entries`)."""


@dataclass(slots=True, frozen=True)
class Letterhead:
    """A dead letter without its body."""

    shard: int
    position: int
    reason: str
    opening: bytes
    """The first OPENING_BYTES of the body."""
    bytes_count: int
    """Of the whole body."""


@dataclass(slots=True, frozen=True)
class Settled:
    """What became of a dead letter that is there no more; remembered for a month or more."""

    incarnation: int = 0
    position: int = 0
    """Where its replay was appended, in the same shard; 0: nowhere, it was discarded."""


@dataclass(slots=True, frozen=True)
class Caps:
    """What one shard may hold and one call may fetch."""

    backlog_bytes_max: int = 256 * 1024 * 1024
    """Unapplied bodies of a shard; 64 full shards are 16 GiB, so a small machine sets less."""
    keys_max: int = 20_000
    """Idempotency keys of a tenant in a shard that are younger than `keys_ttl_ms`; some 5 MB."""
    keys_ttl_ms: int = 48 * 3_600_000
    """How long a key is remembered (design 8.18)."""
    chain_entries_max: int = 256
    """A longer chain costs a fresh read more than waiting for the writer (design 4.17)."""
    chain_bytes_max: int = 256 * 1024
    """The same, in bodies."""


DEFAULT_CAPS = Caps()


class RecordStream(TenantBudgets, Forgets):
    """K ordered shards of entries, and the marks that keep them honest."""

    @abstractmethod
    async def append(self, admissions: Sequence[Admission]) -> list[Admitted | Refusal | Throttled]:
        """Append in one round trip (group commit), each on its own: one answer for each, in order.

        The entries of one admission stand together or not at all.

        Returns after every admitted entry is durable. An error means: outcome unknown for all.
        """

    @abstractmethod
    async def read(
        self, after: Mapping[int, int], *, bytes_max: int, wait_ms: int = 0
    ) -> dict[int, list[Entry]]:
        """Read on from a position for each shard, ascending, about `bytes_max` a shard.

        Waits up to `wait_ms` when nothing is there; an empty dict means nothing came.
        """

    @abstractmethod
    async def read_entry(self, shard: int, position: int) -> Entry | None:
        """Read one entry by its position; None if it is not (or no longer) there."""

    @abstractmethod
    async def read_tail(self, shard: int, series: SeriesId) -> Tail:
        """Fetch applied, the latest cache and the chain of a series in one atomic call."""

    @abstractmethod
    async def report_applied(self, shard: int, applied: Applied) -> bool:
        """Raise `applied`, store latest caches, drop tail fields ≤ it.

        For readers it is one step, but where many caches are told: some may then be missing for a moment,
        and none is of before `applied` rose. A report that fails may have been taken in part, with the same
        promise. One from below `applied` comes late and changes nothing. False: the shard is not proved on
        this server process, so prove it first.
        """

    @abstractmethod
    async def trim(self, shard: int, upto: int) -> None:
        """Remove entries with position ≤ upto (never above `applied`) and set `trimmed` in the same call."""

    @abstractmethod
    async def read_state(self, shard: int) -> ShardState:
        """Read the marks of a shard, and which server process this is.

        Who is going to prove reads the store's row of the shard first, then this, then compares and
        sets that row: entries admitted in between under another's incarnation then make it fail.
        """

    @abstractmethod
    async def read_trimmed(self, shards: Collection[int]) -> dict[int, int]:
        """Tell up to which position each of these shards was trimmed, as `ShardState.trimmed` does."""

    @abstractmethod
    async def prove(
        self, shard: int, run_id: str, *, last: int, limit: int, incarnation: int, applied: int
    ) -> bool:
        """Open the shard for admission on this server process; False if another process answers.

        Sets last to the maximum of itself and `last`, limit, incarnation, applied and proved; empties the
        latest caches if they are of another state than `applied`. False also when a higher incarnation is
        there already; so take one above both the store's and `ShardState.incarnation`.
        """

    @abstractmethod
    async def renew_limit(self, shard: int, limit: int) -> bool:
        """Raise the limit of a proved shard (never lower it); False if it is not proved on this process."""

    @abstractmethod
    async def acquire_lease(self, shard: int, owner: str, ttl_ms: int) -> bool:
        """Take or keep the lease of a shard; False while another owner holds it."""

    @abstractmethod
    async def release_lease(self, shard: int, owner: str) -> None:
        """Give the lease back if it is the owner's."""

    @abstractmethod
    async def join(self, owner: str, ttl_ms: int) -> list[str]:
        """Say that this writer lives for another `ttl_ms`, and list all that do, itself included."""

    @abstractmethod
    async def leave(self, owner: str) -> None:
        """Say that this writer ends; unknown ones are ignored."""

    @abstractmethod
    async def bury(self, letter: DeadLetter) -> None:
        """Keep a dead letter; the same (shard, position) twice is one."""

    @abstractmethod
    async def dead_letters(self, shard: int) -> list[Letterhead]:
        """List the dead letters of a shard, ascending."""

    @abstractmethod
    async def read_letter(self, shard: int, position: int) -> DeadLetter | None:
        """Read a dead letter with its body; None if there is none."""

    @abstractmethod
    async def find_letter(self, shard: int, position: int) -> Letterhead | Settled | None:
        """Tell whether an entry is, or was, a dead letter; None if it never was, or long ago."""

    @abstractmethod
    async def settle(self, shard: int, position: int, settled: Settled) -> bool:
        """Forget a dead letter and remember what became of it, in one step; False if there is none.

        A settled letter is not buried again, by a writer that comes upon the entry once more.
        """

    @abstractmethod
    async def publish(self, name: str, figures: bytes, ttl_ms: int) -> None:
        """Let every door see what a process counts, for `ttl_ms`; a later call takes the place of this."""

    @abstractmethod
    async def published(self) -> dict[str, bytes]:
        """Give what living processes have published, by their names."""

    @abstractmethod
    async def close(self) -> None:
        """Release connections; twice is harmless."""
