"""Looking at every row of a store and saying what is not as it was written (integrity).

Works over the port alone, beside a running service: a slice whose head changes meanwhile is looked at again.
Nothing is mended here and nothing is dropped.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from schemas.changes import Attach, Upsert
from schemas.columns import Columns
from schemas.errors import Corrupt
from schemas.ids import SeriesId
from schemas.partials import Partials
from storage import blocks, summaries
from storage.deltas import decode_delta
from storage.heads import BlockRef, HeadContent, decode_head, decode_refs
from storage.pins import blocks_of
from storage.port import SeriesStore, SliceId
from storage.slices import slice_range

TRIES_MAX = 5
"""Looks at a slice whose head changes again and again; then the last look counts."""

BLOCKS_AT_ONCE = 16
"""Blocks read in one go: at most some 64 MiB of columns."""


class Finding(NamedTuple):
    """One thing that is not as it should be."""

    slice: SliceId
    words: str
    harmless: bool = False
    """True: space that is lost, not data: blocks that nothing names, which a sweep may still take."""

    @property
    def text(self) -> str:
        """Give the finding as one line."""
        return f"{self.slice.text}: {self.words}"


@dataclass(slots=True)
class Seen:
    """What a walk looked at."""

    slices: int = 0
    blocks: int = 0
    deltas: int = 0
    rows: int = 0
    stored_bytes: int = 0
    findings: list[Finding] = field(default_factory=list)


async def verify_series(store: SeriesStore, series: SeriesId, seen: Seen) -> list[Finding]:
    """Look at all of one series; gives its findings, which `seen` counts too."""
    before = len(seen.findings)
    listed = await store.read_slices(series)
    ranges = [(SliceId(series, start), *slice_range(start, width)) for start, width in listed.items()]
    for (earlier, _, end), (later, start, _) in pairwise(ranges):
        if start < end:
            seen.findings.append(Finding(later, f"it overlaps the slice {earlier.start_ms}"))
    for slice_id, start, end in ranges:
        seen.slices += 1
        seen.findings += await _verify_slice(store, slice_id, (start, end), seen)
    return seen.findings[before:]


async def _verify_slice(
    store: SeriesStore, slice_id: SliceId, span: tuple[int, int], seen: Seen
) -> list[Finding]:
    """Look at a slice until its head stands still meanwhile."""
    found: list[Finding] = []
    for _ in range(TRIES_MAX):
        head = await store.read_head(slice_id)
        try:
            content = decode_head(head.body)
        except Corrupt as broken:
            return [Finding(slice_id, broken.message)]
        look = _Look(store, slice_id, content, span, head.version)
        found = [finding async for finding in look.findings()]
        if (await store.read_head(slice_id)).version == head.version:
            break
    seen.blocks += len(content.blocks)
    seen.deltas += look.deltas
    seen.rows += sum(ref.rows for ref in content.blocks)
    seen.stored_bytes += sum(ref.stored_bytes for ref in content.blocks)
    return found


@dataclass(slots=True)
class _Look:
    """One look at a slice, from one head."""

    store: SeriesStore
    slice_id: SliceId
    head: HeadContent
    span: tuple[int, int]
    version: int
    deltas: int = 0
    _named: set[bytes] = field(default_factory=set)

    async def findings(self) -> AsyncIterator[Finding]:
        """Look at head, blocks, deltas, and what else lies in the partitions."""
        for words in self._order():
            yield self._found(words)
        for part in sorted({ref.part for ref in self.head.blocks}):
            refs = [ref for ref in self.head.blocks if ref.part == part]
            for first in range(0, len(refs), BLOCKS_AT_ONCE):
                for words in await self._blocks(part, refs[first : first + BLOCKS_AT_ONCE]):
                    yield self._found(words)
        for words in await self._deltas():
            yield self._found(words)
        async for finding in self._orphans():
            yield finding

    def _found(self, words: str) -> Finding:
        return Finding(self.slice_id, words)

    def _order(self) -> list[str]:
        """Blocks are disjoint in time, sorted, and inside the slice (design 4.3)."""
        refs = self.head.blocks
        found = [
            f"block {later.block_id.hex()} begins before block {earlier.block_id.hex()} ends"
            for earlier, later in pairwise(refs)
            if later.from_ms <= earlier.to_ms
        ]
        return found + [
            f"block {ref.block_id.hex()} reaches over the slice"
            for ref in refs
            if ref.from_ms < self.span[0] or ref.to_ms >= self.span[1]
        ]

    async def _blocks(self, part: int, refs: Sequence[BlockRef]) -> list[str]:
        variables = {variable for ref in refs for variable in ref.variables}
        ids = [ref.block_id for ref in refs]
        bodies = await self.store.read_blocks(
            self.slice_id, part, sorted({blocks.SUMMARY, blocks.TIME, *variables}), ids
        )
        return [words for ref in refs for words in _wrong_with_block(ref, bodies)]

    async def _deltas(self) -> list[str]:
        """Deltas after W decode, and their rows are of this slice."""
        found = []
        self._named = {ref.block_id for ref in self.head.blocks}
        for delta in await self.store.read_deltas(self.slice_id, self.head.sealed_through):
            self.deltas += 1
            try:
                change = decode_delta(delta.body)
            except Corrupt as broken:
                found.append(f"delta {delta.first} to {delta.last}: {broken.message}")
                continue
            if isinstance(change, Attach):
                self._named |= {ref.block_id for ref in decode_refs(change.blocks)}
            elif isinstance(change, Upsert) and change.columns.rows:
                first, last = int(change.columns.time_ms.min()), int(change.columns.time_ms.max())
                if first < self.span[0] or last >= self.span[1]:
                    found.append(f"delta {delta.first} to {delta.last} has rows of another slice")
        return found

    async def _orphans(self) -> AsyncIterator[Finding]:
        """Blocks that neither head nor pin nor attach names (design 4.6), and pinned ones that are gone."""
        refs = list(self.head.blocks)
        missing: dict[bytes, int] = {}
        for pin in await self.store.read_pins(self.slice_id):
            try:
                pinned = blocks_of(pin)
            except Corrupt as broken:
                yield self._found(f"pin {pin.position}: {broken.message}")
                continue
            refs += pinned
            missing |= {ref.block_id: pin.position for ref in pinned}
        self._named |= missing.keys()
        part, youngest = 0, max((ref.part for ref in refs), default=0)
        while (listed := await self.store.list_blocks(self.slice_id, part)) or part <= youngest:
            for block_id in sorted(set(listed) - self._named):
                words = f"nothing names block {block_id.hex()}, yet or any more"
                yield Finding(self.slice_id, words, harmless=True)
            missing = {block_id: pin for block_id, pin in missing.items() if block_id not in listed}
            part += 1
        for block_id, position in missing.items():
            yield self._found(f"pin {position}: block {block_id.hex()} is missing")


def _wrong_with_block(ref: BlockRef, bodies: Mapping[tuple[bytes, int], bytes]) -> list[str]:
    """Read every stored row of a block, each by itself: a damaged one does not hide the next."""
    found: list[str] = []
    columns: dict[int, Columns] = {}
    wanted = [[variable] for variable in ref.variables] or [[]]
    for variables in wanted if not ref.summary_only else ():
        try:
            columns[max(variables, default=blocks.TIME)] = blocks.decode_block(ref, bodies, variables)
        except KeyError as missing:
            found.append(_missing(ref, missing.args[0][1]))
        except Corrupt as broken:
            found.append(broken.message)
    if columns:
        found += _wrong_with_times(ref, next(iter(columns.values())))
    if ref.cells:
        found += _wrong_with_summary(ref, bodies, columns)
    return list(dict.fromkeys(found))


def _missing(ref: BlockRef, variable: int) -> str:
    return f"block {ref.block_id.hex()}, variable {variable}: the row is missing"


def _wrong_with_times(ref: BlockRef, columns: Columns) -> list[str]:
    time_ms = columns.time_ms
    if (time_ms[1:] <= time_ms[:-1]).any():
        return [f"block {ref.block_id.hex()}: its times do not ascend"]
    if (int(time_ms[0]), int(time_ms[-1])) != (ref.from_ms, ref.to_ms):
        return [f"block {ref.block_id.hex()}: its times are not those that its head names"]
    return []


def _wrong_with_summary(
    ref: BlockRef, bodies: Mapping[tuple[bytes, int], bytes], columns: Mapping[int, Columns]
) -> list[str]:
    """The summary decodes, and counts as many values as its rows have, where those are to be read."""
    try:
        said = summaries.decode_summaries([blocks.open_summary(ref, bodies)])
        if ref.summary:
            summaries.decode_summaries([ref.summary])
    except KeyError:
        return [_missing(ref, blocks.SUMMARY)]
    except Corrupt as broken:
        return [broken.message]
    found = []
    for variable, rows in columns.items():
        counted = _counted(summaries.decode_summaries([_made_of(rows)]).get(variable))
        if counted != _counted(said.get(variable)):
            found.append(f"block {ref.block_id.hex()}, variable {variable}: its summary counts other values")
    return found


def _made_of(rows: Columns) -> bytes:
    return summaries.encode_summary(summaries.by_cells(rows).cells, compress=False)


def _counted(partials: Partials | None) -> tuple[int, int, int]:
    if partials is None:
        return 0, 0, 0
    uncertain = 0 if partials.uncertain is None else int(partials.uncertain.count.sum())
    return int(partials.good.count.sum()), uncertain, int(partials.bad.sum())
