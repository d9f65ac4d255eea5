"""Partials: what is kept of one variable's values over groups of time, so that they can be folded on.

A group is a cell of 15 minutes, an interval of an answer, or any other run of time; group g of borders b
holds b[g] < t ≤ b[g + 1] (design 4.9). `schemas.folding` makes partials out of rows; here `regrouped` folds
the groups of partials into wider ones and `joined` puts consecutive ones end to end. All of it is array
code: nothing runs once a row or once a group.

How exact they are. Counts, times, minimum, maximum, first and last are the very values (the earliest among
equals, so −0.0 and 0.0 stay what they were). Sums of INT and LONG are exact for up to 2^32 values of any
size. Sums of DOUBLE are made pairwise in every step, which keeps them within 1e-12·Σ|x| of the true sum.
The mean is kept as its distance from the first value of the group, so that values close together and far
from zero lose nothing; second moments merge by Chan's formula. DOUBLE beyond what the dialect takes
(1e126) may give an infinite sum or moment, and then infinite is what is said.

Holding. A value holds from its own time until the next value of the variable, whatever the class of that.
`held_ms` and `integral` count from the first to the last value inside a group; what lies between two groups
is added when they are folded into one, and what reaches over the edge of an answer's interval is added by
`schemas.holding`. Partials made without `hold_ms` are right for a declared maximum hold exactly where
`gap_ms_max` does not exceed it (design 8.28); elsewhere the columns have to be folded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from schemas.aspects import VariableType
from schemas.columns import Bools, Floats, Ints
from schemas.durations import MINUTE_MS

CELL_MS = 15 * MINUTE_MS
"""Every zone since 1972 begins its days and hours on a border of such cells (design 4.11)."""
NUMERIC = frozenset({VariableType.INT, VariableType.LONG, VariableType.DOUBLE})
"""The types that are aggregated (wire 2)."""

SUM_WORD_BITS = 32
LOW_BITS = (1 << SUM_WORD_BITS) - 1

Numbers: TypeAlias = NDArray[Any]
"""float64 for DOUBLE, int64 for INT and LONG."""


class ClassPartials(msgspec.Struct, frozen=True, gc=False):
    """The values of one quality class in n groups. All arrays have n elements; all are 0 where count is."""

    count: Ints
    sum: Numbers
    """DOUBLE: the sum, float64. INT, LONG: its lowest 32 bits as int64, 0 ≤ sum < 2^32."""
    sum_high: Ints | None
    """INT, LONG: the rest, so that the sum is sum_high·2^32 + sum. None for DOUBLE."""
    offset: Floats
    """Mean − first."""
    m2: Floats
    """Sum of squared distances from the mean; never negative."""
    minimum: Numbers
    maximum: Numbers
    first: Numbers
    last: Numbers
    minimum_ms: Ints
    maximum_ms: Ints
    """The earliest time of the smallest and of the largest value."""
    first_ms: Ints
    last_ms: Ints
    held_ms: Ints
    """How long values of this class held between the first and the last value (of any class) of the group."""
    integral: Floats
    """∫ v·dt in value times milliseconds over `held_ms`."""

    def __len__(self) -> int:
        """Count the groups."""
        return len(self.count)


class Partials(msgspec.Struct, frozen=True, gc=False):
    """One variable over n groups, each with at least one value. All arrays have n elements."""

    groups: Ints
    """Number of each group, strictly ascending: cell numbers, or places among the borders."""
    first_ms: Ints
    last_ms: Ints
    """Time of the first and of the last value of the group, of whatever class."""
    gap_ms_max: Ints
    """The longest time between two values inside the group; 0 where there is one value only."""
    bad: Ints
    """How many values are bad; beside this and their time nothing is kept of them (design 8.27)."""
    bad_held_ms: Ints
    """How long bad values held, as `ClassPartials.held_ms`."""
    good: ClassPartials
    uncertain: ClassPartials | None = None
    """None: no group has one."""

    def __len__(self) -> int:
        """Count the groups."""
        return len(self.groups)


def cell_of(time_ms: int) -> int:
    """Give the number of the 15-minute cell; cell c holds c·CELL_MS < t ≤ (c + 1)·CELL_MS (design 4.9)."""
    return (time_ms - 1) // CELL_MS


def joined(parts: Sequence[Partials], kind: VariableType, hold_ms: int | None = None) -> Partials:
    """Put partials end to end, ascending in time and number; a group may go on in the next part."""
    filled = [part for part in parts if len(part)]
    if not filled:
        return nothing(kind)
    if kind is VariableType.DOUBLE:
        filled = [_widened(part) for part in filled]
    whole = filled[0] if len(filled) == 1 else _concatenated(filled)
    return regrouped(whole, whole.groups, hold_ms)


def regrouped(partials: Partials, groups: Ints, hold_ms: int | None = None) -> Partials:
    """Fold groups into wider ones: `groups` gives the new number of each, never falling."""
    starts = starts_of(groups)
    if len(starts) == len(groups):
        return msgspec.structs.replace(partials, groups=groups)
    joins = np.zeros(len(groups), np.int64)
    np.subtract(partials.first_ms[1:], partials.last_ms[:-1], out=joins[:-1])
    lasts = _lasts(starts, len(groups))
    joins[lasts] = 0
    gaps = np.maximum.reduceat(np.maximum(partials.gap_ms_max, joins), starts)
    if hold_ms is not None:
        np.minimum(joins, hold_ms, out=joins)
    good, uncertain = partials.good, partials.uncertain
    ends_good = ends_in(partials, good)
    bad_joins = np.where(ends_good, 0, joins)
    if uncertain is not None:
        ends_uncertain = ends_in(partials, uncertain)
        bad_joins[ends_uncertain] = 0
        uncertain = _fold_class(uncertain, np.where(ends_uncertain, joins, 0), starts)
    return Partials(
        groups[starts],
        partials.first_ms[starts],
        partials.last_ms[lasts],
        gaps,
        np.add.reduceat(partials.bad, starts),
        np.add.reduceat(partials.bad_held_ms + bad_joins, starts),
        _fold_class(good, np.where(ends_good, joins, 0), starts),
        uncertain,
    )


def ends_in(partials: Partials, of_class: ClassPartials) -> Bools:
    """Tell of each group whether its last value is of this class."""
    ends: Bools = (of_class.count > 0) & (of_class.last_ms == partials.last_ms)
    return ends


def dtype_of(kind: VariableType) -> np.dtype[Any]:
    """Give the dtype of the values of a numeric type."""
    return np.dtype(np.float64 if kind is VariableType.DOUBLE else np.int64)


def nothing(kind: VariableType) -> Partials:
    """Give partials of no group at all."""
    none = np.zeros(0, np.int64)
    return Partials(none, none, none, none, none, none, no_class(0, dtype_of(kind)))


# Partials → wider partials.


def _fold_class(part: ClassPartials, joins: Ints, starts: Ints) -> ClassPartials:
    """Fold groups; the last value of group i holds for joins[i] more, up to the next group."""
    held_ms, integral = part.held_ms + joins, part.integral + part.last * joins.astype(np.float64)
    part = msgspec.structs.replace(part, held_ms=held_ms, integral=integral)
    rows = part.count.nonzero()[0]
    if len(rows) == len(part):
        return _merge(part, starts)
    if not len(rows):
        return no_class(len(starts), part.first.dtype)
    owners = starts.searchsorted(rows, side="right") - 1
    some = starts_of(owners)
    return spread(_merge(_changed(part, lambda array: array[rows]), some), owners[some], len(starts))


def _merge(part: ClassPartials, starts: Ints) -> ClassPartials:
    """Fold groups of which each has a value: what follows is Chan's formula for many sets at once."""
    lasts = _lasts(starts, len(part))
    sizes = lasts - starts + 1
    minima = np.minimum.reduceat(part.minimum, starts)
    maxima = np.maximum.reduceat(part.maximum, starts)
    lowest = first_of(minima, part.minimum, starts, sizes)
    highest = first_of(maxima, part.maximum, starts, sizes)
    first = part.first[starts]
    count = np.add.reduceat(part.count, starts)
    with np.errstate(over="ignore", invalid="ignore"):
        means = distances(part.first, first.repeat(sizes), minima, maxima) + part.offset
        offset = np.add.reduceat(part.count * means, starts) / count
        apart = part.count * np.square(means - offset.repeat(sizes))
        m2 = np.add.reduceat(part.m2 + apart, starts)
        total, total_high = np.add.reduceat(part.sum, starts), None
        integral = np.add.reduceat(part.integral, starts)
    if part.sum_high is not None:
        total, total_high = carried(total, np.add.reduceat(part.sum_high, starts))
    return ClassPartials(
        count, total, total_high, offset, m2,
        part.minimum[lowest], part.maximum[highest], first, part.last[lasts],
        part.minimum_ms[lowest], part.maximum_ms[highest], part.first_ms[starts], part.last_ms[lasts],
        np.add.reduceat(part.held_ms, starts), integral,
    )  # fmt: skip


