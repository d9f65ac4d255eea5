"""Refused rows are read again after the type is mended; those that pass leave the report (SM-10)."""

import pytest

from tests.api.bulk import FILES, JOBS
from tests.api.test_imports import PATH, TYPE, TYPES, ask, at, counts_of, done, imports, report_of, text_of

LINES = ["temperature,level,new", "{0},1.5,1,7", "{1},n/a,2,8", "{2},2.5,x,9", "never,3,3,1", "{4},n/a,5,2"]
__all__ = ["imports"]


async def replay(imports, job, **asked):
    """Ask for a replay."""
    return await imports.site.open.send("POST", f"{PATH}/{job['id']}/replay", asked)


async def replayed(imports, job, **asked):
    """Replay; gives the job."""
    answer = await replay(imports, job, **asked)
    assert 201 == answer.status_code, answer.text
    await imports.run()
    return await imports.job(imports.site.open, answer.json()["id"])


async def mend(imports, **changes):
    """Change the file type."""
    mast = imports.site.open
    tag = (await mast.send("GET", f"{TYPES}/tower")).headers["etag"]
    put = await mast.send("PUT", f"{TYPES}/tower", {**TYPE, **changes}, if_match=tag)
    assert 200 == put.status_code, put.text


@pytest.fixture
async def job(imports):
    """An import that refused rows: two for a text, one for a letter, one for its time."""
    lines = [line.rpartition(",")[0] for line in LINES]
    made = await done(imports, text_of(lines))
    assert (5, 1, 0, 4) == counts_of(made)
    return made


async def seen(imports):
    """Read (temperature, level) of everything."""
    await imports.site.step()
    return [(row.get("temperature"), row.get("level")) for row in await imports.site.open.rows()]


async def test_rows_that_pass_leave_the_report(imports, job):
    """Only refused rows are read, the others are what they became; lines stay those of the file."""
    await imports.site.open.wrote([{"_time": at(0).replace(" ", "T") + "Z", "temperature": 99}])
    assert ["3", "4", "5", "6"] == [row[1] for row in await report_of(imports, job)]
    await mend(imports, naValues=["n/a"])
    again = await replayed(imports, job)

    assert ("done", job["id"], (4, 2, 0, 2)) == (again["state"], again["replayOf"], counts_of(again))
    assert [(99, None), (None, 2), (None, 5)] == await seen(imports)
    assert [("4", "level"), ("5", "t")] == [(row[1], row[2]) for row in await report_of(imports, again)]

    await mend(imports, naValues=["n/a", "x"])
    third = await replayed(imports, again)
    assert (2, 1, 0, 1) == counts_of(third)
    assert [(99, None), (None, 2), (2.5, None), (None, 5)] == await seen(imports)
    assert ["5"] == [row[1] for row in await report_of(imports, third)]


async def test_a_replay_that_refuses_all_again_stores_nothing(imports, job):
    """Nothing was mended: the same report once more."""
    again = await replayed(imports, job)
    assert ("done", (4, 0, 0, 4)) == (again["state"], counts_of(again))
    told = [await report_of(imports, each) for each in (job, again)]
    assert told[0] == told[1]


async def test_the_files_are_those_of_then(imports, job):
    """What has taken the place of a file is not read; a file that is gone says so."""
    mast = imports.site.open
    path = f"{FILES}/{mast.asset}/a.csv"
    await mend(imports, naValues=["n/a"])
    assert 204 == (await mast.send("DELETE", path, if_match='"0"')).status_code
    again = await replayed(imports, job)
    assert "failed" == again["state"]
    assert "was replaced or deleted" in again["message"]
    assert 201 == (await replay(imports, job)).status_code  # a replay that failed stands in nobody's way


