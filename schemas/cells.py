"""Lists of decoded values → checked columns: the rules that a decoder's types cannot say.

Every function answers with what it built, or with REFUSED if anything at all is wrong; the reason is
found out elsewhere (`diagnosis`), once, and not in the hot path. Few values are checked one by one, many
by arrays; both follow the same rules, and the tests hold them against each other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any, Final, NamedTuple

import numpy as np
from msgspec import UNSET

from schemas.aspects import Variable, VariableType
from schemas.columns import NO_QUALITY, Column, ColumnClass, Columns, Ints, Texts, Values
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
from schemas.one_record import OneReader
from schemas.times import parse_time, parse_times

FEW = 16
"""Up to this many rows a loop is faster than the fixed cost of array calls."""
_QUOTES = 2


Members = list[Any]
"""One member over all rows: the decoded value, None where null was sent, UNSET where nothing was."""


class Refused(Enum):
    """Something is wrong with the body."""

    REFUSED = 0


REFUSED: Final = Refused.REFUSED

# Plain tuples: for a body of one record, giving names to the parts would cost as much as the checks.
Whole = tuple[Values, int]
"""Values without a gap, and the quotes around and inside them."""
Outcome = Whole | Refused | None
"""None: at least one row has no value."""
Builder = Callable[[Variable, Members], Outcome]


class Lists(NamedTuple):
    """A decoded body, turned by 90 degrees."""

    times: list[str]
    members: list[Members]
    """As `Plan.members` says."""


class Plan(NamedTuple):
    """What one version of an aspect type compiles to."""

    variables: tuple[Variable, ...]
    members: tuple[tuple[Variable, bool], ...]
    """What each of `Lists.members` holds: the values of a variable, or (True) its quality codes."""
    builders: tuple[Builder, ...]
    """How a column of each variable is made."""
    doubles: tuple[int, ...]
    """The ids of DOUBLE variables."""
    strict: Callable[[bytes], Lists]
    lenient: Callable[[bytes], Lists]
    """As `strict`, with strings left as strings wherever the type is not text."""
    one: OneReader
    """Reads the body that devices send most."""
    byte_rule_can_break: bool
    """False: no record of the declared lengths reaches the limit of MS-04."""


class Built(NamedTuple):
    """The columns of a body, and what can be told of it on the way."""

    columns: Columns
    quotes: int
    """How many a body of exactly these members has."""
    first_ms: int
    last_ms: int


_Cell = tuple[Column | None, int]
"""The column of a variable, and the quotes that its members have."""


def build(plan: Plan, lists: Lists, *, merging: bool) -> Built | Refused:
    """Check and convert a decoded body; the window of time and the number of rows are the caller's."""
    span = _times(lists.times)
    if span is None:
        return REFUSED
    rows = len(lists.times)
    quotes = 2 * _QUOTES * rows  # "_time" and its value
    cells: dict[int, Column] = {}
    members = iter(lists.members)
    for variable, build_values in zip(plan.variables, plan.builders, strict=True):
        values = next(members)
        codes = next(members) if variable.quality_code else None
        cell = _cell(variable, build_values, values, codes, merging=merging)
        if cell is REFUSED:
            return REFUSED
        quotes += cell[1]
        if cell[0] is not None:
            cells[variable.id] = cell[0]
    columns = Columns(span.times, cells, np.ones(rows, np.bool_) if merging else None)
    if plan.byte_rule_can_break and record_bytes(plan.variables, columns).max() > RECORD_BYTES_MAX:
        return REFUSED
    return Built(columns, quotes, span.first_ms, span.last_ms)


class _Span(NamedTuple):
    times: Ints
    first_ms: int
    last_ms: int


def _times(texts: list[str]) -> _Span | None:
    if len(texts) > FEW:
        times = parse_times(texts)
        return None if times is None else _Span(times, int(times.min()), int(times.max()))
    try:
        few = [parse_time(text) for text in texts]
    except Malformed:
        return None
    return _Span(np.array(few, np.int64), min(few), max(few))


