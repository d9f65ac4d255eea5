"""Events as they come in: what every event has, and the members that its type names (wire 9).

Pure: whether the entity and the type exist is for the caller to find out. Numbers and booleans may come as
texts, which people fill into a template by hand; members that no type names are kept as they are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from schemas import codes
from schemas.errors import Malformed, Problem
from schemas.event_types import ADDED_MEMBERS, FIXED_MEMBERS, STANDARD_TYPE, EventField
from schemas.ids import is_hex_id
from schemas.limits import KB, LONG_MAX, LONG_MIN, NAME_CHARACTERS_MAX
from schemas.strict_json import read_double, read_integer
from schemas.times import format_time, parse_time

EVENT_BYTES_MAX: Final = 64 * KB
"""Of the members beside the fixed ones: a page of a hundred events then stays below 7 MB."""

MEMBERS_MAX: Final = 200
DEPTH_MAX: Final = 16
"""Objects and arrays within one another; deeper ones are data for another place."""

CORRELATION_CHARACTERS_MAX: Final = 255
EVENTS_PER_JOB_MAX: Final = 50  # wire 9

_UUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}", re.ASCII)


class Event(msgspec.Struct, frozen=True):
    """An event that was read, without what the service adds."""

    entity_id: str
    time_ms: int
    type_id: str
    correlation_id: str
    """Empty: none was given."""
    members: dict[str, object]
    """All others, in the order in which they came."""


def read_event(sent: Mapping[str, object]) -> tuple[Event, list[Problem]]:
    """Read an event; what is wrong or missing stands in for itself and is named in the problems."""
    problems: list[Problem] = []
    entity_id = _given(sent, "entityId", problems)
    if entity_id and not is_hex_id(entity_id):
        problems.append(_problem("/entityId", "An asset id is expected: 32 lowercase hexadecimal digits."))
    type_id = sent.get("typeId") or STANDARD_TYPE
    if not isinstance(type_id, str) or len(type_id) > NAME_CHARACTERS_MAX:
        problems.append(_problem("/typeId", "The id of an event type is expected."))
        type_id = STANDARD_TYPE
    correlation_id = sent.get("correlationId") or ""
    if not isinstance(correlation_id, str) or len(correlation_id) > CORRELATION_CHARACTERS_MAX:
        message = f"A text of at most {CORRELATION_CHARACTERS_MAX} characters is expected."
        problems.append(_problem("/correlationId", message))
        correlation_id = ""
    time_ms = _read_time(_given(sent, "timestamp", problems), problems)
    members = {
        name: value for name, value in sent.items() if name not in FIXED_MEMBERS and name not in ADDED_MEMBERS
    }
    problems += _check_members(members)
    return Event(entity_id, time_ms, type_id, correlation_id, members), problems


def fitted(event: Event, fields: Sequence[EventField]) -> tuple[Event, list[Problem]]:
    """Bring the members that the type names into its types, and check that required ones are there."""
    members = dict(event.members)
    problems = []
    for field in fields:
        value = members.get(field.name)
        if value is None:
            members.pop(field.name, None)
            if field.required:
                problems.append(Problem(f"/{field.name}", codes.MISSING_BODY, "The type requires it."))
            continue
        read = read_member(field, value)
        if read is None:
            problems.append(_problem(f"/{field.name}", f"{field.type} is expected."))
        else:
            members[field.name] = read
    return msgspec.structs.replace(event, members=members), problems


def read_member(field: EventField, value: object) -> object:
    """Bring what stands in a field into the field's type; None for what is none of its values."""
    return _READ[field.type](value) if field.type != "ENUM" else _read_enum(value, field.values)


def check_event_change(old: Event, new: Event, fields: Sequence[EventField]) -> list[Problem]:
    """Check what a PUT may not change: place, time and type, and fields that the type holds fast."""
    fast = "It stays as it was created; leave it out, or create another event."
    places = (
        ("/entityId", old.entity_id, new.entity_id),
        ("/timestamp", old.time_ms, new.time_ms),
        ("/typeId", old.type_id, new.type_id),
    )
    held = (field.name for field in fields if not field.updatable)
    return [_problem(pointer, fast) for pointer, before, after in places if before != after] + [
        _problem(f"/{name}", "The type does not let it be changed.")
        for name in held
        if old.members.get(name) != new.members.get(name)
    ]


