"""Our own reads: any range, many series in one request, the newest values of all assets (design 9)."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Response, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody, QueryParameter

from api.guard.tenancy import Caller, demand
from api.http.formats import FORMATS, answer, answer_pieces, wish_of
from api.http.negotiation import Format
from api.http.wire import refusals
from api.identity.scopes import AGGREGATES_READ, SERIES_READ, require
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
)
from api.series.querying import LATEST_PATH, aggregate_many, read_latest, read_many, read_range
from api.series.questions import Question
from api.services import Serving
from schemas.errors import NotAcceptable
from schemas.limits import LATEST_SERIES_MAX, QUERY_BODY_BYTES_MAX

PATH = "/api/aspectstore/v1/timeseries/{asset:str}/{aspect:str}"
QUERY_PATH = "/api/aspectstore/v1/query"

_TAGS = ["time series"]
_READING = refusals(400, 401, 403, 404, 406, 410, 503)
_ASKING = refusals(400, 401, 403, 404, 406, 408, 410, 413, 415, 503)

Records = Annotated[
    str | None,
    QueryParameter(
        name="limit",
        description="Records at most; without it all.",
        schema_extra={"pattern": "^[1-9][0-9]{0,8}$"},
    ),
]
AspectName = Annotated[str, QueryParameter(name="aspect", description="Name of the aspect.")]
After = Annotated[
    str | None,
    QueryParameter(name="after", description="`next` of the page before: the id of its last asset."),
]
IncludeShared = Annotated[
    bool, QueryParameter(name="includeShared", description="Shared assets, too, in the order of ids.")
]
Assets = Annotated[
    int, QueryParameter(name="limit", ge=1, le=LATEST_SERIES_MAX, description="Assets of a page.")
]


@get(
    PATH,
    opt={**require(SERIES_READ), **FORMATS},
    responses={
        **_READING,
        200: ResponseSpec(list[dict[str, Any]], generate_examples=False, description="Records"),
    },
    response_headers=[READ_POSITION, SUMMARY_ONLY],
    operation_id="readTimeSeries",
    tags=_TAGS,
)
async def read_series(
    request: Caller,
    services: Serving,
    *,
    asset: AssetInPath,
    aspect: AspectInPath,
    from_: From = None,
    to: To = None,
    limit: Records = None,
    select: Select = None,
    sort: Sort = None,
    read_after: ReadAfter = None,
) -> Response[Any]:
    """Read all records of (from, to], however many, as a stream in JSON, CSV, Arrow or Parquet.

    Without from and to all there are, those ahead of the present included.
    """
    wish = wish_of(request)
    parameters = given_parameters(from_=from_, to=to, limit=limit, select=select, sort=sort)
    after = services.series.places(request.user.tenant, read_after)
    found = await read_range(services, request.user, (asset, aspect), parameters, after)
    return await answer(wish, found.outline, found.found)


@post(
    QUERY_PATH,
    status_code=200,
    opt={**require(SERIES_READ), **FORMATS},
    request_max_body_size=QUERY_BODY_BYTES_MAX,
    responses={
        **_ASKING,
        200: ResponseSpec(
            dict[str, Any], generate_examples=False, description="`series`: each with its records"
        ),
    },
    response_headers=[SUMMARY_ONLY],
    operation_id="querySeries",
    tags=_TAGS,
)
async def query_series(
    request: Caller, services: Serving, *, data: JSONBody[Question], read_after: ReadAfter = None
) -> Response[Any]:
    """Read a page of each of many series: `{"series":[{"assetId","aspectName","records":[…]}…]}`.

    A series of which there is more has `next`: the `from` (descending: `to`) that goes on. One that may lack
    acknowledged records has `readPosition`, and one of which retention has left only summaries there has
    `summaryOnly`. As a table each row begins with the names of its series.

    With `aggregate` each has `aggregates` instead, in JSON only; the token needs the scope `iot.tsa.r`, too.
    """
    wish = wish_of(request)
    after = services.series.places(request.user.tenant, read_after)
    if data.aggregate is not None:
        demand(request.user, AGGREGATES_READ)
        if wish.format is not Format.JSON:
            raise NotAcceptable("Aggregates of several series are answered in application/json.")
        return await answer_pieces(wish, {}, await aggregate_many(services, request.user, data, read_after))
    found = await read_many(services, request.user, data, after)
    return await answer(wish, found.outline, found.found)


@get(
    LATEST_PATH,
    opt={**require(SERIES_READ), **FORMATS},
    responses={
        **_READING,
        200: ResponseSpec(
            dict[str, Any], generate_examples=False, description="`series`: each with its records"
        ),
    },
    response_headers=[LINK],
    operation_id="listLatest",
    tags=_TAGS,
)
async def list_latest(
    request: Caller,
    services: Serving,
    *,
    aspect: AspectName,
    select: Select = None,
    limit: Assets = 100,
    after: After = None,
    include_shared: IncludeShared = False,
    read_after: ReadAfter = None,
) -> Response[Any]:
    """Read the newest value of each variable of an aspect for every asset that has it, by asset id.

    The shape is that of a query's answer; `next`, and the `Link`, lead to the next page.
    """
    wish = wish_of(request)
    shared = "true" if include_shared else None
    parameters = given_parameters(aspect=aspect, select=select, after=after, includeShared=shared)
    places = services.series.places(request.user.tenant, read_after)
    found = await read_latest(services, request.user, parameters, limit, places)
    return await answer(wish, found.outline, found.found)


ROUTES = (read_series, query_series, list_latest)
