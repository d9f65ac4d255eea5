"""A body of records → checked columns, or every problem with its JSON pointer (MS-01 … MS-33).

Readers stand in a row (design 8.20), and each takes only what it fully understands: that of a single
record (`one_record`), the strict decoder, the lenient one, and `diagnosis`, which reads the body to the
letter and alone knows reasons. So a well-formed body never pays for explanations, and a refused one is
explained by one set of words.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

import msgspec
import numpy as np
from msgspec import UNSET

from schemas.aspects import AspectType, VariableType
from schemas.cells import FEW, Built, Lists, Members, Plan, build
from schemas.columns import Column, Columns
from schemas.decoders import plan_of
from schemas.diagnosis import Rules, diagnose
from schemas.errors import Problem, TooLarge
from schemas.limits import (
    BODY_CELLS_MAX,
    INT_MAX,
    INT_MIN,
    KB,
    LONG_MAX,
    LONG_MIN,
    PATCH_BODY_BYTES_MAX,
    PATCH_RECORDS_MAX,
    PUT_BODY_BYTES_MAX,
    QUALITY_CODE_MAX,
    RECORD_BYTES_MAX,
)
from schemas.one_record import encode_one
from schemas.policies import Profile
from schemas.strict_json import has_tiny_form, read_double, read_integer


class WriteMode(Enum):
    """What a record does to an older one of the same time (MS-24, wire 1.4)."""

    REPLACE = "PUT"
    """The whole record is replaced; null is the same as not given."""
    MERGE = "PATCH"
    """What is not given stays, null takes a value away."""


def validate_records(
    aspect: AspectType,
    body: bytes,
    *,
    now_ms: int,
    profile: Profile,
    mode: WriteMode = WriteMode.REPLACE,
    at: str = "",
) -> tuple[Columns | None, list[Problem]]:
    """Read a JSON array of records of one aspect.

    Gives the columns, rows in the order of the body (the same `_time` may occur twice: the later one
    counts, MS-26), or None and the first 100 problems, whose pointers begin with `at`. One problem
    refuses all (design 8.19). TooLarge beyond the bytes of the mode (MS-22, wire 1.4), or where columns for
    all records and members would be out of proportion to the body.
    """
    merging = mode is WriteMode.MERGE
    bytes_max = PATCH_BODY_BYTES_MAX if merging else PUT_BODY_BYTES_MAX
    if len(body) > bytes_max:
        size = f"{len(body)} bytes, and {bytes_max // KB} KB are allowed"
        raise TooLarge(f"The body of this {mode.value} has {size}; send fewer records at a time.")
    plan = plan_of(aspect, RECORD_BYTES_MAX)
    rules = rules_of(profile, now_ms, mode)
    columns = _read(plan, body, rules)
    if columns is not None:
        return columns, []
    lists, problems = diagnose(body, plan, rules, at)
    if lists is None:
        return None, problems
    built = build(plan, lists, merging=merging)
    assert isinstance(built, Built), "diagnosis passed what the columns refuse"
    return built.columns, []


def encode_record(aspect: AspectType, body: bytes, *, now_ms: int, profile: Profile) -> bytes | None:
    """Read a body that PUTs a single record, as devices send it, into the raw columns of its entry.

    None says nothing about the body: ask `validate_records`.
    """
    plan = plan_of(aspect, RECORD_BYTES_MAX)
    if plan.byte_rule_can_break or len(body) > PUT_BODY_BYTES_MAX:
        return None
    rules = rules_of(profile, now_ms, WriteMode.REPLACE)
    return encode_one(plan.one, body, rules.least_ms, rules.most_ms)


def rules_of(profile: Profile, now_ms: int, mode: WriteMode) -> Rules:
    """Give what a body must keep to, from the policy of the tenant (MS-27, wire 1.4, design 4.13, 7)."""
    merging = mode is WriteMode.MERGE
    age_ms = profile.record_age_ms_max
    most_ms = now_ms + profile.record_ahead_ms_max
    if merging and profile.patch_age_ms_max is not None:
        age_ms, most_ms = profile.patch_age_ms_max, now_ms
    least_ms = 0 if age_ms is None else now_ms - age_ms
    live_from_ms = profile.retention.live_from_ms(now_ms)
    records_max = PATCH_RECORDS_MAX if merging else None
    if live_from_ms is not None and live_from_ms > least_ms:
        return Rules(live_from_ms, most_ms, records_max, merging, retained=True)
    return Rules(least_ms, most_ms, records_max, merging)


def _read(plan: Plan, body: bytes, rules: Rules) -> Columns | None:
    """Read what is well-formed and lawful beyond doubt; None sends the body to the diagnosis."""
    if body.count(b"{") * len(plan.members) > BODY_CELLS_MAX:
        return None  # Perhaps too wide to unfold: the diagnosis counts the records.
    decoded = _decoded(plan, body)
    if decoded is None:
        return None
    lists, quotes = decoded
    rows = len(lists.times)
    if rows == 0 or (rules.records_max is not None and rows > rules.records_max):
        return None
    built = build(plan, lists, merging=rules.merging)
    if not isinstance(built, Built):
        return None
    if built.first_ms < rules.least_ms or built.last_ms > rules.most_ms:
        return None
    # The decoder keeps the last of repeated members in silence, and each of them needs two quotes more
    # than the columns account for. Only \u0022, a quote that is none in the body, could make up for them.
    if _quotes_in(body) != quotes + built.quotes or (b"\\" in body and b"\\u0022" in body):
        return None
    if rules.merging and _touches_big_string(plan, built.columns):
        return None
    return None if _may_have_lost_digits(plan, body, built.columns) else built.columns


def _touches_big_string(plan: Plan, columns: Columns) -> bool:
    return any(
        variable.type is VariableType.BIG_STRING and variable.id in columns.cells
        for variable in plan.variables
    )


_COUNTED_BY_ARRAY_BYTES = 4_096
"""From here on an array counts bytes faster than `bytes.count`, which stops at each of them."""


def _quotes_in(body: bytes) -> int:
    if len(body) < _COUNTED_BY_ARRAY_BYTES:
        return body.count(b'"')
    return int(np.count_nonzero(np.frombuffer(body, np.uint8) == ord('"')))


def _may_have_lost_digits(plan: Plan, body: bytes, columns: Columns) -> bool:
    """Tell whether a zero may be what the decoder made of a number too small for a double (design 8.10)."""
    for variable_id in plan.doubles:
        column = columns.cells.get(variable_id)
        if column is not None and _has_zero(column):
            return has_tiny_form(body)
    return False


def _has_zero(column: Column) -> bool:
    assert isinstance(column.values, np.ndarray)
    return not all(column.values.tolist()) if len(column.values) <= FEW else not column.values.all()


class _Decoded(NamedTuple):
    lists: Lists
    quotes: int
    """Quotes around numbers and booleans that were written as strings, which the columns do not show."""


def _decoded(plan: Plan, body: bytes) -> _Decoded | None:
    try:
        return _Decoded(plan.strict(body), 0)
    except msgspec.ValidationError:
        pass  # well-formed so far, with something in it that only the lenient decoder may know
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    try:
        lists = plan.lenient(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return _without_strings(plan, lists)


def _without_strings(plan: Plan, lists: Lists) -> _Decoded | None:
    """Convert the strings in members that are not text; None if one cannot be (design 8.20)."""
    members: list[Members] = []
    quotes = 0
    for (variable, is_quality), values in zip(plan.members, lists.members, strict=True):
        read = _read_quality if is_quality else _READERS.get(variable.type)
        strings = [value for value in values if type(value) is str]
        if read is None or not strings:
            members.append(values)
            continue
        meanings = {text: read(text) if text else UNSET for text in set(strings)}
        if None in meanings.values():
            return None
        members.append([meanings[value] if type(value) is str else value for value in values])
        quotes += 2 * len(strings) + 2 * strings.count("")  # a string left out takes its name along
    return _Decoded(Lists(lists.times, members), quotes)


def _read_quality(text: str) -> int | None:
    return read_integer(text, 0, QUALITY_CODE_MAX)


_READERS: dict[VariableType, Callable[[str], float | None]] = {
    VariableType.DOUBLE: read_double,
    VariableType.INT: lambda text: read_integer(text, INT_MIN, INT_MAX),
    VariableType.LONG: lambda text: read_integer(text, LONG_MIN, LONG_MAX),
    VariableType.BOOLEAN: {"true": True, "false": False}.get,
}
"""How a string stands for a value; text and times are strings anyway."""
