"""Records as a TinyFlux store: rows of a time, a measurement, tags, then fields, with long or short prefixes.

The aspect is the measurement, the asset a tag by name and by id. Numbers are fields, as that library takes no
others; booleans are the fields 0 and 1, texts and times are tags. The code of `x` is the field `x_qc`. A
record is a row (TF-10, TF-56).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from datetime import UTC
from typing import Final

import numpy as np

from schemas.aspects import VariableType
from schemas.columns import Column
from schemas.exporting.cells import (
    by_series,
    code_strings,
    codes_cell,
    column_strings,
    pieces,
    rows_with_any,
    special_bytes,
    strings_of,
)
from schemas.exporting.clocks import clock_text
from schemas.exporting.model import Heading, Window
from schemas.lines import Cell, Text, lay
from schemas.render import value_text

_TIME: Final = "%Y-%m-%dT%H:%M:%S.%f"
_LONG: Final = ("_tag_", "_field_")
_SHORT: Final = ("t_", "f_")
_TAGS: Final = frozenset({VariableType.STRING, VariableType.BIG_STRING, VariableType.TIMESTAMP})
_SPECIAL: Final = special_bytes(',"\r\n')


class TinyFlux:
    """Writes one file."""

    packs = True
    resumes = True

    def __init__(self, headings: Sequence[Heading], *, short: bool) -> None:
        """Take the columns and the kind of prefixes."""
        self._headings = headings
        self._tag, self._field = _SHORT if short else _LONG
        # Tags stand before fields.
        self._series = [
            sorted(places, key=lambda place: headings[place].type not in _TAGS)
            for places in by_series(headings)
        ]

    def begin(self) -> bytes:
        """Write nothing: there is no head line."""
        return b""

    def rows(self, window: Window) -> bytes:
        """Write a row a record."""
        return pieces(window, self._piece)

    def end(self) -> bytes:
        """Write nothing."""
        return b""

    def _piece(self, window: Window) -> bytes:
        rows = len(window.time_ms)
        times = clock_text(window.time_ms, UTC, _TIME)
        cells: list[Cell | bytes] = []
        for places in self._series:
            columns = [window.columns[place] for place in places]
            if not any(column is not None for column in columns):
                continue
            pairs = self._pairs(places, columns)
            if pairs is None:
                return self._slow_piece(window)
            has_any = rows_with_any(columns, rows)
            cells.append(Cell([*times, self._labels(places[0])], present=has_any))
            cells += pairs
            cells.append(Cell([b"\r\n"], present=has_any))
        return lay(rows, cells) if cells else b""

    def _pairs(self, places: Sequence[int], columns: Sequence[Column | None]) -> list[Cell] | None:
        cells: list[Cell] = []
        for place, column in zip(places, columns, strict=True):
            heading = self._headings[place]
            if column is None:
                continue
            text = self._text(column, heading.type)
            if text is None:
                return None
            opening = f",{self._key(heading)},".encode()
            cells.append(Cell(text, opening, present=column.present))
        for place, column in zip(places, columns, strict=True):
            heading = self._headings[place]
            if heading.codes and column is not None and column.quality is not None:
                opening = f",{self._field}{heading.variable}_qc,".encode()
                cells.append(codes_cell(column, column.quality)._replace(opening=opening))
        return cells

    def _text(self, column: Column, type_: VariableType) -> Text | None:
        if type_ is VariableType.BOOLEAN and isinstance(column.values, np.ndarray):
            return [column.values.astype(np.uint8) + np.uint8(ord("0"))]
        return value_text(column, type_, _SPECIAL)

    def _key(self, heading: Heading) -> str:
        return (self._tag if heading.type in _TAGS else self._field) + heading.variable

    def _labels(self, place: int) -> bytes:
        heading = self._headings[place]
        tags = (f"{self._tag}asset", heading.asset_name, f"{self._tag}assetId", heading.asset)
        return b"," + _line([heading.aspect, *tags]).removesuffix("\r\n").encode()

    def _slow_piece(self, window: Window) -> bytes:
        rows = len(window.time_ms)
        times = strings_of(clock_text(window.time_ms, UTC, _TIME), rows)
        series = [
            (self._labels(places[0]).decode(), list(self._slow_pairs(places, window, rows)))
            for places in self._series
        ]
        lines = []
        for row, time in enumerate(times):
            for labels, pairs in series:
                told = [
                    word for key, values in pairs if values[row] is not None for word in (key, values[row])
                ]
                if told:
                    lines.append(f"{time}{labels},{_line(told)}")
        return "".join(lines).encode()

    def _slow_pairs(
        self, places: Sequence[int], window: Window, rows: int
    ) -> Iterator[tuple[str, list[str | None]]]:
        for place in places:
            heading, column = self._headings[place], window.columns[place]
            values = column_strings(column, heading.type, rows)
            if heading.type is VariableType.BOOLEAN:
                values = [None if text is None else "1" if text == "true" else "0" for text in values]
            yield self._key(heading), values
        for place in places:
            if self._headings[place].codes:
                key = f"{self._field}{self._headings[place].variable}_qc"
                yield key, code_strings(window.columns[place], rows)


def _line(words: Sequence[str | None]) -> str:
    out = io.StringIO(newline="")
    csv.writer(out).writerow(words)
    return out.getvalue()
