"""What type a column of text is: INT, LONG, DOUBLE or STRING, decided over every cell of a file.

Empty cells and, among numbers, NaN are absent values and decide nothing. What would lose something as a
number (`007`, integers beyond 64 bits) stays text. Also here: cells as values, column names as names of
variables.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from enum import IntEnum
from math import isinf

from client import Value

NOTHING = frozenset({"", "NaN", "nan", "NAN", "Nan"})

_is_integer = re.compile(r" *[+-]?(?:0|[1-9]\d{0,18}) *", re.ASCII).fullmatch
_is_number = re.compile(
    r" *[+-]?(?:(?:0|[1-9]\d*)(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})? *", re.ASCII
).fullmatch

_is_comma_number = re.compile(r" *[+-]?\d*,\d+(?:[eE][+-]?\d{1,3})? *", re.ASCII).fullmatch

INT_MAX = 2**31 - 1
LONG_MAX = 2**63 - 1
STRING_LENGTH_MAX = 255
BIG_STRING_LENGTH_MAX = 100_000


class Kind(IntEnum):
    """What the cells of a column allow, from narrow to wide; joining two kinds takes the wider."""

    NOTHING = 0
    NOT_A_NUMBER = 1
    """Only NaN and empty cells: some number."""
    INT = 2
    LONG = 3
    DOUBLE = 4
    COMMA = 5
    """Numbers, some with a decimal comma: text, unless the file is said to have such."""
    TEXT = 6
    LONG_TEXT = 7
    """Some text is longer than a STRING may be."""


DATA_TYPES = {
    Kind.NOTHING: "STRING",
    Kind.NOT_A_NUMBER: "DOUBLE",
    Kind.INT: "INT",
    Kind.LONG: "LONG",
    Kind.DOUBLE: "DOUBLE",
    Kind.COMMA: "STRING",
    Kind.TEXT: "STRING",
    Kind.LONG_TEXT: "BIG_STRING",
}

TAKEN_BY = {
    "INT": {Kind.INT},
    "LONG": {Kind.INT, Kind.LONG},
    "DOUBLE": {Kind.INT, Kind.LONG, Kind.DOUBLE},
    "STRING": {Kind.INT, Kind.LONG, Kind.DOUBLE, Kind.COMMA, Kind.TEXT},
    "BIG_STRING": {Kind.INT, Kind.LONG, Kind.DOUBLE, Kind.COMMA, Kind.TEXT, Kind.LONG_TEXT},
    "BOOLEAN": {Kind.INT, Kind.TEXT},
    "TIMESTAMP": {Kind.TEXT},
}
"""Variable type → the kinds that fit into it (cells that are absent fit everywhere)."""


def kind_of(cells: Iterable[str]) -> Kind:
    """Find the narrowest kind that holds every cell."""
    distinct = set(cells)
    given = distinct - NOTHING
    if not given:
        return Kind.NOT_A_NUMBER if distinct - {""} else Kind.NOTHING
    if all(map(_is_integer, given)):
        numbers = list(map(int, given))
        least, most = min(numbers), max(numbers)
        reach = max(most, -least - 1)  # two's complement reaches one further down
        if reach <= LONG_MAX:
            return Kind.INT if reach <= INT_MAX else Kind.LONG
    elif all(map(_is_number, given)) and not any(isinf(float(cell)) for cell in given):
        return Kind.DOUBLE
    elif any(map(has_decimal_comma, given)) and all(_is_number(c) or has_decimal_comma(c) for c in given):
        return Kind.COMMA
    return Kind.TEXT if max(map(len, given)) <= STRING_LENGTH_MAX else Kind.LONG_TEXT


def has_decimal_comma(cell: str) -> bool:
    """Tell whether a cell is a number with a decimal comma."""
    return _is_comma_number(cell) is not None


def is_boolean(cells: Iterable[str]) -> bool:
    """Tell whether every cell reads as a truth value."""
    return all(cell.strip().lower() in _TRUTH for cell in cells)


_TRUTH: dict[str, Value] = {"true": True, "false": False, "1": True, "0": False, "": None}


def _to_integer(cell: str) -> Value:
    return None if cell in NOTHING else int(cell)


def _to_number(cell: str) -> Value:
    return None if cell in NOTHING else float(cell)


def _to_text(cell: str) -> Value:
    return cell or None


def _to_boolean(cell: str) -> Value:
    return _TRUTH[cell.strip().lower()]


_CONVERTERS: dict[str, Callable[[str], Value]] = {
    "INT": _to_integer,
    "LONG": _to_integer,
    "DOUBLE": _to_number,
    "BOOLEAN": _to_boolean,
}


def to_values(data_type: str, cells: Sequence[str]) -> list[Value]:
    """Turn cells that were checked into values; None where there is none."""
    return list(map(_CONVERTERS.get(data_type, _to_text), cells))


NAME_LENGTH_MAX = 64
RESERVED = frozenset(
    (
        *("id", "name", "description", "tenant", "etag", "scope", "properties", "propertysets"),
        *("extends", "variables", "aspects", "parenttypeid"),
    )
)
"""Names that the dialect keeps for itself, in lower case."""


def variable_names(columns: Sequence[str]) -> list[str]:
    """Turn column names into distinct variable names; those that fit already stay as they are."""
    taken: set[str] = set()
    names = []
    for number, column in enumerate(columns, 1):
        base = clean_name(column) or f"column_{number}"
        name, count = base, 1
        while name in taken:
            count += 1
            name = f"{base[: NAME_LENGTH_MAX - len(str(count)) - 1]}_{count}"
        taken.add(name)
        names.append(name)
    return names


def clean_name(text: str, length_max: int = NAME_LENGTH_MAX) -> str:
    """Make `[a-zA-Z_][a-zA-Z0-9_]*` out of any text; empty if nothing is left."""
    fits = re.fullmatch(r"\w+", text, re.ASCII)
    cleaned = text if fits else re.sub(r"[^a-zA-Z0-9]+", "_", text).strip("_")
    if not cleaned.strip("_"):
        return ""
    if cleaned[0].isdigit():
        cleaned = f"_{cleaned}"
    if cleaned.lower() in RESERVED:
        cleaned = f"{cleaned}_"
    return cleaned[:length_max]
