"""Event types: which members an event has beside those that every event has (wire 9).

Two types are built in and belong to every tenant; a tenant's own descend from them or from one another, and
an event of a type has the fields of the whole chain. Fields beyond the type's are kept as they come: agents
add theirs to the standard event.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from schemas import codes
from schemas.aspects import check_type_id
from schemas.errors import Problem
from schemas.ids import CORE, TenantId
from schemas.limits import NAME_CHARACTERS_MAX

_PREFIX = "com.siemens.mindsphere.eventmgmt.event.type."
BASE_TYPE = f"{_PREFIX}BaseEvent"
STANDARD_TYPE = f"{_PREFIX}MindSphereStandardEvent"
"""The type of an event that names none; existing clients ask for it by this id."""

FIELD_TYPES = ("STRING", "INTEGER", "DOUBLE", "BOOLEAN", "LINK", "TIMESTAMP", "UUID", "ENUM")
SCOPES = ("LOCAL", "GLOBAL")

TTL_DAYS_DEFAULT = 35
TTL_DAYS_MAX = 36_500
"""A century: it is kept as a word of the type, and nothing is removed by it."""

FIELDS_MAX = 100
"""Of a type itself; each is looked at for every event."""

VALUES_MAX = 100
VALUE_CHARACTERS_MAX = 255

TYPE_DEPTH_MAX = 10
"""Steps from a type to the built-in one; each is a reading of the catalogue for an event."""

FIXED_MEMBERS = frozenset({"id", "typeId", "correlationId", "timestamp", "entityId"})
"""What every event has."""

ADDED_MEMBERS = frozenset({"etag", "sharing", "_links", "_embedded"})
"""What the service adds to a resource: ignored where a client sends it back."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}", re.ASCII)
_ID = re.compile(r"[A-Za-z0-9_.]{1,128}", re.ASCII)


class EventField(msgspec.Struct, frozen=True, kw_only=True):
    """One member of the events of a type."""

    name: str
    type: str
    """One of `FIELD_TYPES`."""
    filterable: bool = False
    """A word for clients: every member can be filtered by."""
    required: bool = False
    updatable: bool = False
    """Whether a PUT may change its value."""
    values: tuple[str, ...] = ()
    """Of an ENUM."""


class EventType(msgspec.Struct, frozen=True, kw_only=True):
    """An event type, as the catalogue keeps it."""

    id: str
    tenant: TenantId
    name: str
    parent_id: str | None
    ttl: int = TTL_DAYS_DEFAULT
    """Days."""
    scope: str = "LOCAL"
    """A word for clients: a type is seen by its tenant only, whatever it says."""
    fields: tuple[EventField, ...] = ()
    """Its own, without inherited ones."""


class TypeOperation(msgspec.Struct, frozen=True):
    """One change of a type: `add` fields, `replace` a member."""

    op: str
    path: str
    value: Any = None


def _standard(name: str, kind: str) -> EventField:
    return EventField(name=name, type=kind, filterable=True, updatable=True)


BUILT_IN = {
    kept.id: kept
    for kept in (
        EventType(id=BASE_TYPE, tenant=CORE, name="BaseEvent", parent_id=None, scope="GLOBAL"),
        EventType(
            id=STANDARD_TYPE,
            tenant=CORE,
            name="MindSphereStandardEvent",
            parent_id=BASE_TYPE,
            scope="GLOBAL",
            fields=(
                _standard("severity", "INTEGER"),
                _standard("description", "STRING"),
                _standard("code", "STRING"),
                _standard("source", "STRING"),
                _standard("acknowledged", "BOOLEAN"),
            ),
        ),
    )
}
"""Each after its parent."""


def is_type_id(text: str) -> bool:
    """Tell whether the text has the form of an event type's id, whoever's."""
    return _ID.fullmatch(text) is not None


