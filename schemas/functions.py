"""Partials → what is said of each interval: the functions of the dialect and ours (wire 2, MS-61, 8.27).

A table holds one variable: a row for each interval that has a value, a column for each function. Good and
uncertain values enter every function, bad ones are only counted; a request may keep uncertain ones out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from schemas.columns import Bools, Floats, Ints
from schemas.holding import Held
from schemas.partials import SUM_WORD_BITS, ClassPartials, Numbers, Partials, carried, distances

COUNTS = ("countgood", "countuncertain", "countbad")
TIMES = ("firsttime", "lasttime", "mintime", "maxtime")
FUNCTIONS = (
    *COUNTS, "sum", "average", "minvalue", "maxvalue", "firstvalue", "lastvalue", *TIMES, "sd",
)  # fmt: skip
"""As the dialect names and orders them (wire 2)."""
DURATIONS = ("durationgood", "durationuncertain", "durationbad")
TIME_AVERAGE = "timeaverage"
OWN_FUNCTIONS = (*FUNCTIONS, TIME_AVERAGE, *DURATIONS)
"""Durations in milliseconds; percentiles stand beside these, as `p95`."""
COUNTING = frozenset({*COUNTS, *DURATIONS})
"""What can be said of an interval with nothing but bad values."""

_EXACT_DOUBLE_MAX = 2**53
_HIGH_WORD_MAX = 2**30
"""While |sum_high| stays below, the whole sum fits 64 bits."""


class Table(NamedTuple):
    """The functions of one variable over m intervals."""

    groups: Ints
    """Places of the intervals among the borders, ascending."""
    usable: Bools
    """False: the interval has bad values only, and nothing but `COUNTING` functions."""
    columns: dict[str, NDArray[Any]]
    """By name, m elements each; times in milliseconds. Integers beyond 64 bits stand as objects."""


def table_of(
    partials: Partials, functions: Sequence[str], held: Held | None = None, *, uncertain_enters: bool = True
) -> Table:
    """Make the columns of these functions; `held` where one of them weighs by time."""
    part = united(partials, uncertain_enters=uncertain_enters)
    columns = {name: _OF_VALUES[name](partials, part) for name in functions if name in _OF_VALUES}
    if held is not None:
        by_time = held_columns(held, functions, uncertain_enters=uncertain_enters)
        columns |= {name: column[partials.groups] for name, column in by_time.items()}
    return Table(partials.groups, part.count > 0, columns)


def held_columns(held: Held, functions: Sequence[str], *, uncertain_enters: bool) -> dict[str, NDArray[Any]]:
    """Make those columns that weigh by time, over all intervals, with a value or without."""
    return {name: _OF_TIME[name](held, uncertain_enters) for name in functions if name in _OF_TIME}


def united(partials: Partials, *, uncertain_enters: bool) -> ClassPartials:
    """Give the partials of all values that enter the functions, good and uncertain ones in one."""
    good, uncertain = partials.good, partials.uncertain
    if uncertain is None or not uncertain_enters:
        return good
    return _united(good, uncertain)


def _united(a: ClassPartials, b: ClassPartials) -> ClassPartials:
    only_b = (b.count > 0) & (a.count == 0)
    both = (b.count > 0) & (a.count > 0)
    first = only_b | (both & (b.first_ms < a.first_ms))
    last = only_b | (both & (b.last_ms > a.last_ms))
    lower = (b.minimum < a.minimum) | ((b.minimum == a.minimum) & (b.minimum_ms < a.minimum_ms))
    higher = (b.maximum > a.maximum) | ((b.maximum == a.maximum) & (b.maximum_ms < a.maximum_ms))
    low, high = only_b | (both & lower), only_b | (both & higher)
    count = a.count + b.count
    base = np.where(first, b.first, a.first)
    offset, m2 = _moments(a, b, base, count)
    total, total_high = a.sum + b.sum, None
    if a.sum_high is not None and b.sum_high is not None:
        total, total_high = carried(total, a.sum_high + b.sum_high)
    return ClassPartials(
        count, total, total_high, offset, m2,
        np.where(low, b.minimum, a.minimum), np.where(high, b.maximum, a.maximum),
        base, np.where(last, b.last, a.last),
        np.where(low, b.minimum_ms, a.minimum_ms), np.where(high, b.maximum_ms, a.maximum_ms),
        np.where(first, b.first_ms, a.first_ms), np.where(last, b.last_ms, a.last_ms),
        a.held_ms + b.held_ms, a.integral + b.integral,
    )  # fmt: skip


def _moments(a: ClassPartials, b: ClassPartials, base: Numbers, count: Ints) -> tuple[Floats, Floats]:
    """Merge mean and second moment of two sets a group (Chan)."""
    with np.errstate(over="ignore", invalid="ignore"):
        shares = []
        for part in (a, b):
            first = np.where(part.count > 0, part.first, base)
            shares.append((part, distances(first, base, np.minimum(first, base), np.maximum(first, base))))
        some = np.maximum(count, 1)
        offset = sum(part.count * (apart + part.offset) for part, apart in shares) / some
        squares = sum(part.count * np.square(apart + part.offset - offset) for part, apart in shares)
    return offset, a.m2 + b.m2 + squares


def _whole_sums(part: ClassPartials) -> NDArray[Any]:
    """Give sums as one number each; Python's integers where 64 bits do not hold one."""
    high = part.sum_high
    if high is None:
        return part.sum
    if not len(high) or max(-int(high.min()), int(high.max())) < _HIGH_WORD_MAX:
        return (high << SUM_WORD_BITS) + part.sum
    pairs = zip(high.tolist(), part.sum.tolist(), strict=True)
    return np.array([(word << SUM_WORD_BITS) + low for word, low in pairs], dtype=object)


