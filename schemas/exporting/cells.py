"""What the writers of text have in common: columns as cells of rows, or one by one where that does not do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC
from itertools import groupby

import numpy as np

from schemas.aspects import VariableType
from schemas.columns import NO_QUALITY, Bools, Column, Ints, Texts
from schemas.exporting.clocks import ISO, clock_text
from schemas.exporting.model import Heading, Window
from schemas.lines import Cell, Text, integer_text, lay
from schemas.render import value_text

PIECE_CELLS = 65_536
"""Laid out at once, so that the matrix stays in the processor's cache."""
ROWS_MIN = 64

Strings = Sequence[str | None]
"""The texts of a column; None: the row has no value."""


def pieces(window: Window, write: Callable[[Window], bytes]) -> bytes:
    """Write a window piece by piece."""
    step = max(ROWS_MIN, PIECE_CELLS // max(1, len(window.columns)))
    count = len(window.time_ms)
    return b"".join(write(_cut(window, start, min(start + step, count))) for start in range(0, count, step))


def _cut(window: Window, start: int, end: int) -> Window:
    columns = (None if column is None else column.part(start, end) for column in window.columns)
    return Window(window.time_ms[start:end], tuple(columns))


def codes_cell(column: Column, quality: Ints) -> Cell:
    """Write quality codes; no text where there is none."""
    has = quality != NO_QUALITY
    if column.present is not None:
        has &= column.present
    return Cell(integer_text(np.where(has, quality, 0)), present=has)


def strings_of(text: Text, rows: int) -> list[str]:
    """Give the texts of rows one by one; none of them has a line break."""
    return lay(rows, [Cell(text), b"\n"]).decode().split("\n")[:rows]


def column_strings(column: Column | None, type_: VariableType, rows: int) -> list[str | None]:
    """Give the values of a column one by one, as they are; times in UTC."""
    if column is None:
        return [None] * rows
    if isinstance(column.values, Texts):
        return where(column.present, column.values.to_list())
    if type_ is VariableType.TIMESTAMP:
        times = column.values.astype(np.int64)
        times = times if column.present is None else np.where(column.present, times, 0)
        return where(column.present, strings_of(clock_text(times, UTC, ISO), rows))
    text = value_text(column, type_)
    assert text is not None, "only texts have special bytes"
    return where(column.present, strings_of(text, rows))


def code_strings(column: Column | None, rows: int) -> list[str | None]:
    """Give the quality codes of a column one by one."""
    if column is None or column.quality is None:
        return [None] * rows
    cell = codes_cell(column, column.quality)
    return where(cell.present, strings_of(cell.text, rows))


def where(present: Bools | None, texts: Sequence[str]) -> list[str | None]:
    """Leave out the texts of rows without a value."""
    if present is None:
        return list(texts)
    return [text if flag else None for text, flag in zip(texts, present.tolist(), strict=True)]


def special_bytes(characters: str) -> Bools:
    """Mark bytes that a text cannot have as they are."""
    marked = np.zeros(256, np.bool_)
    marked[[ord(character) for character in characters]] = True
    return marked


def by_series(headings: Sequence[Heading]) -> list[range]:
    """Give the places of the columns of each series, which stand together."""
    found = []
    for _, places in groupby(enumerate(headings), key=lambda pair: (pair[1].asset, pair[1].aspect)):
        numbers = [number for number, _ in places]
        found.append(range(numbers[0], numbers[-1] + 1))
    return found


def rows_with_any(columns: Sequence[Column | None], rows: int) -> Bools | None:
    """Tell which rows have a value among columns; None: every one."""
    found: Bools = np.zeros(rows, np.bool_)
    for column in columns:
        if column is None:
            continue
        if column.present is None:
            return None
        found |= column.present
    return None if found.all() else found
