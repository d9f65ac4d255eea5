"""Sensor metadata are read from the IEA Wind Task 43 model and selected by what they say (SM-20, SM-21)."""

import json
from pathlib import Path

import msgspec
import pytest

from schemas.errors import Malformed, TooLarge
from schemas.sensors import (
    SENSOR_DOCUMENT_BYTES_MAX,
    Instrument,
    Selector,
    Sensor,
    columns_of,
    read_iea43,
    select_sensors,
    variable_name,
)
from schemas.times import parse_time


@pytest.fixture(scope="module")
def sensors(test_data: Path) -> list[Sensor]:
    """The sensors of a real mast."""
    return read_iea43(
        (test_data / "mast/iea43_wra_data_model.json").read_bytes(), asset="mast", aspect="logger"
    )


def test_every_column_of_the_model_is_a_sensor(sensors: list[Sensor], test_data: Path) -> None:
    """Each column of each logger configuration is there, none is made up."""
    model = json.loads((test_data / "mast/iea43_wra_data_model.json").read_text())
    columns = {
        column["column_name"]
        for point in model["measurement_location"][0]["measurement_point"]
        for configuration in point["logger_measurement_config"]
        for column in configuration["column_name"]
    }

    assert columns == set(columns_of(sensors))
    assert Sensor(
        asset="mast", aspect="logger", variable="Spd80mN", quantity="wind_speed", statistic="avg", unit="m/s",
        height_m=80.0, orientation_deg=360.0, source_column="Spd80mN",
        from_ms=parse_time("2016-01-09T15:30:00Z"),
        instrument=Instrument(maker="Thies", model="First Class Advanced", serial="0654321"), slope=0.046,
        offset=0.243,
    ) == columns_of(sensors)["Spd80mN"]  # fmt: skip


def test_a_replaced_instrument_is_valid_for_its_own_time(sensors: list[Sensor]) -> None:
    """A vane that was replaced is two sensors of one variable, one before and one after (SM-25)."""
    wanted = Selector(quantity="wind_direction", height_m=58, statistic="avg")
    found = select_sensors(sensors, wanted)

    assert ["0587654", "0587655"] == [one.instrument.serial for one in found if one.instrument]
    for moment, serial in (("2016-06-01T00:00:00Z", "0587654"), ("2018-01-01T00:00:00Z", "0587655")):
        at = msgspec.structs.replace(wanted, at_ms=parse_time(moment))
        assert [serial] == [one.instrument.serial for one in select_sensors(sensors, at) if one.instrument]
    assert "0587655" == columns_of(sensors)["Dir58mS"].instrument.serial


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        (Selector(quantity="wind_speed", height_m=80, statistic="avg"), ["Spd80mN", "Spd80mS"]),
        (
            Selector(quantity="wind_speed", statistic="avg", orientation_deg=360),
            ["Spd40mN", "Spd60mN", "Spd80mN"],
        ),
        (Selector(height_from_m=50, height_to_m=60, statistic="max"), ["Spd60mNMax", "Spd60mSMax"]),
        (Selector(serial="02468"), ["Spd80mS", "Spd80mSMax", "Spd80mSStd"]),
        (Selector(asset="other"), []),
        (Selector(aspect="logger", quantity="air_pressure"), ["P2m"]),
        (Selector(height_to_m=1), []),
    ],
)
def test_sensors_are_selected_by_what_they_are(
    sensors: list[Sensor], selector: Selector, expected: list[str]
) -> None:
    """All wind speeds at 80 m are one selection, whatever the columns are called (SM-20)."""
    assert expected == sorted({sensor.variable for sensor in select_sensors(sensors, selector)})


def test_dates_without_zone_are_those_of_the_mast(test_data: Path) -> None:
    """Where a logger runs on local time, validity is in local time."""
    octets = (test_data / "mast/iea43_wra_data_model.json").read_bytes()

    (first, *_) = read_iea43(octets, asset="mast", aspect="logger", zone="+01:00")

    assert parse_time("2016-01-09T14:30:00Z") == first.from_ms


@pytest.mark.parametrize(
    "octets",
    [
        b"{}",
        b"[",
        b'{"measurement_location":[{"measurement_point":[{"sensor":[{"date_from":"x"}]}]}]}',
    ],
)
def test_other_documents_are_refused(octets: bytes) -> None:
    """What is not of the model says so."""
    with pytest.raises(Malformed, match="IEA Wind Task 43"):
        read_iea43(octets, asset="mast", aspect="logger")


@pytest.mark.parametrize(
    ("member", "value"),
    [("height_m", 1e308), ("measurement_type_id", "x" * 5_000), ("date_to", "9999-12-31T23:59:59-23:00")],
)
def test_what_no_sensor_can_be_is_refused(member: str, value: object) -> None:
    """One that is read demands what one that is sent demands, so what is kept can be read again (SM-20)."""
    configuration = {"date_from": "2020-01-01", "column_name": [{"column_name": "a"}]}
    point = {"logger_measurement_config": [configuration]}
    (configuration if member == "date_to" else point)[member] = value
    document = msgspec.json.encode({"measurement_location": [{"measurement_point": [point]}]})

    with pytest.raises(Malformed, match="what no sensor can be"):
        read_iea43(document, asset="mast", aspect="logger")


def test_a_document_has_limits() -> None:
    """A document beyond its limit is refused before it is parsed, an unknown zone before it is used."""
    with pytest.raises(TooLarge):
        read_iea43(b" " * (SENSOR_DOCUMENT_BYTES_MAX + 1), asset="mast", aspect="logger")
    with pytest.raises(Malformed, match="is no zone"):
        read_iea43(b'{"measurement_location":[]}', asset="mast", aspect="logger", zone="x")


def test_a_sensor_survives_its_document() -> None:
    """Metadata are written and read back whole, without members that say nothing."""
    sensor = Sensor(asset="a", aspect="b", variable="c", height_m=80.0, instrument=Instrument(serial="1"))

    octets = msgspec.json.encode(sensor)

    assert {"asset", "aspect", "variable", "heightM", "instrument"} == json.loads(octets).keys()
    assert sensor == msgspec.json.decode(octets, type=Sensor)


@pytest.mark.parametrize(
    ("column", "name"),
    [("Wind Speed 10m", "Wind_Speed_10m"), ("M(m/s)", "M_m_s"), ("10m", "v_10m"), ("°", "column"),
     ("a" * 99, "a" * 64), ("_time", "time")],
)  # fmt: skip
def test_a_column_gives_a_lawful_name(column: str, name: str) -> None:
    """Names of variables are made of names of columns, always lawful ones (SM-09)."""
    assert name == variable_name(column)
