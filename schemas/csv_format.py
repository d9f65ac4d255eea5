"""Records as CSV (RFC 4180): a head line, then a line a record; what a record does not have is empty.

Times are written as in JSON, booleans as `true` and `false`, numbers as in JSON, codes as whole numbers.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence

import numpy as np

from schemas.aspects import TIME_MEMBER, VariableType
from schemas.columns import Column, Texts
from schemas.lines import Cell, Text, lay, string_text
from schemas.render import PIECE_ROWS, value_text
from schemas.tables import Field, Filled, Found, fill, part_of
from schemas.times import format_times, time_text

_QUOTED = np.zeros(256, np.bool_)
"""Bytes for which a field is put into quotes."""
_QUOTED[[ord(","), ord('"'), ord("\r"), ord("\n")]] = True


class CsvFormat:
    """Writes one answer."""

    def __init__(self, fields: Sequence[Field], labels: Sequence[str] = ()) -> None:
        """Take the columns, and the names of those that are the same for all rows of a piece."""
        self._fields = fields
        self._labels = labels

    def begin(self) -> bytes:
        """Write the head line."""
        return _line([*self._labels, TIME_MEMBER, *(field.name for field in self._fields)])

    def rows(self, found: Found) -> bytes:
        """Write a line a record."""
        step = PIECE_ROWS
        starts = range(0, found.columns.rows, step)
        return b"".join(self._piece(part_of(found, start, start + step)) for start in starts)

    def end(self) -> bytes:
        """Write nothing: the last line is ended already."""
        return b""

    def _piece(self, found: Found) -> bytes:
        filled = fill(found, self._fields)
        cells = [cell for one in filled for cell in _cells(one)]
        labels = [string_text(texts, _QUOTED) for texts in found.label_columns]
        if None in cells or None in labels:
            return _slowly(found, filled)
        begin = [part for text in labels if text is not None for part in (Cell(text), b",")]
        known: list[Cell | bytes] = [cell for cell in cells if cell is not None]
        return lay(found.columns.rows, [*begin, Cell(time_text(found.columns.time_ms)), *known, b"\r\n"])


def _cells(filled: Filled) -> Iterator[Cell | bytes | None]:
    """Write a column's comma and values by arrays; None for strings that need quotes."""
    yield b","
    if filled.column is not None:
        text: Text | None = value_text(filled.column, filled.field.type, _QUOTED)
        yield None if text is None else Cell(text, present=filled.column.present)


def _slowly(found: Found, filled: Sequence[Filled]) -> bytes:
    """Write the rows one by one, with quotes where they are needed."""
    rows = found.columns.rows
    columns = [_strings(one.field.type, one.column, rows) for one in filled]
    labels = [texts.to_list() for texts in found.label_columns]
    text = io.StringIO(newline="")
    csv.writer(text).writerows(zip(*labels, format_times(found.columns.time_ms), *columns, strict=True))
    return text.getvalue().encode()


def _strings(type_: VariableType, column: Column | None, rows: int) -> list[str]:
    if column is None:
        return [""] * rows
    if isinstance(column.values, Texts):
        written = column.values.to_list()
    else:
        text = value_text(column, type_)
        assert text is not None
        written = lay(rows, [Cell(text), b"\n"]).decode("ascii").splitlines()
    if column.present is None:
        return written
    return [value if flag else "" for value, flag in zip(written, column.present.tolist(), strict=True)]


def _line(names: Sequence[str]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerow(names)
    return text.getvalue().encode()
