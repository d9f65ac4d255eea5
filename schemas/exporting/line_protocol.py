"""Records as lines of line protocol: `aspect,asset=name,assetId=id field=1,other=2i 1465839830100000000`.

The aspect is the measurement, the asset a tag, twice: by name and by id. DOUBLE is a float, INT and LONG are
integers, BOOLEAN is `true` or `false`, texts and times are strings; the code of `x` is the integer `x_qc`.
Times are nanoseconds. A record is a line (TF-56).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import numpy as np

from schemas.aspects import VariableType
from schemas.columns import Bools, Column
from schemas.exporting.cells import (
    by_series,
    code_strings,
    codes_cell,
    column_strings,
    pieces,
    rows_with_any,
    special_bytes,
)
from schemas.exporting.model import Heading, Window
from schemas.lines import Cell, Text, integer_text, lay
from schemas.render import value_text

_ENDS: Final = {VariableType.INT: b"i", VariableType.LONG: b"i"}
_QUOTED: Final = frozenset({VariableType.STRING, VariableType.BIG_STRING, VariableType.TIMESTAMP})
_SPECIAL: Final = special_bytes('"\\')
_WORD: Final = re.compile(r"([,= ])")
_TEXT: Final = re.compile(r'(["\\])')
_NANOSECONDS: Final = b"000000"


class LineProtocol:
    """Writes one file."""

    packs = True
    resumes = True

    def __init__(self, headings: Sequence[Heading]) -> None:
        """Take the columns."""
        self._headings = headings
        self._series = by_series(headings)

    def begin(self) -> bytes:
        """Write nothing: every line is whole."""
        return b""

    def rows(self, window: Window) -> bytes:
        """Write a line a record."""
        return pieces(window, self._piece)

    def end(self) -> bytes:
        """Write nothing."""
        return b""

    def _piece(self, window: Window) -> bytes:
        rows = len(window.time_ms)
        times = integer_text(window.time_ms)
        cells: list[Cell | bytes] = []
        for places in self._series:
            columns = window.columns[places.start : places.stop]
            if not any(column is not None for column in columns):
                continue
            fields = self._fields(places, columns, rows)
            if fields is None:
                return self._slow_piece(window)
            has_any = rows_with_any(columns, rows)
            cells.append(Cell([_head(self._headings[places.start])], present=has_any))
            cells += fields
            cells.append(Cell([b" ", *times, _NANOSECONDS + b"\n"], present=has_any))
        return lay(rows, cells) if cells else b""

    def _fields(self, places: range, columns: Sequence[Column | None], rows: int) -> list[Cell] | None:
        """Write the fields of a series: each row's first behind a blank, the others behind commas."""
        cells: list[Cell] = []
        begun: Bools = np.zeros(rows, np.bool_)
        for place, column in zip(places, columns, strict=True):
            heading = self._headings[place]
            if column is None:
                continue
            text = value_text(column, heading.type, _SPECIAL)
            if text is None:
                return None
            quote = b'"' if heading.type in _QUOTED else b""
            name = b"%b=%b" % (_word(heading.variable).encode(), quote)
            divider: Text = [np.where(begun, np.uint8(ord(",")), np.uint8(ord(" "))), name]
            closing = quote + _ENDS.get(heading.type, b"")
            cells.append(Cell([*divider, *text, closing], present=column.present))
            begun = np.ones(rows, np.bool_) if column.present is None else begun | column.present
            if heading.codes and column.quality is not None:
                code = codes_cell(column, column.quality)
                name = b",%b=" % _word(f"{heading.variable}_qc").encode()
                cells.append(code._replace(opening=name, closing=b"i"))
        return cells

    def _slow_piece(self, window: Window) -> bytes:
        rows = len(window.time_ms)
        fields = [list(self._slow_field(place, window, rows)) for place in range(len(self._headings))]
        heads = [_head(self._headings[places.start]).decode() for places in self._series]
        lines = []
        for row, time_ms in enumerate(window.time_ms.tolist()):
            for head, places in zip(heads, self._series, strict=True):
                told = [field[row] for place in places for field in fields[place] if field[row]]
                if told:
                    lines.append(f"{head} {','.join(told)} {time_ms}{_NANOSECONDS.decode()}\n")
        return "".join(lines).encode()

    def _slow_field(self, place: int, window: Window, rows: int) -> list[list[str]]:
        heading, column = self._headings[place], window.columns[place]
        quote = '"' if heading.type in _QUOTED else ""
        name, closing = _word(heading.variable), quote + _ENDS.get(heading.type, b"").decode()
        values = [
            "" if text is None else f"{name}={quote}{_TEXT.sub(_ESCAPED, text)}{closing}"
            for text in column_strings(column, heading.type, rows)
        ]
        if not heading.codes:
            return [values]
        name = _word(f"{heading.variable}_qc")
        return [values, ["" if code is None else f"{name}={code}i" for code in code_strings(column, rows)]]


_ESCAPED: Final = r"\\\1"


def _word(text: str) -> str:
    """Write a name or a tag's value."""
    return _WORD.sub(_ESCAPED, text)


def _head(heading: Heading) -> bytes:
    tags = f"asset={_word(heading.asset_name)},assetId={heading.asset}"
    return f"{_word(heading.aspect)},{tags}".encode()
