"""What a list of files is asked for (wire 8): `filter` and `order` as text → a predicate and an order.

Pure. A filter is conditions joined by `and`: `name eq a.txt and path eq bulk/`, values bare or in single
quotes (a quote inside doubled), `*` for any characters after `eq`. A bare value may hold blanks; it ends
where the next condition begins.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from schemas import codes
from schemas.errors import Invalid, Malformed, Problem
from schemas.files import FileEntry
from schemas.limits import FILE_CONDITIONS_MAX, FILE_FILTER_CHARACTERS_MAX
from schemas.times import parse_time

Test = Callable[[FileEntry], bool]

_TEXTS: dict[str, Callable[[FileEntry], str]] = {
    "name": lambda entry: entry.name,
    "path": lambda entry: entry.folder,
    "type": lambda entry: entry.file.type,
    "createdBy": lambda entry: entry.file.created_by,
    "updatedBy": lambda entry: entry.file.updated_by,
}
_NUMBERS: dict[str, Callable[[FileEntry], int]] = {
    "size": lambda entry: entry.file.size,
    "created": lambda entry: entry.file.created_ms,
    "updated": lambda entry: entry.file.updated_ms,
    "timestamp": lambda entry: entry.file.timestamp_ms,
}
_ORDERS: dict[str, Callable[[FileEntry], Any]] = {
    "name": lambda entry: (entry.name, entry.folder),
    "path": lambda entry: (entry.folder, entry.name),
    "updated": lambda entry: entry.file.updated_ms,
}
_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "=": operator.eq,
    "gt": operator.gt,
    "lt": operator.lt,
    "gte": operator.ge,
    "lte": operator.le,
}

_HEAD = re.compile(r"\s*([A-Za-z]+)(?:\s+(eq|gte|gt|lte|lt)(?:\s|$)|\s*(=))")
_QUOTED = re.compile(r"\s*'((?:[^']|'')*)'\s*")
_FIELD = "|".join((*_TEXTS, *_NUMBERS))
_NEXT = re.compile(rf"(?:\s+|^)and\s+(?=(?:{_FIELD})(?:\s*=|\s+(?:eq|gte|gt|lte|lt)(?:\s|$)))")
_SIZE = re.compile(r"[0-9]{1,18}", re.ASCII)


class Condition(NamedTuple):
    """A field, how it is compared, and with what."""

    field: str
    operator: str
    value: str


def parse_filter(text: str) -> list[Condition]:
    """Read a filter; Invalid with the place for what is none. The empty text is no condition."""
    if len(text) > FILE_FILTER_CHARACTERS_MAX:
        raise _refused(f"at most {FILE_FILTER_CHARACTERS_MAX} characters")
    conditions: list[Condition] = []
    rest = text
    while rest.strip():
        head = _HEAD.match(rest)
        if head is None or head[1] not in {*_TEXTS, *_NUMBERS}:
            known = ", ".join((*_TEXTS, *_NUMBERS))
            raise _refused(f"a condition begins with one of {known}, and eq, =, gt, lt, gte or lte")
        value, rest = _value(rest[head.end() :])
        # The top has no folder: some clients call it by its slash.
        value = value.lstrip("/") if head[1] == "path" else value
        conditions.append(Condition(head[1], head[2] or head[3], value))
        if len(conditions) > FILE_CONDITIONS_MAX:
            raise _refused(f"at most {FILE_CONDITIONS_MAX} conditions")
    return conditions


def predicate_of(conditions: Iterable[Condition]) -> Test:
    """Turn conditions into a predicate; Invalid for a size or a time that is none."""
    tests = [_test(*condition) for condition in conditions]
    return lambda entry: all(test(entry) for test in tests)


def path_in(conditions: Sequence[Condition]) -> str | None:
    """Give the path of the one file that the conditions can mean, if they name it; None if they do not."""
    exact = {c.field: c.value for c in conditions if c.operator in {"eq", "="} and "*" not in c.value}
    if "name" not in exact or "path" not in exact:
        return None
    return exact["path"] + exact["name"]


def sorter(text: str) -> Callable[[Iterable[FileEntry]], list[FileEntry]]:
    """Turn `name asc`, `path desc`, … into a sorter; Invalid for anything else. Without one: by path."""
    field, _, direction = (text.strip() or "path").partition(" ")
    direction = direction.strip().lower() or "asc"
    if field not in _ORDERS or direction not in {"asc", "desc"}:
        message = "order: name, path or updated, and asc or desc, are expected"
        raise Invalid([Problem("", codes.INVALID_PARAMETER, message)])
    key = _ORDERS[field]

    def sort(entries: Iterable[FileEntry]) -> list[FileEntry]:
        return sorted(entries, key=key, reverse=direction == "desc")

    return sort


def _value(rest: str) -> tuple[str, str]:
    """Take one value off; gives it and what stands behind the next `and`."""
    quoted = _QUOTED.match(rest)
    if quoted is not None:
        behind = rest[quoted.end() :]
        if not behind:
            return quoted[1].replace("''", "'"), ""
        if (found := re.match(r"and\s+(?=\S)", behind)) is not None:
            return quoted[1].replace("''", "'"), behind[found.end() :]
        raise _refused("conditions are joined by `and`")
    found = _NEXT.search(rest)
    if found is None:
        return rest.strip(), ""
    return rest[: found.start()].strip(), rest[found.end() :]


def _test(field: str, sign: str, value: str) -> Test:
    compare = _OPERATORS[sign]
    if field in _TEXTS:
        text = _TEXTS[field]
        if compare is operator.eq and "*" in value:
            return _like(text, value)
        return lambda entry: compare(text(entry), value)
    number, wanted = _NUMBERS[field], _number(field, value)
    return lambda entry: compare(number(entry), wanted)


def _number(field: str, value: str) -> int:
    if field == "size":
        if _SIZE.fullmatch(value) is None:
            raise _refused("`size` is compared with a number of bytes")
        return int(value)
    try:
        return parse_time(value)
    except Malformed as error:
        raise _refused(error.message) from None


def _like(text: Callable[[FileEntry], str], pattern: str) -> Test:
    """Match `*` as any characters, by searching on: no pattern takes longer than it and the text are long."""
    first, *middle, last = pattern.split("*")

    def test(entry: FileEntry) -> bool:
        found = text(entry)
        if len(found) < len(first) + len(last) or not (found.startswith(first) and found.endswith(last)):
            return False
        at, end = len(first), len(found) - len(last)
        for piece in middle:
            at = found.find(piece, at, end)
            if at < 0:
                return False
            at += len(piece)
        return True

    return test


def _refused(reason: str) -> Invalid:
    return Invalid([Problem("", codes.INVALID_PARAMETER, f"filter: {reason}")])
