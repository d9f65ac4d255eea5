"""Files of every kind with one command each, over a whole service (SM-06, TF-06, TF-10, IX-08)."""

import csv
import io
import json
import lzma
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tinyflux import Point, TinyFlux

from client.models import Variable
from schemas.times import format_time

START_MS = 1_577_836_800_000
"""2020-01-01."""
BEGIN = "1970-01-01T00:00:00Z"
VARIABLES = (("temperature", "DOUBLE"), ("level", "INT"), ("label", "STRING"))
ROWS = [
    {"temperature": number * 0.1 + 1e-7, "level": number, "label": f'"{number}", °C'} for number in range(300)
]
STEP_MS = 1_500


def time_of(number):
    """Write the time of a row."""
    return format_time(START_MS + STEP_MS * number)


def records():
    """Give the rows as a read gives them."""
    return [{"_time": time_of(number), **row} for number, row in enumerate(ROWS)]


@pytest.fixture
def made(client):
    """Give what makes an asset by its name; its aspects are named as the presets name them."""
    if "acme.Readings" not in {kind.id for kind in client.list_aspect_types()}:
        variables = [Variable(name=name, data_type=kind) for name, kind in VARIABLES]
        client.create_aspect_type("acme.Readings", "Readings", variables)
        client.create_aspect_type("acme.Track", "Track", [Variable(name="visible", data_type="BOOLEAN")])
        aspects = dict.fromkeys(("logger", "imported", "air"), "acme.Readings") | {"tracking": "acme.Track"}
        client.create_asset_type("acme.Region", "Station", aspects)
    return lambda name, parent=None: client.create_asset(name, "acme.Region", parent)


def parquet():
    """Write the rows as Parquet."""
    out = io.BytesIO()
    pq.write_table(_table(), out)
    return out.getvalue()


def arrow():
    """Write the rows as an Arrow stream."""
    out, table = io.BytesIO(), _table()
    with pa.ipc.new_stream(out, table.schema) as writer:
        writer.write_table(table)
    return out.getvalue()


def _table():
    times = pa.array([START_MS + STEP_MS * number for number in range(len(ROWS))], pa.timestamp("ms", "UTC"))
    return pa.Table.from_pylist(ROWS).add_column(0, "_time", times)


def bulk_json():
    """Write the rows as clients of the dialect do: every value as a text (wire 3.1)."""
    return json.dumps([{name: str(value) for name, value in record.items()} for record in records()]).encode()


def json_readings():
    """Write each value as a reading of its own, the values of one variable after those of another (SM-06)."""
    readings = [
        {"timestamp": record["_time"], "sensor_name": name, "reading": record[name]}
        for name, _ in VARIABLES
        for record in records()
    ]
    return json.dumps(readings).encode()


KINDS = {
    "parquet": (parquet, "parquet", "imported", len(ROWS)),
    "arrow": (arrow, "arrow", "imported", len(ROWS)),
    "bulk-json": (bulk_json, "bulk-json", "air", len(ROWS)),
    "json": (json_readings, "json-records", "logger", 3 * len(ROWS)),
}
"""By kind: what writes the file, the preset, the aspect, and how many rows the file has."""


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_of_each_kind_imports_by_its_preset(command, client, made, tmp_path, kind):
    """Every row is stored and every value is equal, whole records and readings alike."""
    write, preset, aspect, count = KINDS[kind]
    path, asset = tmp_path / f"rows.{kind}", made(f"of-{kind}")
    path.write_bytes(write())

    # Only the dialect's files leave the aspect open.
    named = ("--aspect", aspect) if kind == "bulk-json" else ()
    done = command("import", path, "--type", preset, "--asset", asset.asset_id, *named)

    assert f"{count:,} rows: {count:,} stored, 0 duplicates, 0 refused" in done.stdout, (
        done.stdout + done.stderr
    )
    assert records() == list(client.read_all(asset.asset_id, aspect, start=BEGIN))


POINTS = [
    Point(
        time=datetime.fromtimestamp((START_MS + STEP_MS * number) / 1000, UTC),
        measurement="air",
        tags={"label": str(row["label"])},
        fields={"temperature": row["temperature"], "level": row["level"]},
    )
    for number, row in enumerate(ROWS)
]
"""The rows, with their text as a tag: TinyFlux has fields of numbers only."""


ROUND_TRIP = """name = "exported-tinyflux"
format = "tinyflux"
assetColumn = "tags.assetId"
aspectColumn = "measurement"
rules = [ { column = "tags.asset", skip = true } ]
newColumns = "extend"
"""


