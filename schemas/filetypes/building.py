"""Rows on their way into a chunk: whatever a reader finds wrong takes its row out, once, with the reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from schemas.columns import Bools, Column, Ints
from schemas.filetypes.chunks import Chunk, RefusedRow, cut
from schemas.limits import TIME_MS_MAX

BEFORE = "lies before the earliest time that is taken"
AFTER = "lies after the latest time that is taken"


class TimeBounds(NamedTuple):
    """Which times are taken: a caller knows the clock and the tenant's policy, a reader does not."""

    from_ms: int = 0
    """Design 8.9: anything from 1970 on."""
    to_ms: int = TIME_MS_MAX


ANY_TIME = TimeBounds()


class Rows:
    """N rows of one part of a file."""

    def __init__(self, lines: Ints) -> None:
        """Take the line of each row."""
        self.lines = lines
        self._why: dict[int, RefusedRow] = {}
        self._others: list[RefusedRow] = []

    def refuse(self, row: int, column: str, reason: str, text: str) -> None:
        """Take a row out; the first reason stands."""
        if row not in self._why:
            self._why[row] = RefusedRow(int(self.lines[row]), column, reason, cut(text))

    def refuse_line(self, line: int, reason: str, text: str, column: str = "") -> None:
        """Count a line that never became a row."""
        self._others.append(RefusedRow(line, column, reason, cut(text)))

    def check_bounds(
        self, time_ms: Ints, bounds: TimeBounds, column: str, text: Callable[[int], str]
    ) -> None:
        """Take out the rows whose times are not taken; `text` gives what stands in a row."""
        outside = (time_ms < bounds.from_ms) | (time_ms > bounds.to_ms)
        for row in np.flatnonzero(outside).tolist():
            self.refuse(row, column, BEFORE if time_ms[row] < bounds.from_ms else AFTER, text(row))

    @property
    def kept(self) -> Bools:
        """Tell which rows were not taken out."""
        keep = np.ones(len(self.lines), np.bool_)
        keep[list(self._why)] = False
        return keep

    @property
    def refused(self) -> list[RefusedRow]:
        """Give what was taken out, in no order."""
        return [*self._why.values(), *self._others]

    def chunk(self, time_ms: Ints, columns: dict[str, Column], bytes_in: int) -> Chunk:
        """Make the chunk of the rows that are left, and of the others the report."""
        refused = tuple(sorted(self.refused))
        lines = self.lines
        if self._why:
            rows = np.flatnonzero(self.kept)
            time_ms, lines = time_ms[rows], lines[rows]
            columns = {name: column.take(rows) for name, column in columns.items()}
        return Chunk(time_ms=time_ms, lines=lines, columns=columns, refused=refused, bytes_in=bytes_in)