def _averages(part: ClassPartials) -> Floats:
    sums, count = _whole_sums(part), np.maximum(part.count, 1)
    if sums.dtype.kind == "f" or (sums.dtype.kind == "i" and _is_exact(sums)):
        return np.asarray(sums / count, np.float64)
    pairs = zip(sums.tolist(), count.tolist(), strict=True)
    return np.array([total / number for total, number in pairs], np.float64)  # rounded once only


def _is_exact(sums: Ints) -> bool:
    return not len(sums) or max(-int(sums.min()), int(sums.max())) <= _EXACT_DOUBLE_MAX


def _no_count(partials: Partials) -> Ints:
    return np.zeros(len(partials), np.int64)


_OF_VALUES: Mapping[str, Callable[[Partials, ClassPartials], NDArray[Any]]] = {
    "countgood": lambda partials, _: partials.good.count,
    "countuncertain": lambda partials, _: (
        _no_count(partials) if partials.uncertain is None else partials.uncertain.count
    ),
    "countbad": lambda partials, _: partials.bad,
    "sum": lambda _, part: _whole_sums(part),
    "average": lambda _, part: _averages(part),
    "minvalue": lambda _, part: part.minimum,
    "maxvalue": lambda _, part: part.maximum,
    "firstvalue": lambda _, part: part.first,
    "lastvalue": lambda _, part: part.last,
    "firsttime": lambda _, part: part.first_ms,
    "lasttime": lambda _, part: part.last_ms,
    "mintime": lambda _, part: part.minimum_ms,
    "maxtime": lambda _, part: part.maximum_ms,
    "sd": lambda _, part: np.sqrt(part.m2 / np.maximum(part.count, 1)),
}


def _time_average(held: Held, uncertain_enters: bool) -> Floats:  # noqa: FBT001 - the form of the table below
    """Divide the integral by the time that it covers; NaN where no value held for any time."""
    integral, covered = held.good_integral, held.good_ms
    if uncertain_enters:
        integral, covered = integral + held.uncertain_integral, covered + held.uncertain_ms
    return np.where(covered > 0, integral / np.maximum(covered, 1), np.nan)


_OF_TIME: Mapping[str, Callable[[Held, bool], NDArray[Any]]] = {
    TIME_AVERAGE: _time_average,
    "durationgood": lambda held, _: held.good_ms,
    "durationuncertain": lambda held, _: held.uncertain_ms,
    "durationbad": lambda held, _: held.bad_ms,
}
