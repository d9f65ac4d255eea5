"""Delimited text → chunks: blocks of lines are parsed at once, and only what fails is looked at closely.

First a block is read with columns of doubles as numbers. If one cell of it is none, the block is read again
as texts, and the cells are named. Rows with too many or too few cells are told by the parser; where quotes
are wrong, so that rows run into one another, each row is parsed by itself.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from schemas.aspects import Variable, VariableType
from schemas.columns import Column, Ints
from schemas.filetypes.building import Rows, TimeBounds
from schemas.filetypes.cells import (
    check_doubles,
    guess_type,
    is_number,
    present_of,
    read_cells,
    texts_of,
    without_na,
)
from schemas.filetypes.chunks import Chunk, Head
from schemas.filetypes.head import delimiter_of
from schemas.filetypes.limits import VALUES_SAMPLED_MAX
from schemas.filetypes.model import FileType
from schemas.filetypes.moments import REASONS, read_times
from schemas.filetypes.text import Block, ends_outside_quotes, newlines

_UNIT = "\x1f"
"""Stands for a delimiter that was found by a pattern."""
_TINY = re.compile(rb"[eE]-[0-9]{3}")
NO_TIME = "there is no time"
WRONG_QUOTES = "the quotes of the row are not closed on its line; declare multiline if cells go over lines"


class _Ragged(NamedTuple):
    row: int
    expected: int
    found: int
    text: str


class TextReader:
    """Reads the blocks of one text."""

    def __init__(
        self, file_type: FileType, head: Head, types: Mapping[str, Variable], bounds: TimeBounds
    ) -> None:
        """Take how the text is laid out and which columns are wanted, each with the type of its values."""
        self._file_type, self._types, self._bounds = file_type, types, bounds
        self._times = head.times
        # Columns without a name get one that no header has, so that the parser can count them.
        self._names = [name or f"\n{place}" for place, name in enumerate(head.columns)]
        self._wanted = list(dict.fromkeys([*head.times, *types]))
        self._na_numbers = [float(text) for text in file_type.na_values if is_number(text)]
        self._doubles = {name for name, one in types.items() if one.type is VariableType.DOUBLE}

    def chunk(self, block: Block) -> Chunk:
        """Read one block."""
        octets, lines = self._records(block)
        if not len(lines):
            return self._nothing_but([], block)
        wrong_quotes: list[tuple[int, str]] = []
        table, ragged = self._parse(octets, self._doubles)
        if self._quotes_fail(octets, len(lines), len(ragged), table):
            octets, lines, wrong_quotes = self._parted(octets, lines)
            if not len(lines):
                return self._nothing_but(wrong_quotes, block)
            table, ragged = self._parse(octets, self._doubles)
        fast = table is not None and not _TINY.search(octets)
        if table is None or not fast:
            table, ragged = self._parse(octets, set())
            assert table is not None
        rows = Rows(np.delete(lines, [one.row for one in ragged]))
        _refuse_quotes(rows, wrong_quotes)
        for one in ragged:
            reason = f"the row has {one.found} cells, the header {one.expected}"
            rows.refuse_line(int(lines[one.row]), reason, one.text)
        time_ms = self._read_times(table, rows)
        columns = self._columns(table) if fast else None
        if columns is None:
            if fast:
                table, _ = self._parse(octets, set())
            columns = self._read_columns(table, rows)
        return rows.chunk(time_ms, columns, block.bytes_in)

    @staticmethod
    def _nothing_but(wrong_quotes: list[tuple[int, str]], block: Block) -> Chunk:
        rows = Rows(np.zeros(0, np.int64))
        _refuse_quotes(rows, wrong_quotes)
        return rows.chunk(np.zeros(0, np.int64), {}, block.bytes_in)

    def guess_types(self, block: Block) -> dict[str, VariableType]:
        """Tell the types of all columns but those of times by the first rows of a block."""
        octets, lines = self._records(block)
        names = [name for name in self._names if name not in self._times and not name.startswith("\n")]
        if not len(lines) or not names:
            return dict.fromkeys(names, VariableType.DOUBLE)
        if len(lines) > VALUES_SAMPLED_MAX:
            ends = ends_outside_quotes(octets) if self._file_type.multiline else newlines(octets)
            octets = octets[: int(ends[VALUES_SAMPLED_MAX - 1]) + 1]
        self._wanted = names
        table, _ = self._parse(octets, set())
        assert table is not None
        file_type = self._file_type
        found = {}
        for name in names:
            texts = without_na(table.column(name), file_type.na_values)
            if file_type.decimal_comma:
                texts = pc.replace_substring(texts, ",", ".", max_replacements=1)
            found[name] = guess_type(texts)
        return found

    def _records(self, block: Block) -> tuple[bytes, Ints]:
        """Give the text without empty lines, and the number of each row's first line."""
        octets, file_type = block.octets, self._file_type
        if not octets.endswith(b"\n"):
            octets += b"\n"
        ends = ends_outside_quotes(octets) if file_type.multiline else newlines(octets)
        starts = np.concatenate([np.zeros(1, np.int64), ends[:-1] + 1])[: len(ends)]
        if file_type.multiline:
            lines: Ints = block.first_line + np.searchsorted(newlines(octets), starts)
        else:
            lines = np.arange(block.first_line, block.first_line + len(ends))
        array = np.frombuffer(octets, np.uint8)
        empty = (ends == starts) | ((ends == starts + 1) & (array[starts] == ord("\r")))
        if empty.any():
            kept = np.flatnonzero(~empty)
            spans = zip(starts[kept].tolist(), ends[kept].tolist(), strict=True)
            octets, lines = b"".join(octets[start : end + 1] for start, end in spans), lines[kept]
        if file_type.delimiter_pattern:
            between = delimiter_of(file_type.delimiter_pattern)
            text = octets.decode().replace(_UNIT, " ")
            octets = "\n".join(between.sub(_UNIT, line.strip()) for line in text.split("\n")).encode()
        return octets, lines

    def _parse(self, octets: bytes, doubles: set[str]) -> tuple[pa.Table | None, list[_Ragged]]:
        """Parse rows; None for the table if a cell of `doubles` is no number."""
        file_type = self._file_type
        ragged: list[_Ragged] = []

        def note(row: pa_csv.InvalidRow) -> str:
            ragged.append(_Ragged(row.number - 1, row.expected_columns, row.actual_columns, row.text))
            return "skip"

        quote = "" if file_type.delimiter_pattern else file_type.quote
        types = {name: pa.float64() if name in doubles else pa.string() for name in self._wanted}
        try:
            table = pa_csv.read_csv(
                pa.BufferReader(octets),
                pa_csv.ReadOptions(use_threads=False, column_names=self._names, block_size=len(octets) + 1),
                pa_csv.ParseOptions(
                    delimiter=_UNIT if file_type.delimiter_pattern else file_type.delimiter,
                    quote_char=quote or False,
                    newlines_in_values=True,
                    ignore_empty_lines=False,
                    invalid_row_handler=note,
                ),
                pa_csv.ConvertOptions(
                    column_types=types,
                    include_columns=self._wanted,
                    null_values=["", *file_type.na_values],
                    quoted_strings_can_be_null=True,
                    decimal_point="," if file_type.decimal_comma else ".",
                ),
            )
        except pa.ArrowInvalid:
            return None, ragged
        return table, ragged

    def _quotes_fail(self, octets: bytes, lines: int, ragged: int, table: pa.Table | None) -> bool:
        """Tell whether rows may have run into one another."""
        file_type = self._file_type
        quote = file_type.quote.encode()
        if not quote or file_type.delimiter_pattern or quote not in octets:
            return False
        if table is None:
            table, unparted = self._parse(octets, set())
            ragged = len(unparted)
        if table is None or table.num_rows + ragged != lines:
            return True
        last = octets[octets.rfind(b"\n", 0, -1) + 1 :]
        return not file_type.multiline and last.count(quote) % 2 == 1

    def _parted(self, octets: bytes, lines: Ints) -> tuple[bytes, Ints, list[tuple[int, str]]]:
        """Parse each row by itself: give those with lawful quotes written anew, and the others."""
        file_type = self._file_type
        ends = ends_outside_quotes(octets) if file_type.multiline else newlines(octets)
        starts = [0, *(ends[:-1] + 1).tolist()]
        written = io.StringIO(newline="")
        writer = csv.writer(
            written, delimiter=file_type.delimiter, quotechar=file_type.quote, lineterminator="\n"
        )
        good: list[int] = []
        wrong: list[tuple[int, str]] = []
        for row, (start, end) in enumerate(zip(starts, ends.tolist(), strict=True)):
            text = octets[start:end].decode()
            source = io.StringIO(text, newline="")
            try:
                (cells,) = csv.reader(
                    source, delimiter=file_type.delimiter, quotechar=file_type.quote, strict=True
                )
            except (csv.Error, ValueError):
                wrong.append((int(lines[row]), text))
                continue
            good.append(row)
            writer.writerow(cells)
        return written.getvalue().encode(), lines[good], wrong

    def _read_times(self, table: pa.Table, rows: Rows) -> Ints:
        parts = [without_na(table.column(name), ()) for name in self._times]
        texts = parts[0] if len(parts) == 1 else pc.binary_join_element_wise(*parts, " ")
        column = ", ".join(self._times)
        present = present_of(texts)
        if present is not None:
            for row in np.flatnonzero(~present).tolist():
                rows.refuse(row, column, NO_TIME, "")
        times = read_times(texts_of(texts), self._file_type)
        for row in np.flatnonzero(times.reasons).tolist():
            rows.refuse(row, column, REASONS[times.reasons[row]], texts[row].as_py() or "")
        rows.check_bounds(times.time_ms, self._bounds, column, lambda row: str(texts[row].as_py()))
        return times.time_ms

    def _columns(self, table: pa.Table) -> dict[str, Column] | None:
        """Take the columns of a table whose doubles are numbers; None if one of them cannot be stored."""
        found: dict[str, Column] = {}
        for name, variable in self._types.items():
            array = table.column(name).combine_chunks()
            if name in self._doubles:
                present = present_of(array)
                values = (array if present is None else array.fill_null(0.0)).to_numpy(zero_copy_only=False)
                # The parser takes blanks off numbers, not off what stands for none.
                padded = any((values == number).any() for number in self._na_numbers)
                if padded or check_doubles(values, present) is not None:
                    return None
                found[name] = Column(values, present)
                continue
            cells = read_cells(self._bare(array, variable), variable, self._file_type)
            if cells.wrong:
                return None
            found[name] = cells.column
        return found

    def _read_columns(self, table: pa.Table, rows: Rows) -> dict[str, Column]:
        """Read every column from texts, and refuse the rows of cells that are no values."""
        found: dict[str, Column] = {}
        for name, variable in self._types.items():
            array = self._bare(table.column(name).combine_chunks(), variable)
            cells = read_cells(array, variable, self._file_type)
            for one in cells.wrong:
                rows.refuse(one.row, name, one.reason, array[one.row].as_py())
            found[name] = cells.column
        return found

    def _bare(self, array: pa.Array, variable: Variable) -> pa.Array:
        return without_na(array, self._file_type.na_values, keep_blanks=variable.type.is_text)


def _refuse_quotes(rows: Rows, wrong: list[tuple[int, str]]) -> None:
    for line, text in wrong:
        rows.refuse_line(line, WRONG_QUOTES, text)
