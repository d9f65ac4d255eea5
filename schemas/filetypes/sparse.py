"""Formats whose rows name their columns themselves → chunks: each row is a time and some named values.

Tags are columns `tags.NAME`, fields `fields.NAME`, and what a row is a measurement of is `measurement`, in
every such format, so that one rule of a file type fits them all.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from schemas.columns import Column, Texts
from schemas.filetypes.building import Rows, TimeBounds
from schemas.filetypes.chunks import Chunk
from schemas.filetypes.limits import CHUNK_CELLS_MAX, COLUMN_NAME_CHARACTERS_MAX, COLUMNS_MAX
from schemas.filetypes.model import FileType
from schemas.filetypes.moments import REASONS, read_times
from schemas.filetypes.text import Block
from schemas.limits import DOUBLE_MAGNITUDE_BELOW, DOUBLE_MAGNITUDE_MIN, LONG_MAX, LONG_MIN

MEASUREMENT, TAG, FIELD = "measurement", "tags.", "fields."

Value = float | int | bool | str
"""Of one cell; what is absent is not there."""

_ROWS_MAX = 20_000
_EXACT_AS_DOUBLE = 2**53
"""Whole numbers up to here are doubles, too."""

LONG_CELL = "a cell is longer than a text can be"
TORN = "the row holds half of a character"


def csv_rows(block: Block, gathering: Gathering) -> Iterator[tuple[int, Sequence[str]]]:
    """Give the rows of a text with commas, each with its line; refuses one whose cell cannot be read."""
    reader = csv.reader(io.StringIO(block.octets.decode(), newline=""))
    while True:
        line = block.first_line + reader.line_num
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            gathering.refuse(line, "", LONG_CELL, "")
            continue
        yield line, cells


class Gathering:
    """Gathers rows until they are enough for a chunk."""

    def __init__(self, wanted: frozenset[str] | None, bounds: TimeBounds, file_type: FileType) -> None:
        """Take which columns are wanted, None: all; and how times are written that come as texts."""
        self._wanted, self._bounds, self._file_type = wanted, bounds, file_type
        self._clear()

    def _clear(self) -> None:
        self._times: list[int | str] = []
        self._lines: list[int] = []
        self._cells: dict[str, tuple[list[int], list[Value]]] = {}
        self._refused: list[tuple[int, str, str, str]] = []

    @property
    def is_full(self) -> bool:
        """Tell whether it is time for a chunk."""
        rows = len(self._times)
        return rows + len(self._refused) >= _ROWS_MAX or rows * len(self._cells) >= CHUNK_CELLS_MAX

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing was gathered."""
        return not self._times and not self._refused

    def add(self, line: int, time: str | int, values: Mapping[str, Value]) -> None:
        """Add a row, its time as text or in milliseconds, all in the same way.

        A row is refused that holds too many columns or what cannot be stored.
        """
        reason = self._reason_against(values)
        if reason is None and type(time) is str and not _is_whole(time):
            reason = "", TORN, ""
        if reason is not None:
            self.refuse(line, *reason)
            return
        row = len(self._times)
        self._times.append(time)
        self._lines.append(line)
        for name, value in values.items():
            if self._wanted is None or name in self._wanted:
                rows, cells = self._cells.setdefault(name, ([], []))
                rows.append(row)
                cells.append(value)

    def refuse(self, line: int, column: str, reason: str, text: str) -> None:
        """Count a row that is not taken."""
        shown = column if _is_whole(column) else column.encode("utf-8", "replace").decode()
        self._refused.append((line, shown, reason, text))

    def _reason_against(self, values: Mapping[str, Value]) -> tuple[str, str, str] | None:
        for name, value in values.items():
            if len(name) > COLUMN_NAME_CHARACTERS_MAX:
                return name[:40], f"has a name of more than {COLUMN_NAME_CHARACTERS_MAX} characters", ""
            if name not in self._cells and len(self._cells) >= COLUMNS_MAX:
                return name, f"is one of more than {COLUMNS_MAX} columns", ""
            if name not in self._cells and not _is_whole(name):
                return "", TORN, ""
            if type(value) is str and not _is_whole(value):
                return name, TORN, ""
            if type(value) is int and not LONG_MIN <= value <= LONG_MAX:
                return name, "is beyond a LONG", str(value)[:40]
            if type(value) is float and not _is_double(value):
                return name, "is no number that a DOUBLE holds", repr(value)
        return None

    def take(self, bytes_in: int) -> Chunk:
        """Make a chunk of what was gathered, and begin anew."""
        rows = Rows(np.array(self._lines, np.int64))
        for line, column, reason, text in self._refused:
            rows.refuse_line(line, reason, text, column)
        texts = self._times
        if texts and isinstance(texts[0], str):
            times = read_times(Texts.of([str(text) for text in texts]), self._file_type)
            time_ms = times.time_ms
            for row in np.flatnonzero(times.reasons).tolist():
                rows.refuse(row, "", REASONS[times.reasons[row]], str(texts[row]))
        else:
            time_ms = np.array(texts, np.int64)
        rows.check_bounds(time_ms, self._bounds, "", lambda row: str(texts[row]))
        columns = {name: _column(*cells, len(time_ms)) for name, cells in self._cells.items()}
        chunk = rows.chunk(time_ms, columns, bytes_in)
        self._clear()
        return chunk


def _column(rows: list[int], values: list[Value], count: int) -> Column:
    """Make a column of the cells that are there: numbers together, or else texts."""
    kinds = {type(value) for value in values}
    present = None
    if len(rows) < count:
        present = np.zeros(count, np.bool_)
        present[rows] = True
    if kinds == {bool}:
        flags = np.zeros(count, np.bool_)
        flags[rows] = values
        return Column(flags, present)
    if kinds == {int}:
        whole = np.zeros(count, np.int64)
        whole[rows] = values
        return Column(whole, present)
    if kinds <= {int, float} and all(
        abs(value) <= _EXACT_AS_DOUBLE for value in values if type(value) is int
    ):
        doubles = np.zeros(count, np.float64)
        doubles[rows] = values
        return Column(doubles, present)
    texts: list[str | None] = [None] * count
    for row, value in zip(rows, values, strict=True):
        texts[row] = text_of(value)
    return Column(Texts.of(texts), present)


def _is_whole(text: str) -> bool:
    """Tell whether a text holds no half of a character, which JSON can write and nobody can store."""
    return text.isascii() or not any("\ud800" <= each <= "\udfff" for each in text)


def _is_double(value: float) -> bool:
    size = abs(value)
    return size == 0 or DOUBLE_MAGNITUDE_MIN <= size < DOUBLE_MAGNITUDE_BELOW


def text_of(value: Value) -> str:
    """Write a value as a file would hold it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else repr(value)
