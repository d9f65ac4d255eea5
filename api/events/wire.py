"""Event management on the wire (wire 9): shapes, and how its routes refuse: with an array (wire 0.7)."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar.openapi.datastructures import ResponseSpec

from api.assets.wire_types import SelfLink, Sharing
from api.events.types import KeptType
from api.http.errors import EVENTS_PREFIX, EventError
from api.http.hal import Link, Page
from api.http.wire import refusals
from schemas.event_types import TTL_DAYS_DEFAULT, EventField, EventType
from schemas.ids import TenantId
from streams.job_port import JobState, JobStatus

BASE = f"{EVENTS_PREFIX}v3"


class FieldWire(msgspec.Struct, rename="camel"):
    """One member of the events of a type."""

    name: str
    type: str
    """STRING, INTEGER, DOUBLE, BOOLEAN, LINK, TIMESTAMP, UUID or ENUM."""
    filterable: bool = False
    required: bool = False
    updatable: bool = False
    values: list[str] = msgspec.field(default_factory=list)
    """Of an ENUM."""


class EventTypeIn(msgspec.Struct, rename="camel"):
    """An event type as it is sent; what a rule forbids is refused with its place."""

    name: str
    id: str = ""
    """`<tenant>.<name>`; made of the name where it is left out."""
    parent_id: str = ""
    """The type whose fields it inherits; the base type where it is left out."""
    ttl: int = TTL_DAYS_DEFAULT
    """Days; kept, and nothing is removed by it."""
    scope: str = "LOCAL"
    """LOCAL or GLOBAL; kept, and a type is seen by its tenant only."""
    fields: list[FieldWire] = msgspec.field(default_factory=list)


class EventTypeOut(msgspec.Struct, rename="camel"):
    """An event type."""

    id: str
    name: str
    parent_id: str | None
    ttl: int
    scope: str
    fields: list[FieldWire]
    """Its own, without inherited ones."""
    etag: int
    owner: str
    sharing: Sharing
    links: SelfLink = msgspec.field(name="_links")


class EmbeddedEventTypes(msgspec.Struct, rename="camel"):
    """The things of the page."""

    event_types: list[EventTypeOut]


class EventTypeList(msgspec.Struct):
    """A page of event types."""

    embedded: EmbeddedEventTypes = msgspec.field(name="_embedded")
    links: dict[str, Link] = msgspec.field(name="_links")
    page: Page


class EmbeddedEvents(msgspec.Struct):
    """The things of the page."""

    events: list[dict[str, Any]]


class EventList(msgspec.Struct):
    """A page of events."""

    embedded: EmbeddedEvents = msgspec.field(name="_embedded")
    links: dict[str, Link] = msgspec.field(name="_links")
    page: Page


class EventsBillboard(msgspec.Struct, rename="camel"):
    """Where the collections are."""

    self: Link
    events: Link
    event_types: Link
    create_events_jobs: Link
    delete_events_jobs: Link


class EventJobOut(msgspec.Struct):
    """How far a job is."""

    id: str
    state: str
    """ACCEPTED, IN_PROGRESS, FINISHED or FINISHED_WITH_ERROR."""
    details: dict[str, Any] = msgspec.field(default_factory=dict)
    """When it has ended: how many events it created or deleted, or the reason."""


_STATES = {
    JobState.SUBMITTED: "ACCEPTED",
    JobState.IN_PROGRESS: "IN_PROGRESS",
    JobState.SUCCESS: "FINISHED",
    JobState.ERROR: "FINISHED_WITH_ERROR",
}


def event_refusals(*statuses: int) -> dict[int, ResponseSpec]:
    """Describe the statuses with which a route of event management refuses."""
    return refusals(*statuses, hal=True, shape=list[EventError])


def event_type_from(wire: EventTypeIn, tenant: TenantId, base_type: str) -> EventType:
    """Read an event type; nothing is checked yet."""
    fields = (msgspec.convert(msgspec.to_builtins(field), EventField) for field in wire.fields)
    return EventType(
        id=wire.id or f"{tenant}.{wire.name}",
        tenant=tenant,
        name=wire.name,
        parent_id=wire.parent_id or base_type,
        ttl=wire.ttl,
        scope=wire.scope,
        fields=tuple(fields),
    )


def event_type_out(kept: KeptType, origin: str) -> EventTypeOut:
    """Write an event type."""
    value = kept.value
    return EventTypeOut(
        id=value.id,
        name=value.name,
        parent_id=value.parent_id,
        ttl=value.ttl,
        scope=value.scope,
        fields=[
            FieldWire(
                field.name, field.type, field.filterable, field.required, field.updatable, [*field.values]
            )
            for field in value.fields
        ],
        etag=kept.version,
        owner=value.tenant,
        sharing=Sharing(),
        links=SelfLink(Link(f"{origin}{BASE}/eventTypes/{value.id}")),
    )


def event_out(document: dict[str, Any], origin: str) -> dict[str, Any]:
    """Write an event with what a resource has beside its members."""
    link = {"self": {"href": f"{origin}{BASE}/events/{document['id']}"}}
    return {**document, "sharing": {"modes": []}, "_links": link}


def job_out(job_id: str, status: JobStatus) -> EventJobOut:
    """Write how far a job is."""
    out = EventJobOut(job_id, _STATES[status.state])
    if status.state is JobState.SUCCESS:
        out.details = msgspec.convert(status.result, dict[str, Any])
    elif status.state is JobState.ERROR:
        out.details = {"reason": "It failed at every try; the operator's log says why."}
    return out
