"""Imports of logger files by their type: a job (SM-03, SM-07, design 9.7)."""

from __future__ import annotations

from typing import Annotated

from litestar import Response, post
from litestar.params import JSONBody, PathParameter

from api.guard.tenancy import Caller
from api.http.budget import HOLDING
from api.http.wire import refusals
from api.identity.scopes import SERIES_WRITE, require
from api.imports.service import LoggerImportIn, LoggerImports, ReplayIn
from api.jobs.service import PATH as JOBS
from api.jobs.service import Seen
from api.jobs.wire import JobOut, job_out
from api.routes.parts import named_header
from api.services import Serving
from schemas.limits import PREVIEW_FETCHED_BYTES_MAX

PATH = "/api/aspectstore/v1/imports"

JobInPath = Annotated[str, PathParameter(description="Id of the job that imported the file.")]
LOCATION = named_header("Location", "Where the job can be asked for.")


@post(
    PATH,
    status_code=201,
    opt=require(SERIES_WRITE, action="import.create"),
    responses=refusals(400, 401, 403, 404, 408, 409, 413, 415, 429, 503),
    response_headers=[LOCATION],
    operation_id="createLoggerImport",
    tags=["imports"],
)
async def create_import(
    request: Caller, services: Serving, data: JSONBody[LoggerImportIn]
) -> Response[JobOut]:
    """Import logger files by a file type, as a job; each row is stored, a duplicate, or refused.

    The scope `asm.w` is needed too where the aspect is to be extended. Refused rows are told in files of the
    asset, whose paths stand in the job's `reports`. What was imported before, by the same file type and as it
    stands, is not imported again.
    """
    request.scope["state"][HOLDING].add(PREVIEW_FETCHED_BYTES_MAX)
    record = await LoggerImports(services).submit(request.user, data)
    shown = job_out(Seen(record), services.ports.clock.now_ms())
    return Response(shown, status_code=201, headers={"location": f"{JOBS}/{record.id}"})


@post(
    f"{PATH}/{{job_id:str}}/replay",
    status_code=201,
    opt=require(SERIES_WRITE, action="import.replay"),
    responses=refusals(400, 401, 403, 404, 408, 409, 413, 415, 429, 503),
    response_headers=[LOCATION],
    operation_id="replayLoggerImport",
    tags=["imports"],
)
async def replay_import(
    request: Caller, services: Serving, job_id: JobInPath, data: JSONBody[ReplayIn]
) -> Response[JobOut]:
    """Read the refused rows of an import again, as a job, by the file type and the aspects as they are now.

    The files are those of then; rows that are refused once more stand in the reports of the new job, with
    the lines of the file. What is set aside of a row counts as refused: its row is read whole.
    """
    request.scope["state"][HOLDING].add(PREVIEW_FETCHED_BYTES_MAX)
    record = await LoggerImports(services).replay(request.user, job_id, data)
    shown = job_out(Seen(record), services.ports.clock.now_ms())
    return Response(shown, status_code=201, headers={"location": f"{JOBS}/{record.id}"})


ROUTES = (create_import, replay_import)
