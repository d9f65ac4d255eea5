"""Sealing: rewriting deltas into blocks, and dropping what nothing names any more (design 4.6, 4.7).

Works over the port alone and may be stopped anywhere: until the compare-and-set of the head the
slice reads as before, after it the deltas it sealed are ignored. Two writers that seal the same
slice at once are harmless: one compare-and-set wins, the loser drops its own blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from schemas.changes import Attach, Clear
from schemas.columns import Columns
from schemas.errors import Corrupt, OutcomeUnknown, StoreUnavailable
from storage import blocks, merge
from storage.deltas import decode_delta
from storage.heads import BlockRef, HeadContent, decode_head, decode_refs, encode_head
from storage.port import Head, SeriesStore, SliceId
from storage.reader import EVERYTHING, Placed, later_deltas, read_layers, read_refs

SEAL_DELTAS = 64
"""Deltas of a slice after which it is sealed: what a read lays over the blocks stays small."""

SEAL_ROWS = 4096
"""Rows of a slice after which it is sealed: enough for pcodec to pay."""

SWAP_TRIES_MAX = 5
"""Repeats of one compare-and-set whose outcome is unknown, before the slice is left for the next time."""

BlockKey = tuple[int, bytes]
"""(part, block id)."""


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


async def seal(
    store: SeriesStore, slice_id: SliceId, upto: int, new_id: Callable[[], bytes]
) -> Sealed | None:
    """Seal a slice through `upto`; None if there was nothing to do or another writer was faster.

    `upto` is the highest position such that the store acknowledged every write up to and including
    it, fixed by the caller before this call (design 4.6).
    """
    head = await store.read_head(slice_id)
    old = decode_head(head.body)
    later = await later_deltas(store, slice_id, old.sealed_through, upto)
    if upto <= old.sealed_through or not later:
        return None
    kept, touched = _divided(old.blocks, _spans(later))
    layers = await read_layers(store, slice_id, touched, later, EVERYTHING)
    if layers is None:
        return None
    place = blocks.Place(slice_id, _open_part(old.blocks), head.version)
    rows = merge.state(layers)
    fresh = await _write(store, place, rows, later[-1].last, new_id)
    content = HeadContent(upto, tuple(sorted((*kept, *fresh), key=lambda ref: ref.from_ms)))
    winner = await _swapped(store, slice_id, head.version, content)
    if winner != content:
        named = {ref.block_id for ref in winner.blocks}
        await store.drop_blocks(
            slice_id, place.part, [ref.block_id for ref in fresh if ref.block_id not in named]
        )
        return None
    newest = merge.between(rows, max((ref.to_ms for ref in kept), default=-(2**62)) + 1, 2**62)
    return Sealed(slice_id, upto, _replaced(slice_id, touched, later, content), newest, whole=not kept)


def _spans(later: Sequence[Placed]) -> list[tuple[int, int]]:
    """Give the inclusive time range that each change touches."""
    spans = []
    for placed in later:
        change = placed.change
        if isinstance(change, Clear):
            spans.append((change.start_ms, change.end_ms - 1))
        elif isinstance(change, Attach):
            spans += [(ref.from_ms, ref.to_ms) for ref in decode_refs(change.blocks)]
        elif change.columns.rows:
            spans.append((int(change.columns.time_ms[0]), int(change.columns.time_ms[-1])))
    return spans


def _divided(
    refs: Sequence[BlockRef], spans: Sequence[tuple[int, int]]
) -> tuple[list[BlockRef], list[BlockRef]]:
    """Separate blocks that stay from those to rewrite: touched ones, and a small neighbour of new rows."""
    kept: list[BlockRef] = []
    touched: list[BlockRef] = []
    last = max((end for _, end in spans), default=0)
    for index, ref in enumerate(refs):
        hit = any(start <= ref.to_ms and end >= ref.from_ms for start, end in spans)
        small_tail = index == len(refs) - 1 and ref.rows < blocks.BLOCK_ROWS_MAX // 2 and last > ref.to_ms
        (touched if hit or small_tail else kept).append(ref)
    return kept, touched


def _open_part(refs: Sequence[BlockRef]) -> int:
    """Choose the part of new blocks: the youngest, or the next one once it is full (design 4.2)."""
    part = max((ref.part for ref in refs), default=0)
    full = sum(ref.stored_bytes for ref in refs if ref.part == part) >= blocks.PART_BYTES_MAX
    return part + 1 if full else part


async def _write(
    store: SeriesStore,
    place: blocks.Place,
    rows: Columns,
    position_max: int,
    new_id: Callable[[], bytes],
) -> list[BlockRef]:
    """Store rows as blocks and read them back before anything names them."""
    refs = []
    for piece in blocks.cut(rows):
        ref, stored = blocks.encode_block(place, new_id(), piece, position_max)
        await store.write_blocks(stored)
        refs.append(ref)
    if refs and await read_refs(store, place.slice, refs, None) is None:
        message = f"blocks of {place.slice} were acknowledged and do not read back"
        raise Corrupt(message)
    return refs


async def _swapped(store: SeriesStore, slice_id: SliceId, built_on: int, content: HeadContent) -> HeadContent:
    """Change the head and give the one that stands then; repeat until the outcome is known (design 4.6)."""
    head = Head(built_on + 1, encode_head(content))
    for _ in range(SWAP_TRIES_MAX):
        try:
            if await store.swap_head(slice_id, built_on, head):
                return content
        except OutcomeUnknown:
            continue
        # Refused: by another writer's head, or by our own earlier try that was applied after all.
        return decode_head((await store.read_head(slice_id, serial=True)).body)
    message = f"the head of {slice_id} could not be changed: the store does not tell the outcome"
    raise StoreUnavailable(message)


def _replaced(
    slice_id: SliceId, touched: Sequence[BlockRef], later: Sequence[Placed], content: HeadContent
) -> tuple[BlockKey, ...]:
    named = {ref.block_id for ref in content.blocks}
    gone = [(ref.part, ref.block_id) for ref in touched]
    for placed in later:
        if isinstance(placed.change, Attach):
            gone += [
                (ref.part, ref.block_id)
                for ref in decode_refs(placed.change.blocks)
                if ref.slice_start_ms == slice_id.start_ms
            ]
    return tuple(key for key in gone if key[1] not in named)


async def purge(store: SeriesStore, sealed: Sealed, kept: frozenset[bytes] = frozenset()) -> None:
    """Drop what a seal made superfluous; call it only after the grace has passed (design 4.7).

    `kept` names blocks that a pin or an unfinished job still needs. Blocks that the present head or
    a younger attach names are kept in any case.
    """
    slice_id = sealed.slice
    head = decode_head((await store.read_head(slice_id)).body)
    await store.purge_deltas(slice_id, min(sealed.upto, head.sealed_through))
    named = {ref.block_id for ref in head.blocks} | kept
    for delta in await store.read_deltas(slice_id, head.sealed_through):
        change = decode_delta(delta.body)
        if isinstance(change, Attach):
            named |= {ref.block_id for ref in decode_refs(change.blocks)}
    doomed = [key for key in sealed.replaced if key[1] not in named]
    for part in sorted({part for part, _ in doomed}):
        await store.drop_blocks(slice_id, part, [block_id for found, block_id in doomed if found == part])


async def find_orphans(store: SeriesStore, slice_id: SliceId) -> Sealed:
    """Find blocks that no head names any more: left by a crash between storing and naming, or before a purge.

    What it gives goes through `purge` after the grace, like the blocks of a seal: a reader may still
    hold an older head that names them (design 4.6, 4.7).
    """
    head = await store.read_head(slice_id, serial=True)
    content = decode_head(head.body)
    named = {ref.block_id for ref in content.blocks}
    orphans: list[BlockKey] = []
    for part in range(_open_part(content.blocks) + 1):
        unnamed = [block_id for block_id in await store.list_blocks(slice_id, part) if block_id not in named]
        times = await store.read_blocks(slice_id, part, [blocks.TIME], unnamed) if unnamed else {}
        orphans += [
            (part, block_id)
            for (block_id, _), body in times.items()
            if blocks.built_on(block_id, body) < head.version
        ]
    return Sealed(slice_id, content.sealed_through, tuple(orphans))
