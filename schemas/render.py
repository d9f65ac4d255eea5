"""Columns → the JSON array of records that a read answers with (wire 1.1, design 8.16).

`_time` first, with three digits and `Z`; then each variable in the order of the aspect type, its code
behind it as a string. What a row does not have is left out. The caller has sorted, selected and limited
the rows, and dropped those without any value.

Many rows are written by arrays (`schemas.lines`), a few, and those with strings that JSON escapes, through
structs; both ways give the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec
import numpy as np
from msgspec import UNSET

from schemas.aspects import TIME_MEMBER, AspectType, Variable, VariableType
from schemas.columns import NO_QUALITY, Bools, Column, Columns, Ints, Texts
from schemas.limits import DECODERS_KEPT_MAX
from schemas.lines import Cell, Text, boolean_text, double_text, integer_text, lay, string_text
from schemas.queries import Part
from schemas.times import format_times, time_text

_encoder = msgspec.json.Encoder()

_ALL = Part(0, values=True, codes=True)

ARRAYS_FROM_ROWS = 512
"""Below it the arrays' fixed cost, some 0.1 ms for five variables, is more than structs take."""

PIECE_ROWS = 2_048
"""Rows laid out at once, so that the matrix stays in the processor's cache, …"""
PIECE_BYTES = 1_048_576
"""… and fewer of many members, so that it stays small."""

_ESCAPED = np.zeros(256, np.bool_)
"""Bytes that a JSON string cannot hold as they are."""
_ESCAPED[[*range(32), ord('"'), ord("\\")]] = True


class _Shown(NamedTuple):
    """One member of a record, or what is shown of it: a variable's values, its codes, or both."""

    variable: Variable
    column: Column
    values: bool
    codes: bool
    """True only where there is any."""


def render_records(columns: Columns, aspect: AspectType, parts: tuple[Part, ...] | None = None) -> bytes:
    """Write the rows as a JSON array.

    `parts` says what to show; None shows everything. Variables that the aspect type no longer has are
    left out; older values of a variable that was widened are written as the type of today (design 8.12).
    """
    if columns.rows == 0:
        return b"[]"
    step = max(256, min(PIECE_ROWS, PIECE_BYTES // (32 * (1 + len(columns.cells)))))
    if columns.rows <= step:
        return b"[%b]" % _piece(columns, aspect, parts)
    starts = range(0, columns.rows, step)
    pieces = (columns.part(start, min(start + step, columns.rows)) for start in starts)
    return b"[%b]" % b",".join(_piece(piece, aspect, parts) for piece in pieces)


def _members_shown(
    columns: Columns, aspect: AspectType, parts: tuple[Part, ...] | None = None
) -> Iterator[_Shown]:
    """Walk what a read shows of the rows, in the order of the aspect type."""
    shown = {part.variable_id: part for part in parts} if parts is not None else None
    for variable in aspect.variables:
        column = columns.cells.get(variable.id)
        part = _ALL if shown is None else shown.get(variable.id)
        if column is not None and part is not None:
            yield _Shown(variable, column, part.values, part.codes and column.quality is not None)


def value_text(column: Column, type_: VariableType, special: Bools = _ESCAPED) -> Text | None:
    """Write the values of a column without quotes; None for strings with special bytes, or too long ones.

    What stands for an absent value has no meaning.
    """
    values = column.values
    if isinstance(values, Texts):
        return string_text(values, special)
    if values.dtype.kind == "b":
        return boolean_text(values.astype(np.bool_))
    if type_ is VariableType.TIMESTAMP:
        return time_text(_without_absent(column))
    if type_ is VariableType.DOUBLE:
        known = values.astype(np.float64)
        return double_text(known if column.present is None else np.where(column.present, known, 0.0))
    return integer_text(values.astype(np.int64))


def _code_text(column: Column) -> tuple[Text, Bools]:
    """Write the quality codes of a column that has some, and tell which rows have one."""
    assert column.quality is not None
    has = column.quality != NO_QUALITY
    if column.present is not None:
        has &= column.present
    return integer_text(np.where(has, column.quality, 0)), has


def _piece(columns: Columns, aspect: AspectType, parts: tuple[Part, ...] | None) -> bytes:
    """Write the records, divided by commas."""
    members = list(_members_shown(columns, aspect, parts))
    if columns.rows >= ARRAYS_FROM_ROWS:
        cells = _cells(members)
        if cells is not None:
            opening = Cell(time_text(columns.time_ms), b'{"%b":"' % TIME_MEMBER.encode(), b'"')
            return lay(columns.rows, [opening, *cells, b"},"])[:-1]
    names, lists = _lists(members)
    row = _row_type(tuple(names))
    return _encoder.encode(list(map(row, format_times(columns.time_ms), *lists)))[1:-1]


def _cells(members: Sequence[_Shown]) -> list[Cell] | None:
    """Write each member by arrays; None where strings do not allow it."""
    cells: list[Cell] = []
    for variable, column, values, codes in members:
        if values:
            text = value_text(column, variable.type)
            if text is None:
                return None
            quote = b'"' if variable.type in _QUOTED else b""
            opening = b',"%b":%b' % (variable.name.encode(), quote)
            cells.append(Cell(text, opening, quote, column.present))
        if codes:
            text, has = _code_text(column)
            cells.append(Cell(text, b',"%b":"' % variable.quality_name.encode(), b'"', has))
    return cells


_QUOTED = frozenset({VariableType.STRING, VariableType.BIG_STRING, VariableType.TIMESTAMP})


def _lists(members: Sequence[_Shown]) -> tuple[list[str], list[list[Any]]]:
    names: list[str] = []
    lists: list[list[Any]] = []
    for variable, column, values, codes in members:
        if values:
            names.append(variable.name)
            lists.append(_values(column, variable.type))
        if codes:
            assert column.quality is not None
            names.append(variable.quality_name)
            lists.append(_codes(column.quality, column))
    return names, lists


@lru_cache(maxsize=DECODERS_KEPT_MAX)
def _row_type(names: tuple[str, ...]) -> Callable[..., object]:
    fields: list[Any] = [("t", str), *((f"m{place}", Any, UNSET) for place in range(len(names)))]
    renamed = {"t": TIME_MEMBER} | {f"m{place}": name for place, name in enumerate(names)}
    row: Callable[..., object] = msgspec.defstruct("Row", fields, rename=renamed, gc=False)
    return row


def _values(column: Column, type_: VariableType) -> list[Any]:
    values = column.values
    written: list[Any]
    if isinstance(values, Texts):
        written = values.to_list()
    elif type_ is VariableType.TIMESTAMP:
        written = format_times(_without_absent(column))
    elif type_ is VariableType.DOUBLE and values.dtype.kind == "i":
        written = values.astype(np.float64).tolist()
    else:
        written = values.tolist()
    if column.present is None:
        return written
    return [value if flag else UNSET for value, flag in zip(written, column.present.tolist(), strict=True)]


def _without_absent(column: Column) -> Ints:
    assert isinstance(column.values, np.ndarray)
    times: Ints = column.values.astype(np.int64)
    # What stands where no value is may be no time at all.
    return times if column.present is None else np.where(column.present, times, 0)


def _codes(quality: Ints, column: Column) -> list[Any]:
    codes = quality.tolist()
    # Few different codes occur, so each is written once.
    texts: dict[int, Any] = {code: str(code) for code in set(codes)}
    texts[NO_QUALITY] = UNSET
    written = [texts[code] for code in codes]
    if column.present is None:
        return written
    return [text if flag else UNSET for text, flag in zip(written, column.present.tolist(), strict=True)]
