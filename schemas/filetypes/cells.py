"""Cells of text → values by the thousand; a cell that is no value of its type is named (SM-10, MS-02, MS-05).

A column of text is an array of the Arrow library, null where there is no value. What is not a number is
never guessed: it has a reason, and its row is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.aspects import Variable, VariableType
from schemas.columns import Bools, Column, Floats, Ints, Texts
from schemas.filetypes.limits import VALUES_SAMPLED_MAX
from schemas.filetypes.model import FileType
from schemas.filetypes.moments import REASONS, read_times
from schemas.limits import DOUBLE_MAGNITUDE_BELOW, DOUBLE_MAGNITUDE_MIN, INT_MAX, INT_MIN, LONG_MAX, LONG_MIN

_NUMBER = r"^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$"
_WHOLE = r"^[+-]?[0-9]{1,18}$"
_TRUE, _FALSE = ("true", "1", "t", "yes"), ("false", "0", "f", "no")
_INTEGERS = {VariableType.INT: (INT_MIN, INT_MAX), VariableType.LONG: (LONG_MIN, LONG_MAX)}


class Wrong(NamedTuple):
    """One cell without a lawful value."""

    row: int
    reason: str


class Cells(NamedTuple):
    """A column of values, and the cells that hold none of its type."""

    column: Column
    wrong: list[Wrong]


def texts_of(array: pa.Array) -> Texts:
    """Take the strings of an array without copying them; null ones are empty."""
    array = _one(array)
    if not len(array):
        return Texts(np.zeros(1, np.int64), np.zeros(0, np.uint8))
    if array.null_count:
        array = pc.fill_null(array, "")
    _, offsets, octets = array.buffers()
    kind = np.int64 if pa.types.is_large_string(array.type) else np.int32
    held = np.frombuffer(offsets, kind)[array.offset : array.offset + len(array) + 1]
    ends: Ints = held.astype(np.int64) - int(held[0])
    every = np.zeros(0, np.uint8) if octets is None else np.frombuffer(octets, np.uint8)
    return Texts(ends, every[int(held[0]) : int(held[-1])])


def present_of(array: pa.Array) -> Bools | None:
    """Tell where an array has values; None: everywhere."""
    if not array.null_count:
        return None
    present: Bools = pc.is_valid(array).to_numpy(zero_copy_only=False)
    return present


def without_na(array: pa.Array, na_values: Iterable[str], *, keep_blanks: bool = False) -> pa.Array:
    """Take the blanks around texts away, if they are not kept; what stands for no value becomes null."""
    array = _one(array)
    bare = pc.utf8_trim_whitespace(array)
    absent = pc.is_in(bare, value_set=pa.array(["", *na_values], array.type))
    return pc.if_else(absent, pa.scalar(None, array.type), array if keep_blanks else bare)


def is_number(text: str) -> bool:
    """Tell whether a text is a number as files write them."""
    return re.match(_NUMBER, text) is not None


def guess_type(array: pa.Array) -> VariableType:
    """Tell the type of a column by its first texts: numbers, words for truth, or strings.

    Whole numbers are DOUBLE, for the next file may hold halves; a column without a value is too.
    """
    sample = array[:VALUES_SAMPLED_MAX].drop_null()
    if pc.all(pc.match_substring_regex(sample, _NUMBER), min_count=0).as_py():
        return VariableType.DOUBLE
    truth = pc.is_in(pc.utf8_lower(sample), value_set=pa.array(["true", "false"], sample.type))
    return VariableType.BOOLEAN if pc.all(truth).as_py() else VariableType.STRING


def read_cells(array: pa.Array, variable: Variable, file_type: FileType) -> Cells:
    """Read trimmed texts as values of a variable."""
    if variable.type is VariableType.DOUBLE:
        return _read_doubles(array, decimal_comma=file_type.decimal_comma)
    if variable.type in _INTEGERS:
        return _read_integers(array, *_INTEGERS[variable.type], decimal_comma=file_type.decimal_comma)
    if variable.type is VariableType.BOOLEAN:
        return _read_booleans(array)
    if variable.type is VariableType.TIMESTAMP:
        return _read_timestamps(array, file_type)
    return check_texts(array, variable.characters_max)


def check_doubles(values: Floats, present: Bools | None) -> Bools | None:
    """Tell which doubles cannot be stored (MS-05); None: all can."""
    size = np.abs(values)
    lawful = ((size >= DOUBLE_MAGNITUDE_MIN) & (size < DOUBLE_MAGNITUDE_BELOW)) | (size == 0)
    if present is not None:
        lawful |= ~present
    return None if lawful.all() else ~lawful


def check_texts(array: pa.Array, characters_max: int) -> Cells:
    """Take strings that are short enough (MS-03) and hold no zero character (design 8.10)."""
    present = present_of(array)
    lengths = pc.fill_null(pc.utf8_length(array), 0).to_numpy(zero_copy_only=False)
    # A character is one UTF-16 unit, of which those beyond 16 bits count two: those are counted one by one.
    long = (
        row
        for row in np.flatnonzero(lengths * 2 > characters_max).tolist()
        if _units(array, row) > characters_max
    )
    wrong = [Wrong(row, f"is longer than {characters_max} characters") for row in long]
    texts = texts_of(array)
    if (texts.octets == 0).any():
        holds = pc.fill_null(pc.match_substring(array, "\0"), fill_value=False)
        rows = np.flatnonzero(holds.to_numpy(zero_copy_only=False)).tolist()
        wrong += [Wrong(row, "holds a zero character") for row in rows]
    return Cells(Column(texts, present), wrong)


def _units(array: pa.Array, row: int) -> int:
    return len(array[row].as_py().encode("utf-16-le")) // 2


def _read_doubles(array: pa.Array, *, decimal_comma: bool) -> Cells:
    if decimal_comma:
        array = pc.replace_substring(array, ",", ".", max_replacements=1)
    numeric = pc.match_substring_regex(array, _NUMBER)
    wrong = _rows_where(pc.invert(numeric))
    lawful = pc.if_else(numeric, pc.utf8_ltrim(array, "+"), pa.scalar(None, array.type))
    numbers = pc.cast(lawful, pa.float64())
    values = pc.fill_null(numbers, 0.0).to_numpy(zero_copy_only=False)
    refused = [Wrong(row, "is no number") for row in wrong]
    beyond = check_doubles(values, None)
    if beyond is not None:
        refused += [Wrong(row, "is beyond a DOUBLE") for row in np.flatnonzero(beyond).tolist()]
    zeros = _rows_where(pc.and_(pc.equal(numbers, 0.0), pc.match_substring_regex(array, r"^[^eE]*[1-9]")))
    refused += [Wrong(row, "is too small for a DOUBLE") for row in zeros]
    return Cells(Column(values, present_of(lawful)), refused)


def _read_integers(array: pa.Array, least: int, most: int, *, decimal_comma: bool) -> Cells:
    whole = pc.match_substring_regex(array, _WHOLE)
    lawful = pc.if_else(whole, pc.utf8_ltrim(array, "+"), pa.scalar(None, array.type))
    values = pc.fill_null(pc.cast(lawful, pa.int64()), 0).to_numpy(zero_copy_only=False).copy()
    wrong: list[Wrong] = []
    for row in _rows_where(pc.invert(whole)):
        text = array[row].as_py()
        number = _whole_number(text.replace(",", ".") if decimal_comma else text)
        if number is None:
            wrong.append(Wrong(row, "is no whole number"))
        elif LONG_MIN <= number <= LONG_MAX:
            values[row] = number
        else:
            wrong.append(Wrong(row, f"is beyond {least} to {most}"))
    outside = np.flatnonzero((values < least) | (values > most)).tolist()
    return Cells(
        Column(values, present_of(array)),
        wrong + [Wrong(row, f"is beyond {least} to {most}") for row in outside],
    )


def _whole_number(text: str) -> int | None:
    """Read 5, 5.0 and 5e3 as whole numbers, 5.5 not (design 8.20)."""
    if len(text) > 64 or not re.match(_NUMBER, text):
        return None
    try:
        number = Decimal(text)
        return int(number) if number.adjusted() <= 19 and number == number.to_integral_value() else None
    except InvalidOperation:
        return None


def _read_booleans(array: pa.Array) -> Cells:
    lower = pc.utf8_lower(array)
    true = pc.is_in(lower, value_set=pa.array(_TRUE, lower.type))
    known = pc.or_(true, pc.is_in(lower, value_set=pa.array(_FALSE, lower.type)))
    rows = _rows_where(pc.and_(pc.invert(known), pc.is_valid(array)))
    values: Bools = true.to_numpy(zero_copy_only=False)
    return Cells(Column(values, present_of(array)), [Wrong(row, "is neither true nor false") for row in rows])


def _read_timestamps(array: pa.Array, file_type: FileType) -> Cells:
    present = present_of(array)
    times = read_times(texts_of(array), file_type)
    failed = (times.reasons != 0) if present is None else (times.reasons != 0) & present
    wrong = [Wrong(row, REASONS[times.reasons[row]]) for row in np.flatnonzero(failed).tolist()]
    return Cells(Column(times.time_ms, present), wrong)


def _rows_where(flags: pa.Array) -> list[int]:
    """Give the rows where a flag is true; null is not."""
    mask: Bools = pc.fill_null(flags, fill_value=False).to_numpy(zero_copy_only=False)
    rows: Ints = np.flatnonzero(mask)
    listed: list[int] = rows.tolist()
    return listed


def _one(array: pa.Array | pa.ChunkedArray) -> pa.Array:
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
