"""Annotated CSV → chunks: tables whose lines `#datatype`, `#group` and `#default` say what columns are.

A table in which `_field` and `_value` stand is narrow, one that was pivoted is wide; both give the columns
that line protocol gives. A table ends at an empty line or at the next annotation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from schemas.errors import Malformed
from schemas.filetypes.chunks import Chunk
from schemas.filetypes.sparse import FIELD, MEASUREMENT, TAG, Gathering, Value, csv_rows
from schemas.filetypes.text import Block

_DATATYPE, _GROUP, _DEFAULT = "#datatype", "#group", "#default"
_LEFT_OUT = {"", "result", "table", "_start", "_stop"}
_TRUTH = {"true": True, "false": False}
_TEXTS = {"string", "duration", "base64Binary", "tag"}
_WHOLE = {"long", "unsignedLong"}


class _Table(NamedTuple):
    """What its annotations and its header say."""

    names: Sequence[str]
    kinds: Sequence[str]
    groups: Sequence[str]
    defaults: Sequence[str]


def read_annotated(blocks: Iterator[Block], gathering: Gathering) -> Iterator[Chunk]:
    """Read every row of every table; Malformed where a table lacks its annotations or tells of an error."""
    notes: dict[str, Sequence[str]] = {}
    table: _Table | None = None
    bytes_in = 0
    for block in blocks:
        for line, cells in csv_rows(block, gathering):
            if not any(cells):
                table, notes = None, {}
            elif cells[0].startswith("#"):
                notes = notes if table is None else {}
                table = None
                notes[cells[0]] = cells
            elif table is None:
                table = _table_of(cells, notes, line)
            else:
                _add(gathering, line, cells, table)
            if gathering.is_full:
                yield gathering.take(block.bytes_in)
        bytes_in = block.bytes_in
    yield gathering.take(bytes_in)


def _table_of(names: Sequence[str], notes: dict[str, Sequence[str]], line: int) -> _Table:
    kinds = notes.get(_DATATYPE)
    if kinds is None or len(kinds) != len(names):
        raise Malformed(f"Line {line} is a header without a line #datatype of as many cells before it.")
    if "error" in names and "reference" in names:
        raise Malformed(f"The table at line {line} tells of a query that failed; it holds no readings.")
    if "_time" not in names:
        raise Malformed(f"The table at line {line} has no column _time.")
    none = [""] * len(names)
    return _Table(names, kinds, notes.get(_GROUP, none), notes.get(_DEFAULT, none))


def _add(gathering: Gathering, line: int, cells: Sequence[str], table: _Table) -> None:
    if len(cells) != len(table.names):
        reason = f"the row has {len(cells)} cells, the header {len(table.names)}"
        gathering.refuse(line, "", reason, ",".join(cells))
        return
    row: dict[str, str] = {}
    values: dict[str, Value] = {}
    for name, kind, group, default, cell in zip(
        table.names, table.kinds, table.groups, table.defaults, cells, strict=True
    ):
        text = cell or default
        if name in _LEFT_OUT or not text:
            continue
        if name.startswith("_"):
            row[name] = text
            continue
        column = (TAG if group == "true" and kind == "string" else FIELD) + name
        try:
            values[column] = _value(text, kind)
        except ValueError:
            gathering.refuse(line, name, f"is no {kind}", text)
            return
    if "_time" not in row:
        gathering.refuse(line, "_time", "there is no time", "")
        return
    if "_measurement" in row:
        values[MEASUREMENT] = row["_measurement"]
    if "_field" in row and "_value" in row:
        try:
            values[FIELD + row["_field"]] = _value(row["_value"], table.kinds[table.names.index("_value")])
        except ValueError:
            gathering.refuse(line, "_value", "is no value of its datatype", row["_value"])
            return
    gathering.add(line, row["_time"], values)


def _value(text: str, kind: str) -> Value:
    """Read one cell; ValueError for what its datatype does not know."""
    if "_" in text and kind not in _TEXTS:
        raise ValueError(text)  # Python would read 1_000 as a number
    read: Callable[[str], Value] = str
    if kind == "double":
        read = float
    elif kind in _WHOLE:
        read = int
    elif kind == "boolean":
        if text not in _TRUTH:
            raise ValueError(text)
        return _TRUTH[text]
    return read(text)
