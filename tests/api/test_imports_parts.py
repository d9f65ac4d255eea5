"""Imports of files whose rows are parts of records: narrow, line protocol, JSON, TinyFlux (SM-06, TF-10)."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tinyflux import Point, TinyFlux

from tests.api.bulk import JOBS, OLD_MS
from tests.api.test_imports import TYPES, at, counts_of, done, imports, report_of

__all__ = ["imports"]

ASSETS = "/api/assetmanagement/v3"
VARIABLES = (("temperature", "DOUBLE"), ("level", "INT"), ("label", "STRING"))
NARROW = {
    "name": "readings", "aspect": "air", "timeColumns": ["t"], "zone": "UTC",
    "narrow": {"sensor": "sensor", "value": "value"}, "newColumns": "extend",
}  # fmt: skip


def narrow_of(*rows: str) -> bytes:
    """Make a narrow file; `{0}` … are times."""
    return "\n".join(["t,sensor,value", *(row.format(*map(at, range(9))) for row in rows)]).encode()


@pytest.fixture
async def station(imports: Any) -> Any:
    """Give an asset with two aspects of their own types, and one below it."""
    send, seen = imports.site.open.send, {}
    for name, variables in (("air", VARIABLES), ("ground", VARIABLES[:1])):
        listed = [{"name": variable, "dataType": kind} for variable, kind in variables]
        for each in listed:
            each.update({"length": 100} if each["dataType"] == "STRING" else {})
        body = {"name": name, "category": "dynamic", "scope": "private", "variables": listed}
        seen[name] = await send("PUT", f"{ASSETS}/aspecttypes/acme.{name}", body)
    aspects = [{"name": name, "aspectTypeId": f"acme.{name}"} for name in ("air", "ground")]
    body = {"name": "Station", "parentTypeId": "core.basicasset", "scope": "private", "aspects": aspects}
    seen["type"] = await send("PUT", f"{ASSETS}/assettypes/acme.Station", body)
    parent = (await send("GET", f"{ASSETS}/assets/root")).json()["assetId"]
    for name in ("station", "below"):
        body = {"name": name, "typeId": "acme.Station", "parentId": parent}
        seen[name] = await send("POST", f"{ASSETS}/assets", body)
        assert 201 == seen[name].status_code, [answer.text for answer in seen.values()]
        parent = seen[name].json()["assetId"]
    found = imports.site.open.of(seen["station"].json()["assetId"], "air")
    found.below = found.of(parent, "air")
    found.ground = found.of(found.asset, "ground")
    imports.site.open = found
    return found


async def declared(imports: Any, **changes: Any) -> None:
    """Declare the narrow type, or one like it."""
    answer = await imports.site.open.send("POST", TYPES, {**NARROW, **changes})
    assert 201 == answer.status_code, answer.text


def values_of(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave times out."""
    return [{name: value for name, value in row.items() if name != "_time"} for row in rows]


async def test_a_narrow_file_is_merged_into_what_is_there(imports: Any, station: Any) -> None:
    """Readings of one time make one record; live values that it does not name stay; undo is exact (SM-06)."""
    await declared(imports)
    live = [{"_time": at(number).replace(" ", "T") + "Z", "level": 7, "label": "x"} for number in (0, 5)]
    assert 204 == (await station.put(live)).status_code
    await imports.site.step()
    before = await station.rows()

    octets = narrow_of(
        "{0},temperature,1.5", "{1},temperature,2.5", "{0},level,3", "{1},new one,9", "{1},new one,8",
        "{2},level,4.5", "{2},,1", "{2},level,", "never,level,1",
    )  # fmt: skip
    job = await done(imports, octets, type="readings", aspect="")

    assert ("done", (9, 4, 1, 4)) == (job["state"], counts_of(job))
    assert [
        {"temperature": 1.5, "level": 3, "label": "x"}, {"temperature": 2.5, "new_one": 8.0},
        {"level": 7, "label": "x"},
    ] == values_of(await station.rows())  # fmt: skip
    told = [(row[1], row[2]) for row in await report_of(imports, job)]
    assert [("7", "level"), ("8", ""), ("9", ""), ("10", "t")] == told
    again = await done(imports, octets, type="readings", aspect="", path="b.csv")
    assert job["id"] == again["sameAs"]

    assert 202 == (await station.send("POST", f"{JOBS}/{job['id']}/undo")).status_code
    await imports.site.step()
    assert before == await station.rows()