def is_event_id(text: str) -> bool:
    """Tell whether the text has the form of an event's id, or a job's: a UUID with dashes (wire 0.4)."""
    return _UUID.fullmatch(text) is not None


def document_of(event: Event, event_id: str) -> dict[str, object]:
    """Write an event as it goes out, without what the service adds to a resource."""
    return {
        "id": event_id,
        "typeId": event.type_id,
        "correlationId": event.correlation_id,
        "timestamp": format_time(event.time_ms),
        "entityId": event.entity_id,
        **event.members,
    }


def _given(sent: Mapping[str, object], name: str, problems: list[Problem]) -> str:
    value = sent.get(name)
    if isinstance(value, str) and value:
        return value
    code = codes.MISSING_BODY if value is None else codes.INVALID_BODY
    problems.append(Problem(f"/{name}", code, f"An event has a text as {name}."))
    return ""


def _read_time(text: str, problems: list[Problem]) -> int:
    if not text:
        return 0
    try:
        time_ms = parse_time(text)
    except Malformed as error:
        problems.append(_problem("/timestamp", error.message))
        return 0
    if time_ms < 0:
        problems.append(_problem("/timestamp", "Events are kept from 1970 on."))
    return max(time_ms, 0)


def _check_members(members: Mapping[str, object]) -> list[Problem]:
    if len(members) > MEMBERS_MAX:
        return [_problem("", f"An event has at most {MEMBERS_MAX} members.")]
    for name, value in members.items():
        if not 1 <= len(name) <= NAME_CHARACTERS_MAX:
            return [_problem("", f"The name of a member has 1 to {NAME_CHARACTERS_MAX} characters.")]
        trouble = _trouble_of(value, DEPTH_MAX)
        if trouble:
            return [_problem(f"/{name}", trouble)]
    if len(msgspec.json.encode(members)) > EVENT_BYTES_MAX:
        return [_problem("", f"An event has at most {EVENT_BYTES_MAX} bytes.")]
    return []


def _trouble_of(value: object, depth: int) -> str:
    """Say why a value cannot be kept as it is; nothing if it can."""
    if isinstance(value, int) and not LONG_MIN <= value <= LONG_MAX:
        return "An integer beyond 64 bits; send it as a text."
    inner = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    if inner and depth == 0:
        return f"More than {DEPTH_MAX} objects and arrays within one another."
    return next((trouble for each in inner if (trouble := _trouble_of(each, depth - 1))), "")


def _read_text(value: object) -> object:
    return value if isinstance(value, str) else None


def _read_integer(value: object) -> object:
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        return int(value) if value.is_integer() and LONG_MIN <= value <= LONG_MAX else None
    return value if isinstance(value, int) else read_integer(str(value), LONG_MIN, LONG_MAX)


def _read_double(value: object) -> object:
    if isinstance(value, bool):
        return None
    return value if isinstance(value, int | float) else read_double(str(value))


def _read_boolean(value: object) -> object:
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.lower())
    return value if isinstance(value, bool) else None


def _read_timestamp(value: object) -> object:
    try:
        return format_time(parse_time(value)) if isinstance(value, str) else None
    except Malformed:
        return None


def _read_uuid(value: object) -> object:
    return value if isinstance(value, str) and _UUID.fullmatch(value) else None


def _read_enum(value: object, values: Sequence[str]) -> object:
    return value if value in values else None


_READ: dict[str, Callable[[object], object]] = {
    "STRING": _read_text,
    "LINK": _read_text,
    "INTEGER": _read_integer,
    "DOUBLE": _read_double,
    "BOOLEAN": _read_boolean,
    "TIMESTAMP": _read_timestamp,
    "UUID": _read_uuid,
}


def _problem(pointer: str, message: str) -> Problem:
    return Problem(pointer, codes.INVALID_BODY, message)