def check_event_type(new: EventType, inherited: Sequence[EventField]) -> list[Problem]:
    """Check a type of a tenant, its fields beside those that it inherits."""
    problems = check_type_id(new.id, new.tenant)
    if not 1 <= len(new.name) <= NAME_CHARACTERS_MAX or not new.name.isprintable():
        problems.append(_problem("/name", f"A name has 1 to {NAME_CHARACTERS_MAX} printable characters."))
    if not 1 <= new.ttl <= TTL_DAYS_MAX:
        problems.append(_problem("/ttl", f"A number of days from 1 to {TTL_DAYS_MAX}."))
    if new.scope not in SCOPES:
        problems.append(_problem("/scope", f"One of {', '.join(SCOPES)}."))
    if len(new.fields) > FIELDS_MAX:
        problems.append(_problem("/fields", f"A type has at most {FIELDS_MAX} fields of its own."))
    taken = FIXED_MEMBERS | ADDED_MEMBERS | {field.name for field in inherited}
    for place, field in enumerate(new.fields):
        problems += _check_field(field, taken, f"/fields/{place}")
        taken |= {field.name}
    return problems


def changed_type(old: EventType, operations: Sequence[TypeOperation]) -> tuple[EventType, list[Problem]]:
    """Apply operations in their order; what comes out is still to be checked.

    `add` takes one field or several at `/fields` (or `/fields/-`); `replace` takes `/name`, `/ttl`, `/scope`
    and `/fields/<name>/` followed by `filterable`, `required`, `updatable` or `values`.
    """
    members = msgspec.json.decode(msgspec.json.encode(old))
    problems: list[Problem] = []
    for place, operation in enumerate(operations):
        trouble = _apply(members, operation)
        if trouble:
            problems.append(_problem(f"/{place}{trouble[0]}", trouble[1]))
    if problems:
        return old, problems
    try:
        return msgspec.convert(members, EventType), []
    except msgspec.ValidationError as error:
        return old, [_problem("", f"A value has the wrong type: {error}.")]


def _apply(members: dict[str, object], operation: TypeOperation) -> tuple[str, str] | None:
    """Change the members in place; gives where and why it cannot be done, if so."""
    fields = members["fields"]
    assert isinstance(fields, list)
    if operation.op == "add" and operation.path in {"/fields", "/fields/-"}:
        added = operation.value if isinstance(operation.value, list) else [operation.value]
        if not all(isinstance(field, Mapping) for field in added):
            return "/value", "A field is an object with name and type."
        fields.extend(added)
        return None
    if operation.op != "replace":
        return "/op", "Fields are added at /fields; everything else is replaced."
    parts = operation.path.split("/")[1:]
    if len(parts) == 1 and parts[0] in {"name", "ttl", "scope"}:
        members[parts[0]] = operation.value
        return None
    if len(parts) == 3 and parts[0] == "fields" and parts[2] in _CHANGEABLE:
        for field in fields:
            if field.get("name") == parts[1]:
                field[parts[2]] = operation.value
                return None
    return "/path", "There is nothing here that can be replaced."


_CHANGEABLE = frozenset({"filterable", "required", "updatable", "values"})


def _check_field(field: EventField, taken: frozenset[str] | set[str], at: str) -> list[Problem]:
    problems = []
    if not _NAME.fullmatch(field.name):
        message = "A name has letters, digits and _, begins with no digit, at most 64."
        problems.append(_problem(f"{at}/name", message))
    elif field.name in taken:
        problems.append(_problem(f"{at}/name", f"{field.name!r} is there already, or inherited."))
    if field.type not in FIELD_TYPES:
        problems.append(_problem(f"{at}/type", f"One of {', '.join(FIELD_TYPES)}."))
    if (field.type == "ENUM") != bool(field.values):
        problems.append(_problem(f"{at}/values", "An ENUM has values, and nothing else has."))
    if len(field.values) > VALUES_MAX or any(len(each) > VALUE_CHARACTERS_MAX for each in field.values):
        message = f"At most {VALUES_MAX} values of at most {VALUE_CHARACTERS_MAX} characters."
        problems.append(_problem(f"{at}/values", message))
    return problems


def _problem(pointer: str, message: str) -> Problem:
    return Problem(pointer, codes.INVALID_BODY, message)
