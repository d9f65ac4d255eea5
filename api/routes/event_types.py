"""Event types: list, create, get, change, delete (wire 9)."""

from __future__ import annotations

from litestar import Response, delete, get, patch, post, put
from litestar.params import FromPath, JSONBody

from api.events.types import EventTypes, KeptType
from api.events.wire import (
    BASE,
    EventTypeIn,
    EventTypeList,
    EventTypeOut,
    event_refusals,
    event_type_from,
    event_type_out,
)
from api.guard.tenancy import Caller
from api.http.errors import HAL
from api.http.filters import Field, Table
from api.http.hal import answer_list, answer_one, origin_of, preconditions
from api.http.wire import described
from api.identity.scopes import EVENTS_DELETE, EVENTS_READ, EVENTS_WRITE, require
from api.routes.events import SIZE_DEFAULT, SIZE_MAX, EventPageSize
from api.routes.listing import Filter, PageNumber, Sort, page_of, wanted
from api.services import Services, Serving
from schemas.event_types import BASE_TYPE, TypeOperation

PATH = f"{BASE}/eventTypes"

_TAGS = ["event management"]

FIELDS: dict[str, Field[KeptType]] = {
    "id": Field(lambda kept: kept.value.id),
    "name": Field(lambda kept: kept.value.name),
    "parentId": Field(lambda kept: kept.value.parent_id),
    "scope": Field(lambda kept: kept.value.scope),
    "owner": Field(lambda kept: kept.value.tenant),
}


@get(
    PATH,
    opt=require(EVENTS_READ),
    media_type=HAL,
    responses=described(304) | event_refusals(400, 401, 403, 503),
    operation_id="listEventTypes",
    tags=_TAGS,
)
async def list_event_types(
    request: Caller,
    services: Serving,
    *,
    page: PageNumber = 0,
    size: EventPageSize = SIZE_DEFAULT,
    sort: Sort = "id,asc",
    filter_text: Filter = "",
) -> Response[EventTypeList]:
    """List own and built-in event types."""
    origin = origin_of(request, services.ports.policy.public_url)
    chosen = wanted(page, min(size, SIZE_MAX), sort, filter_text)
    kept = await _types(services).all_of(request.user.tenant)

    def write(found: KeptType) -> EventTypeOut:
        return event_type_out(found, origin)

    listed = page_of(Table(kept, FIELDS), chosen, write)
    return answer_list(request, listed, chosen, name="eventTypes", origin=origin)


@post(
    PATH,
    opt=require(EVENTS_WRITE, action="event_type.create"),
    media_type=HAL,
    responses=event_refusals(400, 401, 403, 408, 409, 413, 415, 503),
    operation_id="createEventType",
    tags=_TAGS,
)
async def create_event_type(
    request: Caller, services: Serving, data: JSONBody[EventTypeIn]
) -> Response[EventTypeOut]:
    """Create an event type."""
    new = event_type_from(data, request.user.tenant, BASE_TYPE)
    answer = _answer(request, services, await _types(services).create(request.user.tenant, new), 201)
    answer.headers["location"] = answer.content.links.self.href
    return answer


@get(
    f"{PATH}/{{type_id:str}}",
    opt=require(EVENTS_READ),
    media_type=HAL,
    responses=described(304) | event_refusals(401, 403, 404, 503),
    operation_id="getEventType",
    tags=_TAGS,
)
async def get_event_type(
    request: Caller, services: Serving, type_id: FromPath[str]
) -> Response[EventTypeOut]:
    """Give an event type."""
    return _answer(request, services, await _types(services).get(request.user.tenant, type_id))


@put(
    f"{PATH}/{{type_id:str}}",
    opt=require(EVENTS_WRITE, action="event_type.change"),
    media_type=HAL,
    responses=event_refusals(400, 401, 403, 404, 408, 412, 413, 415, 503),
    operation_id="putEventType",
    tags=_TAGS,
)
async def put_event_type(
    request: Caller, services: Serving, type_id: FromPath[str], data: JSONBody[list[TypeOperation]]
) -> Response[EventTypeOut]:
    """Change an event type by operations, as `PATCH` does: existing clients send them so."""
    return await _change(request, services, type_id, data)


@patch(
    f"{PATH}/{{type_id:str}}",
    opt=require(EVENTS_WRITE, action="event_type.change"),
    media_type=HAL,
    responses=event_refusals(400, 401, 403, 404, 408, 412, 413, 415, 503),
    operation_id="patchEventType",
    tags=_TAGS,
)
async def patch_event_type(
    request: Caller, services: Serving, type_id: FromPath[str], data: JSONBody[list[TypeOperation]]
) -> Response[EventTypeOut]:
    """Change an event type by operations: `add` fields at `/fields`, `replace` other members."""
    return await _change(request, services, type_id, data)


@delete(
    f"{PATH}/{{type_id:str}}",
    opt=require(EVENTS_DELETE, action="event_type.delete"),
    responses=event_refusals(400, 401, 403, 404, 412, 503),
    operation_id="deleteEventType",
    tags=_TAGS,
)
async def delete_event_type(request: Caller, services: Serving, type_id: FromPath[str]) -> None:
    """Remove an event type from which none descends; its events stay."""
    await _types(services).remove(request.user.tenant, type_id, preconditions(request))


ROUTES = (
    list_event_types, create_event_type, get_event_type, put_event_type, patch_event_type, delete_event_type,
)  # fmt: skip


async def _change(
    request: Caller, services: Services, type_id: str, data: list[TypeOperation]
) -> Response[EventTypeOut]:
    changed = await _types(services).change(request.user.tenant, type_id, data, preconditions(request))
    return _answer(request, services, changed)


def _types(services: Services) -> EventTypes:
    return EventTypes(services.ports.catalog)


def _answer(request: Caller, services: Services, kept: KeptType, status: int = 200) -> Response[EventTypeOut]:
    origin = origin_of(request, services.ports.policy.public_url)
    return answer_one(request, event_type_out(kept, origin), kept.version, status)
