"""Event mappings: to which assets events of agents go (wire 6.2).

Alone among the routes of MindConnect they refuse with a list of errors, as asset management does (wire 0.7).
"""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

from litestar import Response, delete, get, patch, post
from litestar.params import JSONBody, PathParameter

from api.agents.wire_event_mappings import (
    EVENT_FIELDS,
    EventMappingIn,
    EventMappingOut,
    EventMappingPage,
    EventMappingPatch,
    event_mapping_out,
    events_asked,
    events_changed,
)
from api.catalog.event_mapping_index import PlacedEvent
from api.guard.tenancy import Caller
from api.http import spring
from api.http.errors import EVENT_MAPPINGS_PATH
from api.http.filters import Table
from api.http.hal import Wanted, preconditions
from api.http.wire import refusals
from api.identity.scopes import AGENTS_READ, AGENTS_WRITE, require
from api.routes.listing import Filter, PageNumber, PageSize, Sort
from api.services import Services, Serving

PAGE_SIZE: Final = 20
"""Of a list that names none, as of data point mappings."""

_TAGS = ["agents"]

EventMappingInPath: TypeAlias = Annotated[str, PathParameter(description="Id of an event mapping.")]


@post(
    EVENT_MAPPINGS_PATH,
    opt=require(AGENTS_WRITE, action="event_mapping.create"),
    responses=refusals(400, 401, 403, 408, 409, 413, 415, 503),
    operation_id="createEventMapping",
    tags=_TAGS,
)
async def create_event_mapping(
    request: Caller, services: Serving, data: JSONBody[EventMappingIn]
) -> Response[EventMappingOut]:
    """Let events of an agent, of one type and with one value in one field, go to an asset.

    An event that no mapping matches goes to the agent's asset; one that several match goes to each of theirs.
    """
    made = await services.event_mappings.create(request.user, events_asked(data))
    location = f"{EVENT_MAPPINGS_PATH}/{made.mapping.id}"
    return Response(await _shown(request, services, made), status_code=201, headers={"location": location})


@get(
    EVENT_MAPPINGS_PATH,
    opt=require(AGENTS_READ),
    responses=refusals(400, 401, 403, 503),
    operation_id="listEventMappings",
    tags=_TAGS,
)
async def list_event_mappings(
    request: Caller,
    services: Serving,
    *,
    page: PageNumber = 0,
    size: PageSize = PAGE_SIZE,
    sort: Sort = "",
    filter_text: Filter = "",
) -> EventMappingPage:
    """List the tenant's event mappings; for an agent its own."""
    tenant = request.user.tenant
    table = Table(services.event_mappings.of(tenant).placed(request.user.agent), EVENT_FIELDS)
    found, said = spring.page_of(table, Wanted(page, size, sort, filter_text))
    shown = await services.event_mappings.shown(tenant, found)
    return EventMappingPage(content=[event_mapping_out(each) for each in shown], **said)


@get(
    f"{EVENT_MAPPINGS_PATH}/{{mapping_id:str}}",
    opt=require(AGENTS_READ),
    responses=refusals(401, 403, 404, 503),
    operation_id="getEventMapping",
    tags=_TAGS,
)
async def get_event_mapping(
    request: Caller, services: Serving, mapping_id: EventMappingInPath
) -> EventMappingOut:
    """Give an event mapping."""
    return await _shown(request, services, await services.event_mappings.get(request.user, mapping_id))


@patch(
    f"{EVENT_MAPPINGS_PATH}/{{mapping_id:str}}",
    opt=require(AGENTS_WRITE, action="event_mapping.change"),
    responses=refusals(400, 401, 403, 404, 408, 409, 412, 413, 415, 503),
    operation_id="patchEventMapping",
    tags=_TAGS,
)
async def patch_event_mapping(
    request: Caller, services: Serving, mapping_id: EventMappingInPath, data: JSONBody[EventMappingPatch]
) -> EventMappingOut:
    """Change the members of an event mapping that are given, under `If-Match`."""
    wanted = preconditions(request).required()
    changed = await services.event_mappings.change(
        request.user, mapping_id, wanted, lambda placed: events_changed(data, placed)
    )
    return await _shown(request, services, changed)


@delete(
    f"{EVENT_MAPPINGS_PATH}/{{mapping_id:str}}",
    status_code=204,
    opt=require(AGENTS_WRITE, action="event_mapping.delete"),
    responses=refusals(400, 401, 403, 404, 412, 503),
    operation_id="deleteEventMapping",
    tags=_TAGS,
)
async def delete_event_mapping(request: Caller, services: Serving, mapping_id: EventMappingInPath) -> None:
    """Remove an event mapping, under `If-Match`; events that have gone by it stay where they are."""
    await services.event_mappings.remove(request.user, mapping_id, preconditions(request).required())


ROUTES = (
    create_event_mapping, list_event_mappings, get_event_mapping, patch_event_mapping, delete_event_mapping,
)  # fmt: skip


async def _shown(request: Caller, services: Services, placed: PlacedEvent) -> EventMappingOut:
    (shown,) = await services.event_mappings.shown(request.user.tenant, [placed])
    return event_mapping_out(shown)
