"""The report of refused rows: a CSV that a spreadsheet opens and runs nothing of (SM-10)."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from itertools import islice
from typing import Final

import msgspec
import numpy as np

from schemas.errors import Malformed
from schemas.filetypes.chunks import Chunk, RefusedRow
from schemas.limits import IMPORT_REPORT_BYTES_MAX

HEADER: Final = ("file", "line", "column", "reason", "text")

_RUNS: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
"""A spreadsheet takes a cell that begins so for a formula, some after having skipped it."""


class Report:
    """What is told of the refused rows of one unit."""

    def __init__(self, bytes_max: int = IMPORT_REPORT_BYTES_MAX) -> None:
        """Tell of nothing yet."""
        self._bytes_max = bytes_max
        self._text = io.StringIO()
        self._writer = csv.writer(self._text)
        self._writer.writerow(HEADER)
        self._left_out = 0
        self.lines = 0
        """Told of, those left out included."""

    def add(self, file: str, rows: Iterable[RefusedRow]) -> None:
        """Tell of rows of one file; beyond the limit they are only counted."""
        for row in rows:
            self.lines += 1
            if self._text.tell() > self._bytes_max:
                self._left_out += 1
                continue
            words = (file, row.column, row.reason, row.text)
            name, column, reason, text = map(neutral, words)
            self._writer.writerow((name, row.line, column, reason, text))

    def encoded(self) -> bytes:
        """Give the file."""
        if self._left_out:
            self._writer.writerow(("", "", "", f"{self._left_out} more are not listed", ""))
            self._left_out = 0
        return self._text.getvalue().encode()


class ToldRows:
    """The rows that a report tells of."""

    def __init__(self, octets: bytes) -> None:
        """Read a report; Malformed where it does not tell of every row."""
        found: dict[str, list[int]] = {}
        try:
            for row in islice(csv.reader(io.StringIO(octets.decode(), newline="")), 1, None):
                if len(row) != len(HEADER) or not row[1].isdecimal():
                    raise Malformed("the report leaves rows out; import the file again.")
                found.setdefault(row[0], []).append(int(row[1]))
            self._lines = {name: np.unique(np.array(lines, np.int64)) for name, lines in found.items()}
        except (csv.Error, ValueError, OverflowError) as error:
            message = "the report is not the one that the import wrote; import the file again."
            raise Malformed(message) from error

    def __contains__(self, file: str) -> bool:
        """Tell whether it tells of any row of a file."""
        return neutral(file) in self._lines

    def of(self, file: str, chunk: Chunk) -> Chunk:
        """Leave of a chunk of a file the rows that are told of."""
        lines = self._lines[neutral(file)]
        rows = np.flatnonzero(np.isin(chunk.lines, lines))
        refused = np.isin([row.line for row in chunk.refused], lines)
        return msgspec.structs.replace(
            chunk,
            time_ms=chunk.time_ms[rows],
            lines=chunk.lines[rows],
            columns={name: column.take(rows) for name, column in chunk.columns.items()},
            refused=tuple(row for row, told in zip(chunk.refused, refused.tolist(), strict=True) if told),
        )


def neutral(cell: str) -> str:
    """Put an apostrophe before what a spreadsheet would run."""
    return f"'{cell}" if cell.lstrip(" ").startswith(_RUNS) else cell
