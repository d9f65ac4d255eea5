"""The report of refused rows: a CSV that a spreadsheet opens and runs nothing of (SM-10)."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import Final

from schemas.filetypes.chunks import RefusedRow
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


def neutral(cell: str) -> str:
    """Put an apostrophe before what a spreadsheet would run."""
    return f"'{cell}" if cell.lstrip(" ").startswith(_RUNS) else cell
