"""Sensor metadata: what a variable of an asset measures, where, with what, and how long so (SM-20, SM-21).

Readings carry no metadata. A sensor ties one (asset, aspect, variable) to its quantity, statistic, height,
orientation and instrument, so that "all wind speeds at 80 m" is one selection, whatever columns are called.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import pairwise
from typing import Annotated, NamedTuple, TypeVar

import msgspec

from schemas.aspects import is_lawful_name
from schemas.errors import Malformed, TooLarge
from schemas.ids import AssetId
from schemas.limits import MB, NAME_CHARACTERS_MAX, TIME_MS_MAX, TIME_MS_MIN, VARIABLE_NAME_CHARACTERS_MAX
from schemas.zones import zone_of

KIND = "sensors"
"""Of the catalogue's document that keeps what is known of an asset's sensors, under the asset's id."""
SENSORS_MAX = 10_000
"""Of one document of the data model, and of one answer: a hundred masts with all sensors and statistics."""
SENSORS_OF_ASSET_MAX = 2_000
"""A document of the catalogue with so many is half a megabyte."""
SENSOR_DOCUMENT_BYTES_MAX = 8 * MB
"""Forty sensors with their calibrations take 50 kB."""

Word = Annotated[str, msgspec.Meta(max_length=NAME_CHARACTERS_MAX)]
Metres = Annotated[float, msgspec.Meta(ge=-12_000, le=100_000)]
"""From the deepest sea to space."""
Degrees = Annotated[float, msgspec.Meta(ge=0, le=360)]
TimeMs = Annotated[int, msgspec.Meta(ge=TIME_MS_MIN, le=TIME_MS_MAX)]


