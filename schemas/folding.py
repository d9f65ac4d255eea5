"""Rows → partials: the fold of raw columns into cells and intervals, 130 M values/s a core (design 3).

Works on ascending rows of one variable, in pieces that fit the processor's cache; `schemas.partials` says
what a partial is and joins the pieces.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from schemas.aspects import VariableType
from schemas.columns import Bools, Columns, Ints, Texts
from schemas.partials import (
    CELL_MS,
    LOW_BITS,
    SUM_WORD_BITS,
    ClassPartials,
    Numbers,
    Partials,
    carried,
    cell_of,
    distances,
    first_of,
    joined,
    no_class,
    nothing,
    spread,
    starts_of,
)
from schemas.quality import Quality, classify_all

_PLAIN_SUM_MAX = 2**62
"""Up to this bound of |value| x count a sum of 64 bits cannot overflow."""
_ROWS_AT_ONCE = 1 << 14
"""Rows folded in one go: their columns stay in the processor's cache. It also bounds what second moments
lose: the first value lies within sqrt(rows) deviations of the mean, so at most rows x 2^-52 of them."""


def of_columns(
    columns: Columns, variable: int, kind: VariableType, borders_ms: Ints, hold_ms: int | None = None
) -> Partials:
    """Fold ascending rows into the groups between consecutive borders; rows outside are ignored.

    `groups` are places among the borders: group g holds borders[g] < t ≤ borders[g + 1]; those without a
    value are left out. INT and LONG columns of a variable that is DOUBLE today are widened (design 8.12).
    With `hold_ms` no value holds longer than that.
    """
    rows = rows_of(columns, variable, kind)
    if rows is None or len(borders_ms) < 2:
        return nothing(kind)
    edges = np.searchsorted(rows.time_ms, borders_ms, side="right")
    groups = np.flatnonzero(edges[1:] > edges[:-1])
    return _fold(rows, groups, edges[groups], int(edges[-1]), hold_ms)


def cells_of(columns: Columns, variable: int, kind: VariableType) -> Partials:
    """Fold ascending rows into 15-minute cells; the groups are the numbers of the cells that have a value."""
    rows = rows_of(columns, variable, kind)
    if rows is None:
        return nothing(kind)
    time_ms = rows.time_ms
    first, last = cell_of(int(time_ms[0])), cell_of(int(time_ms[-1]))
    if last - first < len(time_ms):
        edges = np.searchsorted(time_ms, np.arange(first, last + 2) * CELL_MS, side="right")
        groups = np.flatnonzero(edges[1:] > edges[:-1])
        starts = edges[groups]
        return _fold(rows, groups + first, starts, len(time_ms), None)
    cells = (time_ms - 1) // CELL_MS
    starts = starts_of(cells)
    return _fold(rows, cells[starts], starts, len(time_ms), None)


class Rows(NamedTuple):
    """The rows of one variable that have a value, at least one, ascending."""

    time_ms: Ints
    values: Numbers
    classes: NDArray[np.uint8] | None
    """None: all are good."""


def rows_of(columns: Columns, variable: int, kind: VariableType) -> Rows | None:
    """Give the rows that have a value of a numeric variable, in their order; None if there are none."""
    column = columns.cells.get(variable)
    if column is None or isinstance(column.values, Texts):
        return None
    time_ms, quality = columns.time_ms, column.quality
    values = column.values.astype(np.float64 if kind is VariableType.DOUBLE else np.int64, copy=False)
    if column.present is not None and not column.present.all():
        rows = np.flatnonzero(column.present)
        time_ms, values = time_ms[rows], values[rows]
        quality = None if quality is None else quality[rows]
    if not len(time_ms):
        return None
    classes = None if quality is None else classify_all(quality, len(quality))
    return Rows(time_ms, values, classes if classes is not None and classes.any() else None)


def _fold(rows: Rows, groups: Ints, starts: Ints, end: int, hold_ms: int | None) -> Partials:
    """Fold the rows from starts[0] to `end`, piece by piece; group i begins at row starts[i]."""
    kind = VariableType.DOUBLE if rows.values.dtype.kind == "f" else VariableType.LONG
    if not len(groups):
        return nothing(kind)
    cuts = np.arange(int(starts[0]), end, _ROWS_AT_ONCE)
    pieces = np.union1d(starts, cuts)
    numbers = groups[np.searchsorted(starts, pieces, side="right") - 1]
    edges = np.append(np.searchsorted(pieces, cuts), len(pieces)).tolist()
    ends = [*cuts[1:].tolist(), end]
    with np.errstate(over="ignore", invalid="ignore"):
        parts = [
            _fold_piece(rows, numbers[first:last], pieces[first:last], stop, hold_ms)
            for first, last, stop in zip(edges[:-1], edges[1:], ends, strict=True)
        ]
    return joined(parts, kind, hold_ms)


def _fold_piece(rows: Rows, groups: Ints, starts: Ints, end: int, hold_ms: int | None) -> Partials:
    begin = int(starts[0])
    time_ms, values, starts = rows.time_ms[begin:end], rows.values[begin:end], starts - begin
    lasts = np.append(starts[1:], len(time_ms)) - 1
    gaps = np.empty(len(time_ms), np.int64)
    np.subtract(time_ms[1:], time_ms[:-1], out=gaps[:-1])
    gaps[lasts] = 0
    longest = np.maximum.reduceat(gaps, starts)
    if hold_ms is not None:
        np.minimum(gaps, hold_ms, out=gaps)
    bad, bad_held, uncertain = np.zeros((2, len(starts)), np.int64), np.zeros(len(starts), np.int64), None
    if rows.classes is None:
        good = _of_class(values, time_ms, gaps, starts)
        return Partials(groups, time_ms[starts], time_ms[lasts], longest, bad[0], bad[1], good)
    classes = rows.classes[begin:end]
    good = _of_some(classes == Quality.GOOD, values, time_ms, gaps, starts)
    found = _of_some(classes == Quality.UNCERTAIN, values, time_ms, gaps, starts)
    uncertain = found if found.count.any() else None
    is_bad = classes == Quality.BAD
    counted = np.add.reduceat(is_bad.astype(np.int64), starts)
    bad_held = np.add.reduceat(np.where(is_bad, gaps, 0), starts)
    return Partials(groups, time_ms[starts], time_ms[lasts], longest, counted, bad_held, good, uncertain)


def _of_some(chosen: Bools, values: Numbers, time_ms: Ints, gaps: Ints, starts: Ints) -> ClassPartials:
    """Fold the chosen rows only; a group may have none."""
    rows = np.flatnonzero(chosen)
    edges = np.searchsorted(rows, np.append(starts, len(values)))
    filled = np.flatnonzero(edges[1:] > edges[:-1])
    if not len(filled):
        return no_class(len(starts), values.dtype)
    part = _of_class(values[rows], time_ms[rows], gaps[rows], edges[filled])
    return spread(part, filled, len(starts))


def _of_class(values: Numbers, time_ms: Ints, gaps: Ints, starts: Ints) -> ClassPartials:
    """Fold rows of one class; every group has at least one."""
    count = np.diff(np.append(starts, len(values)))
    lasts = starts + count - 1
    minima, maxima = np.minimum.reduceat(values, starts), np.maximum.reduceat(values, starts)
    lowest, highest = first_of(minima, values, starts, count), first_of(maxima, values, starts, count)
    first = values[starts]
    apart = distances(values, np.repeat(first, count), minima, maxima)
    offset = np.add.reduceat(apart, starts) / count
    squares = np.add.reduceat(np.square(apart), starts)
    total, total_high = _sums(values, starts, minima, maxima)
    return ClassPartials(
        count, total, total_high, offset, np.maximum(squares - count * np.square(offset), 0.0),
        values[lowest], values[highest], first, values[lasts],
        time_ms[lowest], time_ms[highest], time_ms[starts], time_ms[lasts],
        np.add.reduceat(gaps, starts), np.add.reduceat(values * gaps.astype(np.float64), starts),
    )  # fmt: skip


def _sums(values: Numbers, starts: Ints, minima: Numbers, maxima: Numbers) -> tuple[Numbers, Ints | None]:
    if values.dtype.kind == "f":
        return np.add.reduceat(values, starts), None
    if max(abs(int(minima.min())), abs(int(maxima.max()))) * len(values) < _PLAIN_SUM_MAX:
        return carried(np.add.reduceat(values, starts), np.zeros(len(starts), np.int64))
    whole = values.astype(np.int64, copy=False)
    high = np.add.reduceat(whole >> SUM_WORD_BITS, starts)
    return carried(np.add.reduceat(whole & LOW_BITS, starts), high)