async def test_columns_that_were_set_aside_are_read_once_they_have_a_place(imports):
    """The rows are stored whole, with what they lacked."""
    job = await done(imports, text_of([LINES[0], LINES[1]]), newColumns="quarantine")
    assert (1, 1, 0, 0) == counts_of(job)
    rules = [*TYPE["rules"], {"column": "new", "variable": "pressure"}]
    await mend(imports, rules=rules)
    again = await replayed(imports, job)
    assert (1, 1, 0, 0) == counts_of(again)
    assert [(1.5, 1, 7)] == [
        (row["temperature"], row["level"], row["pressure"]) for row in await imports.site.open.rows()
    ]
    assert "reports" not in again


async def test_what_cannot_be_replayed_says_why(imports, job):
    """Nothing refused, undone, replayed already, not done, a report that is gone."""
    mast = imports.site.open
    clean = await done(imports, text_of(["level", "{7},1"]), path="b.csv")
    running = (await ask(imports, text_of(["level", "{8},1"]), path="c.csv")).json()
    assert 201 == (await replay(imports, job)).status_code
    told = [await replay(imports, each) for each in (clean, running, job, {"id": "none"})]
    assert [409, 409, 409, 404] == [answer.status_code for answer in told]
    words = ["refused no row", "is done", "replays it"]
    assert all(word in answer.text for word, answer in zip(words, told, strict=False))

    await imports.run()
    other = await done(imports, text_of(["level", "{1},x", "{2},3"]), path="d.csv")
    gone = await mast.send("DELETE", f"{FILES}/{mast.asset}/{other['reports'][0]}", if_match='"0"')
    assert 204 == gone.status_code
    assert 409 == (await replay(imports, other)).status_code
    undone = await mast.send("POST", f"{JOBS}/{other['id']}/undo")
    assert 202 == undone.status_code
    assert "undone" in (await replay(imports, other)).text
    for bad in ({"type": "none"}, {"unknown": 1}, {"newColumns": "x"}):
        assert (await replay(imports, job, **bad)).status_code in {400, 404, 409}


async def test_a_correction_takes_away_what_a_replay_stored(imports, job):
    """Replayed rows are of the version of the file that they came from (design 4.14)."""
    await mend(imports, naValues=["n/a"])
    await replayed(imports, job)
    later = await done(imports, text_of(["temperature,level", "{0},8,8"]), path="v2/a.csv")
    assert (job["id"], 2, [(8, 8)]) == (later["replaces"], later["counts"]["removed"], await seen(imports))


async def test_a_report_that_leaves_rows_out_is_not_replayed(imports, job, monkeypatch):
    """Nobody knows which rows those are."""
    mast = imports.site.open
    path = f"{FILES}/{mast.asset}/{job['reports'][0]}"
    text = (await mast.send("GET", path)).text + ",,,3 more are not listed,\r\n"
    put = await mast.send("PUT", path, text.encode(), if_match='"0"')
    assert 204 == put.status_code, put.text
    again = await replayed(imports, job)
    assert "leaves rows out" in again["message"]


async def test_a_type_that_names_asset_and_aspect_is_replayed(imports):
    """What the type says itself is as it says now, what it leaves open as it was."""
    await imports.site.open.rename("tower 7")
    await mend(imports, asset="tower 7", aspect="weather")
    job = await done(imports, text_of(["temperature,level", "{0},n/a,3", "{1},2,4"]), aspect="")
    await mend(imports, asset="tower 7", aspect="weather", naValues=["n/a"])
    again = await replayed(imports, job)

    assert ("done", (1, 1, 0, 0)) == (again["state"], counts_of(again))
    assert [(None, 3), (2, 4)] == await seen(imports)


@pytest.mark.parametrize("octets", [b"\xff\xfe", b'"' + b"x" * 200_000, b"a\r\nf,9999999999999999999,,,\r\n"])
async def test_a_report_that_somebody_has_replaced_is_not_replayed(imports, job, octets):
    """The file is the tenant's to change; then the job says so, whatever it holds."""
    mast = imports.site.open
    path = job["reports"][0]
    gone = await mast.send("DELETE", f"{FILES}/{mast.asset}/{path}", if_match='"0"')
    assert 204 == gone.status_code
    await imports.put_file(mast, path, octets)
    again = await replayed(imports, job)

    assert "failed" == again["state"]
    assert "import the file again" in again["message"]
