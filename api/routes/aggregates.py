"""Aggregates v4 of the dialect: whole hours and their multiples, folded from the columns (wire 2.2)."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import numpy as np
from litestar import Response, get
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import QueryParameter

from api.routes.series import From, Select, To
from api.scopes import AGGREGATES_READ, require
from api.services import Serving
from api.tenancy import Caller
from api.wire import refusals
from schemas import codes
from schemas.aggregates import Aggregate, Interval, aggregate
from schemas.aspects import AspectType, VariableType
from schemas.errors import Invalid, Problem
from schemas.limits import HOUR_MS
from schemas.queries import TimeRange, parse_series_query
from schemas.times import format_time
from storage.reader import Wanted

PATH = "/api/iottsaggregates/v4/aggregates"
NUMERIC = frozenset({VariableType.INT, VariableType.LONG, VariableType.DOUBLE})
HOURS_MAX = 24


@get(
    PATH,
    opt=require(AGGREGATES_READ),
    responses={
        **refusals(400, 401, 403, 404, 503),
        200: ResponseSpec(dict[str, Any], generate_examples=False, description="Aggregates"),
    },
    operation_id="getAggregates",
    tags=["aggregates"],
)
async def get_aggregates(
    request: Caller,
    services: Serving,
    *,
    asset_id: Annotated[str, QueryParameter(name="assetId", description="Asset id.")],
    aspect_name: Annotated[str, QueryParameter(name="aspectName", description="Name of the aspect.")],
    from_: From = None,
    to: To = None,
    interval_unit: Annotated[
        str,
        QueryParameter(name="intervalUnit", description="`hour`.", schema_extra={"enum": ["hour", "HOUR"]}),
    ] = "hour",
    interval_value: Annotated[
        str,
        QueryParameter(
            name="intervalValue", description="Hours, 1 to 24.", schema_extra={"pattern": "^[0-9]{1,2}$"}
        ),
    ] = "1",
    select: Select = None,
) -> Response[bytes]:
    """Aggregate numeric variables over intervals start < t ≤ end; ends move out to whole intervals."""
    series, aspect = await services.index.find_series(request.user.tenant, asset_id, aspect_name)
    width_ms = _width_ms(interval_unit, interval_value)
    parameters = {"from": from_, "to": to, "select": select}
    query, problems = parse_series_query(
        {name: value for name, value in parameters.items() if value is not None},
        aspect,
        now_ms=services.ports.clock.now_ms(),
        profile=services.index.profile_of(request.user.tenant),
    )
    if from_ is None or to is None:
        problems = [*problems, Problem("/from", codes.MISSING_PARAMETER, "Give from and to.")]
    if query is None or problems:
        raise Invalid(problems)
    borders = _borders(
        query.range, width_ms, services.index.profile_of(request.user.tenant).aggregate_intervals_max
    )
    chosen = [
        variable.id
        for variable in aspect.variables
        if variable.type in NUMERIC and (query.variable_ids is None or variable.id in query.variable_ids)
    ]
    wanted = Wanted(int(borders[0]) + 1, int(borders[-1]) + 1, frozenset(chosen))
    rows = await services.series.reading.rows(series, wanted)
    items = [_item(found, aspect) for found in aggregate(rows.columns, borders, chosen)]
    body = msgspec.json.encode({"aggregates": [item for item in items if item is not None]})
    return Response(body, media_type="application/json")


ROUTES = (get_aggregates,)


def _width_ms(unit: str, value: str) -> int:
    if unit.lower() != "hour":
        raise Invalid([Problem("/intervalUnit", codes.INVALID_PARAMETER, "intervalUnit is `hour`.")])
    hours = int(value) if value.isascii() and value.isdigit() and len(value) <= 2 else 0
    if not 1 <= hours <= HOURS_MAX:
        message = f"intervalValue is a whole number from 1 to {HOURS_MAX}."
        raise Invalid([Problem("/intervalValue", codes.INVALID_PARAMETER, message)])
    return hours * HOUR_MS


def _borders(span: TimeRange, width_ms: int, intervals_max: int) -> Any:
    """Move both ends outward to whole intervals, in UTC."""
    first = (span.start_ms - 1) // width_ms
    last = -(-(span.end_ms - 1) // width_ms)
    if last - first > intervals_max:
        message = f"The range has {last - first} intervals; at most {intervals_max} are answered at a time."
        raise Invalid([Problem("/to", codes.INVALID_PARAMETER, message)])
    return np.arange(first, last + 1, dtype="<i8") * width_ms


def _item(interval: Interval, aspect: AspectType) -> dict[str, Any] | None:
    """Write one interval; variables with nothing but bad values are left out (design 8.27)."""
    item: dict[str, Any] = {
        "starttime": format_time(interval.start_ms),
        "endtime": format_time(interval.end_ms),
    }
    for variable in aspect.variables:
        found = interval.variables.get(variable.id)
        if found is not None and found.sum is not None:
            item[variable.name] = _functions(found)
    return item if len(item) > 2 else None


def _functions(found: Aggregate) -> dict[str, Any]:
    times = {
        "firsttime": found.first_ms,
        "lasttime": found.last_ms,
        "mintime": found.minimum_ms,
        "maxtime": found.maximum_ms,
    }
    return {
        "countgood": found.count_good,
        "countuncertain": found.count_uncertain,
        "countbad": found.count_bad,
        "sum": found.sum,
        "average": found.average,
        "minvalue": found.minimum,
        "maxvalue": found.maximum,
        "firstvalue": found.first,
        "lastvalue": found.last,
        **{name: format_time(time_ms) for name, time_ms in times.items() if time_ms is not None},
        "sd": found.deviation,
    }
