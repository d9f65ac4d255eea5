"""Whether an export would say what the newest one of the same says already (SM-31).

What a slice says is in its blocks, which are never changed, and in the deltas behind them: the same ids and
the same positions are the same rows. Sealing changes both and no row, so now and then something is exported
again for nothing; nothing that has changed is ever taken for the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

import msgspec

from schemas.exporting.model import ExportPlan
from schemas.exporting.schedules import Scheduled
from schemas.ids import SeriesId, TenantId
from storage import job_records
from storage.export_parts import find_download, prolong_download
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
    if plan.slides:
        del told["start_ms"]
    digest = hashlib.sha256(msgspec.json.encode(told, order="deterministic"))
    before = behind = False
    for series in plan.series:
        beyond = await _add_series(digest.update, store, series.named(tenant), plan)
        before, behind = before or beyond.before, behind or beyond.behind
        await alive()
    if behind and plan.is_open:
        # Rows behind the end may be before the next one.
        digest.update(b"to %d;" % plan.end_ms)
    if before and plan.slides:
        # Rows before the beginning may have been behind the one of the earlier export.
        digest.update(b"from %d;" % plan.start_ms)
    return digest.hexdigest()


class _Beyond(NamedTuple):
    """Whether slices of a range may have rows beyond its ends: with other ends other rows could be meant."""

    before: bool
    behind: bool


async def _add_series(
    add: Callable[[bytes], object], store: SeriesStore, series: SeriesId, plan: ExportPlan
) -> _Beyond:
    """Add what the slices of a series consist of."""
    before = behind = False
    for start, width in sorted((await store.read_slices(series)).items()):
        first_ms, end_ms = slice_range(start, width)
        if first_ms >= plan.end_ms or end_ms <= plan.start_ms:
            continue
        state = await store.read_state(SliceId(series, start))
        head = decode_head(state.head.body)
        later = [delta.last for delta in state.deltas if delta.last > head.sealed_through]
        blocks = [ref for ref in head.blocks if ref.from_ms < plan.end_ms and ref.to_ms >= plan.start_ms]
        before |= bool(later) or any(ref.from_ms < plan.start_ms for ref in blocks)
        behind |= bool(later) or any(ref.to_ms >= plan.end_ms for ref in blocks)
        if blocks or later:
            add(b"%b %d:" % (series.text.encode(), start))
            add(b"".join(sorted(ref.block_id for ref in blocks)))
            add(b"%d %d;" % (max(later, default=0), head.rows_from_ms))
    return _Beyond(before, behind)


async def earlier_of(
    catalog: CatalogStore, tenant: TenantId, record: JobRecord, now_ms: int, until_ms: int
) -> str | None:
    """Find the export that says the same and is still kept; None: there is none.

    The download of a schedule's own earlier export is kept until `until_ms` from then on, as that of a new
    one would be; a scheduled export finds no other ones.
    """
    schedule = record.schedule
    for known in await job_records.all_of(catalog, tenant):
        is_same = known.kind == EXPORT and known.fingerprint == record.fingerprint and known.id != record.id
        if is_same and known.phase is Phase.DONE and not known.same_as and _may_mean(schedule, known):
            kept = await find_download(catalog, tenant, known.id)
            if kept is None or now_ms >= kept.until_ms:
                continue
            if schedule is None or await prolong_download(catalog, tenant, known.id, until_ms):
                return known.id
    return None


def _may_mean(schedule: Scheduled | None, known: JobRecord) -> bool:
    if schedule is None:
        return True
    return known.schedule is not None and known.schedule.id == schedule.id
