"""Imports of logger files by their type: every row stored, a duplicate, or refused (SM-03, SM-09, SM-10)."""

import csv
import gzip
import io

import pytest

from schemas.times import format_time
from tests.api.bulk import FILES, JOBS, OLD_MS, Imports
from tests.api.masts import SECOND

PATH = "/api/aspectstore/v1/imports"
TYPES = "/api/aspectstore/v1/filetypes"
TYPE = {
    "name": "tower",
    "timeColumns": ["t"],
    "zone": "UTC",
    "naValues": ["NAN"],
    "rules": [{"column": "temperature"}, {"column": "level"}],
}
GOOD = ["temperature,level,new", "{0},1.5,3,7", "{1},NAN,4,8", "{1},2.5,5,9"]


def at(number):
    """Write a time two days ago, as a logger does."""
    return format_time(OLD_MS + number * 60_000)[:19].replace("T", " ")


def text_of(lines):
    """Make a file: a header, then rows with times in their holes."""
    return "\n".join(["t," + lines[0], *(line.format(*map(at, range(9))) for line in lines[1:])]).encode()


@pytest.fixture
async def imports(site):
    """A site that imports, with a file type."""
    await site.step()
    made = Imports(site)
    assert 201 == (await site.open.send("POST", TYPES, TYPE)).status_code
    return made


async def ask(imports, octets, path="a.csv", store=True, **others):
    """Store a file and ask for its import."""
    mast = imports.site.open
    if store:
        await imports.put_file(mast, path, octets)
    body = {"entity": mast.asset, "files": [path], "type": "tower", "aspect": "weather", **others}
    return await mast.send("POST", PATH, body)


async def done(imports, octets, **others):
    """Import a file; gives the job."""
    answer = await ask(imports, octets, **others)
    assert answer.status_code == 201, answer.text
    await imports.run()
    return await imports.job(imports.site.open, answer.json()["id"])


async def report_of(imports, job, number=0):
    """Read a report of refused rows."""
    mast = imports.site.open
    answer = await mast.send("GET", f"{FILES}/{mast.asset}/{job['reports'][number]}")
    assert (200, "text/csv") == (answer.status_code, answer.headers["content-type"])
    return list(csv.reader(io.StringIO(answer.text)))[1:]


def counts_of(job):
    """Give what became of the rows: all, stored, duplicates, refused."""
    return tuple(job["counts"][name] for name in ("rows", "stored", "duplicates", "refused"))


@pytest.mark.parametrize("packed", [False, True])
async def test_every_row_is_accounted_for(imports, packed):
    """Stored, a duplicate, or refused with line, column and reason; nothing else becomes of a row (SM-10)."""
    good = ["temperature,level", "{0},1.5,3", "{1},NAN,4", "{1},2.5,5"]
    octets = text_of([*good, "{2},=cmd(),6", "{3},1,2.5", "never,1,1", "{4},1"])
    job = await done(imports, gzip.compress(octets) if packed else octets)

    assert ("done", (7, 2, 1, 4)) == (job["state"], counts_of(job))
    rows = await imports.site.open.rows()
    assert [(1.5, 3), (2.5, 5)] == [(row["temperature"], row["level"]) for row in rows]
    told = await report_of(imports, job)
    assert [("5", "temperature"), ("6", "level"), ("7", "t"), ("8", "")] == [(row[1], row[2]) for row in told]
    assert "'=cmd()" == told[0][4]
    assert all(row[3] for row in told)
    assert len(octets) == job["progress"]["bytesAll"] or packed
    assert job["progress"]["bytes"] == job["progress"]["bytesAll"]


