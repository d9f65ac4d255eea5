"""Points for a picture: so few that a screen can hold them, chosen so that the line looks the same.

Two ways. `screen`: each column of pixels keeps the first, the last, the lowest and the highest value, from
which a line of that width is drawn exactly as from all values (M4). `lttb`: the points that span the largest
triangles, which keeps the shape with fewer points; chosen among what `screen` keeps of columns as many as
points are asked for, so that memory does not grow with the range.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

import numpy as np

from schemas.columns import Ints
from schemas.partials import ClassPartials, Numbers

_POINTS_OF_COLUMN = 4


class Method(Enum):
    """How points are chosen."""

    SCREEN = "screen"
    LTTB = "lttb"


class Points(NamedTuple):
    """Chosen values of one variable, ascending in time."""

    time_ms: Ints
    values: Numbers


def columns_of(after_ms: int, until_ms: int, points_max: int, method: Method) -> Ints:
    """Give the borders of the columns of pixels over (after, until]: of equal width, at least 1 ms."""
    columns = points_max if method is Method.LTTB else points_max // _POINTS_OF_COLUMN
    columns = max(1, min(columns, until_ms - after_ms))
    return after_ms + np.arange(columns + 1) * (until_ms - after_ms) // columns


def chosen_points(part: ClassPartials, points_max: int, method: Method) -> Points:
    """Choose at most so many points, from the partials of the columns of pixels."""
    points = _of_columns(part)
    if method is Method.SCREEN or len(points.time_ms) <= points_max:
        return points
    rows = _largest_triangles(points, points_max)
    return Points(points.time_ms[rows], points.values[rows])


def _of_columns(part: ClassPartials) -> Points:
    """Take first, lowest, highest and last of each column, each value once."""
    filled = np.flatnonzero(part.count)
    times = [part.first_ms, part.minimum_ms, part.maximum_ms, part.last_ms]
    values = [part.first, part.minimum, part.maximum, part.last]
    time_ms, rows = np.unique(np.concatenate([each[filled] for each in times]), return_index=True)
    return Points(time_ms, np.concatenate([each[filled] for each in values])[rows])


def _largest_triangles(points: Points, points_max: int) -> Ints:
    """Choose by largest triangle, three buckets (Steinarsson 2013): first and last stay.

    Plain numbers, because each choice depends on the one before it and buckets have a handful of points.
    """
    size, buckets = len(points.time_ms), points_max - 2
    x = (points.time_ms - points.time_ms[0]).tolist()
    y = points.values.astype(np.float64).tolist()
    edges = [*(1 + np.arange(buckets + 1) * (size - 2) // buckets).tolist(), size]
    rows, row = [0], 0
    for start, end, after in zip(edges[:-2], edges[1:-1], edges[2:], strict=True):
        mean_x = sum(x[end:after]) / (after - end)
        mean_y = sum(y[end:after]) / (after - end)
        base_x, base_y = x[row] - mean_x, y[row]
        areas = [
            abs(base_x * (y[i] - base_y) - (x[row] - x[i]) * (mean_y - base_y)) for i in range(start, end)
        ]
        row = start + areas.index(max(areas))
        rows.append(row)
    return np.array([*rows, size - 1])
