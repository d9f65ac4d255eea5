"""Thresholds: which rows of a series a subscription waits for (MS-84).

Pure, on columns. A value counts if it is there and its quality is not bad; a value of another kind than the
threshold's fulfils nothing. Whole numbers are compared exactly, whatever their size.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np

from schemas.columns import Bools, Column, ColumnClass, Ints, Texts
from schemas.quality import Quality, classify_all

EACH: Final = "each"
"""Every record that fulfils it is told …"""
CROSSING: Final = "crossing"
"""… or only the first of a run of them, by time."""

OPERATORS: Final[dict[str, Callable[[Any, Any], Any]]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "=": operator.eq,
    "!=": operator.ne,
}
EQUALITIES: Final = ("=", "!=")
"""All that can be asked of texts and booleans."""


class Threshold(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a value must be for its record to be told."""

    variable: str
    op: str
    """One of `OPERATORS`."""
    value: bool | int | float | str
    on: str = EACH
    """`each` or `crossing`."""


class Side(NamedTuple):
    """On which side of a threshold a series is, as of its newest record that has a value."""

    time_ms: int
    met: bool


def usable(column: Column, rows: int) -> Bools:
    """Tell which rows have a value that counts."""
    counts: Bools = classify_all(column.quality, rows) != Quality.BAD
    return counts if column.present is None else counts & column.present


def met(column: Column, threshold: Threshold) -> Bools:
    """Tell which rows fulfil the threshold; what stands in rows without a value is not defined."""
    op, value, values = OPERATORS[threshold.op], threshold.value, column.values
    nothing = np.zeros(len(values), np.bool_)
    if isinstance(values, Texts):
        if not isinstance(value, str):
            return nothing
        return np.array([bool(op(text, value)) for text in values.to_list()], np.bool_)
    if isinstance(value, str) or isinstance(value, bool) != (column.column_class is ColumnClass.BOOLEAN):
        return nothing
    if isinstance(value, float) and column.column_class is ColumnClass.INTEGER:
        return _met_by_integers(values, threshold.op, value)  # type: ignore[arg-type]  # by their class
    found: Bools = op(values, value)
    return found


def _met_by_integers(values: Ints, op: str, value: float) -> Bools:
    """Compare with the next integer: as doubles, integers beyond 2^53 would be rounded."""
    if not value.is_integer() and op in EQUALITIES:
        return np.full(len(values), op == "!=")
    bound = math.ceil(value) if op in {">=", "<"} else math.floor(value)
    found: Bools = OPERATORS[op](values, bound)
    return found


def crossings(
    time_ms: Ints, counts: Bools, fulfilled: Bools, before: Side | None
) -> tuple[Ints, Side | None]:
    """Give the rows at which a series comes to fulfil a threshold, and its side after them.

    Times ascend, one row each. Only rows newer than the side's time count: what comes late crosses nothing.
    A series of which nothing is known is on the other side.
    """
    newer = counts if before is None else counts & (time_ms > before.time_ms)
    rows = np.flatnonzero(newer)
    if not len(rows):
        return rows, before
    there = fulfilled[rows]
    was = np.concatenate([[before is not None and before.met], there[:-1]])
    return rows[there & ~was], Side(int(time_ms[rows[-1]]), bool(there[-1]))
