"""Schedules of exports: stored, listed, shown with what came of them, deleted (SM-31)."""

from __future__ import annotations

from typing import Annotated, Final

from litestar import Response, delete, get, put
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody, PathParameter

from api.exports.schedule_wire import (
    ScheduleIn,
    ScheduleOut,
    SchedulesOut,
    SeenSchedule,
    schedule_out,
)
from api.exports.schedules import Schedules
from api.guard.tenancy import Caller, demand
from api.http.hal import preconditions
from api.http.wire import refusals
from api.identity.scopes import ASSETS_WRITE, SERIES_READ, require
from api.routes.parts import named_header
from api.services import Services, Serving

PATH: Final = "/api/aspectstore/v1/exportschedules"

ETAG = named_header("ETag", "Version of the schedule.")

_TAGS = ["exports"]

NameInPath = Annotated[str, PathParameter(description="Name of the schedule.")]


@get(
    PATH,
    opt=require(SERIES_READ),
    responses=refusals(401, 403, 503),
    operation_id="listExportSchedules",
    tags=_TAGS,
)
async def list_schedules(request: Caller, services: Serving) -> SchedulesOut:
    """List the tenant's schedules by name, each with what came of it last."""
    now_ms = services.ports.clock.now_ms()
    found = await Schedules(services).all_of(request.user.tenant)
    return SchedulesOut([schedule_out(each, now_ms) for each in found])


@get(
    f"{PATH}/{{name:str}}",
    opt=require(SERIES_READ),
    responses=refusals(401, 403, 404, 503),
    response_headers=[ETAG],
    operation_id="getExportSchedule",
    tags=_TAGS,
)
async def get_schedule(request: Caller, services: Serving, name: NameInPath) -> Response[ScheduleOut]:
    """Give a schedule, when it is due next, and what came of it last."""
    return _answer(services, await Schedules(services).find(request.user.tenant, name))


@put(
    f"{PATH}/{{name:str}}",
    opt=require(ASSETS_WRITE, action="export_schedule.put"),
    responses={
        **refusals(400, 401, 403, 404, 408, 409, 412, 413, 415, 503),
        201: ResponseSpec(ScheduleOut, generate_examples=False, description="It is new."),
    },
    response_headers=[ETAG],
    operation_id="putExportSchedule",
    tags=_TAGS,
)
async def put_schedule(
    request: Caller, services: Serving, name: NameInPath, data: JSONBody[ScheduleIn]
) -> Response[ScheduleOut]:
    """Make an export regularly, or change how; a change needs `If-Match`.

    The caller becomes the owner, and needs the scope `iot.tim.r` too: exports have what this account may read
    when they are due. Every problem is told.
    """
    demand(request.user, SERIES_READ)
    seen, is_new = await Schedules(services).put(request.user, name, data, preconditions(request))
    return _answer(services, seen, 201 if is_new else 200)


@delete(
    f"{PATH}/{{name:str}}",
    opt=require(ASSETS_WRITE, action="export_schedule.delete"),
    responses=refusals(400, 401, 403, 404, 412, 503),
    operation_id="deleteExportSchedule",
    tags=_TAGS,
)
async def delete_schedule(request: Caller, services: Serving, name: NameInPath) -> None:
    """Make an export no longer, under `If-Match`; those that were made stay as long as they are kept."""
    await Schedules(services).remove(request.user.tenant, name, preconditions(request))


ROUTES = (list_schedules, get_schedule, put_schedule, delete_schedule)


def _answer(services: Services, seen: SeenSchedule, status: int = 200) -> Response[ScheduleOut]:
    shown = schedule_out(seen, services.ports.clock.now_ms())
    return Response(shown, status_code=status, headers={"etag": f'"{seen.version}"'})
