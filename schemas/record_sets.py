"""The body that writes several series at once (MS-21, wire 1.3): opened here, checked pair by pair.

`{"timeseries": [{"entityId", "propertySetName", "data": [record, …]}, …]}`. What is wrong with the
envelope refuses the whole body; what is wrong with the records of a pair refuses that pair (design 8.19):
`validate_records(aspect, pair.data, at=pair.at)`.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from schemas.codes import (
    INVALID_BODY,
    JSON_DUPLICATE,
    JSON_MALFORMED,
    MISSING_BODY,
    TOO_MANY_RECORDS,
    WRONG_TYPE,
)
from schemas.diagnosis import pointer_token, shown
from schemas.errors import Malformed, Problem, TooLarge
from schemas.limits import (
    KB,
    MULTI_PUT_BODY_BYTES_MAX,
    MULTI_PUT_PAIRS_MAX,
    MULTI_PUT_RECORDS_MAX,
    PROBLEMS_LISTED_MAX,
)
from schemas.strict_json import Members, Number, parse_json


class Pair(NamedTuple):
    """The part of the body that is for one series."""

    asset: str
    """As sent: looked up by the caller, unknown ones are its 404."""
    aspect_name: str
    data: bytes
    """The array of records, for `validate_records`."""
    at: str
    """Its JSON pointer in the whole body."""


class _Part(
    msgspec.Struct,
    rename={"asset": "entityId", "aspect_name": "propertySetName"},
    forbid_unknown_fields=True,
    gc=False,
):
    asset: str
    aspect_name: str
    data: msgspec.Raw


class _Envelope(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    timeseries: list[_Part]


_decode = msgspec.json.Decoder(_Envelope).decode
_count = msgspec.json.Decoder(list[msgspec.Raw]).decode
_ENVELOPE_QUOTES = 2
_PART_QUOTES = 10
"""Three names and two strings."""


def open_record_set(body: bytes) -> tuple[list[Pair], list[Problem]]:
    """Take the body apart: pairs in the order of the body, or the problems that refuse all of it.

    TooLarge beyond 100 KB. The same series may occur in several pairs; they take effect in this order.
    """
    if len(body) > MULTI_PUT_BODY_BYTES_MAX:
        size = f"{len(body)} bytes, and {MULTI_PUT_BODY_BYTES_MAX // KB} KB are allowed"
        raise TooLarge(f"The body has {size}; send fewer records at a time, or one series with up to 1 MB.")
    pairs = _opened(body)
    if pairs is None:
        problems = _diagnose(body)
        return [], problems or [Problem("", JSON_MALFORMED, "The body is not JSON.")]
    problems = _check_counts(pairs)
    return ([], problems) if problems else (pairs, [])


def _opened(body: bytes) -> list[Pair] | None:
    """Decode a body of exactly the right members; None if it is anything else."""
    try:
        parts = _decode(body).timeseries
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    pairs = [
        Pair(part.asset, part.aspect_name, bytes(part.data), f"/timeseries/{place}/data")
        for place, part in enumerate(parts)
    ]
    quotes = _ENVELOPE_QUOTES + sum(_PART_QUOTES + pair.data.count(b'"') for pair in pairs)
    # More quotes than this: members that nobody knows or that are there twice, or quotes inside the names.
    return pairs if body.count(b'"') == quotes or not _diagnose(body) else None


def _check_counts(pairs: list[Pair]) -> list[Problem]:
    if not pairs:
        return [Problem("/timeseries", INVALID_BODY, "The list is empty; send at least one pair.")]
    if len(pairs) > MULTI_PUT_PAIRS_MAX:
        message = f"{len(pairs)} pairs of asset and aspect, and {MULTI_PUT_PAIRS_MAX} are allowed at a time."
        return [Problem("/timeseries", TOO_MANY_RECORDS, message)]
    records = sum(_records_of(pair.data) for pair in pairs)
    if records > MULTI_PUT_RECORDS_MAX:
        message = f"{records} records in all, and {MULTI_PUT_RECORDS_MAX} are allowed at a time."
        return [Problem("/timeseries", TOO_MANY_RECORDS, message)]
    return []


def _records_of(data: bytes) -> int:
    try:
        return len(_count(data))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return 0  # no array: the problem of that pair alone


def _diagnose(body: bytes) -> list[Problem]:
    """Read the envelope to the letter; records are not looked at."""
    try:
        root = parse_json(body)
    except Malformed as error:
        return [Problem("", JSON_MALFORMED, error.message)]
    problems = _check_members(root, "", {"timeseries"})
    if problems or not isinstance(root, Members):
        return problems
    parts = root[0][1]
    if not isinstance(parts, list) or isinstance(parts, Members):
        return [Problem("/timeseries", WRONG_TYPE, f"Send an array of pairs, not {shown(parts)}.")]
    for place, part in enumerate(parts):
        problems += _check_members(part, f"/timeseries/{place}", {"entityId", "propertySetName", "data"})
        if len(problems) >= PROBLEMS_LISTED_MAX:
            break
    return problems[:PROBLEMS_LISTED_MAX]


def _check_members(thing: object, at: str, names: set[str]) -> list[Problem]:
    if not isinstance(thing, Members):
        return [Problem(at, WRONG_TYPE, f"Send an object with {_listed(names)}, not {shown(thing)}.")]
    problems = []
    seen: set[str] = set()
    for name, value in thing:
        pointer = f"{at}/{pointer_token(name)}"
        if name not in names:
            problems.append(Problem(pointer, INVALID_BODY, f"Unknown member; known are {_listed(names)}."))
        elif name in seen:
            problems.append(Problem(pointer, JSON_DUPLICATE, f"{name} is there twice; send it once."))
        elif name in {"entityId", "propertySetName"} and (
            not isinstance(value, str) or isinstance(value, Number)
        ):
            problems.append(Problem(pointer, WRONG_TYPE, f"{name} is a string, not {shown(value)}."))
        seen.add(name)
    missing = sorted(names - seen)
    return problems + [Problem(f"{at}/{name}", MISSING_BODY, f"{name} is missing.") for name in missing]


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names))
