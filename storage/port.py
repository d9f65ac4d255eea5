"""What a store is, whichever it is: series (deltas, blocks, heads, slices, cursors), shards, catalogue.

The rules that give these rows their meaning (order, fold, seal, purge: design 4) live in the pure
modules beside this file and in `reader` and `sealing`; an adapter only keeps rows and its promises.
Every adapter passes `storage.testing`; its driver's errors come out as `StoreUnavailable`
(or `OutcomeUnknown` for a compare-and-set), with the driver's error as the cause.
Writes are acknowledged when a method returns: with durability `always` they then survive `kill -9`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from schemas.ids import Erased, SeriesId
from storage.erasing_port import ErasableCatalog, ErasableSeries
from storage.heads import sealed_through
from storage.slices import PlanVersion, SlicePlan, first_touched


class SliceId(NamedTuple):
    """A slice of a series: the partition of deltas and blocks; `start_ms` is its id (design 4.8)."""

    series: SeriesId
    start_ms: int

    @property
    def text(self) -> str:
        """Give the slice as words, as errors name it."""
        return f"series {self.series.text}, slice {self.start_ms}"


class Delta(msgspec.Struct, frozen=True, gc=False):
    """All entries of a series and slice between two positions, folded into one blob (design 4.1, 4.5)."""

    slice: SliceId
    first: int
    """Position of the first entry folded in."""
    last: int
    """Position of the last entry folded in; also the write timestamp."""
    body: bytes
    """Kind and content in one cell (`storage.deltas`)."""


class BlockRow(msgspec.Struct, frozen=True, gc=False):
    """One variable of one block; written once under a random block id, never updated (design 4.2)."""

    slice: SliceId
    part: int
    variable: int
    """0 is the time, −1 the summary, ≥ 1 a variable id."""
    block_id: bytes
    """16 random bytes."""
    body: bytes


@dataclass(slots=True, frozen=True)
class Head:
    """What a slice consists of, as one value changed by compare-and-set only (design 4.3)."""

    version: int
    """0 where no head was ever written; each change adds one."""
    body: bytes
    """Sealed-through position and block list (`storage.heads`); empty at version 0."""


class SliceState(NamedTuple):
    """What a slice consists of: its head, and the deltas behind what that has sealed (design 4.4)."""

    slice: SliceId
    head: Head
    deltas: list[Delta]
    """In the order; one that the head has sealed may be among them, and is ignored as ever."""


class Outset(NamedTuple):
    """What every read of a series begins with."""

    slices: dict[int, int]
    """Start → width, starts ascending, of all slices that the range touches; others may be among them."""
    first: SliceState | None
    """The one with which the read begins; None where it touches none."""


@dataclass(slots=True, frozen=True)
class Turn:
    """One turn of a writer: what is stored together before the cursors move (design 3.6)."""

    slices: Sequence[SliceId] = ()
    """Slices that may be new: their rows are stored before the first delta."""
    deltas: Sequence[Delta] = ()
    """In position order for each series and slice."""
    cursors: Mapping[int, int] = field(default_factory=dict)
    """shard → applied position, stored only after every delta above is."""
    widths: Mapping[SliceId, int] = field(default_factory=dict)
    """Width in ms of those slices that are not WIDTH_MS wide; it is stored with their rows."""
    erased: Mapping[int, Collection[Erased]] = field(default_factory=dict)
    """shard → what is to be erased in it from now on, stored before the cursors (design 4.16)."""


class Pin(msgspec.Struct, frozen=True, gc=False):
    """A head that stays readable for a while, so that what came after it can be undone (design 4.14)."""

    slice: SliceId
    position: int
    """Of the entry that can be undone; what is kept is how things were before it."""
    until_ms: int
    """Until when it can be undone. Purge respects a pin as long as it is there."""
    body: bytes
    """The entry's range, and the head as it stood (`storage.pins`)."""


@dataclass(slots=True, frozen=True)
class ShardRow:
    """What is promised of a shard; compare-and-set on `version` only (design 4, stream and store)."""

    version: int
    """0 where the row was never written."""
    limit: int
    """No position ≥ limit may be given."""
    incarnation: int


