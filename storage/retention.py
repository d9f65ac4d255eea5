"""Retention: taking the rows of old blocks and leaving what their summaries say (design 4.13).

A block whose time is over is replaced by one that has its summary only, behind a new head, by the rules of a
seal: written first, named by compare-and-set, the old block dropped after the grace. From then on rows before
the end of the last such block live no more, wherever they come from: `HeadContent.rows_from_ms` says so, and
readers and seals leave them out. Doors refuse what reaches there, by its time (`schemas.retention`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from schemas.changes import Clear
from storage import blocks, summaries
from storage.deltas import decode_delta
from storage.heads import END_MS, BlockRef, HeadContent, decode_head
from storage.port import SeriesStore, SliceId
from storage.reader import read_refs
from storage.sealing import Parts, Sealed, Volume, listed, store_rows, swapped
from storage.spans import Placed, times_of


async def retain(
    store: SeriesStore, slice_id: SliceId, before_ms: int, new_id: Callable[[], bytes]
) -> Sealed | None:
    """Leave only summaries of the blocks that end before a time; None if there is none, or another won.

    Run by the shard's writer, after a seal, where nothing is admitted any more that reaches before that time:
    None also where a delta does, since a summary made without it would never know of it. What it gives goes
    through `storage.purging.purge` after the grace. Blocks are rewritten whole, so rows of the block that
    contains `before_ms` live on.
    """
    head = await store.read_head(slice_id)
    old = decode_head(head.body)
    over = _over(old, before_ms)
    later = await _later(store, slice_id, old.sealed_through)
    if not over or _reaches(later, over[-1].to_ms):
        return None
    parts = Parts(old.blocks)
    left: list[BlockRef] = []
    for ref in over:
        place = blocks.Place(slice_id, parts.open, head.version)
        summary = await _summary_of(store, slice_id, ref)
        if summary is None:
            return None  # The head has changed meanwhile.
        kept, row = blocks.encode_summary_block(place, new_id(), ref, *summary)
        parts.add(kept)
        left.append(kept)
        await store_rows(store, slice_id, [row])
    gone = {ref.block_id for ref in over}
    staying = [ref for ref in old.blocks if ref.block_id not in gone]
    content = HeadContent(old.sealed_through, listed([*staying, *left]), _end_of(left, old))
    if not await swapped(store, slice_id, head.version, content, left):
        return None
    replaced = tuple((ref.part, ref.block_id) for ref in over)
    volume = Volume(0, sum(ref.stored_bytes for ref in over), sum(ref.stored_bytes for ref in left))
    return Sealed(slice_id, content.sealed_through, replaced, volume=volume, head=content)


async def _later(store: SeriesStore, slice_id: SliceId, after: int) -> list[Placed]:
    """Read and decode the deltas with last > after, in the order."""
    deltas = await store.read_deltas(slice_id, after)
    return [Placed(delta.first, delta.last, decode_delta(delta.body)) for delta in deltas]


async def is_due(store: SeriesStore, slice_id: SliceId, before_ms: int) -> bool:
    """Tell whether a slice has blocks that are over, or deltas of which a seal may make some."""
    head = decode_head((await store.read_head(slice_id)).body)
    return bool(_over(head, before_ms)) or bool(await store.read_deltas(slice_id, head.sealed_through))


def _over(head: HeadContent, before_ms: int) -> list[BlockRef]:
    """Give the blocks with rows that end before a time; in a head of version 1, up to one across others.

    The next seal parts those: until then rows of one lie on both sides of what another would summarise.
    """
    refs = [ref for ref in head.blocks if not ref.summary_only]
    ends = np.maximum.accumulate(np.array([ref.to_ms for ref in refs], "<i8"))
    following = np.array([*(ref.from_ms for ref in refs[1:]), END_MS][: len(refs)], "<i8")
    fit = np.logical_and.accumulate((ends < before_ms) & (ends < following))
    return refs[: np.count_nonzero(fit)]


def _reaches(later: Sequence[Placed], to_ms: int) -> bool:
    """Tell whether a change that is not sealed may touch what lies at or before a time."""
    clears = [placed.change for placed in later if isinstance(placed.change, Clear)]
    return bool((times_of(later) <= to_ms).any()) or any(clear.start_ms <= to_ms for clear in clears)


def _end_of(left: Sequence[BlockRef], old: HeadContent) -> int:
    return max(old.rows_from_ms, max(ref.to_ms for ref in left) + 1)


async def _summary_of(
    store: SeriesStore, slice_id: SliceId, ref: BlockRef
) -> tuple[bytes | memoryview, bytes] | None:
    """Give what a block says of its cells and of itself, or make it of its rows; None if it is missing.

    Nothing of itself where it covers more time than a record can say: then its cells are read.
    """
    if not ref.cells:
        found = await read_refs(store, slice_id, [ref], None)
        if found is None:
            return None
        made = summaries.by_cells(found[0])
        wide = ref.to_ms - ref.from_ms > summaries.SPAN_MS_MAX
        whole = b"" if wide else summaries.encode_summary(made.whole, compress=False)
        return summaries.encode_summary(made.cells, compress=True), whole
    bodies = await store.read_blocks(slice_id, ref.part, [blocks.SUMMARY], [ref.block_id])
    if not bodies:
        return None
    cells = blocks.open_summary(ref, bodies)
    folded = summaries.whole_of(summaries.decode_summaries([cells]))
    return cells, ref.summary or summaries.encode_summary(folded, compress=False)
