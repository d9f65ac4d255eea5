"""Purging: dropping what no head, no later attach and no pin names any more (design 4.7).

Works over the port alone, after the grace only, and may be stopped anywhere: what is left over is found by
the next sweep.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from collections.abc import Set as AbstractSet

from schemas.changes import Attach
from schemas.ids import TenantId
from storage import blocks
from storage.deltas import decode_delta
from storage.heads import decode_head, decode_refs
from storage.pins import blocks_of
from storage.port import SeriesStore, SliceId
from storage.sealing import BlockKey, Sealed, drop


async def purge(store: SeriesStore, sealed: Sealed, kept: frozenset[bytes] = frozenset()) -> None:
    """Drop what a seal made superfluous; call it only after the grace has passed (design 4.7).

    `kept` names blocks that an unfinished job still needs. Blocks that the present head, a younger attach
    or a pin names are kept in any case.
    """
    slice_id = sealed.slice
    head = decode_head((await store.read_head(slice_id)).body)
    await store.purge_deltas(slice_id, min(sealed.upto, head.sealed_through))
    if not sealed.replaced:
        return
    # Pins before deltas: that is the way that the name of a block travels which an undo brings back.
    named = {ref.block_id for ref in head.blocks} | kept | await _pinned(store, slice_id)
    for delta in await store.read_deltas(slice_id, head.sealed_through):
        change = decode_delta(delta.body)
        if isinstance(change, Attach):
            named |= {ref.block_id for ref in decode_refs(change.blocks)}
    await drop(store, slice_id, [key for key in sealed.replaced if key[1] not in named])


async def _pinned(store: SeriesStore, slice_id: SliceId) -> set[bytes]:
    return {ref.block_id for pin in await store.read_pins(slice_id) for ref in blocks_of(pin)}


NamedByJobs = Callable[[TenantId], Awaitable[AbstractSet[bytes]]]
"""Gives the blocks that unfinished jobs of a tenant name; asked after the store, which they name before."""


async def find_orphans(
    store: SeriesStore, slice_id: SliceId, part_max: int = 0, named_by_jobs: NamedByJobs | None = None
) -> Sealed:
    """Find blocks that neither head nor pin names, yet or any more, nor an unfinished job.

    They are left by a crash between storing and naming, or before a purge, or by a pin that was let go. What
    it gives goes through `purge` after the grace, like the blocks of a seal: a reader may still hold an older
    head that names them (design 4.6, 4.7). `part_max`: blocks may lie in parts up to it. Blocks that an
    import staged are built on no head: where nobody can say which jobs there are, they are left alone.
    """
    head = await store.read_head(slice_id, serial=True)
    content = decode_head(head.body)
    named = {ref.block_id for ref in content.blocks} | await _pinned(store, slice_id)
    youngest = max([part_max, *(ref.part for ref in content.blocks)])
    orphans: list[BlockKey] = []
    staged: list[BlockKey] = []
    part = 0
    while (listed := await store.list_blocks(slice_id, part)) or part <= youngest:
        unnamed = [block_id for block_id in listed if block_id not in named]
        bodies = await store.read_blocks(slice_id, part, [blocks.TIME, blocks.SUMMARY], unnamed)
        built_on = {key[0]: blocks.built_on(key[0], body) for key, body in bodies.items()}
        orphans += [(part, block_id) for block_id, version in built_on.items() if version < head.version]
        staged += [(part, block_id) for block_id, version in built_on.items() if version == blocks.STAGED]
        part += 1
    if staged and named_by_jobs is not None:
        kept = await named_by_jobs(slice_id.series.tenant)
        orphans += [key for key in staged if key[1] not in kept]
    return Sealed(slice_id, content.sealed_through, tuple(sorted(orphans)))


async def release(
    store: SeriesStore, slice_id: SliceId, now_ms: int, named_by_jobs: NamedByJobs | None = None
) -> Sealed:
    """Drop the pins whose time is over; gives what nothing names any more, to be purged after the grace."""
    part_max = 0
    for kept in await store.read_pins(slice_id):
        if kept.until_ms <= now_ms:
            part_max = max([part_max, *(ref.part for ref in blocks_of(kept))])
            await store.drop_pin(slice_id, kept.position)
    return await find_orphans(store, slice_id, part_max, named_by_jobs)
