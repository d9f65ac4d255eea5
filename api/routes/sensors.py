"""Metadata of sensors: select, get, replace, load from the IEA Wind Task 43 data model (SM-20, SM-21)."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Response, get, post, put
from litestar.params import JSONBody, PathParameter, QueryParameter

from api.assets.sensors import Sensors
from api.guard.tenancy import Caller
from api.http.hal import preconditions
from api.http.wire import refusals
from api.identity.scopes import ASSETS_READ, ASSETS_WRITE, require
from api.routes.parts import named_header
from api.services import Services, Serving
from schemas import codes
from schemas.errors import Invalid, Malformed, Problem
from schemas.sensors import SENSOR_DOCUMENT_BYTES_MAX, Selector, Sensor
from schemas.times import parse_time

PATH = "/api/aspectstore/v1/sensors"

ETAG = named_header("ETag", "Version of the asset's metadata; absent where there are none.")

_TAGS = ["sensors"]

AssetInPath = Annotated[str, PathParameter(description="Id of an asset.")]
Asset = Annotated[str, QueryParameter(description="Of this asset only.")]
Aspect = Annotated[str, QueryParameter(description="Of aspects of this name.")]
Quantity = Annotated[str, QueryParameter(description="`wind_speed`, `air_temperature` …")]
Statistic = Annotated[str, QueryParameter(description="`avg`, `sd`, `min`, `max` …")]
Serial = Annotated[str, QueryParameter(description="Serial number of the instrument.")]
Height = Annotated[float | None, QueryParameter(name="heightM", description="Exactly so high.")]
HeightFrom = Annotated[float | None, QueryParameter(name="heightFromM", description="So high at least.")]
HeightTo = Annotated[float | None, QueryParameter(name="heightToM", description="So high at most.")]
Orientation = Annotated[float | None, QueryParameter(name="orientationDeg", description="Of the boom.")]
At = Annotated[str | None, QueryParameter(description="Valid at this instant, RFC 3339.")]
LoadedAspect = Annotated[str, QueryParameter(name="aspect", description="Whose variables they are.")]
Zone = Annotated[str, QueryParameter(description="Of dates without one: IANA name or `+01:00`.")]


class SensorsIn(msgspec.Struct, forbid_unknown_fields=True):
    """What is known of an asset's sensors."""

    sensors: list[Sensor]


class SensorsOut(msgspec.Struct):
    """Sensors: those of an asset, or those that a selection means."""

    sensors: list[Sensor]


@get(
    PATH,
    opt=require(ASSETS_READ),
    responses=refusals(400, 401, 403, 404, 413, 503),
    operation_id="selectSensors",
    tags=_TAGS,
)
async def select_sensors(
    request: Caller,
    services: Serving,
    *,
    asset: Asset = "",
    aspect: Aspect = "",
    quantity: Quantity = "",
    statistic: Statistic = "",
    serial: Serial = "",
    height_m: Height = None,
    height_from_m: HeightFrom = None,
    height_to_m: HeightTo = None,
    orientation_deg: Orientation = None,
    at: At = None,
) -> SensorsOut:
    """List the sensors that are meant, by asset id; what is left out selects all.

    `quantity=wind_speed&heightM=80` are all wind speeds at 80 m, whatever their variables are called.
    """
    if asset:
        await services.access.own_asset(request.user, asset)
    selector = Selector(
        asset=asset,
        aspect=aspect,
        quantity=quantity,
        statistic=statistic,
        serial=serial,
        height_m=height_m,
        height_from_m=height_from_m,
        height_to_m=height_to_m,
        orientation_deg=orientation_deg,
        at_ms=None if at is None else _instant(at),
    )
    return SensorsOut(_sensors(services).selected(request.user, selector))


@get(
    f"{PATH}/{{asset:str}}",
    opt=require(ASSETS_READ),
    responses=refusals(401, 403, 404, 503),
    response_headers=[ETAG],
    operation_id="getSensors",
    tags=_TAGS,
)
async def get_sensors(request: Caller, services: Serving, asset: AssetInPath) -> Response[SensorsOut]:
    """Give what is known of an asset's sensors."""
    return _answer(*await _sensors(services).find(request.user, asset))


@put(
    f"{PATH}/{{asset:str}}",
    opt=require(ASSETS_WRITE, action="sensors.put"),
    responses=refusals(400, 401, 403, 404, 408, 412, 413, 415, 503),
    response_headers=[ETAG],
    operation_id="putSensors",
    tags=_TAGS,
)
async def put_sensors(
    request: Caller, services: Serving, asset: AssetInPath, data: JSONBody[SensorsIn]
) -> Response[SensorsOut]:
    """Replace what is known of an asset's sensors, under `If-Match` where anything is; no sensors: forget.

    A variable need not be there yet; a replaced instrument is two sensors of one variable, each with its
    validity.
    """
    found = await _sensors(services).put(request.user, asset, data.sensors, preconditions(request))
    return _answer(*found)


@post(
    f"{PATH}/{{asset:str}}/iea43",
    status_code=200,
    opt=require(ASSETS_WRITE, action="sensors.load"),
    request_max_body_size=SENSOR_DOCUMENT_BYTES_MAX,
    responses=refusals(400, 401, 403, 404, 408, 409, 413, 415, 503),
    response_headers=[ETAG],
    operation_id="loadSensors",
    tags=_TAGS,
)
async def load_sensors(
    request: Caller,
    services: Serving,
    *,
    asset: AssetInPath,
    data: JSONBody[dict[str, Any]],
    aspect: LoadedAspect,
    zone: Zone = "UTC",
) -> Response[SensorsOut]:
    """Take in the sensors of an aspect from a document of the IEA Wind Task 43 data model.

    Each column of each logger configuration that is not ignored is a sensor of the variable of its name. They
    take the place of what was known of the aspect, so the same again changes nothing.
    """
    document = msgspec.json.encode(data)
    return _answer(*await _sensors(services).load_iea43(request.user, asset, aspect, zone, document))


ROUTES = (select_sensors, get_sensors, put_sensors, load_sensors)


def _sensors(services: Services) -> Sensors:
    return Sensors(services.ports.catalog, services.index, services.access)


def _answer(sensors: list[Sensor], version: int | None) -> Response[SensorsOut]:
    headers = {} if version is None else {"etag": f'"{version}"'}
    return Response(SensorsOut(sensors), headers=headers)


def _instant(text: str) -> int:
    try:
        return parse_time(text)
    except Malformed as error:
        raise Invalid([Problem("/at", codes.INVALID_PARAMETER, error.message)]) from error
