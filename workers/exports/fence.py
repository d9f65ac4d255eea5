"""What an export is begun on: everything acknowledged before is in it, because the writers came to it first.

An export reads the store and no stream, as it may take longer than a stream keeps anything. So it waits,
once, until what is acknowledged of its series by then is applied; from there on each slice is read as it is
when the reader comes to it (design 4.15).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

from schemas.exporting.model import ExportPlan
from schemas.ids import SeriesId, TenantId
from storage.export_parts import Basis
from storage.slices import slice_range
from streams.shards import shard_of
from workers.imports.attaching import Order

T = TypeVar("T")

SERIES_AT_ONCE: Final = 16


async def basis_of(
    order: Order, tenant: TenantId, plan: ExportPlan, wait: Callable[[], Awaitable[None]]
) -> Basis:
    """Wait until what is acknowledged of the series is in the store, and say how far that is.

    `wait` lets some time pass, and may raise what ends the job. StreamUnavailable where nobody can tell.
    """
    stream, store = order.stream, order.store
    named = [series.named(tenant) for series in plan.series]

    async def position_of(series: SeriesId) -> int:
        shard = shard_of(series.tenant, series.asset, order.shards)
        tail = await stream.read_tail(shard, series)
        while tail.chain is None:  # So long that it is not read at once; it gets shorter.
            await wait()
            tail = await stream.read_tail(shard, series)
        if not tail.chain:
            return tail.applied
        while await store.read_cursor(shard) < tail.chain[-1].position:
            await wait()
        return tail.chain[-1].position

    positions = await _side_by_side(named, position_of)
    listed = await _side_by_side(named, store.read_slices)
    reaches = [slice_range(start, width) for slices in listed for start, width in slices.items()]
    first_ms = max(plan.start_ms, min((first for first, _ in reaches), default=plan.start_ms))
    end_ms = min(plan.end_ms, max((end for _, end in reaches), default=plan.start_ms))
    return Basis(tuple(positions), first_ms, max(first_ms, end_ms))


async def _side_by_side(series: Sequence[SeriesId], ask: Callable[[SeriesId], Awaitable[T]]) -> list[T]:
    found: list[T] = []
    for first in range(0, len(series), SERIES_AT_ONCE):
        found += await asyncio.gather(*map(ask, series[first : first + SERIES_AT_ONCE]))
    return found
