"""Jobs: list, look at, follow, cancel; undo an import (design 9.7)."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from litestar import Response, get, post
from litestar.params import PathParameter, QueryParameter
from litestar.response import Stream

from api.guard.signed import KEY_HEADER
from api.guard.tenancy import Caller, demand
from api.http.wire import refusals
from api.identity.scopes import SERIES_DELETE, SERIES_WRITE, require
from api.identity.tokens import Identity
from api.jobs.service import PATH, Seen
from api.jobs.wire import JobOut, JobsOut, job_out
from api.services import Services, Serving
from schemas.limits import JOBS_LISTED_MAX
from storage.job_records import Phase
from streams.notice_port import LogId

EVENT_STREAM: Final = "text/event-stream"

_TAGS = ["jobs"]

JobInPath = Annotated[str, PathParameter(description="Id of the job.")]
Before = Annotated[str | None, QueryParameter(description="`next` of the page before.")]
Limit = Annotated[int, QueryParameter(ge=1, le=JOBS_LISTED_MAX, description="Jobs of a page.")]
State = Annotated[
    Literal["submitted", "running", "done", "failed", "cancelled"] | None,
    QueryParameter(name="state", description="Only jobs that are so far."),
]


@get(
    PATH,
    opt=require(SERIES_WRITE),
    responses=refusals(400, 401, 403, 503),
    operation_id="listJobs",
    tags=_TAGS,
)
async def list_jobs(
    request: Caller, services: Serving, of_state: State = None, before: Before = None, limit: Limit = 50
) -> JobsOut:
    """List the tenant's jobs of the last weeks, the newest first."""
    phase = None if of_state is None else Phase(of_state)
    found, following = await services.jobs.page(request.user, phase=phase, before=before, limit=limit)
    listed = [job_out(Seen(record), services.ports.clock.now_ms()) for record in found]
    return JobsOut(listed) if following is None else JobsOut(listed, following)


@get(
    f"{PATH}/{{job_id:str}}",
    opt=require(SERIES_WRITE),
    responses=refusals(401, 403, 404, 503),
    operation_id="getJob",
    tags=_TAGS,
)
async def get_job(request: Caller, services: Serving, job_id: JobInPath) -> JobOut:
    """Tell how far a job is, what came of it, and until when an import can be undone."""
    return job_out(await services.jobs.seen(request.user, job_id), services.ports.clock.now_ms())


@get(
    f"{PATH}/{{job_id:str}}/events",
    opt=require(SERIES_WRITE),
    media_type=EVENT_STREAM,
    responses=refusals(401, 403, 404, 429, 503),
    operation_id="followJob",
    tags=_TAGS,
)
async def follow_job(request: Caller, services: Serving, job_id: JobInPath) -> Stream:
    """Follow a job as Server-Sent Events: one `job` event whenever it has changed, until it has ended."""
    await services.jobs.find(request.user, job_id)
    name = LogId(request.user.tenant, f"job-{job_id}")
    services.feeds.demand_room(name)
    pieces = services.feeds.follow(name, _Look(request, services, job_id))
    return Stream(pieces, media_type=EVENT_STREAM, headers={"x-accel-buffering": "no"})


@post(
    f"{PATH}/{{job_id:str}}/cancel",
    status_code=202,
    opt=require(SERIES_WRITE, action="job.cancel"),
    responses=refusals(401, 403, 404, 409, 503),
    operation_id="cancelJob",
    tags=_TAGS,
)
async def cancel_job(request: Caller, services: Serving, job_id: JobInPath) -> Response[JobOut]:
    """End a job; 409 for one that has ended, or whose records are being put in their place already."""
    record = await services.jobs.cancel(request.user, job_id)
    return Response(job_out(Seen(record), services.ports.clock.now_ms()), status_code=202)


@post(
    f"{PATH}/{{job_id:str}}/undo",
    status_code=202,
    opt=require(SERIES_DELETE, action="import.undo"),
    responses=refusals(401, 403, 404, 409, 429, 503),
    operation_id="undoImport",
    tags=_TAGS,
)
async def undo_import(request: Caller, services: Serving, job_id: JobInPath) -> Response[JobOut]:
    """Put every series of an import back as it was before; 409 once something newer lies in its range.

    It takes effect in the order of its receipt, series by series.
    """
    seen = await services.jobs.undo(request.user, job_id)
    return Response(job_out(seen, services.ports.clock.now_ms()), status_code=202)


ROUTES = (list_jobs, get_job, follow_job, cancel_job, undo_import)


class _Look:
    """Gives the event of a job when it has changed; raises what a new request would be refused with."""

    def __init__(self, request: Caller, services: Services, job_id: str) -> None:
        self._headers = request.headers
        self._services = services
        self._job_id = job_id
        self._last = b""

    async def __call__(self) -> tuple[bytes | None, bool]:
        caller = await self._identify()
        demand(caller, SERIES_WRITE)
        record = await self._services.jobs.find(caller, self._job_id)
        body = msgspec.json.encode(job_out(Seen(record), self._services.ports.clock.now_ms()))
        is_new, self._last = body != self._last, body
        event = b"event: job\ndata: %b\n\n" % body if is_new else None
        return event, record.phase.is_end

    async def _identify(self) -> Identity:
        identity, now_s = self._services.identity, self._services.ports.clock.now_ms() / 1_000
        header = self._headers.get("authorization")
        if header is None and KEY_HEADER in self._headers:
            return (await identity.api_keys.signer(self._headers[KEY_HEADER], now_s)).identity
        return identity.identify(header, now_s)