@pytest.mark.parametrize("compact", [False, True])
def test_a_store_that_tinyflux_wrote_goes_in_and_out(command, client, made, tmp_path, compact):
    """Its own library writes a file with either prefix; every value is equal in it, and after an export.

    Fields and tags become variables. The library reads what is exported, and it imports again (TF-06, TF-10).
    """
    path, asset = tmp_path / "store.csv", made(f"tinyflux-{compact}")
    store = TinyFlux(path)
    store.insert_multiple(POINTS, compact_key_prefixes=compact)
    store.close()

    done = command("import", path, "--type", "tinyflux", "--asset", asset.asset_id)

    assert "300 rows: 300 stored, 0 duplicates, 0 refused" in done.stdout, done.stdout + done.stderr
    assert records() == list(client.read_all(asset.asset_id, "air", start=BEGIN))

    back, form = tmp_path / "back.csv", "tinyflux-compact" if compact else "tinyflux"
    chosen = ("--asset", asset.asset_id, "--aspect", "air", "--format", form, "--bare", "--output", back)
    exported = command("export", *chosen)
    assert exported.returncode == 0, exported.stdout + exported.stderr
    store = TinyFlux(back)
    read = [(point.time, point.measurement, point.tags["label"], point.fields) for point in store.all()]
    store.close()
    assert [(each.time, each.measurement, each.tags["label"], each.fields) for each in POINTS] == read

    client.delete_records(asset.asset_id, "air", BEGIN, time_of(len(ROWS)))
    assert [] == list(client.read_all(asset.asset_id, "air", start=BEGIN))
    declared = tmp_path / "declared.toml"
    declared.write_text(ROUND_TRIP.replace("exported", f"exported-{str(compact).lower()}"))
    assert command("types", "add", declared).returncode == 0
    name = f"exported-{str(compact).lower()}-tinyflux"
    again = command("import", back, "--type", name, "--asset", asset.asset_id)
    assert "300 rows: 300 stored, 0 duplicates, 0 refused" in again.stdout, again.stdout + again.stderr
    assert records() == list(client.read_all(asset.asset_id, "air", start=BEGIN))


def movebank(individuals):
    """Write positions of individuals at the same times, some cells blank."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(["event-id", "visible", "timestamp", "location-long", "location-lat", "comments",
                     "individual-local-identifier"])  # fmt: skip
    for number in range(100):
        for place, name in enumerate(individuals):
            lat = "" if number % 7 == place else f"{10 + place}.{number:04d}"
            text = "two\nlines" if number == 9 else ""
            time = time_of(number).replace("T", " ").removesuffix("Z")
            writer.writerow([number, "true", time, f"{number}.5", lat, text, name])
    return out.getvalue()


def test_a_movebank_file_imports_by_its_preset(command, client, made, tmp_path):
    """Every individual is an asset: none overwrites another at the same time; blanks are absent (IX-08)."""
    study, path = made("study"), tmp_path / "study.csv"
    individuals = {f"bird {number}": made(f"bird {number}", study.asset_id) for number in range(4)}
    path.write_text(movebank(individuals), newline="")

    done = command("import", path, "--type", "movebank-csv", "--asset", study.asset_id)

    assert "400 rows: 400 stored, 0 duplicates, 0 refused" in done.stdout, done.stdout + done.stderr
    for place, asset in enumerate(individuals.values()):
        read = list(client.read_all(asset.asset_id, "tracking", start=BEGIN))
        assert [time_of(number) for number in range(100)] == [record["_time"] for record in read]
        for number, record in enumerate(read):
            lat = None if number % 7 == place else float(f"{10 + place}.{number:04d}")
            assert (True, number, number + 0.5, lat) == tuple(
                record.get(name) for name in ("visible", "event_id", "location_long", "location_lat")
            )
        assert ["two\nlines"] == [record["comments"] for record in read if "comments" in record]


AREAS = """name = "aqi-by-area"
description = "Air quality of areas, day by day: each area is an asset"
timeColumns = ["Date"]
timeFormats = ["%Y-%m-%d"]
zone = "UTC"
assetColumn = "CBSA"
aspect = "quality"
rules = [
  { column = "AQI", variable = "aqi", type = "INT" },
  { column = "Category", variable = "category" },
  { pattern = ".*", skip = true },
]
"""


def test_a_public_file_imports_by_a_declared_type(command, client, tmp_path, test_data):
    """24,608 days of air quality: all 34 areas are assets, every value equal."""
    path = test_data / "aqi" / "daily_aqi_by_cbsa_ca_2019-2020.csv.xz"
    with lzma.open(path, "rt", newline="") as text:
        rows = list(csv.DictReader(text))
    expected = {}
    for row in rows:
        record = {
            "_time": f"{row['Date']}T00:00:00.000Z",
            "aqi": int(row["AQI"]),
            "category": row["Category"],
        }
        expected.setdefault(row["CBSA"], []).append(record)
    variables = [Variable(name="aqi", data_type="INT"), Variable(name="category", data_type="STRING")]
    client.create_aspect_type("acme.Quality", "Quality", variables)
    client.create_asset_type("acme.County", "Area", {"quality": "acme.Quality"})
    state = client.create_asset("California", "acme.County")
    areas = {name: client.create_asset(name, "acme.County", state.asset_id) for name in expected}
    declared = tmp_path / "aqi.toml"
    declared.write_text(AREAS)

    added = command("types", "add", declared)
    done = command("import", path, "--type", "aqi-by-area", "--asset", state.asset_id)

    assert (34, 0) == (len(areas), added.returncode), added.stderr
    assert "24,608 rows: 24,608 stored, 0 duplicates, 0 refused" in done.stdout, done.stdout + done.stderr
    for name, asset in areas.items():
        read = client.read_all(asset.asset_id, "quality", start=BEGIN)
        assert sorted(expected[name], key=lambda record: record["_time"]) == list(read), name