class SeriesReads(ABC):
    """What a read of a series asks of a store."""

    @abstractmethod
    async def read_outset(
        self, series: SeriesId, start_ms: int, end_ms: int, *, newest_first: bool = False
    ) -> Outset:
        """List the slices that start_ms ≤ t < end_ms touches, and read the first (or last) of them."""

    @abstractmethod
    async def read_state(self, slice_id: SliceId) -> SliceState:
        """Read a head and the deltas behind what it has sealed; in which order makes no difference.

        What is acknowledged is in the tail that was fetched before (design 4.17), or was stored before that;
        and purge waits longer than a read lasts, so no delta behind an older head is gone.
        """

    @abstractmethod
    async def read_blocks(
        self, slice_id: SliceId, part: int, variables: Collection[int], block_ids: Collection[bytes]
    ) -> dict[tuple[bytes, int], bytes]:
        """Read bodies by (block id, variable); rows that are missing are missing from the answer."""


class SeriesStore(SeriesReads, ErasableSeries):
    """Rows of series."""

    async def read_outset(
        self, series: SeriesId, start_ms: int, end_ms: int, *, newest_first: bool = False
    ) -> Outset:
        """List the slices, then read one: an adapter that can do both at once says how."""
        slices = await self.read_slices(series)
        first = first_touched(slices, start_ms, end_ms, newest_first=newest_first)
        return Outset(slices, None if first is None else await self.read_state(SliceId(series, first)))

    async def read_state(self, slice_id: SliceId) -> SliceState:
        """Read the head, then the deltas: an adapter that can do both at once says how."""
        head = await self.read_head(slice_id)
        return SliceState(slice_id, head, await self.read_deltas(slice_id, sealed_through(head.body)))

    @abstractmethod
    async def write_turn(self, turn: Turn) -> None:
        """Store slices, then deltas, then cursors; idempotent, so a repeat after an error is harmless.

        A cursor never moves backwards (a lower value than the stored one is ignored), neither does
        a repeat of a delta change anything. A delta of a slice is not to be seen before those that the
        turn holds for the slice before it. After an error any part of the turn may be stored, but a
        cursor only if every delta is. SQLite: one transaction.
        """

    @abstractmethod
    async def read_cursor(self, shard: int) -> int:
        """Give the applied position of a shard; 0 where none was stored."""

    @abstractmethod
    async def read_slices(self, series: SeriesId) -> dict[int, int]:
        """List the slices of a series, start → width in ms, starts ascending; empty for an unknown series."""

    @abstractmethod
    async def list_series(self) -> list[SeriesId]:
        """List every series that has a slice, ascending: a walk over the whole store, not for reads."""

    @abstractmethod
    async def read_head(self, slice_id: SliceId, *, serial: bool = False) -> Head:
        """Read a head (version 0 where there is none); `serial` sees each swap that may still apply."""

    @abstractmethod
    async def read_deltas(self, slice_id: SliceId, after: int) -> list[Delta]:
        """Read the deltas with last > after, ascending by (last, first), however many pages that takes."""

    @abstractmethod
    async def swap_head(self, slice_id: SliceId, built_on: int, head: Head) -> bool:
        """Store the head if the stored version is still `built_on`; False if it is not.

        `head.version` is `built_on` + 1. Raises OutcomeUnknown when the answer is lost: the caller repeats
        the same swap. A repeat answers False if the first one was applied.
        """

    @abstractmethod
    async def write_blocks(self, rows: Sequence[BlockRow]) -> None:
        """Store block rows; acknowledged at quorum on return."""

    @abstractmethod
    async def list_blocks(self, slice_id: SliceId, part: int) -> dict[bytes, list[int]]:
        """List the block ids in a part with the variables of each (for the sweep)."""

    @abstractmethod
    async def drop_blocks(self, slice_id: SliceId, part: int, block_ids: Collection[bytes]) -> None:
        """Delete every row of these blocks by exact key; unknown ones are ignored."""

    @abstractmethod
    async def purge_deltas(self, slice_id: SliceId, upto: int) -> None:
        """Delete the deltas with last ≤ upto in one statement; younger ones are untouched (design 4.7).

        A delta with last ≤ upto that is written afterwards may show or not (Cassandra hides it, the others
        show it); a reader ignores it all the same, because W ≥ upto (design 4.4).
        """

    @abstractmethod
    async def write_pin(self, pin: Pin) -> None:
        """Store a pin; a repeat changes nothing."""

    @abstractmethod
    async def read_pins(self, slice_id: SliceId) -> list[Pin]:
        """Read the pins of a slice, ascending by position; none is left out because its time is over."""

    @abstractmethod
    async def drop_pin(self, slice_id: SliceId, position: int) -> None:
        """Delete one pin; an unknown one is ignored."""

    @abstractmethod
    async def write_plan(self, shard: int, series: SeriesId, version: PlanVersion) -> None:
        """Store a version of a series' slice plan; the first width given for its `from_ms` stays."""

    @abstractmethod
    async def read_plans(self, shard: int) -> dict[SeriesId, SlicePlan]:
        """Read the slice plans of all series of a shard that have more than the first version."""

    @abstractmethod
    async def read_shard(self, shard: int) -> ShardRow:
        """Read the promise of a shard; version 0 where there is none."""

    @abstractmethod
    async def swap_shard(self, shard: int, built_on: int, row: ShardRow) -> bool:
        """Store the row if the stored version is still `built_on`; False if not; OutcomeUnknown as above."""

    @abstractmethod
    async def write_survived(self, shard: int, incarnation: int, position: int) -> None:
        """Record the highest position known to have survived into this incarnation; the first value stays."""

    @abstractmethod
    async def read_survived(self, shard: int) -> dict[int, int]:
        """Give incarnation → survived position of a shard."""

    @abstractmethod
    async def close(self) -> None:
        """Release connections and threads; twice is harmless."""


