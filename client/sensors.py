"""Metadata of sensors as calls: select, load from the IEA Wind Task 43 data model (SM-20, SM-21)."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, urlencode

import msgspec

from client.calls import JSON, Call, Request, Response, decode

PATH = "/api/aspectstore/v1/sensors"


class SensorInstrument(msgspec.Struct, rename="camel"):
    """The device that measures."""

    maker: str = ""
    model: str = ""
    serial: str = ""


class Sensor(msgspec.Struct, rename="camel"):
    """What one variable of one asset is, for a time."""

    asset: str
    aspect: str
    variable: str
    quantity: str = ""
    statistic: str = ""
    unit: str = ""
    height_m: float | None = None
    orientation_deg: float | None = None
    instrument: SensorInstrument | None = None
    source_column: str = ""
    from_ms: int | None = None
    to_ms: int | None = None


class _Sensors(msgspec.Struct):
    sensors: list[Sensor]


def select_sensors(wanted: Mapping[str, str]) -> Call[list[Sensor]]:
    """List the sensors that are meant, by words of the service such as `quantity` and `heightM`."""
    query = f"?{urlencode(wanted)}" if wanted else ""
    return Call(Request("GET", PATH + query), _listed)


def load_sensors(asset_id: str, aspect: str, document: bytes, zone: str) -> Call[list[Sensor]]:
    """Take in the sensors of an aspect from a document of the data model; gives all of the asset."""
    query = urlencode({"aspect": aspect, "zone": zone})
    path = f"{PATH}/{quote(asset_id, safe='')}/iea43?{query}"
    return Call(Request("POST", path, {"content-type": JSON}, document), _listed)


def _listed(response: Response) -> list[Sensor]:
    return decode(response, _Sensors).sensors
