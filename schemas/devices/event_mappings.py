"""Event mappings: to which assets an event of an agent goes, by what one field of it says (wire 6.2).

An event that no mapping matches is its agent's asset's; one that several match is an event of each of their
assets. The mappings of an agent are one document of the catalogue, because the rules bind all of them
together: so many of an agent, so many of these for one event type, and no two alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import Any, Final, NamedTuple

import msgspec

from schemas import codes
from schemas.errors import Problem
from schemas.event_types import STANDARD_TYPE, VALUE_CHARACTERS_MAX, EventField
from schemas.events import read_member
from schemas.ids import AssetId

KIND: Final = "eventmapping"
"""Of the documents, each under its agent's id."""

EVENT_MAPPINGS_OF_AGENT_MAX: Final = 50  # wire 6.2
EVENT_MAPPINGS_OF_TYPE_MAX: Final = 5  # of one agent (wire 6.2)


class EventReason(Enum):
    """Why nothing goes by an event mapping."""

    MISSING_ASSET = "MISSING_ASSET"
    MISSING_EVENT_TYPE = "MISSING_EVENT_TYPE"
    MISSING_FIELD = "MISSING_FIELD"
    """The event type has no such field (any more)."""
    INVALID_VALUE = "INVALID_VALUE"
    """The field cannot have this value (any more)."""


class EventMapping(msgspec.Struct, frozen=True, kw_only=True):
    """One mapping of an agent: events of a type in which a field has a value → an asset."""

    id: str
    """A UUID."""
    asset_id: AssetId
    type_id: str
    type_name: str
    """As it was when the mapping was made or changed."""
    field: EventField
    """As it was then: by its type values are compared."""
    value: str
    """As a text, whatever the field's type."""
    version: int = 0
    """Its ETag: one more with every change."""

    @property
    def key(self) -> tuple[str, str, str, object]:
        """Give what no two mappings of an agent may share."""
        return self.asset_id, self.type_id, self.field.name, read_member(self.field, self.value)

    def matches(self, members: Mapping[str, Any]) -> bool:
        """Tell whether an event, as event management takes it, is one of those that it is for."""
        if (members.get("typeId") or STANDARD_TYPE) != self.type_id:
            return False
        given = members.get(self.field.name)
        read = None if given is None else read_member(self.field, given)
        return read is not None and read == read_member(self.field, self.value)


class AgentEvents(msgspec.Struct, frozen=True):
    """All event mappings of one agent; a document of the catalogue."""

    agent_id: AssetId
    mappings: tuple[EventMapping, ...] = ()


class Target(NamedTuple):
    """An asset to which an event goes."""

    asset_id: AssetId
    mapping_id: str = ""
    """By which mapping; empty: by none, it is the agent's asset."""


def targets_of(
    mappings: Iterable[EventMapping], agent_id: AssetId, members: Mapping[str, Any]
) -> list[Target]:
    """Say to which assets an event goes: each one once, by the first mapping that names it."""
    found: dict[AssetId, Target] = {}
    for mapping in mappings:
        if mapping.matches(members):
            found.setdefault(mapping.asset_id, Target(mapping.asset_id, mapping.id))
    return list(found.values()) or [Target(agent_id)]


def find_event_clash(new: EventMapping, others: Sequence[EventMapping]) -> str:
    """Say why a mapping cannot stand beside others of its agent; empty: it can."""
    if any(other.key == new.key for other in others):
        return "There is such an event mapping already."
    if len(others) >= EVENT_MAPPINGS_OF_AGENT_MAX:
        return f"An agent has at most {EVENT_MAPPINGS_OF_AGENT_MAX} event mappings."
    if sum(other.type_id == new.type_id for other in others) >= EVENT_MAPPINGS_OF_TYPE_MAX:
        return f"An agent has at most {EVENT_MAPPINGS_OF_TYPE_MAX} event mappings for one event type."
    return ""


def check_event_value(field: EventField, value: str) -> list[Problem]:
    """Check that a field can have the value for which a mapping waits."""
    if not 1 <= len(value) <= VALUE_CHARACTERS_MAX:
        words = f"A value has 1 to {VALUE_CHARACTERS_MAX} characters."
    elif read_member(field, value) is None:
        words = f"{field.type} is expected: the field has no other values."
    else:
        return []
    return [Problem("/eventTypeFieldValue", codes.INVALID_BODY, words)]


def judge_event_mapping(
    mapping: EventMapping, fields: Sequence[EventField] | None, *, has_asset: bool
) -> tuple[EventReason, ...]:
    """Hold a mapping against asset and event type as they are now; `fields` None: the type is gone."""
    reasons = [] if has_asset else [EventReason.MISSING_ASSET]
    if fields is None:
        return (*reasons, EventReason.MISSING_EVENT_TYPE)
    field = next((each for each in fields if each.name == mapping.field.name), None)
    if field is None:
        return (*reasons, EventReason.MISSING_FIELD)
    if field.type != mapping.field.type or read_member(field, mapping.value) is None:
        reasons.append(EventReason.INVALID_VALUE)
    return tuple(reasons)