async def test_narrow_rows_name_assets_and_aspects(imports: Any, station: Any) -> None:
    """Each row goes to its series; a row of another asset is refused by its own line (IX-08)."""
    await declared(imports, assetColumn="who", aspectColumn="what")
    rows = [f"{{0}},{station.asset},air,temperature,1", f"{{0}},{station.below.asset},air,level,2",
            "{0},nobody,air,level,3", "{1},nobody,air,level,4", f"{{0}},{station.asset},ground,temperature,5",
            f"{{0}},{station.asset},ground,spare,6", f"{{0}},{station.asset},none,temperature,7"]  # fmt: skip
    octets = narrow_of(*rows).replace(b"t,sensor,value", b"t,who,what,sensor,value")

    job = await done(imports, octets, type="readings", aspect="")

    assert (7, 4, 0, 3) == counts_of(job)
    assert [{"level": 2}] == values_of(await station.below.rows())
    assert [{"temperature": 1.0}] == values_of(await station.rows())
    assert [{"temperature": 5.0, "spare": 6.0}] == values_of(await station.ground.rows())
    assert ["4", "5", "8"] == [row[1] for row in await report_of(imports, job)]


async def test_a_sensor_without_a_place_is_set_aside_or_refused(imports: Any, station: Any) -> None:
    """The policy decides reading by reading, as for columns (SM-09)."""
    await declared(imports, rules=[{"column": "temperature"}], newColumns="quarantine")
    octets = narrow_of("{0},temperature,1", "{0},other,2", "{1},other,3")

    aside = await done(imports, octets, type="readings", aspect="")
    refused = await done(imports, octets, store=False, type="readings", aspect="", newColumns="refuse")

    for job, value in ((aside, "2"), (refused, "")):
        assert (3, 1, 0, 2) == counts_of(job)
        told = await report_of(imports, job)
        assert [("3", "other", value), ("4", "other")] == [
            tuple(told[0][i] for i in (1, 2, 4)),
            tuple(told[1][1:3]),
        ]


LINES = f"""air,site=a temperature=1.5,level=2i {OLD_MS}000000
air,site=a label="x",running=true {OLD_MS}000000
ground temperature=3,extra=4i {OLD_MS}000000
ground temperature=5 {OLD_MS}000000
none x=1 {OLD_MS}000000
air temperature= {OLD_MS}000000
"""


async def test_line_protocol_is_a_file_as_well(imports: Any, station: Any) -> None:
    """Measurements are aspects, tags and fields their variables; lines of one time are one record (IX-03)."""
    job = await done(imports, LINES.encode(), path="x.lp", type="line-protocol", aspect="")

    # The third line is no duplicate: one of its two values stands.
    assert ("done", (6, 4, 0, 2)) == (job["state"], counts_of(job)), job
    expected = {"temperature": 1.5, "level": 2, "label": "x", "running": True, "site": "a"}
    assert [expected] == values_of(await station.rows())
    assert [{"temperature": 5.0, "extra": 4.0}] == values_of(await station.ground.rows())
    assert ["5", "6"] == [row[1] for row in await report_of(imports, job)]


ANNOTATED = """#datatype,string,long,dateTime:RFC3339,double,string,string,string
#group,false,false,false,false,true,true,true
#default,_result,,,,,,
,result,table,_time,_value,_field,_measurement,host
,,0,{0}Z,1.5,temperature,air,a
,,0,{1}Z,,temperature,air,a
,,0,{1}Z,2.5,temperature,air,a

#datatype,string,long,dateTime:RFC3339,long,string,string,string
#group,false,false,false,false,true,true,true
#default,_result,,,,,,
,result,table,_time,_value,_field,_measurement,host
,,1,{0}Z,7,level,air,a
"""


