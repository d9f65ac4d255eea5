"""Bulk import and read as existing clients use them: files, job, status, pages (wire 3, MS-80 … MS-83)."""

import json

import msgspec
import pytest

from schemas.durations import DAY_MS, MINUTE_MS
from schemas.limits import BULK_FILES_MAX
from schemas.times import format_time
from tests.api.bulk import BULK, OLD_MS, Imports, old, records
from tests.api.doors import NOW_MS
from tests.api.masts import at
from workers.imports import record_files


@pytest.fixture
async def imports(site):
    """A site that imports."""
    await site.step()
    return Imports(site)


async def test_files_become_records(imports):
    """Files first, then the job, then its status; values are texts, as the command writes them (wire 3.1)."""
    mast = imports.site.open
    await mast.wrote([{"_time": old(1), "temperature": -5, "level": 3}])
    await imports.put_file(mast, "bulk/weather/one.json", records(3))
    await imports.put_file(mast, "bulk/weather/two.json", records(3, start=2, value=10))

    answer = await imports.ask(mast, "bulk/weather/one.json", "/bulk/weather/two.json")
    submitted = answer.json()
    job_path = f"{BULK}/importJobs/{submitted['id']}"
    await imports.run()
    done = (await mast.send("GET", job_path)).json()

    assert (answer.status_code, answer.headers["location"]) == (201, job_path)
    assert {"id", "status", "message", "startTime", "lastModified"} == submitted.keys() == done.keys()
    assert ("SUBMITTED", "It waits.") == (submitted["status"], submitted["message"])
    assert ("SUCCESS", "5 records imported, 1 given twice.") == (done["status"], done["message"])
    assert [(old(0), 0.5), (old(1), 1.5), (old(2), 10), (old(3), 11), (old(4), 12)] == [
        (row["_time"], row["temperature"]) for row in await mast.rows()
    ]
    assert [f"x}},{{{number}\\" for number in (0, 1, 0, 1, 2)] == [row["label"] for row in await mast.rows()]


async def test_the_command_writes_filepath(imports):
    """`filepath` in small letters is understood too (wire 3.1)."""
    mast = imports.site.open
    await imports.put_file(mast, "a.json", records(1))
    job = await imports.done(mast, "a.json", key="filepath")
    assert "SUCCESS" == job["status"]


@pytest.mark.parametrize("piece_bytes", [1, 40, 500])
async def test_a_file_is_cut_only_where_a_record_ends(imports, monkeypatch, piece_bytes):
    """Texts with braces, commas, quotes and backslashes stand in no piece's way, whatever its size."""
    monkeypatch.setattr(record_files, "PIECE_BYTES", piece_bytes)
    mast = imports.site.open
    body = json.dumps(records(30), indent=2).encode()
    await imports.put_file(mast, "a.json", b" \n" + body.replace(b"x}", b'\\"},{\\\\\\"') + b"\n ")
    job = await imports.done(mast, "a.json")
    assert "30 records imported, 0 given twice." == job["message"]
    assert [f'"}},{{\\",{{{number}\\' for number in range(30)] == [row["label"] for row in await mast.rows()]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no JSON array"),
        (b"{}", "no JSON array"),
        (b"[", "no JSON array"),
        (b'[{"_time":"2025-01-01T00:00:00Z","level":1},]', ""),
        (b'[{"_time":"2025-01-01T00:00:00Z","level":1}', "no JSON array"),
        (b'[{"_time":"2025-01-01T00:00:00Z","level":1}] x', "no JSON array"),
        (b'[{"_time":"2025-01-01T00:00:00Z","level":"\xff"}]', ""),
        (b'[{"_time":"1969-12-31T23:59:59Z","level":1}]', "_time"),
        (b'[{"_time":"2025-01-01T00:00:00","level":1}]', "_time"),
        (b'[{"_time":"2025-01-01T00:00:00Z","level":1.5}]', "level"),
        (b'[{"_time":"2025-01-01T00:00:00Z","other":1}]', "other"),
    ],
)
async def test_a_bad_file_imports_nothing(imports, content, words):
    """Any problem in any file: ERROR with the reasons, and no record of any file (MS-81)."""
    mast = imports.site.open
    await imports.put_file(mast, "good.json", records(3))
    await imports.put_file(mast, "bad.json", content)

    job = await imports.done(mast, "good.json", "bad.json")

    assert "ERROR" == job["status"]
    assert job["message"].startswith("Nothing was imported: ")
    assert job["problems"][0]["pointer"].startswith("/files/1")
    assert words in job["problems"][0]["pointer"] + job["problems"][0]["message"]
    assert [] == await mast.rows()