@dataclass(slots=True, frozen=True)
class Document:
    """One thing of the catalogue, with its row version (the ETag)."""

    tenant: str
    kind: str
    id: str
    version: int
    body: bytes
    """JSON of the domain struct; the store does not look into it."""


class Change(NamedTuple):
    """One line of the catalogue's change log: re-read the named document (design 4, catalogue)."""

    sequence: str
    """Opaque, ordered; hand it back as `after`."""
    tenant: str
    kind: str
    id: str
    version: int
    """What the document's version becomes if the change applies (a removal counts as one more):
    a reader that knows this version, or a higher one, need not read the document again."""


class CatalogStore(ErasableCatalog):
    """Tenants, clients, keys, types, assets: everything that is not series. Tenant first, always."""

    @abstractmethod
    async def get(self, tenant: str, kind: str, document_id: str) -> Document | None:
        """Read one document; None where there is none."""

    @abstractmethod
    async def list(self, tenant: str, kind: str) -> list[Document]:
        """Read every document of a kind, ordered by id."""

    @abstractmethod
    async def create(self, tenant: str, kind: str, document_id: str, body: bytes) -> Document | None:
        """Store a new document at version 0; None if the id is taken."""

    @abstractmethod
    async def replace(
        self, tenant: str, kind: str, document_id: str, body: bytes, built_on: int
    ) -> Document | None:
        """Store the next version if the stored one is still `built_on`; None if it is not."""

    @abstractmethod
    async def remove(self, tenant: str, kind: str, document_id: str, built_on: int) -> bool:
        """Delete the document if its version is still `built_on`."""

    @abstractmethod
    async def reserve(self, space: str, name: str, owner: str) -> bool:
        """Take a name that is unique in the installation; True if it is (or already was) the owner's."""

    @abstractmethod
    async def owner_of(self, space: str, name: str) -> str | None:
        """Tell who holds a reserved name."""

    @abstractmethod
    async def release(self, space: str, name: str, owner: str) -> None:
        """Give a name back; nothing happens if it is another's."""

    @abstractmethod
    async def changes(self, after: str | None) -> Sequence[Change]:
        """Read the change log after a sequence (None: from 10 s ago on); may repeat lines, omits none."""

    @abstractmethod
    async def close(self) -> None:
        """Release connections and threads; twice is harmless."""
