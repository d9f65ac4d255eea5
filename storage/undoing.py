"""Undo: what is kept before a clear is stored, and what comes of an entry that asks for it (design 4.14).

Works over the port alone. Before the shard's writer stores a clear at position p, or the attach of an import,
it has stored all before p, seals the touched slices and pins their heads (`keep`). The entry at q that asks
for the undo is judged by what the store has of the positions before q and by nothing else (`judge`): so every
writer that comes to q finds the same, as long as none has stored a cursor from q on. Whoever judges looks at
the cursor afterwards.

What a clear took is kept until a time that follows from p. Pins are dropped only when everything before that
time is stored (`storage.purging.release`), so no entry that may still ask for them finds them gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import msgspec

from schemas.changes import Attach, Change, Clear, Undo, Upsert
from schemas.columns import Columns
from schemas.errors import Corrupt, StoreUnavailable
from schemas.ids import SeriesId
from storage import blocks, merge
from storage.deltas import RowsPart, attached_to, decode_delta, laid
from storage.heads import BlockRef, HeadContent, decode_head, decode_refs, encode_refs
from storage.pins import Pinned, decode_pin, encode_pin
from storage.port import Head, Pin, SeriesStore, SliceId, SliceState
from storage.reader import read_layers, read_refs, with_rows
from storage.slices import slice_range
from storage.spans import Placed, Wanted

PIN_TRIES_MAX = 5
"""Seals of a slice before a clear; where none does, the slice cannot be gone back to."""

LOOKS_MAX = 5
"""Looks at a slice whose head changes meanwhile."""

SLICES_AT_ONCE = 8
"""A look at a slice is a chain of a few reads."""

OVERLAPPED = "something newer was written or deleted in the range"
NOT_KEPT = "nothing of what was deleted is kept, or there was nothing"
EXPIRED = "its time is over"
DAMAGED = "what was deleted, or what is there now, does not read back"
NOT_THERE = "blocks that it names are not in the store"

ANY_POSITION = 2**62
"""Above every position: how things are now, not how they were before an entry."""


class Cleared(NamedTuple):
    """A clear, or an import, on its way into the store."""

    position: int
    start_ms: int
    end_ms: int
    until_ms: int
    """Until when it can be undone; 0: never."""
    attached: tuple[BlockRef, ...] | None = None
    """The blocks of an import; None: it is a clear."""


def imported_by(position: int, attach: Attach) -> Cleared:
    """Give what an entry at a position attaches: the times from its first row to its last one."""
    refs = decode_refs(attach.blocks)
    start_ms = min((ref.from_ms for ref in refs), default=0)
    end_ms = max((ref.to_ms + 1 for ref in refs), default=0)
    return Cleared(position, start_ms, end_ms, position // 1000 + attach.undo_s * 1000, refs)


async def find_missing(store: SeriesStore, series: SeriesId, attach: Attach) -> str:
    """Say why an attach cannot be read; empty where every block that it names is there."""
    refs = decode_refs(attach.blocks)
    for start in sorted({ref.slice_start_ms for ref in refs}):
        inside = [ref for ref in refs if ref.slice_start_ms == start]
        if not await _are_there(store, SliceId(series, start), inside):
            return NOT_THERE
    return ""


def cleared_by(position: int, clear: Clear) -> Cleared:
    """Give what an entry at a position clears: the time to undo it begins with its position."""
    until_ms = position // 1000 + clear.undo_s * 1000 if clear.undo_s else 0
    return Cleared(position, clear.start_ms, clear.end_ms, until_ms)


async def keep(
    store: SeriesStore,
    slice_id: SliceId,
    cleared: Cleared,
    seal: Callable[[SliceId], Awaitable[object]],
    beside: Sequence[SliceId] = (),
) -> None:
    """Pin a slice as it is before a clear, unless it is; `seal` seals it through all that is stored.

    Called by the shard's writer, which has stored everything of the series before the clear and nothing
    since. A slice that cannot be sealed is pinned without its head: the clear goes on, and cannot be undone.
    `beside`: the slices next to it that there are.
    """
    if not cleared.until_ms:
        await _mark(store, slice_id, cleared, beside)
        return
    head: Head | None = None
    for _ in range(PIN_TRIES_MAX):
        if any(pin.position == cleared.position for pin in await store.read_pins(slice_id)):
            return
        try:
            head = await _head_before(store, slice_id, cleared.position)
        except Corrupt:
            break
        if head is not None:
            break
        await seal(slice_id)
    await _pin(store, slice_id, cleared, None if head is None else head.body)


async def _head_before(store: SeriesStore, slice_id: SliceId, position: int) -> Head | None:
    """Read the head; None where it does not say how things were before a position (design 4.4)."""
    head = await store.read_head(slice_id, serial=True)
    through = decode_head(head.body).sealed_through
    unsealed = await store.read_deltas(slice_id, through)
    return None if through >= position or any(delta.first < position for delta in unsealed) else head


async def _mark(store: SeriesStore, slice_id: SliceId, cleared: Cleared, beside: Sequence[SliceId]) -> None:
    """Note a clear that nobody can undo where an older one could be undone over it.

    One that reached here before the slice began is pinned in the next one, or that has begun since with a row
    in its range: either the row is still there, or what took it is marked.
    """
    pins = [pin for each in (slice_id, *beside) for pin in await store.read_pins(each)]
    older = [pin.until_ms for pin in pins if pin.position < cleared.position]
    if older:
        await _pin(store, slice_id, cleared._replace(until_ms=max(older)), None)


async def _pin(store: SeriesStore, slice_id: SliceId, cleared: Cleared, head: bytes | None) -> None:
    attached = None
    if cleared.attached is not None:
        inside = (ref for ref in cleared.attached if ref.slice_start_ms == slice_id.start_ms)
        attached = encode_refs(tuple(inside))
    body = encode_pin(Pinned(cleared.start_ms, cleared.end_ms, head, attached))
    await store.write_pin(Pin(slice_id, cleared.position, cleared.until_ms, body))


async def judge(store: SeriesStore, series: SeriesId, undo: Undo, *, before: int, at_ms: int) -> Attach | str:
    """Say what comes of an undo: the attach of what was kept, or why nothing does.

    Only what the store has of positions below `before` counts, `at_ms` is the time of that position.
    Refused where anything overlapping has a higher position than the clear. StoreUnavailable where a slice
    changes all the time.
    """
    slices = await _slices_in(store, series, undo)
    refs: list[BlockRef] = []
    kept = clears = False
    for first in range(0, len(slices), SLICES_AT_ONCE):
        several = slices[first : first + SLICES_AT_ONCE]
        for found in await asyncio.gather(*(_judged(store, each, undo, before, at_ms) for each in several)):
            if isinstance(found, str):
                return found
            if found is not None:
                kept = True
                clears = clears or found.clears
                refs += found.refs
    if not kept:
        return NOT_KEPT
    return Attach(encode_refs(tuple(refs)), undo.start_ms, undo.end_ms, clears)


class _Back(NamedTuple):
    """What a slice gets back."""

    refs: list[BlockRef]
    clears: bool
    """True: an import is undone, so nothing else stays in the range."""


async def _slices_in(store: SeriesStore, series: SeriesId, undo: Undo) -> list[SliceId]:
    """List the slices that a clear touched, and those that came later."""
    ranges = [
        (start, *slice_range(start, width)) for start, width in (await store.read_slices(series)).items()
    ]
    return [SliceId(series, at) for at, start, end in ranges if start < undo.end_ms and end > undo.start_ms]


async def _judged(
    store: SeriesStore, slice_id: SliceId, undo: Undo, before: int, at_ms: int
) -> _Back | str | None:
    try:
        return await _judge_slice(store, slice_id, undo, before, at_ms)
    except Corrupt:
        return DAMAGED


async def _judge_slice(
    store: SeriesStore, slice_id: SliceId, undo: Undo, before: int, at_ms: int
) -> _Back | str | None:
    """Give what a slice gets back, or why nothing may; None where the clear did not find it."""
    mine: Pin | None = None
    for pin in await store.read_pins(slice_id):
        if pin.position == undo.position:
            mine = pin
        elif undo.position < pin.position < before and _overlaps(pin, undo):
            return OVERLAPPED
    if mine is not None and mine.until_ms <= at_ms:
        return EXPIRED
    pinned = None if mine is None else decode_pin(mine.body)
    if await _is_overlapped(store, slice_id, undo, before, pinned):
        return OVERLAPPED
    if pinned is None:
        return None
    if pinned.head is None:
        return NOT_KEPT
    refs = _inside(with_rows(decode_head(pinned.head)), undo)
    if not await _are_there(store, slice_id, refs):
        return DAMAGED
    return _Back([_narrowed(ref, slice_id, undo) for ref in refs], pinned.attached is not None)


def _overlaps(pin: Pin, undo: Undo) -> bool:
    return decode_pin(pin.body).overlaps(undo.start_ms, undo.end_ms)


def _inside(refs: Sequence[BlockRef], span: Clear | Undo) -> list[BlockRef]:
    return [ref for ref in refs if ref.from_ms < span.end_ms and ref.to_ms >= span.start_ms]


def _narrowed(ref: BlockRef, slice_id: SliceId, undo: Undo) -> BlockRef:
    """Name a block as an attach does: the times that count, the slice, nothing of what it says of itself."""
    return msgspec.structs.replace(
        ref,
        from_ms=max(ref.from_ms, undo.start_ms),
        to_ms=min(ref.to_ms, undo.end_ms - 1),
        slice_start_ms=slice_id.start_ms,
        summary=b"",
    )


async def _are_there(store: SeriesStore, slice_id: SliceId, refs: Sequence[BlockRef]) -> bool:
    """Tell whether every stored row of these blocks is there."""
    for part in sorted({ref.part for ref in refs}):
        listed = await store.list_blocks(slice_id, part)
        for ref in refs:
            if ref.part == part and not {blocks.TIME, *ref.variables} <= set(listed.get(ref.block_id, ())):
                return False
    return True


async def _is_overlapped(
    store: SeriesStore, slice_id: SliceId, undo: Undo, before: int, pinned: Pinned | None
) -> bool:
    """Tell whether anything after the clear, and below `before`, touches its range in a slice."""
    for _ in range(LOOKS_MAX):
        state = await store.read_state(slice_id)
        head = decode_head(state.head.body)
        if pinned is not None and pinned.attached is not None:
            changed = await _has_changed(store, slice_id, undo, pinned, _unsealed(state, head, before))
            if changed is not None:
                return changed
            continue
        if any(touches(each, undo, slice_id.start_ms) for each in _later(state, head, undo, before)):
            return True
        # The clear left no row in its range, so what is there came after it. Blocks are disjoint: one that
        # neither begins nor ends in the range reaches over all of it.
        young = [ref for ref in _inside(with_rows(head), undo) if ref.position_max > undo.position]
        if any(_is_in(ref.from_ms, undo) or _is_in(ref.to_ms, undo) for ref in young):
            return True
        found = await read_refs(store, slice_id, young, frozenset())
        if found is not None:
            return any(merge.between(rows, undo.start_ms, undo.end_ms).rows for rows in found)
    message = f"the head of {slice_id.text} changes all the time"
    raise StoreUnavailable(message)


class _Present(NamedTuple):
    """What a slice has of the positions before an undo."""

    refs: Sequence[BlockRef]
    later: Sequence[Placed]
    """What no seal has taken up."""


def _unsealed(state: SliceState, head: HeadContent, before: int) -> _Present:
    deltas = [delta for delta in state.deltas if head.sealed_through < delta.last < before]
    later = [
        Placed(each.first, each.last, change) for each in deltas for change in laid(decode_delta(each.body))
    ]
    return _Present(with_rows(head), later)


async def _has_changed(
    store: SeriesStore, slice_id: SliceId, undo: Undo, pinned: Pinned, now: _Present
) -> bool | None:
    """Tell whether other rows are in the range than an import left there; None where a block is missing.

    A seal that takes up the import together with later rows beside it names the later position for all. So a
    row that was written again as it is counts for nothing, sealed or not: no undo may depend on a seal.
    """
    if pinned.head is None or pinned.attached is None:
        return False  # Nothing comes back, whatever is there.
    before = with_rows(decode_head(pinned.head))
    attached = Placed(undo.position, undo.position, Attach(pinned.attached))
    for window in _windows(undo, now, slice_id.start_ms):
        present = await read_layers(store, slice_id, now.refs, now.later, window)
        left = await read_layers(store, slice_id, before, [attached], window)
        if present is None or left is None:
            return None
        if not merge.same(_cut(present, window), _cut(left, window)):
            return True
    return False


def _windows(undo: Undo, now: _Present, slice_start_ms: int) -> Iterator[Wanted]:
    """Divide a range where blocks begin; gives the parts that something newer may have touched."""
    inside = sorted(_inside(now.refs, undo), key=lambda ref: ref.from_ms)
    starts = sorted({undo.start_ms, *(max(ref.from_ms, undo.start_ms) for ref in inside)})
    newer = [placed.change for placed in now.later if placed.last > undo.position]
    for start_ms, end_ms in pairwise([*starts, undo.end_ms]):
        window = Undo(undo.position, start_ms, end_ms)
        young = any(ref.position_max > undo.position for ref in _inside(inside, window))
        if young or any(touches(change, window, slice_start_ms) for change in newer):
            yield Wanted(start_ms, end_ms)


def _cut(layers: Sequence[merge.Layer], window: Wanted) -> Columns:
    return merge.between(merge.state(layers), window.start_ms, window.end_ms)


def _is_in(time_ms: int, undo: Undo) -> bool:
    return undo.start_ms <= time_ms < undo.end_ms


def _later(state: SliceState, head: HeadContent, undo: Undo, before: int) -> list[Change]:
    """Decode the deltas between the clear and `before` that no seal has taken up; of rows, times will do."""
    part = RowsPart(undo.start_ms, undo.end_ms, frozenset())
    after = max(undo.position, head.sealed_through)
    return [decode_delta(delta.body, part) for delta in state.deltas if after < delta.last < before]


def touches(change: Change, span: Clear | Undo, slice_start_ms: int | None = None) -> bool:
    """Tell whether a change touches the range of a clear: in one slice, or (None) anywhere."""
    if isinstance(change, Upsert):
        times = change.columns.time_ms
        return bool(((times >= span.start_ms) & (times < span.end_ms)).any())
    if isinstance(change, Clear):
        return change.start_ms < span.end_ms and span.start_ms < change.end_ms
    if change.clears and change.start_ms < span.end_ms and span.start_ms < change.end_ms:
        return True
    if slice_start_ms is None:
        return bool(_inside(decode_refs(change.blocks), span))
    return bool(_inside(attached_to(slice_start_ms, [change]), span))


async def count_kept(store: SeriesStore, series: SeriesId, undo: Undo) -> int | None:
    """Count the rows that a clear took, by what is kept of it; None where that does not tell."""
    slices = await _slices_in(store, series, undo)
    counts: list[int | None] = []
    for first in range(0, len(slices), SLICES_AT_ONCE):
        several = slices[first : first + SLICES_AT_ONCE]
        for found in await asyncio.gather(*(_count_kept(store, each, undo) for each in several)):
            counts += found
    if not counts or None in counts:
        return None
    return sum(each for each in counts if each is not None)


async def _count_kept(store: SeriesStore, slice_id: SliceId, undo: Undo) -> list[int | None]:
    """Count the rows that a clear took out of a slice; nothing where it did not find it."""
    counts: list[int | None] = []
    for pin in await store.read_pins(slice_id):
        if pin.position != undo.position:
            continue
        head = decode_pin(pin.body).head
        if head is None:
            return [None]
        for ref in _inside(with_rows(decode_head(head)), undo):
            if _is_in(ref.from_ms, undo) and _is_in(ref.to_ms, undo):
                counts.append(ref.rows)
                continue
            found = await read_refs(store, slice_id, [ref], frozenset())
            rows = None if found is None else merge.between(found[0], undo.start_ms, undo.end_ms).rows
            counts.append(rows)
        counts.append(0)
    return counts