async def test_new_columns_are_refused_set_aside_or_extend_the_aspect(imports):
    """The policy of the file type, or of the import, decides (SM-09)."""
    octets = text_of(GOOD)
    refused = await done(imports, octets)
    assert ("failed", "/files/0") == (refused["state"], refused["reasons"][0]["pointer"])
    assert "'new'" in refused["message"]
    assert [] == await imports.site.open.rows()

    aside = await done(imports, octets, store=False, newColumns="quarantine")
    assert (3, 2, 1, 0) == counts_of(aside)
    told = await report_of(imports, aside)
    assert [("2", "new", "7.0"), ("3", "new", "8.0"), ("4", "new", "9.0")] == [
        (row[1], row[2], row[4]) for row in told
    ]

    extended = await done(imports, octets, store=False, newColumns="extend", aspect="tyres")
    assert ("done", (3, 2, 1, 0)) == (extended["state"], counts_of(extended))
    tyres = await imports.site.open.of(aspect="tyres").rows()
    assert [(1.5, 3, 7), (2.5, 5, 9)] == [(row["temperature"], row["level"], row["new"]) for row in tyres]
    assert "reports" not in extended


async def test_the_same_again_changes_nothing(imports):
    """Known by its bytes and type, whatever it is called; another type, or an undo, makes it new (SM-13)."""
    octets = text_of(["temperature", "{0},1"])
    first = await done(imports, octets)
    second = await done(imports, octets, path="other-name.csv")
    assert ("done", first["id"], (0, 0, 0, 0)) == (second["state"], second["sameAs"], counts_of(second))
    assert first["id"] in second["message"]
    assert "receipt" not in second
    assert (1, 1, 0, 0) == counts_of(await done(imports, octets, store=False, again=True))
    assert (1, 1, 0, 0) == counts_of(await done(imports, octets, store=False, newColumns="quarantine"))


async def test_an_import_is_undone(imports):
    """Every series is as it was before, and the same file is then imported again (design 9.7)."""
    octets = text_of(["temperature", "{0},1"])
    job = await done(imports, octets)
    undone = await imports.site.open.send("POST", f"{JOBS}/{job['id']}/undo")
    assert 202 == undone.status_code, undone.text
    await imports.site.step()
    assert [] == await imports.site.open.rows()
    assert (1, 1, 0, 0) == counts_of(await done(imports, octets, store=False))
    assert 1 == len(await imports.site.open.rows())


async def test_a_column_names_the_assets(imports):
    """Rows go to the assets below the file's asset that they name; others are refused (IX-08)."""
    mast = imports.site.open
    typed = {**TYPE, "name": "many", "assetColumn": "who"}
    assert 201 == (await mast.send("POST", TYPES, typed)).status_code
    octets = text_of(["who,temperature", f"{{0}},{mast.asset},1", f"{{1}},{SECOND},2", "{2},nobody,3"])
    job = await done(imports, octets, type="many")
    assert (3, 1, 0, 2) == counts_of(job)
    assert [1] == [row["temperature"] for row in await mast.rows()]
    told = await report_of(imports, job)
    assert ["3", "4"] == [row[1] for row in told]


@pytest.mark.parametrize(
    ("octets", "words"),
    [
        (b"a,b\n1,2\n", "t"),
        (b"t,level,level\n", "level"),
        (b"", ""),
        (b"\x1f\x8b\x08\x00broken", ""),
        (gzip.compress(gzip.compress(b"t,level\n")), "archive"),
        (gzip.compress(b"t,level\n" * 9_000)[:-30], ""),
        (b"t,level\n" + b"x" * 2_000_000, ""),
    ],
    ids=["no time", "twice", "empty", "broken", "archive in archive", "cut", "endless line"],
)
async def test_a_file_that_fails_as_a_whole_imports_nothing(imports, octets, words):
    """No header, a name twice, damage, an archive in an archive, one endless line: the stated reason."""
    job = await done(imports, octets)
    assert "failed" == job["state"], job
    assert job["message"].startswith("Nothing was imported: ")
    assert words in job["message"]
    assert [] == await imports.site.open.rows()


