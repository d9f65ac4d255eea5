"""Folding a series into intervals, piece by piece, so that no range needs more memory than one piece of it.

`Aggregating.partials` is the one way from a series to partials. It folds pieces in the order of time,
each either rows or partials of 15-minute cells, with everything acknowledged in them (design 4.11, 4.17).
Cells speak only where every interval is made of whole ones and no maximum hold is asked for, which they do
not know; elsewhere all pieces are rows.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from api.reading.fresh import Gone, Reads, gone_in
from schemas.aspects import VariableType
from schemas.codes import INVALID_PARAMETER
from schemas.columns import Columns, Ints
from schemas.durations import DAY_MS
from schemas.errors import Invalid, Problem
from schemas.folding import of_columns, rows_of
from schemas.holding import Before, default_hold_ms
from schemas.ids import SeriesId
from schemas.limits import IN_THREAD_VALUES, PERCENTILE_VALUES_MAX
from schemas.partials import CELL_MS, Partials, cell_of, joined, regrouped
from schemas.percentiles import Percentiles, percentiles_of
from schemas.quality import Quality
from schemas.receipts import Place
from schemas.stacks import Stack
from storage.spans import Wanted
from storage.summary_reader import Cells

_PIECE_VALUES = 4_000_000
"""Read in one go: with their times at most 64 MB, and much more than the fixed cost of a read."""
_RUN_MS = 32 * DAY_MS
"""Intervals whose percentiles are taken together, where they have no more values than can be sorted."""
_USUAL_ROWS = 1_001
"""Rows at the start of a range from which the usual distance of values is taken."""
_BEFORE_ROWS = 64
"""Rows looked at in one go for the value before a range: variables of one aspect mostly come together."""

_TOO_MANY_VALUES = f"An interval has more than {PERCENTILE_VALUES_MAX} values; choose a shorter one."

Variables = Mapping[int, VariableType]
"""Variable id → its type today; numeric ones."""
Piece = Columns | Cells


class _Wish(NamedTuple):
    """What is to be folded: (borders[0], borders[-1]] of some variables."""

    borders_ms: Ints
    variables: Variables
    hold_ms: Mapping[int, int]
    """The longest hold of each variable; without one holding is not looked at."""

    @property
    def takes_cells(self) -> bool:
        """Tell whether partials of cells say what rows would."""
        return not self.hold_ms and not (self.borders_ms % CELL_MS).any()


@dataclass(slots=True, frozen=True)
class Folded:
    """What a fold found."""

    borders_ms: Ints
    """As asked for; where only summaries live, moved out to whole cells (design 4.13)."""
    partials: Mapping[int, Partials]
    """By variable; the groups are places among the borders."""
    behind: int | None = None
    """As `Rows.behind`."""
    gone: Gone | None = None
    """Where summaries spoke for records that live no more, or nothing did (design 4.13)."""


class Aggregating:
    """Aggregates of series, out of what a door reads."""

    def __init__(self, reading: Reads) -> None:
        """Fold what `reading` finds."""
        self._reading = reading

    async def partials(
        self,
        series: SeriesId,
        borders_ms: Ints,
        variables: Variables,
        after: Sequence[Place] = (),
        hold_ms: Mapping[int, int] | None = None,
    ) -> Folded:
        """Fold a series into the intervals between borders; `after` makes these entries a must."""
        wish = _Wish(borders_ms, variables, hold_ms or {})
        folded = await self._folded(series, wish, after)
        if folded.gone is None or wish.takes_cells or wish.hold_ms:
            return folded
        return await self._outwards(series, wish, folded.gone, after)

    async def _outwards(self, series: SeriesId, wish: _Wish, gone: Gone, after: Sequence[Place]) -> Folded:
        """Fold anew, in whole cells where only summaries live."""
        places = _outward(wish.borders_ms, gone)
        parts = [
            await self._folded(series, wish._replace(borders_ms=place), after)
            for place in places
            if len(place) > 1
        ]
        borders_ms = np.unique(np.concatenate(places))
        firsts = [int(np.searchsorted(borders_ms, part.borders_ms[0])) for part in parts]
        partials = {
            variable: joined(
                [
                    regrouped(part.partials[variable], part.partials[variable].groups + first)
                    for part, first in zip(parts, firsts, strict=True)
                ],
                kind,
            )
            for variable, kind in wish.variables.items()
        }
        return Folded(borders_ms, partials, parts[-1].behind, gone)

    async def _folded(self, series: SeriesId, wish: _Wish, after: Sequence[Place]) -> Folded:
        """Fold a series into the intervals between these borders."""
        borders_ms, variables = wish.borders_ms, wish.variables
        found: dict[int, list[Partials]] = {variable: [] for variable in variables}
        behind: int | None = None
        gone: list[Gone] = []
        if variables and len(borders_ms) > 1:
            pieces = self._cells if wish.takes_cells else self._rows
            async for piece, place, missing in pieces(series, wish, after):
                gone += [] if missing is None else [missing]
                for variable, part in (await _fold(piece, wish)).items():
                    found[variable].append(part)
                behind = place
        return Folded(
            borders_ms,
            {
                variable: joined(parts, variables[variable], wish.hold_ms.get(variable))
                for variable, parts in found.items()
            },
            behind,
            gone_in(gone),
        )

    async def percentiles(
        self,
        series: SeriesId,
        borders_ms: Ints,
        variables: Variables,
        fractions: Sequence[float],
        after: Sequence[Place] = (),
        *,
        uncertain_enters: bool,
    ) -> dict[int, Percentiles]:
        """Give percentiles of every interval, out of all its values; Invalid where it has too many."""
        found: dict[int, list[Percentiles]] = {variable: [] for variable in variables}
        runs = _runs(borders_ms)
        while runs:
            first, last = runs.pop()
            edges = borders_ms[first : last + 1]
            columns = await self._all_rows(series, edges, variables, after)
            if columns is None:
                if last - first == 1:
                    raise Invalid([Problem("/intervalValue", INVALID_PARAMETER, _TOO_MANY_VALUES)])
                middle = (first + last) // 2
                runs += [(middle, last), (first, middle)]
                continue
            for variable, kind in variables.items():
                part = await asyncio.to_thread(
                    percentiles_of, columns, variable, kind, edges, fractions,
                    uncertain_enters=uncertain_enters,
                )  # fmt: skip
                found[variable].append(Percentiles(part.groups + first, part.values))
        return {variable: _percentiles_joined(parts) for variable, parts in found.items()}

    async def _all_rows(
        self, series: SeriesId, borders_ms: Ints, variables: Variables, after: Sequence[Place]
    ) -> Columns | None:
        """Read the rows between the first and the last border; None if they are too many to be sorted."""
        rows_max = PERCENTILE_VALUES_MAX // len(variables)
        start_ms, end_ms = int(borders_ms[0]) + 1, int(borders_ms[-1]) + 1
        wanted = Wanted(start_ms, end_ms, frozenset(variables), rows_max + 1)
        columns = (await self._reading.rows(series, wanted, after)).columns
        return columns if columns.rows <= rows_max else None

    async def usual_holds(
        self, series: SeriesId, borders_ms: Ints, variables: Variables, after: Sequence[Place] = ()
    ) -> dict[int, int]:
        """Give the maximum hold of each variable where none is declared (design 8.28).

        By the median distance of its values among the first records of the range.
        """
        start_ms, end_ms = int(borders_ms[0]) + 1, int(borders_ms[-1]) + 1
        wanted = Wanted(start_ms, end_ms, frozenset(variables), _USUAL_ROWS)
        columns = (await self._reading.rows(series, wanted, after)).columns
        return {
            variable: default_hold_ms(np.zeros(0, np.int64) if rows is None else rows.time_ms)
            for variable, kind in variables.items()
            for rows in (rows_of(columns, variable, kind),)
        }

    async def before(
        self,
        series: SeriesId,
        time_ms: int,
        hold_ms: Mapping[int, int],
        variables: Variables,
        after: Sequence[Place] = (),
    ) -> dict[int, Before]:
        """Find the value of each variable that may still hold at a time, across blocks and slices."""
        found: dict[int, Before] = {}
        missing, end_ms = dict(variables), time_ms + 1
        while missing:
            start_ms = time_ms + 1 - max(hold_ms[variable] for variable in missing)
            wanted = Wanted(start_ms, end_ms, frozenset(missing), _BEFORE_ROWS, descending=True)
            columns = (await self._reading.rows(series, wanted, after)).columns
            for variable, kind in list(missing.items()):
                last = _last(columns, variable, kind)
                if last is not None:
                    del missing[variable]
                    if last.time_ms > time_ms - hold_ms[variable]:
                        found[variable] = last
            if columns.rows < _BEFORE_ROWS:
                break
            end_ms = int(columns.time_ms[0])
        return found

    async def _rows(
        self, series: SeriesId, wish: _Wish, after: Sequence[Place]
    ) -> AsyncIterator[tuple[Piece, int | None, Gone | None]]:
        """Read rows piece by piece; pieces need not end where intervals do."""
        start_ms, end_ms = int(wish.borders_ms[0]) + 1, int(wish.borders_ms[-1]) + 1
        wanted = Wanted(start_ms, end_ms, frozenset(wish.variables))
        rows_max = max(_PIECE_VALUES // len(wish.variables), 1)
        behind, pieces = await self._reading.pieces(series, wanted, rows_max, after)
        async for rows in pieces:
            yield rows.columns, behind, rows.gone

    async def _cells(
        self, series: SeriesId, wish: _Wish, after: Sequence[Place]
    ) -> AsyncIterator[tuple[Piece, int | None, Gone | None]]:
        """Read cells where blocks have them, rows elsewhere."""
        start_ms, end_ms = int(wish.borders_ms[0]) + 1, int(wish.borders_ms[-1]) + 1
        wanted = Wanted(start_ms, end_ms, frozenset(wish.variables))
        behind, pieces = await self._reading.cells(series, wanted, wish.borders_ms, after)
        async for piece in pieces:
            yield piece, behind, _gone_of(piece)


def _last(columns: Columns, variable: int, kind: VariableType) -> Before | None:
    rows = rows_of(columns, variable, kind)
    if rows is None:
        return None
    quality = Quality.GOOD if rows.classes is None else Quality(int(rows.classes[-1]))
    return Before(int(rows.time_ms[-1]), float(rows.values[-1]), quality)


def _outward(borders_ms: Ints, gone: Gone) -> tuple[Ints, Ints, Ints]:
    """Give the borders before, around and after what only summaries know; those around in whole cells."""
    first_ms = max(gone.first_ms, int(borders_ms[0]) + 1)
    last_ms = min(gone.last_ms, int(borders_ms[-1]))
    start_ms, end_ms = cell_of(first_ms) * CELL_MS, (cell_of(last_ms) + 1) * CELL_MS
    inside = borders_ms[(borders_ms > start_ms) & (borders_ms < end_ms)] // CELL_MS * CELL_MS
    around = np.unique(np.array([start_ms, *inside.tolist(), end_ms]))
    before = borders_ms[borders_ms < start_ms]
    behind = borders_ms[borders_ms > end_ms]
    return (
        np.append(before, start_ms) if len(before) else before,
        around,
        np.insert(behind, 0, end_ms) if len(behind) else behind,
    )


def _gone_of(piece: Piece) -> Gone | None:
    """Give where a piece speaks for records that live no more; None also where they had no values."""
    if isinstance(piece, Columns) or not piece.summary_only:
        return None
    parts = [stack.partials for stack in piece.stacks if len(stack.partials)]
    return gone_in(Gone(int(part.first_ms.min()), int(part.last_ms.max())) for part in parts)


async def _fold(piece: Piece, wish: _Wish) -> dict[int, Partials]:
    if isinstance(piece, Columns):
        if piece.rows * len(wish.variables) < IN_THREAD_VALUES:
            return _fold_rows(piece, wish)
        return await asyncio.to_thread(_fold_rows, piece, wish)
    return {
        variable: part
        for stack in piece.stacks
        for variable, part in _fold_cells(stack, wish.borders_ms).items()
    }


def _fold_rows(columns: Columns, wish: _Wish) -> dict[int, Partials]:
    if not columns.rows:
        return {}
    # Of a hundred thousand borders only those that the rows touch.
    times, borders_ms = columns.time_ms, wish.borders_ms
    first = max(int(np.searchsorted(borders_ms, times[0], side="left")) - 1, 0)
    last = int(np.searchsorted(borders_ms, times[-1], side="left")) + 1
    folded = {}
    for variable, kind in wish.variables.items():
        part = of_columns(columns, variable, kind, borders_ms[first:last], wish.hold_ms.get(variable))
        folded[variable] = regrouped(part, part.groups + first)
    return folded


def _fold_cells(cells: Stack, borders_ms: Ints) -> dict[int, Partials]:
    """Fold cells that each lie inside one interval."""
    groups = borders_ms.searchsorted((cells.partials.groups + 1) * CELL_MS) - 1
    return cells.regrouped(groups, len(borders_ms))


def _runs(borders_ms: Ints) -> list[tuple[int, int]]:
    """Divide the intervals into runs of about a piece each: first and last border, the earliest run last."""
    runs: list[tuple[int, int]] = []
    first = 0
    while first < len(borders_ms) - 1:
        last = int(np.searchsorted(borders_ms, borders_ms[first] + _RUN_MS, side="right")) - 1
        runs.append((first, max(last, first + 1)))
        first = runs[-1][1]
    return runs[::-1]


def _percentiles_joined(parts: Sequence[Percentiles]) -> Percentiles:
    groups = np.concatenate([part.groups for part in parts])
    return Percentiles(groups, np.concatenate([part.values for part in parts], axis=1))
