"""Time series of the dialect: PUT, PATCH, GET, DELETE of records, multi PUT, and receipts (wire 1)."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Response, delete, get, patch, put
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import HeaderParameter, PathParameter, QueryParameter

from api.deletes.rules import demand_no_dry_run
from api.deletes.service import PATH as DELETES_PATH
from api.guard.tenancy import Caller
from api.http.formats import FORMATS, whole, wish_of
from api.http.wire import refusals
from api.identity.scopes import SERIES_DELETE, SERIES_READ, SERIES_WRITE, require
from api.reading.receipts import Fate
from api.routes.parts import (
    LINK,
    READ_POSITION,
    SUMMARY_ONLY,
    AspectInPath,
    AssetInPath,
    From,
    ReadAfter,
    Select,
    Sort,
    To,
    given_parameters,
    named_header,
    response_of,
)
from api.series.service import PATH, Answered, PairErrors, WriteOptions, write_options
from api.services import Serving
from schemas.limits import MULTI_PUT_BODY_BYTES_MAX, PATCH_BODY_BYTES_MAX, PUT_BODY_BYTES_MAX
from schemas.records import WriteMode

_TAGS = ["time series"]
_WRITING = refusals(400, 401, 403, 404, 408, 413, 415, 422, 429, 503)
_READING = refusals(400, 401, 403, 404, 406, 410, 503)

Limit = Annotated[
    str | None,
    QueryParameter(
        description="Records returned at most, 1 to 2000.", schema_extra={"pattern": "^[0-9]{1,4}$"}
    ),
]
LatestValue = Annotated[
    str | None,
    QueryParameter(
        name="latestValue",
        description="Newest value of each variable.",
        schema_extra={"enum": ["true", "false"]},
    ),
]
Wait = Annotated[
    str | None,
    QueryParameter(
        description="`applied`: answer when the store has it.", schema_extra={"enum": ["applied"]}
    ),
]
IdempotencyKey = Annotated[
    str | None,
    HeaderParameter(name="Idempotency-Key", description="Same key and body: same answer, one effect."),
]
CatchUp = Annotated[
    str | None,
    HeaderParameter(
        name="Catch-Up",
        description="`true`: the body drains a backlog, in the lane beside and behind live data.",
        schema_extra={"enum": ["true", "false"]},
    ),
]
ReceiptInPath = Annotated[str, PathParameter(description="As `Write-Receipt` gave it.")]

RECORDS_BODY = {"records": True}
"""Marks handlers whose body is an array of records; the description of the API shows its shape."""

RECEIPT = named_header("Write-Receipt", "Proof of a durable write; for Read-After and the receipts route.")
RECEIPTS = named_header("Write-Receipt", "One for each pair in body order, divided by commas; `-`: refused.")
DELETE_ID = named_header("Delete-Id", "Names the delete: what became of it, and its undo.")
APPLIED = named_header("Write-Applied", "With `wait=applied`: whether the store has it already.")
QUOTA = [
    named_header("Quota-Rule", "The limit that is nearest to its end, where there is one, also with 429."),
    named_header("Quota-Limit", "What the rule allows at once."),
    named_header("Quota-Used", "What of it is used."),
    named_header("Quota-Reset", "Seconds until nothing is used, if nothing more comes."),
]


def _empty(answered: Answered) -> Response[None]:
    return Response(None, status_code=answered.status, headers=dict(answered.headers))


def _options(wait: str | None, key: str | None, catch_up: str | None = None) -> WriteOptions:
    return write_options(given_parameters(wait=wait), key, catch_up)


@put(
    PATH + "/{asset:str}/{aspect:str}",
    status_code=204,
    opt={**require(SERIES_WRITE), **RECORDS_BODY},
    request_max_body_size=PUT_BODY_BYTES_MAX,
    responses=_WRITING,
    response_headers=[RECEIPT, APPLIED, *QUOTA],
    operation_id="putTimeSeries",
    tags=_TAGS,
)
async def put_series(
    request: Caller,
    services: Serving,
    *,
    asset: AssetInPath,
    aspect: AspectInPath,
    wait: Wait = None,
    idempotency_key: IdempotencyKey = None,
    catch_up: CatchUp = None,
) -> Response[None]:
    """Write records; one of the same time is replaced whole (MS-20, MS-24)."""
    body = await request.body()
    options = _options(wait, idempotency_key, catch_up)
    return _empty(
        await services.series.write(request.user, (asset, aspect), body, WriteMode.REPLACE, options)
    )


@patch(
    PATH + "/{asset:str}/{aspect:str}",
    status_code=204,
    opt={**require(SERIES_WRITE), **RECORDS_BODY},
    request_max_body_size=PATCH_BODY_BYTES_MAX,
    responses=_WRITING,
    response_headers=[RECEIPT, APPLIED, *QUOTA],
    operation_id="patchTimeSeries",
    tags=_TAGS,
)
async def patch_series(
    request: Caller,
    services: Serving,
    *,
    asset: AssetInPath,
    aspect: AspectInPath,
    wait: Wait = None,
    idempotency_key: IdempotencyKey = None,
    catch_up: CatchUp = None,
) -> Response[None]:
    """Merge values into records of the same time; null takes a value away (wire 1.4)."""
    body = await request.body()
    options = _options(wait, idempotency_key, catch_up)
    return _empty(await services.series.write(request.user, (asset, aspect), body, WriteMode.MERGE, options))


@put(
    PATH,
    status_code=202,
    opt={**require(SERIES_WRITE), "record_set": True},
    request_max_body_size=MULTI_PUT_BODY_BYTES_MAX,
    responses={
        **_WRITING,
        202: ResponseSpec(
            PairErrors,
            generate_examples=False,
            description="Accepted; the body is empty, or lists the pairs that were not stored",
        ),
    },
    response_headers=[RECEIPTS, APPLIED, *QUOTA],
    operation_id="putTimeSeriesSet",
    tags=_TAGS,
)
async def put_series_set(
    request: Caller,
    services: Serving,
    *,
    wait: Wait = None,
    idempotency_key: IdempotencyKey = None,
    catch_up: CatchUp = None,
) -> Response[bytes]:
    """Write records of up to five pairs of asset and aspect, each pair on its own (wire 1.3, MS-21)."""
    body = await request.body()
    options = _options(wait, idempotency_key, catch_up)
    logref = request.scope["state"]["request_id"]
    return response_of(await services.series.write_set(request.user, body, options, logref))


@get(
    PATH + "/{asset:str}/{aspect:str}",
    opt={**require(SERIES_READ), **FORMATS},
    responses={
        **_READING,
        200: ResponseSpec(list[dict[str, Any]], generate_examples=False, description="Records"),
    },
    response_headers=[LINK, READ_POSITION, SUMMARY_ONLY],
    operation_id="getTimeSeries",
    tags=_TAGS,
)
async def get_series(
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
    latest_value: LatestValue = None,
    read_after: ReadAfter = None,
) -> Response[bytes]:
    """Read records of (from, to], the newest record, or the newest values (MS-40 … MS-44).

    `Accept` chooses JSON, CSV, Arrow or Parquet, `Accept-Encoding` gzip or zstd.
    """
    wish = wish_of(request)
    parameters = given_parameters(
        from_=from_, to=to, limit=limit, select=select, sort=sort, latestValue=latest_value
    )
    place = (asset, aspect)
    answered = await services.series.read(request.user, place, parameters, read_after, wish.format)
    return await whole(wish, answered.body, answered.headers)


@delete(
    PATH + "/{asset:str}/{aspect:str}",
    status_code=204,
    opt=require(SERIES_DELETE, action="record.delete"),
    responses=refusals(400, 401, 403, 404, 409, 422, 429, 503),
    response_headers=[RECEIPT, APPLIED, DELETE_ID],
    operation_id="deleteTimeSeries",
    tags=_TAGS,
)
async def delete_series(
    request: Caller,
    services: Serving,
    *,
    asset: AssetInPath,
    aspect: AspectInPath,
    from_: From = None,
    to: To = None,
    wait: Wait = None,
    idempotency_key: IdempotencyKey = None,
) -> Response[None]:
    """Delete the records of (from, to]; both are required (MS-50).

    What this takes tells `GET /api/aspectstore/v1/deletes/preview`; a parameter that asks for a dry run is
    refused here. Of some tenants a delete must keep to whole hours, a week at most, records submitted a week
    ago, and one a day (MS-51, MS-52).
    """
    parameters = given_parameters(from_=from_, to=to)
    options = _options(wait, idempotency_key)
    demand_no_dry_run(request.query_params, f"{DELETES_PATH}/preview")
    return _empty(await services.deletes.delete(request.user, (asset, aspect), parameters, options))


class ReceiptState(msgspec.Struct):
    """What became of a write."""

    state: Fate
    reason: str = ""
    """Why it was set aside; empty otherwise."""


@get(
    "/api/aspectstore/v1/receipts/{receipt:str}",
    opt=require(SERIES_WRITE),
    responses=refusals(400, 401, 403, 404, 410, 503),
    operation_id="getReceipt",
    tags=_TAGS,
)
async def get_receipt(request: Caller, services: Serving, receipt: ReceiptInPath) -> ReceiptState:
    """Tell what became of a write, by its `Write-Receipt` (design 8.17); 410 for a lost one."""
    fate, reason = await services.series.fate(request.user, receipt)
    return ReceiptState(fate, reason)


ROUTES = (put_series, patch_series, put_series_set, get_series, delete_series, get_receipt)
