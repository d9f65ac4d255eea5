"""Sealing: rewriting deltas into blocks behind a new head (design 4.6).

Works over the port alone and may be stopped anywhere: until the compare-and-set of the head the
slice reads as before, after it the deltas it sealed are ignored. Two writers that seal the same
slice at once are harmless: one compare-and-set wins, the loser drops its own blocks.
Which blocks a seal rewrites is decided in `storage.levels`, dropping what it leaves in `storage.purging`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import msgspec

from schemas.changes import Attach, Change, Upsert
from schemas.columns import Columns
from schemas.errors import Corrupt, OutcomeUnknown, StoreUnavailable
from storage import blocks, levels, merge, summaries
from storage.deltas import decode_delta, laid
from storage.heads import (
    END_MS,
    NO_TIME_MS,
    NOTHING,
    BlockRef,
    HeadContent,
    decode_head,
    decode_refs,
    encode_head,
)
from storage.port import BlockRow, Head, SeriesStore, SliceId
from storage.reader import read_layers
from storage.spans import Placed, Wanted

SEAL_DELTAS = 64
"""Deltas of a slice after which it is sealed: what a read lays over the blocks stays small."""

SEAL_ROWS = 4096
"""Rows of a slice after which it is sealed: enough for pcodec to pay."""

SWAP_TRIES_MAX = 5
"""Repeats of one compare-and-set whose outcome is unknown, before the slice is left for the next time."""

BlockKey = tuple[int, bytes]
"""(part, block id)."""


class Volume(NamedTuple):
    """Bytes that a seal took up and moved: what write amplification is counted from."""

    delta_bytes: int = 0
    """Bodies of the deltas it sealed."""
    read_bytes: int = 0
    """Stored bytes of the blocks it read in order to rewrite them."""
    written_bytes: int = 0
    """Stored bytes of the blocks it wrote, and of the head that names them."""


@dataclass(slots=True, frozen=True)
class Sealed:
    """What a successful seal leaves to be purged, after the grace."""

    slice: SliceId
    upto: int
    """Deltas with last ≤ it are in the head."""
    replaced: tuple[BlockKey, ...]
    """Blocks that the older head, or a sealed attach, named and the new head does not."""
    newest: Columns = field(default=merge.EMPTY, compare=False)
    """The rows after the last block that was left as it is: they hold the newest values."""
    whole: bool = False
    """True: `newest` is all that the slice has."""
    volume: Volume = field(default=Volume(), compare=False)
    head: HeadContent = field(default=NOTHING, compare=False)
    """What the slice consists of now."""

    def to_purge(self) -> Sealed:
        """Give what a purge needs of it, without rows and head: thousands of them wait through the grace."""
        return replace(self, newest=merge.EMPTY, head=NOTHING)


async def seal(
    store: SeriesStore, slice_id: SliceId, upto: int, new_id: Callable[[], bytes]
) -> Sealed | None:
    """Seal a slice through `upto`; None if there was nothing to do or another writer was faster.

    `upto` is the highest position such that the store acknowledged every write up to and including
    it, fixed by the caller before this call (design 4.6).
    """
    head = await store.read_head(slice_id)
    old = decode_head(head.body)
    deltas = [delta for delta in await store.read_deltas(slice_id, old.sealed_through) if delta.last <= upto]
    if upto <= old.sealed_through or not deltas:
        return None
    later = [
        Placed(delta.first, delta.last, change)
        for delta in deltas
        for change in laid(decode_delta(delta.body))
    ]
    delta_bytes = sum(len(delta.body) for delta in deltas)
    living = tuple(ref for ref in old.blocks if not ref.summary_only)
    changes = [_alive(placed.change, old.rows_from_ms) for placed in later]
    plan = levels.plan(living, changes, delta_bytes, slice_id.start_ms)
    making = _Making(store, slice_id, old, head.version, new_id)
    if not await making.write(plan, later, delta_bytes):
        return None
    taken = (*(ref for ref in old.blocks if ref.summary_only), *plan.kept, *making.fresh)
    content = HeadContent(upto, listed(taken), old.rows_from_ms)
    if not await swapped(store, slice_id, head.version, content, making.fresh):
        return None
    gone = [ref for region in plan.regions for ref in region.rewritten]
    volume = Volume(
        delta_bytes, sum(ref.stored_bytes for ref in gone), making.written_bytes + len(encode_head(content))
    )
    replaced = _replaced(slice_id, (*gone, *plan.erased), later, content)
    newest_from_ms = max((ref.to_ms + 1 for ref in plan.kept), default=NO_TIME_MS)
    newest = merge.between(making.newest, newest_from_ms, END_MS)
    whole = not plan.kept and len(levels.batches(plan.regions)) <= 1
    return Sealed(slice_id, upto, replaced, newest, whole=whole, volume=volume, head=content)


def listed(refs: Iterable[BlockRef]) -> tuple[BlockRef, ...]:
    """Sort blocks for a head, with as many summaries of whole blocks as a head keeps, the oldest first."""
    found: list[BlockRef] = []
    left = summaries.HEAD_BYTES_MAX
    for ref in sorted(refs, key=lambda ref: ref.from_ms):
        left -= len(ref.summary)
        found.append(ref if left >= 0 else msgspec.structs.replace(ref, summary=b""))
    return tuple(found)


def _alive(change: Change, from_ms: int) -> Change:
    """Leave out of an upsert the rows that retention would take anyway (design 4.13)."""
    if not isinstance(change, Upsert) or not (change.columns.time_ms < from_ms).any():
        return change
    return Upsert(merge.between(change.columns, from_ms, END_MS))


class _Making:
    """The new blocks of one seal."""

    def __init__(
        self,
        store: SeriesStore,
        slice_id: SliceId,
        old: HeadContent,
        version: int,
        new_id: Callable[[], bytes],
    ) -> None:
        self._store = store
        self._slice = slice_id
        self._version = version
        self._new_id = new_id
        self._from_ms = old.rows_from_ms
        self._parts = Parts(old.blocks)
        self.fresh: list[BlockRef] = []
        self.newest = merge.EMPTY
        """The rows of the last batch."""

    @property
    def written_bytes(self) -> int:
        """Count the stored bytes of the new blocks."""
        return sum(ref.stored_bytes for ref in self.fresh)

    async def write(self, plan: levels.Plan, later: Sequence[Placed], delta_bytes: int) -> bool:
        """Write the blocks of every region; False where a block to rewrite is gone: the head is old."""
        start_ms = self._from_ms
        batches = levels.batches(plan.regions)
        for batch in batches:
            end_ms = END_MS if batch[-1].end_ms is None else batch[-1].end_ms
            refs = [ref for region in batch for ref in region.rewritten]
            window = Wanted(start_ms, end_ms)
            layers = await read_layers(self._store, self._slice, refs, later, window)
            if layers is None:
                await drop_unnamed(self._store, self._slice, self.fresh, NOTHING)
                return False
            stored_bytes = sum(ref.stored_bytes for ref in refs) + delta_bytes // len(batches)
            self.newest = merge.between(merge.state(layers), start_ms, end_ms)
            await self._store_rows(_divided(self.newest, batch), stored_bytes, later[-1].last)
            start_ms = end_ms
        return True

    async def _store_rows(self, regions: Sequence[Columns], stored_bytes: int, position_max: int) -> None:
        """Store rows as blocks."""
        rows: list[BlockRow] = []
        refs: list[BlockRef] = []
        total = sum(region.rows for region in regions)
        for region in regions:
            for piece in blocks.cut(region, stored_bytes * region.rows // max(total, 1)):
                place = blocks.Place(self._slice, self._parts.open, self._version)
                ref, stored = blocks.encode_block(place, self._new_id(), piece, position_max)
                self._parts.add(ref)
                refs.append(ref)
                rows += stored
        if not refs:
            return
        self.fresh += refs
        await store_rows(self._store, self._slice, rows)


async def store_rows(store: SeriesStore, slice_id: SliceId, rows: Sequence[BlockRow]) -> None:
    """Store rows of blocks; Corrupt unless they read back byte by byte, before anything names them."""
    await store.write_blocks(rows)
    for part in sorted({row.part for row in rows}):
        written = {(row.block_id, row.variable): row.body for row in rows if row.part == part}
        variables = {variable for _, variable in written}
        found = await store.read_blocks(slice_id, part, variables, {block_id for block_id, _ in written})
        if found != written:
            message = f"{slice_id.text}: blocks were acknowledged and do not read back"
            raise Corrupt(message)


class Parts:
    """Which part of the slice new blocks go to: the youngest, the next one where it is full (design 4.2)."""

    def __init__(self, refs: Sequence[BlockRef]) -> None:
        self.open = max((ref.part for ref in refs), default=0)
        self._stored_bytes = 0
        for ref in refs:
            if ref.part == self.open:
                self.add(ref)

    def add(self, ref: BlockRef) -> None:
        """Count a block of the open part; open the next one if that fills it."""
        self._stored_bytes += ref.stored_bytes
        if self._stored_bytes >= blocks.PART_BYTES_MAX:
            self.open += 1
            self._stored_bytes = 0


def _divided(rows: Columns, regions: Sequence[levels.Region]) -> list[Columns]:
    """Cut the rows of a batch where blocks between its regions stay as they are."""
    ends = [END_MS if region.end_ms is None else region.end_ms for region in regions]
    starts = [NO_TIME_MS, *ends[:-1]]
    return [merge.between(rows, start, end) for start, end in zip(starts, ends, strict=True)]


async def swapped(
    store: SeriesStore, slice_id: SliceId, built_on: int, content: HeadContent, made: Iterable[BlockRef]
) -> bool:
    """Change the head to one that names the blocks just made; False if another writer's stands (design 4.6).

    Repeated until the outcome is known. The blocks are dropped then, unless a try went without an answer: it
    may have been applied for a moment, and a reader or a pin may name them. A sweep finds them later.
    """
    head = Head(built_on + 1, encode_head(content))
    certain = True
    for _ in range(SWAP_TRIES_MAX):
        try:
            if await store.swap_head(slice_id, built_on, head):
                return True
        except OutcomeUnknown:
            certain = False
            continue
        # Refused: by another writer's head, or by our own earlier try that was applied after all.
        winner = decode_head((await store.read_head(slice_id, serial=True)).body)
        if winner != content and certain:
            await drop_unnamed(store, slice_id, made, winner)
        return winner == content
    message = f"the head of {slice_id} could not be changed: the store does not tell the outcome"
    raise StoreUnavailable(message)


async def drop_unnamed(
    store: SeriesStore, slice_id: SliceId, made: Iterable[BlockRef], head: HeadContent
) -> None:
    """Drop those of the blocks just made that this head does not name."""
    named = {ref.block_id for ref in head.blocks}
    await drop(store, slice_id, [(ref.part, ref.block_id) for ref in made if ref.block_id not in named])


async def drop(store: SeriesStore, slice_id: SliceId, doomed: Sequence[BlockKey]) -> None:
    """Drop blocks by their exact keys."""
    for part in sorted({part for part, _ in doomed}):
        await store.drop_blocks(slice_id, part, [block_id for found, block_id in doomed if found == part])


def _replaced(
    slice_id: SliceId, gone: Sequence[BlockRef], later: Sequence[Placed], content: HeadContent
) -> tuple[BlockKey, ...]:
    named = {ref.block_id for ref in content.blocks}
    keys = [(ref.part, ref.block_id) for ref in gone]
    for placed in later:
        if isinstance(placed.change, Attach):
            keys += [
                (ref.part, ref.block_id)
                for ref in decode_refs(placed.change.blocks)
                if ref.slice_start_ms == slice_id.start_ms
            ]
    return tuple(key for key in keys if key[1] not in named)
