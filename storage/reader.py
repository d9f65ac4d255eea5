"""Reading a series: blocks, later deltas and the unapplied tail in the one order (design 4.4, 4.17).

Works over the port alone. The caller fetches the tail from the stream FIRST, then calls in here. A block
that a head names and that is missing means: read the head again, never "empty" (design 4.7).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from schemas.changes import Attach, Clear
from schemas.columns import Columns
from schemas.errors import Corrupt, StoreUnavailable
from schemas.ids import SeriesId
from schemas.limits import IN_THREAD_VALUES
from storage import blocks, merge
from storage.deltas import RowsPart, attached_to, decode_delta, is_attach, laid
from storage.heads import NO_TIME_MS, BlockRef, HeadContent, decode_head, decode_refs
from storage.merge import Layer
from storage.port import Delta, SeriesReads, SliceId, SliceState
from storage.spans import Placed, Span, Wanted, spans_of

READ_DEADLINE_S = 30.0
"""A read of a slice that takes longer is refused: purge waits far longer than this (design 4.7)."""


@dataclass(slots=True)
class Answer:
    """What a read found."""

    columns: Columns = merge.EMPTY
    summary_only: list[tuple[int, int]] = field(default_factory=list)
    """Ranges [a, b), ascending, of which retention has left only summaries (design 4.13)."""


async def read_series(
    store: SeriesReads,
    series: SeriesId,
    wanted: Wanted,
    tail: Sequence[Placed] = (),
    *,
    deadline_s: float = READ_DEADLINE_S,
) -> Columns:
    """Read the rows of a range that have a value among the wanted variables, ascending, at most `rows`.

    StoreUnavailable where one slice takes longer than `deadline_s`, which must be shorter than the grace.
    """
    return (await read_answer(store, series, wanted, tail, deadline_s=deadline_s)).columns


async def read_answer(
    store: SeriesReads,
    series: SeriesId,
    wanted: Wanted,
    tail: Sequence[Placed] = (),
    *,
    deadline_s: float = READ_DEADLINE_S,
) -> Answer:
    """Read as `read_series`, and say of which ranges on the way the rows live no more (design 4.13)."""
    answer = Answer()
    found: list[Columns] = []
    left = wanted.rows
    async for columns in _pieces(store, series, wanted, tail, answer=answer, deadline_s=deadline_s):
        visible = np.flatnonzero(merge.rows_with_values(columns))
        if left is not None:
            visible = visible[-left:] if wanted.descending else visible[:left]
            left -= len(visible)
        found.append(columns if len(visible) == columns.rows else columns.take(visible))
        if left == 0:
            break
    answer.columns = merge.joined(found[::-1] if wanted.descending else found)
    answer.summary_only.sort()
    return answer


async def _pieces(
    store: SeriesReads,
    series: SeriesId,
    wanted: Wanted,
    tail: Sequence[Placed],
    *,
    answer: Answer,
    deadline_s: float,
) -> AsyncIterator[Columns]:
    """Yield the state of consecutive windows, in the wanted direction; note what is summary-only."""
    slices = Slices(store, series, wanted, deadline_s)
    spans = spans_of(series, await slices.listed(), tail, wanted)
    for span in spans[::-1] if wanted.descending else spans:
        if span.slice is None:
            columns = await read_gap(store, series, wanted, span, tail)
            if columns.rows:
                yield columns
            continue
        first, end = span.start_ms, span.end_ms
        while first < end:
            columns, first, end = await _window(slices, span.slice, (first, end), tail, answer)
            if columns.rows:
                yield columns


class Attempt(NamedTuple):
    """What a slice consists of, as one read of its head and its deltas found it."""

    head: HeadContent
    deltas: list[Delta]
    deadline: float
    """In seconds of the loop: what is read on the strength of the head counts only until then."""

    @property
    def in_time(self) -> bool:
        """Tell whether the blocks that the head names can still be relied on."""
        return asyncio.get_running_loop().time() < self.deadline

    def later(self, tail: Iterable[Placed], wanted: Wanted) -> list[Placed]:
        """Give the changes on top of the blocks, those of the tail among them, in the order.

        Of deltas only what is wanted; rows outside of that are as if they were not there.
        """
        part = RowsPart(wanted.start_ms, wanted.end_ms, wanted.variables)
        deltas = [
            Placed(delta.first, delta.last, change)
            for delta in self.deltas
            if delta.last > self.head.sealed_through
            for change in laid(decode_delta(delta.body, part))
        ]
        return placed_in_order(deltas, tail, self.head)

    def attached(self, slice_id: SliceId, tail: Iterable[Placed]) -> list[BlockRef]:
        """Give the blocks that unsealed changes attach to a slice."""
        deltas = [decode_delta(delta.body) for delta in self.deltas if is_attach(delta.body)]
        return attached_to(slice_id.start_ms, [*deltas, *(placed.change for placed in tail)])


class Slices:
    """The slices of one read: the list of them and the first one come in one call."""

    def __init__(self, store: SeriesReads, series: SeriesId, wanted: Wanted, deadline_s: float) -> None:
        """Read nothing yet."""
        self.store = store
        self.wanted = wanted
        self._series = series
        self._deadline_s = deadline_s
        self._first: tuple[SliceState, float] | None = None

    async def listed(self) -> dict[int, int]:
        """List all slices, start → width."""
        wanted, begun = self.wanted, asyncio.get_running_loop().time()
        outset = await self.store.read_outset(
            self._series, wanted.start_ms, wanted.end_ms, newest_first=wanted.descending
        )
        if outset.first is not None:
            self._first = outset.first, begun
        return outset.slices

    async def attempts(self, slice_id: SliceId) -> AsyncIterator[Attempt]:
        """Read a slice again and again: a block that its head names and that is missing means just that.

        StoreUnavailable once that takes too long; the clock starts before the head is read (design 4.7).
        """
        loop = asyncio.get_running_loop()
        state, begun = self._taken(slice_id) or (None, loop.time())
        deadline = begun + self._deadline_s
        while loop.time() < deadline:
            if state is None:
                state = await self.store.read_state(slice_id)
            yield Attempt(decode_head(state.head.body), state.deltas, deadline)
            state = None
        message = f"a read of one slice took longer than {self._deadline_s:g} s"
        raise StoreUnavailable(message)

    def _taken(self, slice_id: SliceId) -> tuple[SliceState, float] | None:
        """Give what came with the list, once."""
        first, self._first = self._first, None
        return first if first is not None and first[0].slice == slice_id else None


async def read_gap(
    store: SeriesReads, series: SeriesId, wanted: Wanted, span: Span, tail: Sequence[Placed]
) -> Columns:
    """Give what the tail has between the slices of the store."""
    window = replace(wanted, start_ms=span.start_ms, end_ms=span.end_ms)
    layers: list[Layer] = []
    for placed in sorted(tail, key=lambda placed: (placed.last, placed.first)):
        refs = decode_refs(placed.change.blocks) if isinstance(placed.change, Attach) else ()
        for start in sorted({ref.slice_start_ms for ref in refs}) if refs else [0]:
            found = await read_layers(store, SliceId(series, start), (), [placed], window)
            if found is None:
                message = f"a staged block of {series.text} is missing"
                raise StoreUnavailable(message)
            layers += found
    return merge.between(merge.state(layers), span.start_ms, span.end_ms)


async def _window(
    slices: Slices, slice_id: SliceId, span: tuple[int, int], tail: Sequence[Placed], answer: Answer
) -> tuple[Columns, int, int]:
    """Read one window of a slice; give it and the span that is left."""
    wanted = slices.wanted
    async for attempt in slices.attempts(slice_id):
        head = attempt.head
        first, end = _narrowed([*with_rows(head), *attempt.attached(slice_id, tail)], span, wanted)
        window = replace(wanted, start_ms=max(first, head.rows_from_ms), end_ms=end)
        later = attempt.later(tail, window)
        layers = await read_layers(slices.store, slice_id, with_rows(head), later, window)
        if layers is not None and attempt.in_time:
            answer.summary_only += summary_only(head, first, end)
            state = merge.between(merge.state(layers), window.start_ms, end)
            rest = (span[0], first) if wanted.descending else (end, span[1])
            return state, *rest
    raise AssertionError("attempts end with an error")


def with_rows(head: HeadContent) -> Sequence[BlockRef]:
    """Give the blocks of which rows are left."""
    if head.rows_from_ms == NO_TIME_MS:
        return head.blocks
    return [ref for ref in head.blocks if not ref.summary_only]


def summary_only(head: HeadContent, start_ms: int, end_ms: int) -> list[tuple[int, int]]:
    """Give the parts of [start_ms, end_ms) of which retention has left only summaries (design 4.13)."""
    if head.rows_from_ms == NO_TIME_MS:
        return []
    gone = [(ref.from_ms, ref.to_ms + 1) for ref in head.blocks if ref.summary_only]
    return [(max(a, start_ms), min(b, end_ms)) for a, b in gone if a < end_ms and b > start_ms]


def placed_in_order(deltas: Iterable[Placed], tail: Iterable[Placed], head: HeadContent) -> list[Placed]:
    """Sort the tail in among the deltas; what the head has sealed is ignored (design 4.4, 4.17)."""
    later = [placed for placed in (*deltas, *tail) if placed.last > head.sealed_through]
    return sorted(later, key=lambda placed: (placed.last, placed.first))


def _narrowed(refs: Sequence[BlockRef], span: tuple[int, int], wanted: Wanted) -> tuple[int, int]:
    """Shorten the span to about the blocks that hold the wanted number of rows."""
    first, end = span
    if wanted.rows is None:
        return span
    rows = 0
    inside = (ref for ref in refs if ref.from_ms < end and ref.to_ms >= first)
    for ref in sorted(inside, key=lambda ref: ref.from_ms, reverse=wanted.descending):
        rows += ref.rows
        if rows > wanted.rows + ref.rows:
            return (max(first, ref.from_ms), end) if wanted.descending else (first, min(end, ref.to_ms + 1))
    return span


async def read_layers(
    store: SeriesReads,
    slice_id: SliceId,
    sealed: Sequence[BlockRef],
    later: Sequence[Placed],
    wanted: Wanted,
) -> list[Layer] | None:
    """Decode blocks and changes of a window, ascending in the order; None where a block is missing."""
    found = await read_refs(store, slice_id, _overlapping(sealed, wanted), wanted.variables)
    if found is None:
        return None
    layers: list[Layer] = list(found)
    for placed in later:
        change = placed.change
        if isinstance(change, Attach):
            refs = attached_to(slice_id.start_ms, [change])
            attached = await read_refs(store, slice_id, _overlapping(refs, wanted), wanted.variables)
            if attached is None:
                return None
            layers += [merge.between(rows, change.start_ms, change.end_ms) for rows in attached]
        elif isinstance(change, Clear):
            layers.append(change)
        else:
            layers.append(_inside(change.columns, wanted))
    return layers


def _inside(rows: Columns, wanted: Wanted) -> Columns:
    hit = (rows.time_ms >= wanted.start_ms) & (rows.time_ms < wanted.end_ms)
    return merge.selected(rows if hit.all() else rows.take(np.flatnonzero(hit)), wanted.variables)


def _overlapping(refs: Iterable[BlockRef], wanted: Wanted) -> list[BlockRef]:
    return [ref for ref in refs if ref.from_ms < wanted.end_ms and ref.to_ms >= wanted.start_ms]


async def read_refs(
    store: SeriesReads, slice_id: SliceId, refs: Sequence[BlockRef], variables: frozenset[int] | None
) -> list[Columns] | None:
    """Read blocks, in the order given; None if any stored row of theirs is missing.

    Corrupt, naming series, slice, block and variable, for a row that is not what was written.
    """
    bodies: dict[tuple[bytes, int], bytes] = {}
    for part in sorted({ref.part for ref in refs}):
        inside = [ref for ref in refs if ref.part == part]
        wanted = {variable for ref in inside for variable in _chosen(ref, variables)}
        bodies |= await store.read_blocks(
            slice_id, part, sorted({blocks.TIME, *wanted}), [ref.block_id for ref in inside]
        )

    def decode() -> list[Columns]:
        return [blocks.decode_block(ref, bodies, _chosen(ref, variables)) for ref in refs]

    values = sum(ref.rows * len(_chosen(ref, variables)) for ref in refs)
    try:
        return decode() if values < IN_THREAD_VALUES else await asyncio.to_thread(decode)
    except KeyError:
        return None
    except Corrupt as broken:
        raise Corrupt(f"{slice_id.text}: {broken.message}") from broken


def _chosen(ref: BlockRef, variables: frozenset[int] | None) -> list[int]:
    return [variable for variable in ref.variables if variables is None or variable in variables]
