"""The official Python client of InfluxDB over a whole service, on both stores (IX-03 … IX-09)."""

from __future__ import annotations

import csv
import warnings
from collections import defaultdict

import httpx
import pytest
from influxdb_client import InfluxDBClient, Point, WriteOptions
from influxdb_client.client.exceptions import InfluxDBError
from influxdb_client.client.write_api import SYNCHRONOUS

from tests.e2e.birds import BIRDS, ROWS, write_file
from tests.e2e.conftest import CREDENTIALS

BEGIN_S = 1_243_432_800
BATCH = WriteOptions(batch_size=50_000, flush_interval=10_000)
NUMBERS = {"location-long": "location_long", "location-lat": "location_lat", "heading": "heading"}


@pytest.fixture
def token(client, service):
    """An API key, as a client of InfluxDB shows it."""
    headers = {"authorization": f"Bearer {client.token()}"}
    asked = {"client": CREDENTIALS.client}
    made = httpx.post(f"{service.url}/api/aspectstore/v1/api-keys", json=asked, headers=headers).json()
    return f"{made['id']}:{made['secret']}"


@pytest.fixture
def influx(service, token):
    """The official client."""
    with InfluxDBClient(url=service.url, token=token, org=CREDENTIALS.tenant, enable_gzip=True) as influx:
        yield influx


def fresh_bucket(influx, name):
    """Find a bucket by name, delete it, make it, as a load does that may run again (IX-05)."""
    buckets = influx.buckets_api()
    found = buckets.find_bucket_by_name(name) if name in names_of(influx) else None
    if found is not None:
        buckets.delete_bucket(found)
    made = buckets.create_bucket(bucket_name=name)
    assert (name, made.id) == (made.name, buckets.find_bucket_by_name(name).id)
    return made


def names_of(influx):
    """Give the names of all buckets."""
    return {bucket.name for bucket in influx.buckets_api().find_buckets().buckets}


def points_of(path):
    """Read the file row by row; a blank cell is no field (IX-09)."""
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            point = Point("track").tag("bird", row["individual-local-identifier"])
            for column in NUMBERS:
                if row[column]:
                    point.field(column, float(row[column]))
            if row["height"]:
                point.field("height", int(row["height"]))
            point.field("taxon", row["individual-taxon-canonical-name"]).field(
                "visible", row["visible"] == "true"
            )
            yield point.time(row["timestamp"].replace(" ", "T") + "Z")


def test_a_server_is_there_and_well(influx):
    """Health, ping, version and organisation are answered as the client reads them (IX-04)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        assert "pass" == influx.health().status
    assert influx.ping()
    assert influx.version()
    assert "ready" == influx.ready().status
    assert [CREDENTIALS.tenant] == [each.name for each in influx.organizations_api().find_organizations()]


def test_a_whole_file_is_loaded_and_no_bird_overwrites_another(influx, client, tmp_path):
    """89,868 rows of 49 individuals by the batching API: all stored, each with its values (IX-07, IX-08)."""
    path = tmp_path / "birds.csv"
    write_file(path)
    fresh_bucket(influx, "birds")
    failed = []

    with influx.write_api(BATCH, error_callback=lambda *told: failed.append(told)) as writes:
        writes.write(bucket="birds", record=points_of(path))

    assert failed == []
    assets = {asset.name: asset.asset_id for asset in client.list_assets()}
    sent = defaultdict(list)
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            sent[row["individual-local-identifier"]].append(row)
    assert BIRDS == len(sent)
    read = {
        name: list(client.read_all(assets[f"bird={name}"], "track", start="1970-01-01T00:00:00Z"))
        for name in sent
    }
    assert ROWS == sum(map(len, read.values()))
    for name, rows in sent.items():
        assert [expected(row) for row in rows] == [found(record) for record in read[name]]


def expected(row):
    """Give what a row of the file says."""
    numbers = [float(row[column]) if row[column] else None for column in NUMBERS]
    height = int(row["height"]) if row["height"] else None
    return (row["timestamp"].replace(" ", "T") + "Z", *numbers, height, "Larus fuscus", True)


def found(record):
    """Give the same of a record."""
    numbers = [record.get(variable) for variable in NUMBERS.values()]
    return (record["_time"], *numbers, record.get("height"), record["taxon"], record["visible"])


def test_what_is_refused_is_told_in_words_that_the_client_reads(influx):
    """A line of another type: 422 with the reason; its neighbours are stored; no bucket: 404 (IX-08)."""
    fresh_bucket(influx, "kinds")
    writes = influx.write_api(SYNCHRONOUS)
    writes.write("kinds", record=["kind,of=a v=1 1000000000000000000"])

    with pytest.raises(InfluxDBError) as refused:
        writes.write(
            "kinds", record=['kind,of=a v="x" 1000000001000000000', "kind,of=a v=2 1000000002000000000"]
        )
    with pytest.raises(InfluxDBError) as missing:
        writes.write("none", record=["kind v=1"])

    assert (422, 404) == (refused.value.response.status, missing.value.response.status)
    assert "partial write: line 1: field type conflict" in refused.value.message
    assert 'bucket "none" not found' == missing.value.message


def test_a_pivot_is_read_back(influx):
    """The query API gives the rows of a pivot, as tables and as CSV; an unknown function is named (IX-10)."""
    fresh_bucket(influx, "gulls")
    with influx.write_api(SYNCHRONOUS) as writes:
        for bird in "AB":
            for minute in range(3):
                point = (
                    Point("track")
                    .tag("bird", bird)
                    .field("lat", 61.5 + minute)
                    .time(BEGIN_S + 60 * minute, "s")
                )
                writes.write("gulls", record=point if minute == 1 else point.field("lon", 24 + minute))
    pivot = 'pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")'
    source = f'from(bucket: "gulls") |> range(start: {BEGIN_S - 60}, stop: {BEGIN_S + 3600})'

    queries = influx.query_api()
    tables = queries.query(f"{source} |> {pivot}")
    rows = list(queries.query_csv(f'{source} |> filter(fn: (r) => r.bird == "A") |> {pivot}'))
    with pytest.raises(InfluxDBError) as unknown:
        queries.query(f"{source} |> holtWinters(n: 10)")
    with pytest.raises(InfluxDBError) as unbounded:
        queries.query('from(bucket: "gulls") |> last()')

    read = {
        (record["bird"], int(record.get_time().timestamp()) - BEGIN_S, record["lat"], record["lon"])
        for table in tables
        for record in table.records
    }
    expected = {
        (bird, 60 * minute, 61.5 + minute, None if minute == 1 else 24 + minute)
        for bird in "AB"
        for minute in range(3)
    }
    assert expected == read
    assert 4 + 3 == len([row for row in rows if row])
    assert (400, 400) == (unknown.value.response.status, unbounded.value.response.status)
    assert "the function holtWinters is not known here" in unknown.value.message
    assert "range(start: …) must follow" in unbounded.value.message
