"""Aggregates v4 of the dialect: whole hours and their multiples, folded from the columns (wire 2.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec
import numpy as np
from litestar import Response, get
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import QueryParameter

from api.reading import Reading
from api.routes.series import READ_POSITION, From, ReadAfter, Select, To
from api.scopes import AGGREGATES_READ, require
from api.services import Serving
from api.tenancy import Caller
from api.wire import refusals
from schemas import codes
from schemas.aggregates import Aggregate, Interval, aggregate
from schemas.aspects import AspectType, VariableType
from schemas.columns import Ints
from schemas.errors import Invalid, Problem
from schemas.ids import SeriesId
from schemas.limits import DAY_MS, HOUR_MS, Profile
from schemas.queries import SeriesQuery, TimeRange, parse_series_query
from schemas.receipts import Place
from schemas.times import format_time
from storage.reader import Wanted

PATH = "/api/iottsaggregates/v4/aggregates"
NUMERIC = frozenset({VariableType.INT, VariableType.LONG, VariableType.DOUBLE})
HOURS_MAX = 24
PIECE_MS = 32 * DAY_MS
"""Read in one go: some 3 million rows where there is one a second."""


@get(
    PATH,
    opt=require(AGGREGATES_READ),
    responses={
        **refusals(400, 401, 403, 404, 410, 503),
        200: ResponseSpec(dict[str, Any], generate_examples=False, description="Aggregates"),
    },
    response_headers=[READ_POSITION],
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
    read_after: ReadAfter = None,
) -> Response[bytes]:
    """Aggregate numeric variables over intervals start < t ≤ end; ends move out to whole intervals.

    Without `to` the range ends now.
    """
    tenant = request.user.tenant
    series, aspect = services.index.series_of(tenant, asset_id, aspect_name)
    parameters = {"from": from_, "to": to, "select": select}
    given = {name: value for name, value in parameters.items() if value is not None}
    profile, now_ms = services.index.profile_of(tenant), services.ports.clock.now_ms()
    width_ms = _width_ms(interval_unit, interval_value)
    query = _query(given, aspect, now_ms=now_ms, profile=profile)
    borders = _borders(query.range, width_ms, profile.aggregate_intervals_max)
    chosen = [
        variable.id
        for variable in aspect.variables
        if variable.type in NUMERIC and (query.variable_ids is None or variable.id in query.variable_ids)
    ]
    after = () if read_after is None else services.series.places(tenant, read_after)
    intervals, behind = await _fold(services.series.reading, series, borders, chosen, after)
    items = [_item(found, aspect) for found in intervals]
    body = msgspec.json.encode({"aggregates": [item for item in items if item is not None]})
    headers = {} if behind is None else {"read-position": str(behind)}
    return Response(body, media_type="application/json", headers=headers)


ROUTES = (get_aggregates,)


def _query(given: Mapping[str, str], aspect: AspectType, *, now_ms: int, profile: Profile) -> SeriesQuery:
    """Read the range under the limit for aggregates of hours, not that for records (MS-47, design 7)."""
    relaxed = msgspec.structs.replace(profile, raw_range_ms_max=None)
    query, problems = parse_series_query(given, aspect, now_ms=now_ms, profile=relaxed)
    if "from" not in given:
        problems = [*problems, Problem("/from", codes.MISSING_PARAMETER, "from is missing.")]
    if query is None or problems:
        raise Invalid(problems)
    longest_ms = profile.aggregate_range_hour_ms_max
    if longest_ms is not None and query.range.end_ms - query.range.start_ms > longest_ms:
        message = f"At most {longest_ms // DAY_MS} days of hours at a time; send several requests."
        raise Invalid([Problem("/from", codes.INVALID_PARAMETER, message)])
    return query


async def _fold(
    reading: Reading, series: SeriesId, borders: Ints, chosen: Sequence[int], after: Sequence[Place]
) -> tuple[list[Interval], int | None]:
    """Read and fold piece by piece, so that no range needs more memory than one piece of it."""
    intervals: list[Interval] = []
    behind: int | None = None
    step = max(1, PIECE_MS // int(borders[1] - borders[0])) if len(borders) > 1 else 1
    for first in range(0, len(borders) - 1 if chosen else 0, step):
        piece = borders[first : first + step + 1]
        wanted = Wanted(int(piece[0]) + 1, int(piece[-1]) + 1, frozenset(chosen))
        rows = await reading.rows(series, wanted, after)
        intervals += aggregate(rows.columns, piece, chosen)
        behind = rows.behind if behind is None else behind  # the first is the lowest
    return intervals, behind


def _width_ms(unit: str, value: str) -> int:
    if unit.lower() != "hour":
        raise Invalid([Problem("/intervalUnit", codes.INVALID_PARAMETER, "intervalUnit is `hour`.")])
    hours = int(value) if value.isascii() and value.isdigit() and len(value) <= 2 else 0
    if not 1 <= hours <= HOURS_MAX:
        message = f"intervalValue is a whole number from 1 to {HOURS_MAX}."
        raise Invalid([Problem("/intervalValue", codes.INVALID_PARAMETER, message)])
    return hours * HOUR_MS


def _borders(span: TimeRange, width_ms: int, intervals_max: int) -> Ints:
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