def _cell(
    variable: Variable, build_values: Builder, values: Members, codes: Members | None, *, merging: bool
) -> _Cell | Refused:
    quality: Ints | None = None
    quotes = 0
    if codes is not None and codes.count(UNSET) < len(codes):
        quality = _quality(codes)
        if quality is None:
            return REFUSED
        quotes = _QUOTES * (len(codes) - codes.count(UNSET))
        quality = None if (quality == NO_QUALITY).all() else quality
    if values[0] is UNSET and values.count(UNSET) == len(values):
        return (None, quotes) if quality is None else REFUSED
    whole = build_values(variable, values)
    if isinstance(whole, tuple):
        return (Column(whole[0], None, None, quality), quotes + _QUOTES * len(values) + whole[1])
    if whole is REFUSED:
        return REFUSED
    gaps = _with_gaps(variable, values, quality, merging=merging)
    return REFUSED if gaps is REFUSED else (gaps[0], quotes + gaps[1])


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
        return (None if removed is None else Column(_nothing(variable, values), present, removed), quotes)
    filler = "" if variable.type.is_text else values[flags.index(True)]
    filled = [value if flag else filler for value, flag in zip(values, flags, strict=True)]
    whole = _encoded(variable, filled) if variable.type.is_text else BUILDERS[variable.type](variable, filled)
    if not isinstance(whole, tuple):
        return REFUSED
    if whole[1]:  # strings: fillers stand in quotes that nobody sent
        quotes += whole[1] - _QUOTES * (unsent + nulls)
    return (Column(whole[0], present, removed, quality), quotes)


# One builder a type: the whole column, REFUSED, or None if a row has no value.


def _doubles(_: Variable, values: Members) -> Outcome:
    try:
        numbers = np.array(values, np.float64)
    except TypeError:
        return None
    if len(values) <= FEW:
        for value in values:
            if value is None:
                return None
            if not (DOUBLE_MAGNITUDE_MIN <= abs(value) < DOUBLE_MAGNITUDE_BELOW or value == 0.0):
                return REFUSED
        return (numbers, 0)
    magnitudes = np.abs(numbers)
    if magnitudes.min() >= DOUBLE_MAGNITUDE_MIN and magnitudes.max() < DOUBLE_MAGNITUDE_BELOW:
        return (numbers, 0)
    if np.isnan(magnitudes).any():  # None became NaN; JSON has no NaN of its own
        return None
    lawful = (magnitudes >= DOUBLE_MAGNITUDE_MIN) & (magnitudes < DOUBLE_MAGNITUDE_BELOW) | (numbers == 0.0)
    return (numbers, 0) if lawful.all() else REFUSED


def _longs(_: Variable, values: Members) -> Outcome:
    try:
        return (np.array(values, np.int64), 0)
    except TypeError:
        return None
    except OverflowError:
        return REFUSED


def _ints(variable: Variable, values: Members) -> Outcome:
    whole = _longs(variable, values)
    if not isinstance(whole, tuple):
        return whole
    if len(values) <= FEW:
        least, most = min(values), max(values)
    else:
        assert isinstance(whole[0], np.ndarray)
        least, most = int(whole[0].min()), int(whole[0].max())
    return whole if least >= INT_MIN and most <= INT_MAX else REFUSED


def _booleans(_: Variable, values: Members) -> Outcome:
    try:
        return (np.frombuffer(bytes(values), np.bool_), 0)
    except TypeError:
        return None


def _timestamps(_: Variable, values: Members) -> Outcome:
    try:
        span = _times(values)
    except TypeError:
        return None
    if span is None:
        return None if "" in values else REFUSED
    return (span.times, _QUOTES * len(values))


def _texts(variable: Variable, values: Members) -> Outcome:
    whole = _encoded(variable, values)
    return None if isinstance(whole, tuple) and "" in values else whole


def _encoded(variable: Variable, values: Members) -> Outcome:
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
    return (texts, _QUOTES * len(values) + joined.count('"'))


BUILDERS: dict[VariableType, Builder] = {
    VariableType.BOOLEAN: _booleans,
    VariableType.INT: _ints,
    VariableType.LONG: _longs,
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
