"""What is exported can be imported: into another asset, by a file type, value by value (TF-56)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import tinyflux

from tests.api.downloads import Exports, at
from tests.api.masts import MAST, SECOND

RECORDS = [
    {"_time": at(1), "temperature": 1.5, "level": 3, "count": 2**53},
    {"_time": at(2), "temperature": -2, "label": "plain", "running": True},
    {"_time": at(3), "running": False, "level": -1, "count": -7, "temperature": 1e-7},
    {"_time": at(4), "temperature": 123456.789, "label": 'say "hi", grün'},
]
VARIABLES = ["temperature", "level", "count", "label", "running"]
IMPORTS = "/api/aspectstore/v1/imports"
TYPES = "/api/aspectstore/v1/filetypes"


@pytest.fixture
async def exports(site):
    """A site that exports and imports, with some records."""
    await site.step()
    made = Exports(site)
    await site.open.wrote(RECORDS)
    await site.step()
    return made


async def imported(exports, octets, name, file_type):
    """Import a file into the second asset, by a file type of its own; gives the records there."""
    mast = exports.site.open.of(asset=SECOND)
    answer = await mast.send("POST", TYPES, {"name": "again", **file_type})
    assert answer.status_code == 201, answer.text
    await exports.put_file(mast, name, octets)
    body = {"entity": SECOND, "files": [name], "type": "again"}
    answer = await mast.send("POST", IMPORTS, body)
    assert answer.status_code == 201, answer.text
    await exports.run()
    job = await exports.job(mast, answer.json()["id"])
    assert ("done", 0) == (job["state"], job["counts"].get("refused")), job
    await exports.site.step()
    return await mast.rows()


_BY_NAME = {"rules": [{"column": name} for name in VARIABLES], "aspect": "weather"}
_TIMED = {"timeColumns": ["_time"], **_BY_NAME}
FORMATS = {
    "csv": {**_TIMED, "multiline": True},
    "tsv": {**_TIMED, "delimiter": "\t", "multiline": True},
    "parquet": {**_TIMED, "format": "parquet", "zone": "UTC"},
    "arrow": {**_TIMED, "format": "arrow", "zone": "UTC"},
    "json": {**_TIMED, "format": "json"},
    "line-protocol": {
        "format": "line-protocol",
        "aspect": "weather",
        "rules": [
            *({"column": f"fields.{name}", "variable": name} for name in VARIABLES),
            {"pattern": ".*", "skip": True},
        ],
    },
}


@pytest.mark.parametrize("name", list(FORMATS))
async def test_what_was_exported_comes_back(exports, name):
    """Every value of every type, and nothing that was not there."""
    mast = exports.site.open
    expected = await mast.rows()
    files = await exports.files(mast, variables=VARIABLES, format=name)
    [path] = [each for each in files if each != "manifest.json"]
    assert expected == await imported(exports, files[path], path, FORMATS[name])


def tinyflux_type():
    """Declare how a TinyFlux store of these records is read: numbers are fields, texts tags."""
    fields = [name for name in VARIABLES if name != "label"]
    rules = [{"column": f"fields.{name}", "variable": name} for name in fields]
    rules += [{"column": "tags.label", "variable": "label"}, {"pattern": ".*", "skip": True}]
    return {"format": "tinyflux", "aspect": "weather", "rules": rules}


@pytest.mark.parametrize("name", ["tinyflux", "tinyflux-compact"])
async def test_tinyflux_stores_go_there_and_back(exports, name, tmp_path):
    """Its own library reads what is exported; what it writes of that is imported, value by value (TF-10)."""
    mast = exports.site.open
    chosen = [each for each in VARIABLES if each != "running"]
    files = await exports.files(mast, variables=chosen, format=name)
    store = tmp_path / "exported.csv"
    store.write_bytes(files["weather.csv"])
    with tinyflux.TinyFlux(store) as database:
        points = database.all()
    again = tmp_path / "again.csv"
    with tinyflux.TinyFlux(again) as database:
        for point in points:
            database.insert(point, compact_key_prefixes=name == "tinyflux-compact")

    assert ["weather"] * 4 == [point.measurement for point in points]
    assert {"asset": "M", "assetId": MAST} == {key: points[0].tags[key] for key in ("asset", "assetId")}
    first = datetime.fromisoformat(at(1))
    assert [first + timedelta(minutes=n) for n in range(4)] == [p.time.astimezone(UTC) for p in points]
    assert {"temperature": 1.5, "count": 2**53, "level": 3} == points[0].fields
    expected = [
        {key: value for key, value in record.items() if key != "running"} for record in await mast.rows()
    ]
    assert expected == await imported(exports, again.read_bytes(), "again.csv", tinyflux_type())
