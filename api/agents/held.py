"""Reading what series have at the times at which a replay would write (decision 0049)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np

from api.reading.fresh import Reads
from schemas.columns import Columns, Ints
from schemas.device_records import Share
from schemas.devices.held import Held
from schemas.durations import HOUR_MS
from schemas.errors import Unavailable
from schemas.ids import SeriesId, TenantId
from schemas.mappings import Routes
from storage import merge
from storage.spans import Wanted

RUNS_MAX: Final = 64
"""Stretches of time that are read of one series: a record of samplings years apart is a few reads."""
GAP_MS: Final = HOUR_MS
"""Samplings further apart than this are read apart, so that what lies between is not read."""
PIECE_ROWS: Final = 8_192
"""Read at once."""


async def read_held(reading: Reads, tenant: TenantId, routes: Routes, shares: Iterable[Share]) -> Held:
    """Read the cells of each series at the times of its share; Unavailable where not all can be seen now."""
    places = {(each.asset_id, each.aspect_id): place for place, each in enumerate(routes.aspects)}
    held = {}
    for share in shares:
        aspect, columns = share.aspect, share.columns
        series = SeriesId(tenant, aspect.asset_id, aspect.aspect_id)
        found = await read_at(reading, series, frozenset(columns.cells), columns.time_ms)
        if found.rows:
            held[places[aspect.asset_id, aspect.aspect_id]] = found
    return held


async def read_at(reading: Reads, series: SeriesId, variables: frozenset[int], times_ms: Ints) -> Columns:
    """Read some variables at these times, which ascend; Unavailable where not all can be seen now."""
    parts = []
    for first_ms, last_ms in runs_of(times_ms):
        wanted = Wanted(first_ms, last_ms + 1, variables)
        behind, pieces = await reading.pieces(series, wanted, PIECE_ROWS)
        async for rows in pieces:
            here = np.flatnonzero(np.isin(rows.columns.time_ms, times_ms, assume_unique=True))
            parts.append(rows.columns.take(here))
        if behind is not None:
            raise Unavailable(f"entries of {series.text} are not stored yet and cannot be looked through")
    return merge.joined(parts)


def runs_of(times_ms: Ints) -> list[tuple[int, int]]:
    """Divide ascending times where they are far apart, into so many stretches at most: first and last."""
    gaps = np.diff(times_ms)
    wide = np.flatnonzero(gaps > GAP_MS)
    if len(wide) >= RUNS_MAX:
        wide = np.sort(wide[np.argsort(gaps[wide], kind="stable")[-(RUNS_MAX - 1) :]])
    firsts = times_ms[np.concatenate([[0], wide + 1])]
    lasts = times_ms[np.concatenate([wide, [len(times_ms) - 1]])]
    return list(zip(firsts.tolist(), lasts.tolist(), strict=True))
