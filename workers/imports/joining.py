"""Rows that are parts of records → rows of blocks: what is given for one time stands side by side (SM-06).

A source may give a record in any number of rows, in any order and anywhere in it. Rows that meet while they
are held are put together here; those that do not are merged when they are read, in the order of their blocks
(design 4.4). Every row of the source stays countable: one is a duplicate when each of its values is given
again by a later one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from schemas.columns import Bools, Column, Columns, Ints
from schemas.imports import RowKind
from storage import merge

WINDOW_CELLS: Final = 2_000_000
"""Records × variables that are put together at once: variables that come one after the other make rows with
few values each, and all of these side by side would be far larger than what is held."""


def join(parts: Sequence[Columns], kind: RowKind) -> Iterator[Columns]:
    """Put rows of one series together, in layers for blocks: a later one counts over an earlier one.

    Each layer ascends and has one row a time. Of whole rows and of parts, every row of a layer is one of the
    source; of readings every value is. What is missing in the layers are duplicates.
    """
    if kind is RowKind.WHOLE:
        yield merge.state(parts)
        return
    ordered = [_ascending(part) for part in parts]
    times = np.unique(np.concatenate([part.time_ms for part in ordered]))
    variables = {variable for part in ordered for variable in part.cells}
    size = max(1, WINDOW_CELLS // max(len(variables), 1))
    for first in range(0, len(times), size):
        window = times[first : first + size]
        pieces = [merge.between(part, int(window[0]), int(window[-1]) + 1) for part in ordered]
        pieces = [piece for piece in pieces if piece.rows]
        if kind is RowKind.READING:
            yield _side_by_side(pieces, window)
        else:
            yield from _layered(merge.joined(pieces))


def count_values(rows: Columns) -> int:
    """Count the values that rows have."""
    return sum(
        rows.rows if column.present is None else int(column.present.sum()) for column in rows.cells.values()
    )


def _ascending(rows: Columns) -> Columns:
    """Sort rows by time, those of one time in the order that they have."""
    merges = np.ones(rows.rows, np.bool_)
    if (rows.time_ms[1:] >= rows.time_ms[:-1]).all():
        return Columns(rows.time_ms, rows.cells, merges)
    return Columns(rows.time_ms, rows.cells, merges).take(np.argsort(rows.time_ms, kind="stable"))


def _side_by_side(pieces: Sequence[Columns], times: Ints) -> Columns:
    """Make one record a time; of two values for one cell the later one stands."""
    places = [np.searchsorted(times, piece.time_ms) for piece in pieces]
    cells: dict[int, Column] = {}
    for variable in sorted({variable for piece in pieces for variable in piece.cells}):
        source = np.full(len(times), -1)
        having = []
        begin = 0
        for piece, place in zip(pieces, places, strict=True):
            column = piece.cells.get(variable)
            if column is None:
                continue
            rows = np.arange(piece.rows) if column.present is None else np.flatnonzero(column.present)
            source[place[rows]] = begin + rows
            having.append(Columns(piece.time_ms, {variable: column}))
            begin += piece.rows
        found = source >= 0
        if found.any():
            taken = merge.joined(having).cells[variable].take(np.maximum(source, 0))
            cells[variable] = Column(taken.values, None if found.all() else found, None, taken.quality)
    return merge.fold([Columns(times, cells, np.ones(len(times), np.bool_))])


def _layered(rows: Columns) -> Iterator[Columns]:
    """Leave rows of one time apart, so that a later one can be seen to hide all of one of them.

    A row of which a value is left owns that variable, so there are no more layers than variables.
    """
    order = np.argsort(rows.time_ms, kind="stable")
    rows = rows.take(order)
    starts = np.flatnonzero(np.concatenate(([True], rows.time_ms[1:] != rows.time_ms[:-1])))
    if len(starts) == rows.rows:
        yield merge.fold([rows])
        return
    left = np.flatnonzero(_living(rows, starts))
    group = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, rows.rows)))[left]
    begins = np.flatnonzero(np.concatenate(([True], group[1:] != group[:-1])))
    rank = np.arange(len(left)) - np.repeat(begins, np.diff(np.append(begins, len(left))))
    for number in range(int(rank.max()) + 1):
        yield merge.fold([rows.take(left[rank == number])])


def _living(rows: Columns, starts: Ints) -> Bools:
    """Tell which rows of ascending ones have a value that none of the same time gives again."""
    numbers = np.arange(rows.rows)
    living = np.zeros(rows.rows, np.bool_)
    for column in rows.cells.values():
        given = numbers if column.present is None else np.where(column.present, numbers, -1)
        newest = np.maximum.reduceat(given, starts)
        living[newest[newest >= 0]] = True
    return living
