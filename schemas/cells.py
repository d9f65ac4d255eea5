"""Lists of decoded values → checked columns: the rules that a decoder's types cannot say.

Every function answers with what it built, or with REFUSED if anything at all is wrong; the reason is
found out elsewhere (`diagnosis`), once, and not in the hot path. Few values are checked one by one, many
by arrays; both follow the same rules, and the tests hold them against each other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np
from msgspec import UNSET

from schemas.aspects import Variable, VariableType
from schemas.columns import NO_QUALITY, Column, ColumnClass, Columns, Ints, Texts, Values
from schemas.decoders import Lists, Members, Plan
from schemas.errors import Malformed
from schemas.limits import (
    CHARACTER_BYTES,
    DOUBLE_MAGNITUDE_BELOW,
    DOUBLE_MAGNITUDE_MIN,
    INT_MAX,
    INT_MIN,
    QUALITY_CODE_MAX,
    RECORD_BYTES_MAX,
)
from schemas.times import parse_time, parse_times

_FEW = 16
"""Up to this many rows a loop is faster than the fixed cost of array calls."""
_QUOTES = 2


class Refused(NamedTuple):
    """Something is wrong with the body."""


REFUSED: Final = Refused()


class Built(NamedTuple):
    """The columns of a body, and the quotes that a body of exactly these members has."""

    columns: Columns
    quotes: int


class _Cell(NamedTuple):
    column: Column | None
    quotes: int


class _Whole(NamedTuple):
    """Values without a gap, and the quotes around and inside them."""

    values: Values
    quotes: int


_Outcome = _Whole | Refused | None
"""None: at least one row has no value."""


def build(plan: Plan, lists: Lists, *, merging: bool) -> Built | Refused:
    """Check and convert a decoded body; the window of time and the number of rows are the caller's."""
    times = _times(lists.times)
    if times is None:
        return REFUSED
    rows = len(times)
    quotes = 2 * _QUOTES * rows  # "_time" and its value
    cells: dict[int, Column] = {}
    members = iter(lists.members)
    for variable in plan.variables:
        values = next(members)
        cell = _cell(variable, values, next(members) if variable.quality_code else None, merging=merging)
        if isinstance(cell, Refused):
            return REFUSED
        quotes += cell.quotes
        if cell.column is not None:
            cells[variable.id] = cell.column
    columns = Columns(times, cells, np.ones(rows, np.bool_) if merging else None)
    if plan.byte_rule_can_break and record_bytes(plan.variables, columns).max() > RECORD_BYTES_MAX:
        return REFUSED
    return Built(columns, quotes)


def _times(texts: list[str]) -> Ints | None:
    if len(texts) > 1:
        return parse_times(texts)
    try:
        return np.array([parse_time(text) for text in texts], np.int64)
    except Malformed:
        return None


def _cell(variable: Variable, values: Members, codes: Members | None, *, merging: bool) -> _Cell | Refused:
    quality: Ints | None = None
    quotes = 0
    if codes is not None and codes.count(UNSET) < len(codes):
        quality = _quality(codes)
        if quality is None:
            return REFUSED
        quotes = _QUOTES * (len(codes) - codes.count(UNSET))
        quality = None if (quality == NO_QUALITY).all() else quality
    if values[0] is UNSET and values.count(UNSET) == len(values):
        return _Cell(None, quotes) if quality is None else REFUSED
    whole = _BUILDERS[variable.type](variable, values)
    if isinstance(whole, _Whole):
        return _Cell(Column(whole.values, None, None, quality), quotes + _QUOTES * len(values) + whole.quotes)
    if isinstance(whole, Refused):
        return REFUSED
    gaps = _with_gaps(variable, values, quality, merging=merging)
    return REFUSED if isinstance(gaps, Refused) else _Cell(gaps.column, quotes + gaps.quotes)


def _with_gaps(
    variable: Variable, values: Members, quality: Ints | None, *, merging: bool
) -> _Cell | Refused:
    """Build a column of which some rows have no value: nothing sent, null, or an empty string (MS-28)."""
    unsent, nulls = values.count(UNSET), values.count(None)
    quotes = _QUOTES * (len(values) - unsent)
    flags = [value is not UNSET and value is not None and value != "" for value in values]
    present = np.array(flags, np.bool_)
    if quality is not None and (quality[~present] != NO_QUALITY).any():
        return REFUSED  # a code without its value
    removed = np.array([value is None for value in values], np.bool_) if merging and nulls else None
    if not present.any():
        quotes += _QUOTES * values.count("")
        return _Cell(
            None if removed is None else Column(_nothing(variable, values), present, removed), quotes
        )
    filler = "" if variable.type.is_text else values[flags.index(True)]
    filled = [value if flag else filler for value, flag in zip(values, flags, strict=True)]
    whole = (
        _encoded(variable, filled) if variable.type.is_text else _BUILDERS[variable.type](variable, filled)
    )
    if not isinstance(whole, _Whole):
        return REFUSED
    if whole.quotes:  # strings: fillers stand in quotes that nobody sent
        quotes += whole.quotes - _QUOTES * (unsent + nulls)
    return _Cell(Column(whole.values, present, removed, quality), quotes)


