"""Whether an export would say what the newest one of the same says already (SM-31).

What a slice says is in its blocks, which are never changed, and in the deltas behind them: the same ids and
the same positions are the same rows. Sealing changes both and no row, so now and then something is exported
again for nothing; nothing that has changed is ever taken for the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from schemas.exporting.model import ExportPlan
from schemas.ids import SeriesId, TenantId
from storage import job_records
from storage.export_parts import find_download
from storage.heads import decode_head
from storage.job_records import EXPORT, JobRecord, Phase
from storage.port import CatalogStore, SeriesStore, SliceId
from storage.slices import slice_range

_BESIDE: Final = ("asked", "bytes_max", "kept_s", "if_changed")
"""Of a plan: what changes no byte of a download."""


async def fingerprint_of(
    store: SeriesStore, tenant: TenantId, plan: ExportPlan, alive: Callable[[], Awaitable[None]]
) -> str:
    """Tell what an export would be made of; `alive` gives a sign of life, and may raise what ends the job."""
    told = {name: value for name, value in msgspec.to_builtins(plan).items() if name not in _BESIDE}
    if plan.is_open:
        del told["end_ms"]
    digest = hashlib.sha256(msgspec.json.encode(told, order="deterministic"))
    moves = False
    for series in plan.series:
        moves |= await _add_series(digest.update, store, series.named(tenant), plan)
        await alive()
    if moves and plan.is_open:
        # Rows behind the end may be before the next one.
        digest.update(b"%d" % plan.end_ms)
    return digest.hexdigest()


async def _add_series(
    add: Callable[[bytes], object], store: SeriesStore, series: SeriesId, plan: ExportPlan
) -> bool:
    """Add what the slices of a series consist of; tells whether a later end could mean other rows."""
    moves = False
    for start, width in sorted((await store.read_slices(series)).items()):
        first_ms, end_ms = slice_range(start, width)
        if first_ms >= plan.end_ms or end_ms <= plan.start_ms:
            continue
        state = await store.read_state(SliceId(series, start))
        head = decode_head(state.head.body)
        later = [delta.last for delta in state.deltas if delta.last > head.sealed_through]
        blocks = sorted(ref.block_id for ref in head.blocks)
        moves |= bool(later) or any(ref.to_ms >= plan.end_ms for ref in head.blocks)
        if blocks or later:
            add(b"%b %d:" % (series.text.encode(), start))
            add(b"".join(blocks))
            add(b"%d %d;" % (max(later, default=0), head.rows_from_ms))
    return moves


async def earlier_of(catalog: CatalogStore, tenant: TenantId, record: JobRecord, now_ms: int) -> str | None:
    """Find the export that says the same and is still kept; None: there is none."""
    for known in await job_records.all_of(catalog, tenant):
        is_same = known.kind == EXPORT and known.fingerprint == record.fingerprint and known.id != record.id
        if is_same and known.phase is Phase.DONE and not known.same_as:
            kept = await find_download(catalog, tenant, known.id)
            if kept is not None and now_ms < kept.until_ms:
                return known.id
    return None
