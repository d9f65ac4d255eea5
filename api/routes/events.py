"""Events: the billboard, list, create, get, replace (wire 9)."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from litestar import Response, get, post, put
from litestar.params import FromPath, JSONBody, QueryParameter

from api.events.service import EVENTS_READ_MAX, EventService, document
from api.events.wire import BASE, EventList, EventsBillboard, event_out, event_refusals
from api.guard.tenancy import Caller
from api.http.bodies import parse_strictly
from api.http.errors import HAL
from api.http.filters import FILTER_CHARACTERS_MAX
from api.http.hal import Link, Listed, Wanted, answer_list, answer_one, origin_of, preconditions
from api.http.wire import described
from api.identity.scopes import EVENTS_READ, EVENTS_WRITE, require
from api.routes.listing import NUMBER_MAX, Filter, PageNumber, Sort
from api.routes.parts import named_header
from api.services import Services, Serving
from schemas import codes
from schemas.errors import Invalid, Malformed, Problem
from schemas.event_filters import SORT_DEFAULT, EventFilter, parse_event_filter
from storage.event_port import EventRow

PATH = f"{BASE}/events"

SIZE_DEFAULT = 20
SIZE_MAX = 100  # wire 9

_TAGS = ["event management"]

EventPageSize: TypeAlias = Annotated[
    int, QueryParameter(name="size", ge=0, le=NUMBER_MAX, description=f"At most {SIZE_MAX} are given.")
]
History: TypeAlias = Annotated[
    bool, QueryParameter(name="history", description="Each event before its earlier versions.")
]

INCOMPLETE = named_header(
    "Events-Read", "Only where the range has more events than a list reads: how many of the newest it is of."
)


@get(
    f"{BASE}/",
    opt=require(EVENTS_READ),
    media_type=HAL,
    responses=event_refusals(401, 403),
    operation_id="getEventsBillboard",
    tags=_TAGS,
    sync_to_thread=False,
)
def get_billboard(request: Caller, services: Serving) -> EventsBillboard:
    """Tell where the collections are."""
    base = origin_of(request, services.ports.policy.public_url) + BASE
    names = ("/", "/events", "/eventTypes", "/createEventsJobs", "/deleteEventsJobs")
    return EventsBillboard(*(Link(f"{base}{name}") for name in names))


@get(
    PATH,
    opt=require(EVENTS_READ),
    media_type=HAL,
    responses=described(304) | event_refusals(400, 401, 403, 503),
    response_headers=[INCOMPLETE],
    operation_id="listEvents",
    tags=_TAGS,
)
async def list_events(
    request: Caller,
    services: Serving,
    *,
    page: PageNumber = 0,
    size: EventPageSize = SIZE_DEFAULT,
    sort: Sort = SORT_DEFAULT,
    filter_text: Filter = "",
    history: History = False,
) -> Response[EventList]:
    """List events, the newest first; without a time in the filter those of the last seven days."""
    wanted = Wanted(page, min(size, SIZE_MAX), sort, filter_text)
    found = await _events(request, services).listed(
        request.user.tenant, wanted, filter_of(filter_text), history=history
    )
    origin = origin_of(request, services.ports.policy.public_url)
    listed = Listed([event_out(each, origin) for each in found.page], found.total)
    extra = "history=true&" if history else ""
    answer = answer_list(request, listed, wanted, name="events", origin=origin, extra=extra)
    if not found.complete:
        answer.headers["events-read"] = str(EVENTS_READ_MAX)
    return answer


@post(
    PATH,
    opt=require(EVENTS_WRITE),
    media_type=HAL,
    responses=event_refusals(400, 401, 403, 408, 409, 413, 415, 503),
    operation_id="createEvent",
    tags=_TAGS,
)
async def create_event(
    request: Caller, services: Serving, data: JSONBody[dict[str, Any]]
) -> Response[dict[str, Any]]:
    """Create an event: `entityId`, `timestamp`, `typeId` unless it is a standard one, any other members."""
    row = await _events(request, services).create(request.user.tenant, data)
    answer = _answer(request, services, row, 201)
    answer.headers["location"] = answer.content["_links"]["self"]["href"]
    return answer


@get(
    f"{PATH}/{{event_id:str}}",
    opt=require(EVENTS_READ),
    media_type=HAL,
    responses=described(304) | event_refusals(401, 403, 404, 503),
    operation_id="getEvent",
    tags=_TAGS,
)
async def get_event(request: Caller, services: Serving, event_id: FromPath[str]) -> Response[dict[str, Any]]:
    """Give an event."""
    return _answer(request, services, await _events(request, services).find(request.user.tenant, event_id))


@put(
    f"{PATH}/{{event_id:str}}",
    opt=require(EVENTS_WRITE, action="event.change"),
    media_type=HAL,
    responses=event_refusals(400, 401, 403, 404, 408, 412, 413, 415, 503),
    operation_id="putEvent",
    tags=_TAGS,
)
async def put_event(
    request: Caller, services: Serving, event_id: FromPath[str], data: JSONBody[dict[str, Any]]
) -> Response[dict[str, Any]]:
    """Replace an event's members under `If-Match`; entity, time and type stay, what it was is kept."""
    built_on = preconditions(request).required()
    row = await _events(request, services).replace(request.user.tenant, event_id, data, built_on)
    return _answer(request, services, row)


ROUTES = (get_billboard, list_events, create_event, get_event, put_event)


def filter_of(text: str) -> EventFilter:
    """Read a filter out of the query; Invalid for what is none."""
    if len(text) > FILTER_CHARACTERS_MAX:
        message = f"filter: at most {FILTER_CHARACTERS_MAX} characters."
        raise Invalid([Problem("", codes.INVALID_PARAMETER, message)])
    try:
        return parse_event_filter(parse_strictly(text.encode("utf-8", "surrogatepass")))
    except Malformed as error:
        message = f"filter: {error.message}"
        raise Invalid([Problem("", codes.INVALID_PARAMETER, message)]) from error


def _events(request: Caller, services: Services) -> EventService:
    return EventService(services.ports, services.access, request.user)


def _answer(
    request: Caller, services: Services, row: EventRow, status: int = 200
) -> Response[dict[str, Any]]:
    origin = origin_of(request, services.ports.policy.public_url)
    shown = event_out(document(row, row.body, row.version), origin)
    return answer_one(request, shown, row.version, status)