async def test_every_reason_is_told(imports, monkeypatch):
    """Problems of all files with file, record and member; the first hundred (design 8.19)."""
    monkeypatch.setattr(record_files, "PIECE_BYTES", 100)
    mast = imports.site.open
    bad = [*records(5), {"_time": old(9), "level": "x"}, {"_time": "never"}]
    await imports.put_file(mast, "a.json", bad)
    await imports.put_file(mast, "b.json", [{"_time": old(1), "level": 1.5}])
    job = await imports.done(mast, "a.json", "b.json")
    pointers = [problem["pointer"] for problem in job["problems"]]
    assert ["/files/0/5/level", "/files/0/6/_time", "/files/1/0/level"] == pointers

    await imports.put_file(mast, "c.json", [{"_time": old(1), "level": 1.5}] * 150)
    job = await imports.done(mast, "c.json", "b.json")
    assert 100 == len(job["problems"])


async def test_the_times_of_a_file_hold(imports):
    """Records outside of what the request says of the file are refused (wire 3.1)."""
    mast = imports.site.open
    await imports.put_file(mast, "a.json", records(5))
    job = await imports.done(mast, {"filePath": "a.json", "from": old(1), "to": old(3)})
    words = [(problem["pointer"], problem["message"]) for problem in job["problems"]]
    assert [
        ("/files/0/0/_time", f"_time lies before {old(1)}."),
        ("/files/0/4/_time", f"_time lies after {old(3)}."),
    ] == words
    job = await imports.done(mast, {"filePath": "a.json", "from": old(0), "to": old(4)})
    assert "SUCCESS" == job["status"]


@pytest.mark.parametrize(
    ("profile", "ago_ms", "status"),
    [
        ("strict", 30 * MINUTE_MS, "SUCCESS"),
        ("strict", 30 * MINUTE_MS - 1, "ERROR"),
        ("strict", 3_000 * DAY_MS, "SUCCESS"),
        ("open", 0, "SUCCESS"),
        ("open", -31 * DAY_MS, "SUCCESS"),
        ("open", -31 * DAY_MS - 1, "ERROR"),
    ],
)
async def test_the_age_of_records_is_policy(imports, profile, ago_ms, status):
    """Half an hour old in `strict`, however old in both; tested on both sides (MS-83, design 8.9)."""
    mast = imports.site.of(profile)
    await imports.put_file(mast, "a.json", [{"_time": format_time(NOW_MS - ago_ms), "level": 1}])
    assert status == (await imports.done(mast, "a.json"))["status"]


async def test_strict_files_ascend_within_one_day(imports):
    """The dialect's own rules: ascending records of one day of UTC (MS-81); `open` takes any order."""
    descending = [{"_time": old(1), "level": 1}, {"_time": old(0), "level": 1}]
    days = [{"_time": format_time(OLD_MS + number * DAY_MS), "level": 1} for number in range(2)]
    strict = imports.site.strict
    for name, content in (("down", descending), ("days", days)):
        for mast in (strict, imports.site.open):
            await imports.put_file(mast, name, content)
        assert "SUCCESS" == (await imports.done(imports.site.open, name))["status"]
    down, across = [await imports.done(strict, name) for name in ("down", "days")]
    assert [("/files/0/1/_time", "_time lies before the record above it.")] == _told(down)
    assert ["/files/0/1/_time"] == [pointer for pointer, _ in _told(across)]
    assert "outside of the day" in across["message"]
    request = {"filePath": "down", "from": old(0), "to": format_time(OLD_MS + DAY_MS)}
    answer = await imports.ask(strict, request)
    assert 400 == answer.status_code


def _told(job):
    return [(problem["pointer"], problem["message"]) for problem in job["problems"]]