def first_of(extremes: Numbers, values: Numbers, starts: Ints, count: Ints) -> Ints:
    """Find the first element of each group that equals the group's extreme."""
    hits: Ints = (values == extremes.repeat(count)).nonzero()[0]
    return hits[hits.searchsorted(starts)]


def distances(values: Numbers, bases: Numbers, minima: Numbers, maxima: Numbers) -> Floats:
    """Subtract without a detour over doubles as long as 64 bits hold the difference of integers."""
    if values.dtype.kind == "f" or int(maxima.max()) - int(minima.min()) < 2**63:
        return np.subtract(values, bases).astype(np.float64, copy=False)
    return values.astype(np.float64) - bases.astype(np.float64)


def carried(low: Numbers, high: Ints) -> tuple[Ints, Ints]:
    """Bring the two words of sums into their normal form, 0 ≤ low < 2^32."""
    low = low.astype(np.int64, copy=False)
    return low & LOW_BITS, high + (low >> SUM_WORD_BITS)


# Forms.


def _lasts(starts: Ints, size: int) -> Ints:
    """Find where each run ends, of those that begin at `starts`."""
    lasts = np.empty(len(starts), np.int64)
    lasts[:-1] = starts[1:]
    lasts[-1:] = size
    lasts -= 1
    return lasts


