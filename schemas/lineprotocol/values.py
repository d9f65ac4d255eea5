"""Words of line protocol → values of a variable's type, many at once. Pure.

A word is written as its client knows it: `1.5`, `7i`, `7u`, `t`, `"text"`. A number goes into every variable
that holds it whole: 7i into a DOUBLE, 5.0 into an INT (design 8.20); a text into no number and a number into
no text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from schemas.aspects import Variable, VariableType
from schemas.cells import characters_of
from schemas.columns import Bools
from schemas.errors import Malformed
from schemas.limits import DOUBLE_MAGNITUDE_BELOW, DOUBLE_MAGNITUDE_MIN, INT_MAX, INT_MIN, LONG_MAX, LONG_MIN
from schemas.times import parse_time

_WHOLE: Final = re.compile(r"[+-]?[0-9]{1,20}[iu]?")
_WHOLES: Final = re.compile(r"[+-]?[0-9]{1,20}[iu]?(?:,[+-]?[0-9]{1,20}[iu]?)*")
_FLOAT: Final = re.compile(r"[+-]?(?:[0-9]{1,400}(?:\.[0-9]{0,400})?|\.[0-9]{1,400})(?:[eE][+-]?[0-9]{1,4})?")
_TRUTH: Final = dict.fromkeys(("t", "T", "true", "True", "TRUE"), True) | dict.fromkeys(
    ("f", "F", "false", "False", "FALSE"), False
)
_ZERO: Final = re.compile(r"[+-]?0*(?:\.0*)?(?:[eE].*)?")


class Converted(NamedTuple):
    """Values in the order of the words."""

    values: NDArray[np.generic] | list[str]
    """What stands where a word is faulty is not defined."""
    faulty: Bools | None
    """True where the word is no value of the type; None: nowhere."""


def converted(variable: Variable, words: Sequence[str]) -> Converted:
    """Convert words to the variable's type."""
    if variable.type.is_text:
        return _texts(variable, words)
    at_once = _AT_ONCE.get(variable.type)
    values = None if at_once is None else at_once(words)
    if values is not None:
        return Converted(values, None)
    read = _ONE_BY_ONE[variable.type]
    found = [read(word) for word in words]
    faulty: Bools = np.array([value is None for value in found], np.bool_)
    filled: NDArray[np.generic] = np.array(
        [0 if value is None else value for value in found], _DTYPES[variable.type]
    )
    return Converted(filled, faulty if faulty.any() else None)


def looks_like(word: str) -> VariableType | None:
    """Tell which type a new variable gets whose first word this is; None: it is no word at all."""
    if word[0] == '"':
        return VariableType.STRING
    if word in _TRUTH:
        return VariableType.BOOLEAN
    if _WHOLE.fullmatch(word) and word[-1] in "iu":
        return VariableType.LONG
    return VariableType.DOUBLE if _FLOAT.fullmatch(word) else None


def kind_of(word: str) -> str:
    """Name what a word is, as clients of InfluxDB know it."""
    names = {
        VariableType.STRING: "string",
        VariableType.BOOLEAN: "boolean",
        VariableType.LONG: "integer",
        VariableType.DOUBLE: "float",
    }
    looks = looks_like(word)
    return "no value" if looks is None else names[looks]


def _texts(variable: Variable, words: Sequence[str]) -> Converted:
    texts = [word[1:-1] for word in words]
    most = variable.characters_max
    joined = "".join(words)
    if all(word[0] == '"' for word in words) and "\0" not in joined and max(map(len, texts)) * 2 <= most:
        return Converted(texts, None)
    faulty: Bools = np.array(
        [
            word[0] != '"' or "\0" in word or characters_of(text) > most
            for word, text in zip(words, texts, strict=True)
        ],
        np.bool_,
    )
    return Converted(texts, faulty if faulty.any() else None)


def _doubles(words: Sequence[str]) -> NDArray[np.generic] | None:
    try:
        values = np.array(list(map(float, words)), np.float64)
    except ValueError:
        return None
    joined = "".join(words)
    if "_" in joined or not joined.isascii():  # what the language takes beside numbers
        return None
    sizes = np.abs(values)
    zeros = sizes == 0
    lawful = (sizes >= DOUBLE_MAGNITUDE_MIN) & (sizes < DOUBLE_MAGNITUDE_BELOW) | zeros  # no NaN, no infinity
    if not lawful.all() or not all(_ZERO.fullmatch(words[place]) for place in np.flatnonzero(zeros).tolist()):
        return None
    return values


def _integers(words: Sequence[str], least: int, most: int) -> NDArray[np.generic] | None:
    joined = ",".join(words)
    if _WHOLES.fullmatch(joined) is None:
        return None
    numbers = list(map(int, joined.replace("i", "").replace("u", "").split(",")))
    return np.array(numbers, np.int64) if least <= min(numbers) and max(numbers) <= most else None


def _double(word: str) -> float | None:
    number = word.rstrip("iu") if _WHOLE.fullmatch(word) else word
    if _FLOAT.fullmatch(number) is None:
        return None
    value = float(number)
    if value == 0:
        return value if _ZERO.fullmatch(number) else None
    return value if DOUBLE_MAGNITUDE_MIN <= abs(value) < DOUBLE_MAGNITUDE_BELOW else None


def _integer(word: str, least: int, most: int) -> int | None:
    if _WHOLE.fullmatch(word):
        value = int(word.rstrip("iu"))
    else:
        number = _double(word)
        if number is None or not number.is_integer():
            return None
        value = int(number)
    return value if least <= value <= most else None


def _time_ms(word: str) -> int | None:
    if word[0] != '"':
        return None
    try:
        return parse_time(word[1:-1])
    except Malformed:
        return None


_DTYPES = {
    VariableType.DOUBLE: np.float64,
    VariableType.INT: np.int64,
    VariableType.LONG: np.int64,
    VariableType.BOOLEAN: np.bool_,
    VariableType.TIMESTAMP: np.int64,
}
_AT_ONCE: dict[VariableType, Callable[[Sequence[str]], NDArray[np.generic] | None]] = {
    VariableType.DOUBLE: _doubles,
    VariableType.INT: lambda words: _integers(words, INT_MIN, INT_MAX),
    VariableType.LONG: lambda words: _integers(words, LONG_MIN, LONG_MAX),
}
_ONE_BY_ONE: dict[VariableType, Callable[[str], float | None]] = {
    VariableType.DOUBLE: _double,
    VariableType.INT: lambda word: _integer(word, INT_MIN, INT_MAX),
    VariableType.LONG: lambda word: _integer(word, LONG_MIN, LONG_MAX),
    VariableType.BOOLEAN: _TRUTH.get,
    VariableType.TIMESTAMP: _time_ms,
}