class Instrument(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """The device that measures."""

    maker: Word = ""
    model: Word = ""
    serial: Word = ""


class Sensor(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True
):
    """What one variable of one asset is, for a time."""

    asset: Word
    aspect: Word
    variable: Word
    quantity: Word = ""
    """`wind_speed`, `air_temperature` …, in the words of the IEA Wind Task 43 model."""
    statistic: Word = ""
    """`avg`, `sd`, `min`, `max`, `sum` …: what the logger made of its samples."""
    unit: Word = ""
    height_m: Metres | None = None
    orientation_deg: Degrees | None = None
    """Where the boom points, from north as the logger's settings count it."""
    instrument: Instrument | None = None
    source_column: Annotated[str, msgspec.Meta(max_length=255)] = ""
    """What logger files call it."""
    from_ms: TimeMs | None = None
    """Valid from then on; None: always."""
    to_ms: TimeMs | None = None
    """… and before then."""
    slope: float | None = None
    """The calibration that the logger applied already; it changes nothing here (SM-22)."""
    offset: float | None = None

    def is_valid_at(self, time_ms: int) -> bool:
        """Tell whether it holds at an instant."""
        after = self.from_ms is None or self.from_ms <= time_ms
        return after and (self.to_ms is None or time_ms < self.to_ms)


class AssetSensors(msgspec.Struct, frozen=True, kw_only=True):
    """The sensors of one asset, as the catalogue keeps them: `Sensor.aspect` is the aspect's id there."""

    asset: AssetId
    sensors: tuple[Sensor, ...]


class Selector(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Which sensors are meant; what is left out selects all."""

    asset: Word = ""
    aspect: Word = ""
    quantity: Word = ""
    statistic: Word = ""
    height_m: Metres | None = None
    height_from_m: Metres | None = None
    height_to_m: Metres | None = None
    orientation_deg: Degrees | None = None
    serial: Word = ""
    """Of the instrument."""
    at_ms: TimeMs | None = None
    """Valid at this instant."""


def select_sensors(sensors: Iterable[Sensor], selector: Selector) -> list[Sensor]:
    """Give the sensors that are meant, in their order ("all wind speeds at 80 m", SM-20)."""
    return [sensor for sensor in sensors if _is_meant(sensor, selector)]


def _is_meant(sensor: Sensor, wanted: Selector) -> bool:
    height = sensor.height_m
    words = (
        (wanted.asset, sensor.asset),
        (wanted.aspect, sensor.aspect),
        (wanted.quantity, sensor.quantity),
        (wanted.statistic, sensor.statistic),
        (wanted.serial, "" if sensor.instrument is None else sensor.instrument.serial),
    )
    return (
        all(word in {"", told} for word, told in words)
        and wanted.height_m in {None, height}
        and (wanted.height_from_m is None or (height is not None and height >= wanted.height_from_m))
        and (wanted.height_to_m is None or (height is not None and height <= wanted.height_to_m))
        and wanted.orientation_deg in {None, sensor.orientation_deg}
        and (wanted.at_ms is None or sensor.is_valid_at(wanted.at_ms))
    )


def columns_of(sensors: Iterable[Sensor]) -> dict[str, Sensor]:
    """Tell the sensor of each source column: of several the one that is valid longest."""
    found: dict[str, Sensor] = {}
    for sensor in sensors:
        old = found.get(sensor.source_column)
        if sensor.source_column and (old is None or _end(sensor) > _end(old)):
            found[sensor.source_column] = sensor
    return found


def _end(sensor: Sensor) -> int:
    return TIME_MS_MAX + 1 if sensor.to_ms is None else sensor.to_ms


def variable_name(column: str) -> str:
    """Make a column's name the lawful name of a variable: `Wind Speed 10m` becomes `Wind_Speed_10m`."""
    name = re.sub(r"[^A-Za-z0-9_]+", "_", column).strip("_") or "column"
    most = VARIABLE_NAME_CHARACTERS_MAX
    return name[:most] if is_lawful_name(name[:most], most) else f"v_{name}"[:most]


# The data model of IEA Wind Task 43: https://github.com/IEA-Task-43/digital_wra_data_standard


def read_iea43(document: bytes, *, asset: str, aspect: str, zone: str = "UTC") -> list[Sensor]:
    """Read the sensors of a mast from its IEA Wind Task 43 document.

    Each column of each logger configuration is a sensor; its instrument and its boom are those of the same
    time. Columns that the document marks as ignored are left out. Dates without zone are of `zone`.
    Malformed where the document is not of this model.
    """
    if len(document) > SENSOR_DOCUMENT_BYTES_MAX:
        raise TooLarge(f"The document has more than {SENSOR_DOCUMENT_BYTES_MAX} bytes.")
    try:
        model = msgspec.json.decode(document, type=_Model)
    except msgspec.MsgspecError as error:
        raise Malformed(f"The document is not of the IEA Wind Task 43 data model: {error}.") from None
    found = zone_of(zone)
    if found is None:
        raise Malformed(f"{zone[:40]!r} is no zone.")
    points = (point for place in model.measurement_location for point in place.measurement_point)
    sensors = [sensor for point in points for sensor in _of_point(point, asset, aspect, found)]
    if len(sensors) > SENSORS_MAX:
        raise TooLarge(f"The document has {len(sensors)} sensors; at most {SENSORS_MAX} are read.")
    try:
        # What is made here is under no rule of its type yet, and whoever reads it later demands them.
        return msgspec.convert(msgspec.to_builtins(sensors), list[Sensor])
    except msgspec.ValidationError as error:
        raise Malformed(f"The document tells of what no sensor can be: {error}.") from None


class _Loose(msgspec.Struct, frozen=True):
    """Of the model only what a sensor needs; other members are left unread."""

    date_from: str | None = None
    date_to: str | None = None


class _Column(msgspec.Struct, frozen=True):
    column_name: str
    statistic_type_id: str | None = None
    is_ignored: bool | None = None


class _Configuration(_Loose, frozen=True):
    slope: float | None = None
    offset: float | None = None
    measurement_units_id: str | None = None
    height_m: float | None = None
    serial_number: str | None = None
    column_name: tuple[_Column, ...] | None = None


class _Device(_Loose, frozen=True):
    oem: str | None = None
    model: str | None = None
    serial_number: str | None = None


class _Mounting(_Loose, frozen=True):
    boom_orientation_deg: float | None = None


class _Measured(msgspec.Struct, frozen=True):
    name: str = ""
    measurement_type_id: str = ""
    height_m: float | None = None
    sensor: tuple[_Device, ...] | None = None
    mounting_arrangement: tuple[_Mounting, ...] | None = None
    logger_measurement_config: tuple[_Configuration, ...] | None = None


class _Place(msgspec.Struct, frozen=True):
    measurement_point: tuple[_Measured, ...]


class _Model(msgspec.Struct, frozen=True):
    measurement_location: tuple[_Place, ...]


class _Span(NamedTuple):
    """Valid from, and before; both in milliseconds."""

    begin: int
    end: int


_ALWAYS = _Span(TIME_MS_MIN, TIME_MS_MAX)
_Dated = TypeVar("_Dated", bound=_Loose)


def _of_point(point: _Measured, asset: str, aspect: str, zone: tzinfo) -> Iterator[Sensor]:
    """Give a sensor for each column and each time in which nothing about it changed."""
    dated = [*(point.sensor or ()), *(point.mounting_arrangement or ())]
    changes = {border for one in dated for border in _span(one, zone)}
    for configuration in point.logger_measurement_config or ():
        span = _span(configuration, zone)
        borders = sorted({*span, *(border for border in changes if span.begin < border < span.end)})
        for begin, end in pairwise(borders):
            device = _valid(point.sensor or (), begin, zone)
            mounting = _valid(point.mounting_arrangement or (), begin, zone)
            for column in configuration.column_name or ():
                if column.is_ignored:
                    continue
                yield Sensor(
                    asset=asset,
                    aspect=aspect,
                    variable=variable_name(column.column_name),
                    quantity=point.measurement_type_id,
                    statistic=column.statistic_type_id or "",
                    unit=configuration.measurement_units_id or "",
                    height_m=configuration.height_m if point.height_m is None else point.height_m,
                    orientation_deg=None if mounting is None else mounting.boom_orientation_deg,
                    instrument=None if device is None else _instrument(device),
                    source_column=column.column_name,
                    from_ms=None if begin == _ALWAYS.begin else begin,
                    to_ms=None if end == _ALWAYS.end else end,
                    slope=configuration.slope,
                    offset=configuration.offset,
                )


def _instrument(device: _Device) -> Instrument:
    return Instrument(maker=device.oem or "", model=device.model or "", serial=device.serial_number or "")


def _valid(dated: Sequence[_Dated], time_ms: int, zone: tzinfo) -> _Dated | None:
    for one in dated:
        span = _span(one, zone)
        if span.begin <= time_ms < span.end:
            return one
    return None


def _span(one: _Loose, zone: tzinfo) -> _Span:
    """The model's last date is still inside; ours is the first one outside."""
    begin = _ALWAYS.begin if one.date_from is None else _time_ms(one.date_from, zone)
    end = _ALWAYS.end if one.date_to is None else _time_ms(one.date_to, zone) + 1
    return _Span(begin, end)


def _time_ms(text: str, zone: tzinfo) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Malformed(f"{text[:40]!r} is no date of the IEA Wind Task 43 data model.") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