# One builder a type: the whole column, REFUSED, or None if a row has no value.


def _doubles(_: Variable, values: Members) -> _Outcome:
    try:
        numbers = np.array(values, np.float64)
    except TypeError:
        return None
    if len(values) <= _FEW:
        for value in values:
            if value is None:
                return None
            if not (DOUBLE_MAGNITUDE_MIN <= abs(value) < DOUBLE_MAGNITUDE_BELOW or value == 0.0):
                return REFUSED
        return _Whole(numbers, 0)
    magnitudes = np.abs(numbers)
    if magnitudes.min() >= DOUBLE_MAGNITUDE_MIN and magnitudes.max() < DOUBLE_MAGNITUDE_BELOW:
        return _Whole(numbers, 0)
    if np.isnan(magnitudes).any():  # None became NaN; JSON has no NaN of its own
        return None
    lawful = (magnitudes >= DOUBLE_MAGNITUDE_MIN) & (magnitudes < DOUBLE_MAGNITUDE_BELOW) | (numbers == 0.0)
    return _Whole(numbers, 0) if lawful.all() else REFUSED


def _integers(variable: Variable, values: Members) -> _Outcome:
    try:
        numbers = np.array(values, np.int64)
    except TypeError:
        return None
    except OverflowError:
        return REFUSED
    if variable.type is VariableType.INT:
        least, most = (min(values), max(values)) if len(values) <= _FEW else (numbers.min(), numbers.max())
        if least < INT_MIN or most > INT_MAX:
            return REFUSED
    return _Whole(numbers, 0)


def _booleans(_: Variable, values: Members) -> _Outcome:
    try:
        return _Whole(np.frombuffer(bytes(values), np.bool_), 0)
    except TypeError:
        return None


def _timestamps(_: Variable, values: Members) -> _Outcome:
    try:
        times = _times(values)
    except TypeError:
        return None
    if times is None:
        return None if "" in values else REFUSED
    return _Whole(times, _QUOTES * len(values))


def _texts(variable: Variable, values: Members) -> _Outcome:
    whole = _encoded(variable, values)
    return None if isinstance(whole, _Whole) and "" in values else whole


def _encoded(variable: Variable, values: Members) -> _Outcome:
    """Encode strings; empty ones may be among them."""
    try:
        joined = "".join(values)
    except TypeError:
        return None
    if "\0" in joined:
        return REFUSED
    try:
        texts = Texts.of(values)
    except UnicodeEncodeError:
        return REFUSED
    # A string never has more characters than octets, so few need to be counted.
    long_ones = np.flatnonzero(np.diff(texts.offsets) > variable.characters_max)
    if any(characters_of(values[row]) > variable.characters_max for row in long_ones.tolist()):
        return REFUSED
    return _Whole(texts, _QUOTES * len(values) + joined.count('"'))


_BUILDERS: dict[VariableType, Callable[[Variable, Members], _Outcome]] = {
    VariableType.BOOLEAN: _booleans,
    VariableType.INT: _integers,
    VariableType.LONG: _integers,
    VariableType.DOUBLE: _doubles,
    VariableType.STRING: _texts,
    VariableType.BIG_STRING: _texts,
    VariableType.TIMESTAMP: _timestamps,
}


def _quality(codes: Members) -> Ints | None:
    """Collect quality codes, NO_QUALITY where none was sent; None if one is no 32-bit code."""
    given = [code for code in codes if code is not None and code is not UNSET]
    if given and not 0 <= min(given) <= max(given) <= QUALITY_CODE_MAX:
        return None
    if len(given) < len(codes):
        codes = [NO_QUALITY if code is None or code is UNSET else code for code in codes]
    return np.array(codes, np.int64)


def _nothing(variable: Variable, values: Members) -> Values:
    if variable.type.is_text:
        return Texts.of([""] * len(values))
    return np.zeros(len(values), _DTYPES[variable.type.column_class])


_DTYPES = {ColumnClass.FLOAT: np.float64, ColumnClass.INTEGER: np.int64, ColumnClass.BOOLEAN: np.bool_}


def characters_of(text: str) -> int:
    """Count characters as the byte rule does: UTF-16 units (MS-02, `limits.CHARACTER_BYTES`)."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def record_bytes(variables: Sequence[Variable], columns: Columns) -> Ints:
    """Count each row by the byte rule (MS-02, MS-04): fixed sizes, and two bytes a character."""
    total = np.zeros(columns.rows, np.int64)
    for variable in variables:
        column = columns.cells.get(variable.id)
        if column is None:
            continue
        if isinstance(column.values, Texts):
            total += CHARACTER_BYTES * np.array([characters_of(text) for text in column.values.to_list()])
        else:
            total += variable.value_bytes_max * (1 if column.present is None else column.present)
    return total
