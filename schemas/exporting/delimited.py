"""Tables as text with commas or tabs (RFC 4180): a head line, then a line a row, ended by CR LF.

What a row does not have is empty; an empty text is `""`. Numbers are the shortest that read back the same,
booleans `true` and `false`. A text that a spreadsheet would run (its first character but blanks is one of
`= + - @`, a tab or a line break), and one that begins with an apostrophe, gets an apostrophe in front:
whoever takes one apostrophe off every text that begins with one has what was stored.

Cells are written by arrays; only a column with texts that need quotes or that apostrophe is gone through.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from datetime import tzinfo
from typing import Final

import numpy as np

from schemas.aspects import TIME_MEMBER, VariableType
from schemas.columns import Bools, Column, Texts
from schemas.exporting.cells import codes_cell, pieces, special_bytes, strings_of, where
from schemas.exporting.clocks import clock_text
from schemas.exporting.model import Heading, Window
from schemas.lines import Cell, Text, lay, string_text
from schemas.render import value_text

COMMA: Final = ","
TAB: Final = "\t"
LINE_END: Final = b"\r\n"

NARROW_NAMES: Final = (TIME_MEMBER, "assetId", "assetName", "aspect", "variable", "value")
CODE_NAME: Final = "quality"

_RUNS: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
"""A spreadsheet takes a cell that begins so for a formula, some after having skipped blanks."""

PIECE_CELLS: Final = 65_536
"""Laid out at once, so that the matrix stays in the processor's cache."""
_FIRST: Final = special_bytes("".join(_RUNS) + " '")
"""Bytes with which a text may have to be looked at."""


def neutral(text: str) -> str:
    """Put an apostrophe before what a spreadsheet would run, and before an apostrophe."""
    return f"'{text}" if text.startswith("'") or text.lstrip(" ").startswith(_RUNS) else text


def original(text: str) -> str:
    """Take the apostrophe off again."""
    return text.removeprefix("'")