def starts_of(numbers: Ints) -> Ints:
    """Find where each run of equal numbers begins."""
    changes = np.empty(len(numbers), np.bool_)
    changes[:1] = True
    np.not_equal(numbers[1:], numbers[:-1], out=changes[1:])
    return changes.nonzero()[0]


def _arrays(part: ClassPartials) -> list[Any]:
    return [getattr(part, name) for name in ClassPartials.__struct_fields__]


def changed(partials: Partials, change: Callable[[NDArray[Any]], NDArray[Any]]) -> Partials:
    """Change every array alike."""
    return Partials(
        change(partials.groups),
        change(partials.first_ms),
        change(partials.last_ms),
        change(partials.gap_ms_max),
        change(partials.bad),
        change(partials.bad_held_ms),
        _changed(partials.good, change),
        None if partials.uncertain is None else _changed(partials.uncertain, change),
    )


def _changed(part: ClassPartials, change: Callable[[NDArray[Any]], NDArray[Any]]) -> ClassPartials:
    arrays: list[Any] = [None if array is None else change(array) for array in _arrays(part)]
    return ClassPartials(*arrays)


def spread(part: ClassPartials, places: Ints, size: int) -> ClassPartials:
    """Put groups at their places among `size`; the other places have no value."""
    if len(part) == size:
        return part
    return _changed(part, lambda array: _at(array, places, size))


def _at(array: NDArray[Any], places: Ints, size: int) -> NDArray[Any]:
    wide = np.zeros(size, array.dtype)
    wide[places] = array
    return wide


def no_class(size: int, dtype: np.dtype[Any]) -> ClassPartials:
    """Give `size` groups without a value, of a variable with values of this dtype."""
    none, number = np.zeros(size, np.int64), np.zeros(size, dtype)
    real = np.zeros(size, np.float64)
    values, times = (number,) * 4, (none,) * 4
    return ClassPartials(
        none, number, None if dtype.kind == "f" else none, real, real, *values, *times, none, real
    )


def _widened(partials: Partials) -> Partials:
    """Make DOUBLE out of partials of an INT or LONG that has become one (design 8.12)."""
    good, uncertain = partials.good, partials.uncertain
    if good.sum_high is None:
        return partials
    wide = None if uncertain is None else _widened_class(uncertain)
    return msgspec.structs.replace(partials, good=_widened_class(good), uncertain=wide)


def _widened_class(part: ClassPartials) -> ClassPartials:
    assert part.sum_high is not None
    total = part.sum_high * float(1 << SUM_WORD_BITS) + part.sum
    values = {
        name: getattr(part, name).astype(np.float64) for name in ("minimum", "maximum", "first", "last")
    }
    return msgspec.structs.replace(part, sum=total, sum_high=None, **values)


def _concatenated(parts: Sequence[Partials]) -> Partials:
    dtype = parts[0].good.first.dtype
    uncertain = [part.uncertain or no_class(len(part), dtype) for part in parts]
    return Partials(
        np.concatenate([part.groups for part in parts]),
        np.concatenate([part.first_ms for part in parts]),
        np.concatenate([part.last_ms for part in parts]),
        np.concatenate([part.gap_ms_max for part in parts]),
        np.concatenate([part.bad for part in parts]),
        np.concatenate([part.bad_held_ms for part in parts]),
        _concatenated_class([part.good for part in parts]),
        _concatenated_class(uncertain) if any(part.uncertain is not None for part in parts) else None,
    )


def _concatenated_class(parts: Sequence[ClassPartials]) -> ClassPartials:
    fields = zip(*(_arrays(part) for part in parts), strict=True)
    whole: list[Any] = [None if field[0] is None else np.concatenate(field) for field in fields]
    return ClassPartials(*whole)