@pytest.mark.parametrize(
    ("others", "status", "pointer"),
    [
        ({"type": "none-such"}, 404, None),
        ({"entity": "0" * 32}, 404, None),
        ({"version": 7}, 409, None),
        ({"files": ["none.csv"]}, 400, "/files/0"),
        ({"files": []}, 400, "/files"),
        ({"aspect": ""}, 400, "/aspect"),
        ({"aspect": "none"}, 400, "/aspect"),
        ({"asset": "0" * 32}, 400, "/asset"),
        ({"asset": "nobody"}, 400, "/asset"),
        ({"asset": "M"}, 400, "/asset"),
        ({"type": "campbell-toa5"}, 400, "/aspect"),
        ({"unknown": 1}, 400, None),
    ],
)
async def test_what_a_request_says_is_checked_at_once(imports, others, status, pointer):
    """Nothing is asked of a worker that the door can see: no type, an unknown one (SM-02, TB-75)."""
    answer = await ask(imports, text_of(["level", "{0},1"]), **others)
    assert status == answer.status_code, answer.text
    if pointer is not None:
        assert pointer in {error["pointer"] for error in answer.json()["errors"]}
    assert {"jobs": []} == (await imports.site.open.send("GET", JOBS)).json()


async def test_columns_are_placed_by_the_metadata_of_sensors(imports):
    """Whatever a logger calls its columns, their sensors say whose variable they are (SM-20)."""
    mast = imports.site.open
    said = {"asset": mast.asset, "aspect": "weather"}
    sensors = [{**said, "variable": "temperature", "sourceColumn": "T 2m"}]
    sensors.append({**said, "aspect": "tyres", "variable": "FRWheel", "sourceColumn": "Ch 7"})
    put = await mast.send("PUT", f"/api/aspectstore/v1/sensors/{mast.asset}", {"sensors": sensors})
    typed = {**TYPE, "name": "sensed", "rules": [{"sensors": True}]}
    made = await mast.send("POST", TYPES, typed)
    job = await done(imports, text_of(["T 2m,Ch 7", "{0},1.5,2.5"]), type="sensed", aspect="")
    seen = {"type": "sensed", "entity": mast.asset, "path": "a.csv"}
    preview = await mast.send("POST", f"{TYPES}/preview", seen)

    assert (200, 201, "done") == (put.status_code, made.status_code, job["state"]), job
    assert [1.5] == [row["temperature"] for row in await mast.rows()]
    assert [2.5] == [row["FRWheel"] for row in await mast.of(aspect="tyres").rows()]
    targets = [column.get("target") for column in preview.json()["columns"] if column["use"] == "value"]
    assert [("weather", "temperature"), ("tyres", "FRWheel")] == [
        (target["aspect"], target["variable"]) for target in targets
    ]


async def test_a_real_mast_is_imported_and_read_by_its_metadata(imports, test_data):
    """Metadata of the IEA Wind Task 43 model, its logger's file, all wind speeds at 80 m (SM-20, SM-21)."""
    mast, sensors = imports.site.open, "/api/aspectstore/v1/sensors"
    model = (test_data / "mast/iea43_wra_data_model.json").read_bytes()
    loaded = await mast.send("POST", f"{sensors}/{mast.asset}/iea43", model, {"aspect": "tyres"})
    toa5 = (await mast.send("GET", f"{TYPES}/campbell-toa5")).json()
    typed = {**toa5, "name": "mast", "aspect": "tyres", "rules": [{"sensors": True}, *toa5.get("rules", [])]}
    made = await mast.send("POST", TYPES, typed)
    octets = (test_data / "mast/toa5_small.csv").read_bytes()
    first = await done(imports, octets, type="mast", aspect="", newColumns="extend")

    assert (200, 201, "done") == (loaded.status_code, made.status_code, first["state"]), first
    wanted = {"sensors": {"quantity": "wind_speed", "heightM": 80, "statistic": "avg"}}
    asked = {**wanted, "from": "2010-01-01T00:00:00Z", "to": "2025-01-01T00:00:00Z", "limit": 5}
    answer = await mast.send("POST", "/api/aspectstore/v1/query", asked)
    [series] = answer.json()["series"]
    assert {"_time", "Spd80mN", "Spd80mS"} == series["records"][0].keys()


async def test_a_report_is_named_also_where_a_later_file_fails(imports):
    """What was written of the first file is the tenant's, and the job says where it is (SM-10)."""
    mast = imports.site.open
    await imports.put_file(mast, "bad.csv", b"no header")
    job = await done(imports, text_of(["temperature", "{0},x"]), files=["a.csv", "bad.csv"])

    assert ("failed", 1) == (job["state"], len(job["reports"]))
    assert ["2"] == [row[1] for row in await report_of(imports, job)]
