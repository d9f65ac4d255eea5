"""Percentiles of intervals, exact: by sorting every value that counts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from schemas.aspects import VariableType
from schemas.columns import Columns, Floats, Ints
from schemas.folding import rows_of
from schemas.quality import Quality

_NAME = re.compile(r"p([0-9]{1,2}(?:\.[0-9]{1,3})?|100)", re.ASCII)


def is_percentile(name: str) -> bool:
    """Tell whether a function is called like a percentile: `p50`, `p99.9`."""
    return _NAME.fullmatch(name) is not None


def fraction_of(name: str) -> float:
    """Give the fraction of 1 that a percentile's name says."""
    return float(name[1:] + "e-2")


class Percentiles(NamedTuple):
    """Of one variable, over the intervals that have a value."""

    groups: Ints
    """Places of the intervals among the borders, ascending."""
    values: Floats
    """One row a percentile, one column an interval."""


def percentiles_of(
    columns: Columns,
    variable: int,
    kind: VariableType,
    borders_ms: Ints,
    fractions: Sequence[float],
    *,
    uncertain_enters: bool,
) -> Percentiles:
    """Give the percentiles (fractions of 1) of the intervals between borders; bad values are left out.

    Of n sorted values the one at rank fraction·(n − 1), with a straight line between neighbours; doubles,
    whatever the variable's type.
    """
    rows = rows_of(columns, variable, kind)
    if rows is None:
        return Percentiles(np.zeros(0, np.int64), np.zeros((len(fractions), 0)))
    time_ms, values = rows.time_ms, rows.values
    if rows.classes is not None:
        worst = Quality.UNCERTAIN if uncertain_enters else Quality.GOOD
        kept = np.flatnonzero(rows.classes <= worst)
        time_ms, values = time_ms[kept], values[kept]
    edges = np.searchsorted(time_ms, borders_ms, side="right")
    groups = np.flatnonzero(edges[1:] > edges[:-1])
    counts, first = np.diff(edges)[groups], int(edges[0])
    values = values[first : int(edges[-1])].astype(np.float64)
    values = values[np.lexsort((values, np.repeat(groups, counts)))]
    starts = edges[groups] - first
    found = np.empty((len(fractions), len(groups)))
    for place, fraction in enumerate(fractions):
        ranks = fraction * (counts - 1)
        below = np.floor(ranks).astype(np.int64)
        low, high = values[starts + below], values[starts + np.minimum(below + 1, counts - 1)]
        share = ranks - below
        found[place] = np.where(low == high, low, low * (1.0 - share) + high * share)
    return Percentiles(groups, found)