async def test_what_a_request_says_is_checked_at_once(imports):
    """Unknown assets, aspects and files, too many files, times that are none: 4xx, and no job."""
    mast = imports.site.open
    await imports.put_file(mast, "a.json", records(1))
    for entity, aspect in (("0" * 32, "weather"), (mast.asset, "none")):
        answer = await imports.ask(mast, "a.json", entity=entity, propertySetName=aspect)
        assert 404 == answer.status_code
    at_file = "/data/0/timeseriesFiles/1"
    for file, pointer in (
        ("none.json", f"{at_file}/filePath"),
        ("../a.json", f"{at_file}/filePath"),
        ({"filePath": "a.json", "from": "x"}, f"{at_file}/from"),
        ({"filePath": "a.json", "from": old(1), "to": old(0)}, f"{at_file}/from"),
    ):
        answer = await imports.ask(mast, "a.json", file)
        assert (400, pointer) == (answer.status_code, answer.json()["errors"][0]["pointer"])
    for files in ([], ["a.json"] * (BULK_FILES_MAX + 1)):
        assert 400 == (await imports.ask(mast, *files)).status_code
    for body in ({"data": []}, {}, {"data": [{}]}):
        assert 400 == (await mast.send("POST", f"{BULK}/importJobs", body)).status_code
    assert 404 == (await mast.send("GET", f"{BULK}/importJobs/x")).status_code
    assert {"jobs": []} == (await mast.send("GET", "/api/aspectstore/v1/jobs")).json()


async def test_a_file_that_was_replaced_meanwhile_is_no_other(imports):
    """A job reads the bytes that were there when it was asked for, or says that they are gone."""
    mast = imports.site.open
    await imports.put_file(mast, "a.json", records(1))
    answer = await imports.ask(mast, "a.json")
    await imports.put_file(mast, "a.json", records(2), if_match="0")
    await imports.run()
    job = (await mast.send("GET", answer.headers["location"])).json()
    assert "Nothing was imported: the file a.json was replaced or deleted meanwhile." == job["message"]


async def test_pages_of_a_bulk_read(imports):
    """`records` and `nextRecord`, which continues behind the last one and is absent in the end (MS-82)."""
    mast = imports.site.open
    await mast.wrote([{"_time": old(number), "level": number} for number in range(5)])
    await imports.site.step()
    path = f"{BULK}/timeseries/{mast.asset}/weather"
    seen, pages = [], 0
    target = f"{path}?from={old(-1)}&to={old(9)}&limit=2"
    while target:
        answer = await mast.send("GET", target)
        assert (200, "application/json") == (answer.status_code, answer.headers["content-type"])
        page = answer.json()
        seen += [row["level"] for row in page["records"]]
        target, pages = page.get("nextRecord"), pages + 1
    assert ([0, 1, 2, 3, 4], 3) == (seen, pages)
    descending = await mast.send("GET", f"{path}?from={old(-1)}&to={old(9)}&sort=desc&select=level&limit=1")
    assert [{"_time": old(4), "level": 4}] == descending.json()["records"]


async def test_a_bulk_read_gives_more_than_a_page_of_the_other_door(imports):
    """More than 2000 records in one answer (MS-82)."""
    mast = imports.site.open
    for start in (0, 1_500):
        await mast.wrote([{"_time": old(start + number), "level": 1} for number in range(1_500)])
    await imports.site.step()
    answer = await mast.send("GET", f"{BULK}/timeseries/{mast.asset}/weather?from={old(-1)}&to={at(0)}")
    assert 3_000 == len(answer.json()["records"])
    assert "nextRecord" not in answer.json()


@pytest.mark.parametrize(
    "query", ["", "from={0}", "to={1}", "from={1}&to={0}", "from={0}&to={1}&limit=10001"]
)
async def test_a_bulk_read_needs_its_range(imports, query):
    """Both ends are required, and limits are kept (wire 3.3)."""
    mast = imports.site.open
    path = f"{BULK}/timeseries/{mast.asset}/weather"
    assert 400 == (await mast.send("GET", f"{path}?{query.format(old(0), old(1))}")).status_code


async def test_a_strict_bulk_read_spans_ninety_days(imports):
    """Less than 90 days apart, where the policy is the dialect's (wire 3.3)."""
    mast = imports.site.strict
    path = f"{BULK}/timeseries/{mast.asset}/weather"
    for days, status in ((90, 200), (91, 400)):
        start = format_time(NOW_MS - days * DAY_MS)
        assert status == (await mast.send("GET", f"{path}?from={start}&to={at(0)}")).status_code


async def test_large_files_are_refused_where_the_policy_says(imports, monkeypatch):
    """All files of a job together have a limit in `strict` (MS-81)."""
    mast = imports.site.strict
    await imports.put_file(mast, "a.json", records(100))
    profile = imports.site.door.services.index.profile_of("rigid")
    assert 1_024 * 1_048_576 == profile.bulk_bytes_max
    small = msgspec.structs.replace(profile, bulk_bytes_max=1_000)
    monkeypatch.setattr(imports.site.door.services.index, "profile_of", lambda _tenant: small)
    assert 413 == (await imports.ask(mast, "a.json")).status_code
