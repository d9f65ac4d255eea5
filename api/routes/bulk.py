"""Bulk import and read of the dialect (wire 3): files first, then a job, then its status."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Response, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, JSONBody, QueryParameter

from api.bulk.reading import BASE, PATH, BulkReading
from api.bulk.service import BulkService, ImportJobIn
from api.bulk.wire import BulkJobOut, bulk_job_out
from api.guard.tenancy import Caller
from api.http.wire import refusals
from api.identity.scopes import SERIES_READ, SERIES_WRITE, require
from api.routes.parts import (
    READ_POSITION,
    SUMMARY_ONLY,
    AspectInPath,
    AssetInPath,
    From,
    Select,
    Sort,
    To,
    given_parameters,
    named_header,
    response_of,
)
from api.services import Serving

JOBS_PATH = f"{BASE}/importJobs"

_TAGS = ["bulk"]

Limit = Annotated[
    str | None, QueryParameter(description="Records of an answer, 1 to 10000; 10000 if absent.")
]
LOCATION = named_header("Location", "Where the job can be asked for.")


class BulkRecords(msgspec.Struct, rename="camel", omit_defaults=True):
    """A page of records."""

    records: list[dict[str, Any]]
    next_record: str | msgspec.UnsetType = msgspec.UNSET
    """The address of the next page; absent on the last one."""


@post(
    JOBS_PATH,
    status_code=201,
    opt=require(SERIES_WRITE, action="import.create"),
    responses=refusals(400, 401, 403, 404, 408, 413, 415, 503),
    response_headers=[LOCATION],
    operation_id="createImportJob",
    tags=_TAGS,
)
async def create_import_job(
    request: Caller, services: Serving, data: JSONBody[ImportJobIn]
) -> Response[BulkJobOut]:
    """Import records from files of the asset as a job: all of them, or none (MS-80, MS-81).

    The files lie among the files of the asset and hold JSON arrays of records, as a PUT takes them.
    """
    bulk = BulkService(services.ports, services.index, services.access, services.files, services.jobs)
    record = await bulk.import_files(request.user, data)
    headers = {"location": f"{JOBS_PATH}/{record.id}"}
    return Response(bulk_job_out(record), status_code=201, headers=headers)


@get(
    f"{JOBS_PATH}/{{job_id:str}}",
    opt=require(SERIES_WRITE),
    responses=refusals(401, 403, 404, 503),
    operation_id="getImportJob",
    tags=_TAGS,
)
async def get_import_job(request: Caller, services: Serving, job_id: FromPath[str]) -> BulkJobOut:
    """Tell how far a job is, and every reason where nothing was imported."""
    return bulk_job_out(await services.jobs.find(request.user, job_id))


@get(
    f"{PATH}/{{asset:str}}/{{aspect:str}}",
    opt=require(SERIES_READ),
    responses={
        **refusals(400, 401, 403, 404, 503),
        200: ResponseSpec(BulkRecords, generate_examples=False, description="A page of records"),
    },
    response_headers=[READ_POSITION, SUMMARY_ONLY],
    operation_id="getBulkTimeSeries",
    tags=_TAGS,
)
async def get_bulk_series(
    request: Caller,
    services: Serving,
    *,
    asset: AssetInPath,
    aspect: AspectInPath,
    from_: From = None,
    to: To = None,
    limit: Limit = None,
    select: Select = None,
    sort: Sort = None,
) -> Response[bytes]:
    """Read the records of (from, to], up to 10,000 an answer, with the address of the next page (MS-82)."""
    parameters = given_parameters(from_=from_, to=to, limit=limit, select=select, sort=sort)
    reading = BulkReading(services.access, services.series, services.ports.policy.public_url)
    profile = services.index.profile_of(request.user.tenant)
    now_ms = services.ports.clock.now_ms()
    answered = await reading.read(request.user, (asset, aspect), parameters, profile=profile, now_ms=now_ms)
    return response_of(answered)


ROUTES = (create_import_job, get_import_job, get_bulk_series)
