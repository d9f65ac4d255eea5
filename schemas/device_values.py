"""Texts of a device → values of a variable's type, many at once (wire 6.3). Pure.

Numbers follow the grammar of JSON, `true` and `false` stand for themselves, times are RFC 3339, as in records
that are written directly (design 8.20). Well-formed numbers are read together, as one JSON array; where that
fails, each is read on its own, and by the same rules.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

import msgspec
import numpy as np
from msgspec.json import Decoder
from numpy.typing import NDArray

from schemas.aspects import Variable, VariableType
from schemas.cells import characters_of
from schemas.columns import NO_QUALITY, Bools, Ints
from schemas.errors import Malformed
from schemas.limits import (
    DOUBLE_MAGNITUDE_BELOW,
    DOUBLE_MAGNITUDE_MIN,
    INT_MAX,
    INT_MIN,
    LONG_MAX,
    LONG_MIN,
    QUALITY_CODE_MAX,
)
from schemas.strict_json import has_tiny_form, read_double, read_integer
from schemas.times import parse_time, parse_times

T = TypeVar("T", int, float)

_floats = Decoder(list[float])
_integers = Decoder(list[int])


class Converted(NamedTuple):
    """Values in the order of the texts."""

    values: NDArray[np.generic] | list[str]
    """What stands where nothing is given is not defined."""
    given: Bools | None
    """True where there is a value; None: everywhere. An empty text gives none (MS-28)."""
    faulty: Bools | None
    """True where the text is no value of the type; None: nowhere."""


def converted(variable: Variable, texts: Sequence[str]) -> Converted:
    """Convert at least one text to the variable's type."""
    if variable.type.is_text:
        return _texts(variable, texts)
    at_once = _AT_ONCE[variable.type](texts)
    if at_once is not None:
        return Converted(at_once, None, None)
    read = _ONE_BY_ONE[variable.type]
    values = [read(text) if text else None for text in texts]
    given = np.array([value is not None for value in values], np.bool_)
    filled: NDArray[np.generic] = np.array(
        [0 if value is None else value for value in values], _DTYPES[variable.type]
    )
    return _judged(filled, given, texts)


def quality_codes(texts: Sequence[str | None]) -> tuple[Ints, Bools | None]:
    """Read quality codes, NO_QUALITY where there is none; and where a text is none."""
    meanings: dict[str | None, int | None] = {
        text: read_integer(text, 0, QUALITY_CODE_MAX) if text else NO_QUALITY for text in set(texts)
    }
    found = [meanings[text] for text in texts]
    if None not in meanings.values():
        return np.array(found, np.int64), None
    wrong = np.array([code is None for code in found], np.bool_)
    return np.array([NO_QUALITY if code is None else code for code in found], np.int64), wrong


def _judged(values: NDArray[np.generic] | list[str], given: Bools, texts: Sequence[str]) -> Converted:
    faulty: Bools = ~given & np.array([bool(text) for text in texts], np.bool_)
    return Converted(values, given, faulty if faulty.any() else None)


def _texts(variable: Variable, texts: Sequence[str]) -> Converted:
    most = variable.characters_max
    joined = "".join(texts)
    if joined.isascii() and "\0" not in joined and all(texts) and max(map(len, texts)) <= most:
        return Converted(list(texts), None, None)
    good = [bool(text) and _is_lawful(text, most) for text in texts]
    if all(good):
        return Converted(list(texts), None, None)
    return _judged(list(texts), np.array(good, np.bool_), texts)


def _is_lawful(text: str, characters_max: int) -> bool:
    if "\0" in text or characters_of(text) > characters_max:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


# All texts of a data point at once; None where at least one needs to be looked at.


def _numbers(texts: Sequence[str], decoder: Decoder[list[T]]) -> list[T] | None:
    joined = f"[{','.join(texts)}]"
    if any(blank in joined for blank in " \t\r\n"):
        return None
    try:
        numbers = decoder.decode(joined)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return None
    return numbers if len(numbers) == len(texts) else None  # else one of them was "1,2"


def _doubles(texts: Sequence[str]) -> NDArray[np.generic] | None:
    numbers = _numbers(texts, _floats)
    if numbers is None:
        return None
    values = np.array(numbers, np.float64)
    magnitudes = np.abs(values)
    is_zero = values == 0.0
    lawful = (magnitudes >= DOUBLE_MAGNITUDE_MIN) & (magnitudes < DOUBLE_MAGNITUDE_BELOW) | is_zero
    if not lawful.all() or (is_zero.any() and has_tiny_form("".join(texts).encode())):
        return None
    return values


def _ints(texts: Sequence[str], least: int, most: int) -> NDArray[np.generic] | None:
    numbers = _numbers(texts, _integers)
    if numbers is None or min(numbers) < least or max(numbers) > most:
        return None
    return np.array(numbers, np.int64)


def _booleans(texts: Sequence[str]) -> NDArray[np.generic] | None:
    meanings = [_BOOLEANS.get(text) for text in texts]
    return None if None in meanings else np.array(meanings, np.bool_)


def _timestamp(text: str) -> int | None:
    try:
        return parse_time(text)
    except Malformed:
        return None


_BOOLEANS = {"true": True, "false": False}
_DTYPES = {
    VariableType.DOUBLE: np.float64,
    VariableType.INT: np.int64,
    VariableType.LONG: np.int64,
    VariableType.BOOLEAN: np.bool_,
    VariableType.TIMESTAMP: np.int64,
}
_AT_ONCE: dict[VariableType, Callable[[Sequence[str]], NDArray[np.generic] | None]] = {
    VariableType.DOUBLE: _doubles,
    VariableType.INT: lambda texts: _ints(texts, INT_MIN, INT_MAX),
    VariableType.LONG: lambda texts: _ints(texts, LONG_MIN, LONG_MAX),
    VariableType.BOOLEAN: _booleans,
    VariableType.TIMESTAMP: parse_times,
}
_ONE_BY_ONE: dict[VariableType, Callable[[str], float | None]] = {
    VariableType.DOUBLE: read_double,
    VariableType.INT: lambda text: read_integer(text, INT_MIN, INT_MAX),
    VariableType.LONG: lambda text: read_integer(text, LONG_MIN, LONG_MAX),
    VariableType.BOOLEAN: _BOOLEANS.get,
    VariableType.TIMESTAMP: _timestamp,
}
