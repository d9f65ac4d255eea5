"""What the entries of one shard become in a turn: folded, left out or set aside."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from storage.port import SeriesStore
from streams.port import Entry
from workers.erasing import leave_out
from workers.folding import Folded, grouped, has_clear
from workers.retaining import screen
from workers.screening import Shapes, fold_or_set_aside
from workers.tenure import Tenure
from workers.undoing import Judged

YIELD_SERIES = 64
"""Series folded between two looks at the event loop, so that leases are renewed in time (about 10 ms)."""


async def fold_entries(
    store: SeriesStore, shapes: Shapes | None, tenure: Tenure, entries: Sequence[Entry], judged: Judged
) -> Folded:
    """Fold entries of one shard, in their order, series by series; the store is asked for slices only.

    In this order: what was erased is left out, what is not of its type's shape and what reaches where
    retention took rows is set aside; without `shapes` columns are not held against the types.
    """
    folded = Folded(plans=tenure.plans, judged=judged)
    groups = grouped(entries, folded)
    leave_out(tenure, groups, folded)
    if shapes is not None:
        await shapes.screen(groups, entries, folded)
    screen(tenure, groups, entries, folded)
    for number, (series, changes) in enumerate(groups.items()):
        if has_clear(changes) or len(groups) <= YIELD_SERIES:
            await tenure.list(store, series)
        fold_or_set_aside(series, changes, tenure.listed.get(series, frozenset()), folded, entries)
        if number % YIELD_SERIES == YIELD_SERIES - 1:
            await asyncio.sleep(0)
    return folded
