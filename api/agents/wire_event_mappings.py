"""Event mappings on the wire (wire 6.2), and lists of them."""

from __future__ import annotations

from typing import Final

import msgspec

from api.agents.event_mappings import AskedEvents, ShownEvents
from api.catalog.event_mapping_index import PlacedEvent
from api.http.filters import Field
from api.http.spring import SpringPage
from schemas import codes
from schemas.devices.event_mappings import EventReason
from schemas.errors import Invalid, Problem


class EventMappingIn(msgspec.Struct, rename="camel"):
    """An event mapping as it is asked for; members that only the service sets are ignored."""

    agent_id: str
    asset_id: str
    """The asset to which the events go."""
    event_type_id: str
    event_type_name: str
    """As the event type is called."""
    event_type_field_name: str
    """A field of the event type, its own or inherited."""
    event_type_field_value: str
    """As a text, whatever the field's type: events go by the mapping whose field has this value."""


class EventMappingPatch(msgspec.Struct, rename="camel"):
    """What is to change of an event mapping; what is left out stays."""

    agent_id: str | msgspec.UnsetType = msgspec.UNSET
    """Stays as it was made; may be sent back."""
    asset_id: str | msgspec.UnsetType = msgspec.UNSET
    event_type_id: str | msgspec.UnsetType = msgspec.UNSET
    event_type_name: str | msgspec.UnsetType = msgspec.UNSET
    event_type_field_name: str | msgspec.UnsetType = msgspec.UNSET
    event_type_field_value: str | msgspec.UnsetType = msgspec.UNSET


class EventValidityOut(msgspec.Struct):
    """Whether events go by a mapping."""

    status: str
    """`VALID` or `INVALID`."""
    reasons: list[EventReason]


class EventMappingOut(msgspec.Struct, rename="camel"):
    """An event mapping as it is now."""

    id: str
    agent_id: str
    asset_id: str
    event_type_id: str
    event_type_name: str
    event_type_field_name: str
    event_type_field_value: str
    e_tag: str
    """For `If-Match`."""
    validity: EventValidityOut


class EventMappingPage(SpringPage, rename="camel", kw_only=True):
    """A page of event mappings."""

    content: list[EventMappingOut]


def events_asked(wire: EventMappingIn) -> AskedEvents:
    """Read what is asked for; nothing is checked yet."""
    return AskedEvents(
        wire.agent_id,
        wire.asset_id,
        wire.event_type_id,
        wire.event_type_name,
        wire.event_type_field_name,
        wire.event_type_field_value,
    )


def events_changed(wire: EventMappingPatch, placed: PlacedEvent) -> AskedEvents:
    """Say what a mapping is to be: what was sent, over what it is; Invalid for another agent."""
    mapping = placed.mapping
    if wire.agent_id not in {msgspec.UNSET, placed.agent_id}:
        message = "An event mapping stays with its agent; leave it out, or make another mapping."
        raise Invalid([Problem("/agentId", codes.INVALID_BODY, message)])
    return AskedEvents(
        placed.agent_id,
        _or(wire.asset_id, mapping.asset_id),
        _or(wire.event_type_id, mapping.type_id),
        _or(wire.event_type_name, mapping.type_name),
        _or(wire.event_type_field_name, mapping.field.name),
        _or(wire.event_type_field_value, mapping.value),
    )


def event_mapping_out(shown: ShownEvents) -> EventMappingOut:
    """Write a mapping as it is now."""
    agent_id, mapping = shown.placed
    return EventMappingOut(
        id=mapping.id,
        agent_id=agent_id,
        asset_id=mapping.asset_id,
        event_type_id=mapping.type_id,
        event_type_name=shown.type_name,
        event_type_field_name=mapping.field.name,
        event_type_field_value=mapping.value,
        e_tag=str(mapping.version),
        validity=EventValidityOut("INVALID" if shown.reasons else "VALID", list(shown.reasons)),
    )


def _or(sent: str | msgspec.UnsetType, known: str) -> str:
    return known if sent is msgspec.UNSET else sent


EVENT_FIELDS: Final[dict[str, Field[PlacedEvent]]] = {
    "id": Field(lambda placed: placed.mapping.id),
    "agentId": Field(lambda placed: placed.agent_id),
    "assetId": Field(lambda placed: placed.mapping.asset_id),
    "eventTypeId": Field(lambda placed: placed.mapping.type_id),
    "eventTypeFieldName": Field(lambda placed: placed.mapping.field.name),
    "eventTypeFieldValue": Field(lambda placed: placed.mapping.value),
}
"""What lists are filtered and sorted by."""