class Delimited:
    """Writes one file."""

    packs = True
    resumes = True

    def __init__(
        self, headings: Sequence[Heading], delimiter: str, zone: tzinfo, form: str, *, narrow: bool
    ) -> None:
        """Take the columns, and how times are written."""
        self._headings = headings
        self._delimiter = delimiter
        self._zone, self._form = zone, form
        self._narrow = narrow
        self._special = special_bytes(delimiter + '"\r\n')

    def begin(self) -> bytes:
        """Write the head line."""
        if self._narrow:
            codes = any(heading.codes for heading in self._headings)
            return self._line([*NARROW_NAMES, *([CODE_NAME] if codes else [])])
        names = [TIME_MEMBER]
        for heading in self._headings:
            names += [heading.name, *([f"{heading.name}_qc"] if heading.codes else [])]
        return self._line(names)

    def rows(self, window: Window) -> bytes:
        """Write rows."""
        return pieces(window, self._narrow_piece if self._narrow else self._wide_piece)

    def end(self) -> bytes:
        """Write nothing: the last line is ended already."""
        return b""

    # -- a row a time ------------------------------------------------------------------------------

    def _wide_piece(self, window: Window) -> bytes:
        rows, comma = len(window.time_ms), self._delimiter.encode()
        cells: list[Cell | bytes] = [Cell(clock_text(window.time_ms, self._zone, self._form))]
        for heading, column in zip(self._headings, window.columns, strict=True):
            cells.append(comma)
            if column is not None:
                text = self._text(column, heading.type)
                if text is None:
                    return self._slow_piece(window)
                cells.append(Cell(text, present=column.present))
            if heading.codes:
                cells.append(comma)
                if column is not None and column.quality is not None:
                    cells.append(codes_cell(column, column.quality))
        return lay(rows, [*cells, LINE_END])

    def _text(self, column: Column, type_: VariableType) -> Text | None:
        """Write values by arrays; None for texts that must be looked at one by one."""
        if isinstance(column.values, Texts):
            return self._plain(column.values, column.present)
        if type_ is VariableType.TIMESTAMP:
            times = column.values.astype(np.int64)
            times = times if column.present is None else np.where(column.present, times, 0)
            return clock_text(times, self._zone, self._form)
        return value_text(column, type_)

    def _plain(self, texts: Texts, present: Bools | None) -> Text | None:
        starts, ends = texts.offsets[:-1], texts.offsets[1:]
        empty = starts == ends
        if (empty if present is None else empty & present).any():
            return None  # It is written as two quotes.
        if len(texts.octets) and _FIRST[texts.octets[starts[~empty]]].any():
            return None
        return string_text(texts, self._special)

    def _slow_piece(self, window: Window) -> bytes:
        """Write row by row, with quotes and apostrophes where they are needed."""
        columns = [strings_of(clock_text(window.time_ms, self._zone, self._form), len(window.time_ms))]
        for heading, column in zip(self._headings, window.columns, strict=True):
            columns += self._slow_column(heading, column, len(window.time_ms))
        delimiter = self._delimiter
        return "".join(f"{delimiter.join(row)}\r\n" for row in zip(*columns, strict=True)).encode()

    def _slow_column(self, heading: Heading, column: Column | None, rows: int) -> Iterator[list[str]]:
        if column is None:
            yield [""] * rows
        elif isinstance(column.values, Texts):
            yield _shown(column.present, [self._quoted(neutral(text)) for text in column.values.to_list()])
        else:
            text = self._text(column, heading.type)
            assert text is not None
            yield _shown(column.present, strings_of(text, rows))
        if heading.codes:
            if column is None or column.quality is None:
                yield [""] * rows
            else:
                cell = codes_cell(column, column.quality)
                yield _shown(cell.present, strings_of(cell.text, rows))

    def _quoted(self, text: str) -> str:
        if text and not any(character in text for character in (self._delimiter, '"', "\r", "\n")):
            return text
        doubled = text.replace('"', '""')
        return f'"{doubled}"'

    def _line(self, names: Sequence[str]) -> bytes:
        out = io.StringIO(newline="")
        csv.writer(out, delimiter=self._delimiter).writerow(map(neutral, names))
        return out.getvalue().encode()

    # -- a row a reading ---------------------------------------------------------------------------

    def _narrow_piece(self, window: Window) -> bytes:
        """Write a line for each value of each row; a value that is not there has no line."""
        comma, codes = self._delimiter.encode(), any(heading.codes for heading in self._headings)
        times = clock_text(window.time_ms, self._zone, self._form)
        cells: list[Cell | bytes] = []
        for heading, column in zip(self._headings, window.columns, strict=True):
            if column is None:
                continue
            text = self._text(column, heading.type)
            if text is None:
                return self._slow_lines(window, codes=codes)
            behind = [comma] if codes else []
            cells.append(Cell([*times, self._labels(heading), *text, *behind], present=column.present))
            if heading.codes and column.quality is not None:
                cells.append(codes_cell(column, column.quality))
            cells.append(Cell([LINE_END], present=column.present))
        return lay(len(window.time_ms), cells) if cells else b""

    def _labels(self, heading: Heading) -> bytes:
        comma = self._delimiter.encode()
        line = self._line([heading.asset, heading.asset_name, heading.aspect, heading.variable])
        return comma + line.removesuffix(LINE_END) + comma

    def _slow_lines(self, window: Window, *, codes: bool) -> bytes:
        """Write line by line, with quotes and apostrophes where they are needed."""
        rows, between = len(window.time_ms), self._delimiter
        times = strings_of(clock_text(window.time_ms, self._zone, self._form), rows)
        columns: list[list[str]] = []
        for heading, column in zip(self._headings, window.columns, strict=True):
            if column is None:
                continue
            labels = self._labels(heading).decode()
            values, *told = self._slow_column(heading, column, rows)
            behind = told[0] if told else [""] * rows
            present = [True] * rows if column.present is None else column.present.tolist()
            columns.append(
                [
                    f"{time}{labels}{value}{between + code if codes else ''}\r\n" if flag else ""
                    for time, value, code, flag in zip(times, values, behind, present, strict=True)
                ]
            )
        return "".join(line for row in zip(*columns, strict=True) for line in row).encode()


def _shown(present: Bools | None, texts: Sequence[str]) -> list[str]:
    return [text or "" for text in where(present, texts)]
