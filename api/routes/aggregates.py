"""Aggregates: v4 and v3 of the dialect with the old alias, and our own route, which can say more (wire 2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from litestar import Response, get
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import QueryParameter

from api.guard.tenancy import Caller
from api.http.wire import refusals
from api.identity.scopes import AGGREGATES_READ, require
from api.routes.parts import (
    READ_POSITION,
    SUMMARY_ONLY,
    AspectInPath,
    AssetInPath,
    From,
    ReadAfter,
    To,
    given_parameters,
    response_of,
)
from api.series.aggregates import PATH_V4, Request, answer_dialect, answer_own, answered
from api.services import Serving
from schemas.filling import Fill
from schemas.intervals import VALUES_V3, VALUES_V4, Unit
from schemas.screen import Method

PATH_V3 = "/api/iottsaggregates/v3/aggregates"
PATH_ALIAS = "/api/iottimeseries/v3/aggregates"
"""Old clients call v3 so (wire 1.7)."""
PATH_OWN = "/api/aspectstore/v1/aggregates"

_TAGS = ["aggregates"]
_REFUSALS = refusals(400, 401, 403, 404, 410, 503)
_OBJECT = ResponseSpec(dict[str, Any], generate_examples=False, description="`aggregates`: the intervals.")
_ARRAY = ResponseSpec(list[dict[str, Any]], generate_examples=False, description="The intervals.")
_OWN = ResponseSpec(
    dict[str, Any], generate_examples=False, description="`aggregates`, or with `maxPoints` `points`."
)


def _units(values: Mapping[Unit, range]) -> dict[str, Any]:
    return {"enum": [word for unit in values for word in (unit.value, unit.value.upper())]}


AssetId = Annotated[str, QueryParameter(name="assetId", description="Asset id.")]
AspectName = Annotated[str, QueryParameter(name="aspectName", description="Name of the aspect.")]
IntervalUnit = Annotated[
    str | None,
    QueryParameter(
        name="intervalUnit", description="In any case; left out: follows.", schema_extra=_units(VALUES_V4)
    ),
]
IntervalUnitV3 = Annotated[
    str | None,
    QueryParameter(
        name="intervalUnit", description="In any case; left out: follows.", schema_extra=_units(VALUES_V3)
    ),
]
IntervalValue = Annotated[
    str | None,
    QueryParameter(
        name="intervalValue",
        description="minute 2 to 60 (even), hour 1 to 24, day 1 to 90, week 1 to 12, month 1 to 3.",
        schema_extra={"pattern": "^[0-9]{1,2}$"},
    ),
]
IntervalValueV3 = Annotated[
    str | None,
    QueryParameter(
        name="intervalValue",
        description="second 1 to 120, minute 1 to 60, hour 1 to 24, day, week, month from 1.",
        schema_extra={"pattern": "^[0-9]{1,5}$"},
    ),
]
Count = Annotated[
    str | None,
    QueryParameter(description="How many intervals, where an end or the interval is left out.",
                   schema_extra={"pattern": "^[0-9]{1,6}$"}),
]  # fmt: skip
Select = Annotated[
    str | None, QueryParameter(description="Variables or functions of them, divided by commas: `a,b.sum`.")
]
Timezone = Annotated[str | None, QueryParameter(description="IANA zone; left out: the asset's.")]
Functions = Annotated[
    str | None,
    QueryParameter(
        description="Divided by commas; beside those of the dialect `timeaverage`, `durationgood`, "
        "`durationuncertain`, `durationbad` (milliseconds) and percentiles such as `p95`."
    ),
]
Quality = Annotated[
    str | None,
    QueryParameter(
        description="Classes whose values enter the functions; others are only counted.",
        schema_extra={"enum": ["good", "good,uncertain"]},
    ),
]
MaxHold = Annotated[
    str | None,
    QueryParameter(
        name="maxHold",
        description="The longest time that a value holds, as `90s`, `15m`, `1d`; left out: three times the "
        "usual distance of values, at most an hour.",
        schema_extra={"pattern": "^[0-9]{1,9}(ms|s|m|h|d)$"},
    ),
]
Filling = Annotated[
    str | None,
    QueryParameter(
        name="fill",
        description="What intervals without values say.",
        schema_extra={"enum": [word.value for word in Fill]},
    ),
]
MaxPoints = Annotated[
    str | None,
    QueryParameter(
        name="maxPoints",
        description="Points for a picture instead of intervals: so many a variable at most.",
        schema_extra={"pattern": "^[0-9]{1,5}$"},
    ),
]
PointsMethod = Annotated[
    str | None,
    QueryParameter(
        name="method",
        description="`screen`: first, last, lowest and highest of each column of pixels; `lttb`: the points "
        "that span the largest triangles.",
        schema_extra={"enum": [word.value for word in Method]},
    ),
]


def _name_of_v3(_handler: Any, _method: Any, path: list[Any]) -> str:
    """Name the operation of each of the two paths of version 3."""
    return "getAggregatesV3" if "iottsaggregates" in path else "getAggregatesAlias"


@get(
    PATH_V4,
    opt=require(AGGREGATES_READ),
    responses={**_REFUSALS, 200: _OBJECT},
    response_headers=[READ_POSITION, SUMMARY_ONLY],
    operation_id="getAggregates",
    tags=_TAGS,
)
async def get_aggregates(
    request: Caller,
    services: Serving,
    *,
    asset_id: AssetId,
    aspect_name: AspectName,
    from_: From = None,
    to: To = None,
    interval_unit: IntervalUnit = None,
    interval_value: IntervalValue = None,
    count: Count = None,
    select: Select = None,
    read_after: ReadAfter = None,
) -> Response[bytes]:
    """Aggregate numeric variables over intervals start < t ≤ end; ends move out to whole intervals (MS-60).

    What is left out follows from the rest: without anything, 7 days until now by day.
    """
    parameters = given_parameters(
        from_=from_,
        to=to,
        intervalUnit=interval_unit,
        intervalValue=interval_value,
        count=count,
        select=select,
    )
    asked = Request(request.user, asset_id, aspect_name, parameters, VALUES_V4, read_after)
    answer = await answer_dialect(services, asked)
    return response_of(answered(answer, "aggregates"))


@get(
    [PATH_V3 + "/{asset:str}/{aspect:str}", PATH_ALIAS + "/{asset:str}/{aspect:str}"],
    opt=require(AGGREGATES_READ),
    responses={**_REFUSALS, 200: _ARRAY},
    response_headers=[READ_POSITION, SUMMARY_ONLY],
    operation_id=_name_of_v3,
    tags=_TAGS,
)
async def get_aggregates_v3(
    request: Caller,
    services: Serving,
    *,
    asset: AssetInPath,
    aspect: AspectInPath,
    from_: From = None,
    to: To = None,
    interval_unit: IntervalUnitV3 = None,
    interval_value: IntervalValueV3 = None,
    select: Select = None,
    read_after: ReadAfter = None,
) -> Response[bytes]:
    """Aggregate as version 4 does, also by seconds, into an array (wire 2.1)."""
    parameters = given_parameters(
        from_=from_, to=to, intervalUnit=interval_unit, intervalValue=interval_value, select=select
    )
    asked = Request(request.user, asset, aspect, parameters, VALUES_V3, read_after)
    answer = await answer_dialect(services, asked)
    return response_of(answered(answer))


@get(
    PATH_OWN,
    opt=require(AGGREGATES_READ),
    responses={**_REFUSALS, 200: _OWN},
    response_headers=[READ_POSITION, SUMMARY_ONLY],
    operation_id="getOwnAggregates",
    tags=_TAGS,
)
async def get_own_aggregates(
    request: Caller,
    services: Serving,
    *,
    asset_id: AssetId,
    aspect_name: AspectName,
    from_: From = None,
    to: To = None,
    interval_unit: IntervalUnit = None,
    interval_value: IntervalValue = None,
    count: Count = None,
    select: Select = None,
    timezone: Timezone = None,
    functions: Functions = None,
    quality: Quality = None,
    max_hold: MaxHold = None,
    fill: Filling = None,
    max_points: MaxPoints = None,
    method: PointsMethod = None,
    read_after: ReadAfter = None,
) -> Response[bytes]:
    """Aggregate in any zone, by time, with percentiles, gaps filled; or choose points for a picture."""
    parameters = given_parameters(
        from_=from_, to=to, intervalUnit=interval_unit, intervalValue=interval_value, count=count,
        select=select, timezone=timezone, functions=functions, quality=quality, maxHold=max_hold, fill=fill,
        maxPoints=max_points, method=method,
    )  # fmt: skip
    asked = Request(request.user, asset_id, aspect_name, parameters, VALUES_V4, read_after)
    answer = await answer_own(services, asked)
    return response_of(answered(answer, "aggregates" if max_points is None else "points"))


ROUTES = (get_aggregates, get_aggregates_v3, get_own_aggregates)