async def test_annotated_csv_is_imported(imports: Any, station: Any) -> None:
    """What a Flux query answers, field by field, becomes records again (IX-05)."""
    octets = ANNOTATED.format(*(at(number).replace(" ", "T") for number in range(2))).encode()
    job = await done(imports, octets, type="annotated-csv", aspect="")

    # A row of which only the tag is left says what another one says, too.
    assert ("done", (4, 3, 1, 0)) == (job["state"], counts_of(job)), job
    assert [
        {"temperature": 1.5, "level": 7, "host": "a"}, {"temperature": 2.5, "host": "a"}
    ] == values_of(await station.rows())  # fmt: skip


@pytest.mark.parametrize("lines", [False, True])
async def test_readings_of_json_are_imported(imports: Any, station: Any, lines: bool) -> None:
    """An array of readings, or one a line: `timestamp`, `sensor_name`, `reading` (SM-06)."""
    readings = [
        {"timestamp": at(number).replace(" ", "T"), "sensor_name": name, "reading": value}
        for number, name, value in [
            (0, "temperature", 1.5),
            (0, "label", "x"),
            (1, "temperature", 2),
            (1, "up", True),
        ]
    ]
    text = "\n".join(map(json.dumps, readings)) if lines else json.dumps(readings)
    file_type = {**NARROW, "name": "json-readings", "format": "json", "timeColumns": ["timestamp"],
                 "narrow": {"sensor": "sensor_name", "value": "reading"}}  # fmt: skip
    assert 201 == (await station.send("POST", TYPES, file_type)).status_code

    job = await done(imports, text.encode(), path="x.json", type="json-readings", aspect="")

    assert ("done", (4, 4, 0, 0)) == (job["state"], counts_of(job)), job
    assert [{"temperature": 1.5, "label": "x"}, {"temperature": 2.0, "up": True}] == values_of(
        await station.rows()
    )


POINTS = [
    Point(
        time=datetime.fromtimestamp((OLD_MS + number * 250) / 1000, UTC),
        measurement=("air", "ground")[number % 2],
        tags={"site": f"s,{number % 3}"},
        fields={"temperature": number * 0.1 + 1e-7, "level": number},
    )
    for number in range(200)
]
"""Of two measurements, with a tag that needs quotes."""


def written_by_tinyflux(path: Path, points: list[Point], *, compact: bool | None) -> bytes:
    """Let the library write a store, with compact prefixes or long ones; None: with either, in turns."""
    store = TinyFlux(path)
    for number, point in enumerate(points):
        store.insert(point, compact_key_prefixes=bool(number % 2) if compact is None else compact)
    store.close()
    return path.read_bytes()


@pytest.mark.parametrize("compact", [False, True, None])
async def test_a_store_that_tinyflux_wrote_is_imported(
    imports: Any, station: Any, tmp_path: Path, compact: bool | None
) -> None:
    """Its own library writes the file, and every value of every point is read back (TF-06, TF-10)."""
    octets = written_by_tinyflux(tmp_path / "store.csv", POINTS, compact=compact)
    job = await done(imports, octets, path="store.csv", type="tinyflux", aspect="")

    assert ("done", (200, 200, 0, 0)) == (job["state"], counts_of(job)), job
    for number, aspect in enumerate(("air", "ground")):
        rows = values_of(await station.of(station.asset, aspect).rows())
        assert [{**point.fields, **point.tags} for point in POINTS[number::2]] == rows


async def test_a_file_of_another_kind_fails_as_a_whole(imports: Any, station: Any) -> None:
    """Text that is no JSON imports nothing, with the reason."""
    await declared(imports, format="json", newColumns="quarantine")
    job = await done(imports, b"t,x\n1,2\n", type="readings", aspect="")
    assert "failed" == job["state"]
    assert job["message"].startswith("Nothing was imported: ")
    assert [] == await station.rows()
