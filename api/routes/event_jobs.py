"""Jobs that create or delete many events; job workers do the work (wire 9)."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath, JSONBody

from api.events.service import EventService, new_id
from api.events.wire import BASE, EventJobOut, event_refusals, job_out
from api.guard.tenancy import Caller
from api.http.errors import HAL
from api.identity.scopes import EVENTS_DELETE, EVENTS_WRITE, require
from api.services import Services, Serving
from schemas import codes
from schemas.errors import Invalid, NotFound, Problem, Unavailable
from schemas.event_filters import parse_event_filter
from schemas.events import is_event_id
from schemas.ids import TenantId
from schemas.jobs import CREATE_EVENTS, DELETE_EVENTS, CreateEvents, DeleteEvents, NewEvent
from streams.job_port import JobQueue, JobState, JobStatus

CREATE_PATH = f"{BASE}/createEventsJobs"
DELETE_PATH = f"{BASE}/deleteEventsJobs"

_TAGS = ["event management"]


class CreateEventsIn(msgspec.Struct):
    """The events of a job; each as `POST /events` takes it."""

    events: list[dict[str, Any]]


class DeleteEventsIn(msgspec.Struct):
    """Which events to delete; the filter is that of the list and names something."""

    filter: dict[str, Any]


@post(
    CREATE_PATH,
    status_code=202,
    opt=require(EVENTS_WRITE),
    media_type=HAL,
    responses=event_refusals(400, 401, 403, 408, 413, 415, 503),
    operation_id="createCreateEventsJob",
    tags=_TAGS,
)
async def create_create_events_job(
    request: Caller, services: Serving, data: JSONBody[CreateEventsIn]
) -> Response[EventJobOut]:
    """Create up to 50 events as a job; all are checked before it is accepted."""
    tenant = request.user.tenant
    rows = await EventService(services.ports, services.access, request.user).prepare(tenant, data.events)
    events = tuple(NewEvent(row.id, row.entity, row.time_ms, row.type, row.body.decode()) for row in rows)
    return await _submitted(services, CREATE_EVENTS, tenant, CreateEvents(tenant, events), CREATE_PATH)


@get(
    f"{CREATE_PATH}/{{job_id:str}}",
    opt=require(EVENTS_WRITE),
    media_type=HAL,
    responses=event_refusals(401, 403, 404, 503),
    operation_id="getCreateEventsJob",
    tags=_TAGS,
)
async def get_create_events_job(request: Caller, services: Serving, job_id: FromPath[str]) -> EventJobOut:
    """Tell how far a job is."""
    return await _shown(services, CREATE_EVENTS, request.user.tenant, job_id)


@post(
    DELETE_PATH,
    status_code=202,
    opt=require(EVENTS_DELETE, action="event.delete_many"),
    media_type=HAL,
    responses=event_refusals(400, 401, 403, 408, 413, 415, 503),
    operation_id="createDeleteEventsJob",
    tags=_TAGS,
)
async def create_delete_events_job(
    request: Caller, services: Serving, data: JSONBody[DeleteEventsIn]
) -> Response[EventJobOut]:
    """Delete the events of a filter as a job: of all times, unless it names one."""
    if not data.filter:
        message = "Name what to delete; an empty filter would mean every event."
        raise Invalid([Problem("/filter", codes.INVALID_BODY, message)])
    parse_event_filter(data.filter)
    tenant = request.user.tenant
    told = DeleteEvents(tenant, json.dumps(data.filter))
    return await _submitted(services, DELETE_EVENTS, tenant, told, DELETE_PATH)


@get(
    f"{DELETE_PATH}/{{job_id:str}}",
    opt=require(EVENTS_DELETE),
    media_type=HAL,
    responses=event_refusals(401, 403, 404, 503),
    operation_id="getDeleteEventsJob",
    tags=_TAGS,
)
async def get_delete_events_job(request: Caller, services: Serving, job_id: FromPath[str]) -> EventJobOut:
    """Tell how far a job is."""
    return await _shown(services, DELETE_EVENTS, request.user.tenant, job_id)


ROUTES = (create_create_events_job, get_create_events_job, create_delete_events_job, get_delete_events_job)


async def _submitted(
    services: Services, name: str, tenant: TenantId, told: CreateEvents | DeleteEvents, path: str
) -> Response[EventJobOut]:
    job_id = new_id()
    await _jobs(services).submit(name, msgspec.to_builtins(told), _queued(name, tenant, job_id))
    accepted = job_out(job_id, JobStatus(JobState.SUBMITTED))
    return Response(accepted, status_code=202, headers={"location": f"{path}/{job_id}"}, media_type=HAL)


async def _shown(services: Services, name: str, tenant: TenantId, job_id: str) -> EventJobOut:
    status = await _jobs(services).status(_queued(name, tenant, job_id)) if is_event_id(job_id) else None
    if status is None:
        raise NotFound("There is no such job.")
    return job_out(job_id, status)


def _queued(name: str, tenant: TenantId, job_id: str) -> str:
    """Give a job's id in the queue: another tenant's, or another kind's, is another id."""
    return f"{tenant}-{name}-{job_id}"


def _jobs(services: Services) -> JobQueue:
    if services.ports.jobs is None:
        raise Unavailable("This door has no job queue.")
    return services.ports.jobs
