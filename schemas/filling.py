"""Intervals without a value, where a request wants them all the same: null, the previous or a line between.

Only what describes the level is carried into an empty interval: averages, extremes, first and last values
and percentiles. Counts are 0 there, durations and the time-weighted average are known (a value may hold
into the interval), sums, deviations and times are null. Nothing is carried beyond the first and the last
interval that has a value, except forward by `previous`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.columns import Floats, Ints
from schemas.functions import COUNTS, DURATIONS, TIME_AVERAGE, Table
from schemas.percentiles import is_percentile

_LEVELS = ("average", "minvalue", "maxvalue", "firstvalue", "lastvalue", TIME_AVERAGE)


class Fill(Enum):
    """What an interval without a usable value says."""

    NONE = "none"
    """It is left out (MS-67)."""
    NULL = "null"
    PREVIOUS = "previous"
    LINEAR = "linear"


def filled(table: Table, borders_ms: Ints, how: Fill, known: Mapping[str, NDArray[Any]]) -> Table:
    """Give a row to every interval; `known` has columns over all intervals, NaN where one does not say."""
    size = len(borders_ms) - 1
    centres = (borders_ms[:-1] + borders_ms[1:]) / 2.0
    columns: dict[str, NDArray[Any]] = {}
    for name, column in table.columns.items():
        if name in DURATIONS:
            columns[name] = known[name]
        elif name in COUNTS:
            columns[name] = np.zeros(size, np.int64)
            columns[name][table.groups] = column
        else:
            places, values = table.groups[table.usable], column[table.usable]
            if name in known:
                places = np.flatnonzero(np.isfinite(known[name]))
                values = known[name][places]
            carried = how if name in _LEVELS or is_percentile(name) else Fill.NULL
            columns[name] = _wide(places, values, centres, carried)
    return Table(np.arange(size), np.ones(size, np.bool_), columns)


def _wide(places: Ints, values: NDArray[Any], centres: Floats, how: Fill) -> NDArray[Any]:
    """Put values at their places among all intervals and fill what is empty; None where nothing does."""
    wide = np.full(len(centres), None, object)
    wide[places] = values
    if how is Fill.NULL or not len(places):
        return wide
    empty = np.setdiff1d(np.arange(len(centres)), places, assume_unique=True)
    if how is Fill.PREVIOUS:
        before = np.searchsorted(places, empty) - 1
        wide[empty[before >= 0]] = values[before[before >= 0]]
        return wide
    inside = empty[(empty > places[0]) & (empty < places[-1])]
    wide[inside] = np.interp(centres[inside], centres[places], values.astype(np.float64))
    return wide
