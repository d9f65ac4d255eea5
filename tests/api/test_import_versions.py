"""A corrected file takes the place of what the earlier version of it wrote (design 4.14, 9.7)."""

import asyncio
import itertools

import pytest

from schemas.durations import DAY_MS
from tests.api.bulk import JOBS
from tests.api.test_imports import TYPE, TYPES, ask, at, counts_of, done, imports, text_of

HEAD = "temperature,level"
OLD = [HEAD, "{0},1,1", "{1},2,2", "{2},3,3", "{3},4,4"]
NEW = [HEAD, "{0},1,1", "{1},9,2", "{3},4,4"]
OLD_SEEN, NEW_SEEN = [(1, 1), (2, 2), (3, 3), (4, 4)], [(1, 1), (9, 2), (4, 4)]
__all__ = ["imports"]
_folders = itertools.count()


def iso(number):
    """Write a time as clients do."""
    return at(number).replace(" ", "T") + "Z"


async def version(imports, lines, name="a.csv", **others):
    """Import a file of a name, from a folder of its own; gives the job."""
    return await done(imports, text_of(lines), path=f"v{next(_folders)}/{name}", **others)


async def seen(imports, mast=None):
    """Read everything: (temperature, level) of each record."""
    await imports.site.step()
    rows = await (mast or imports.site.open).rows()
    return [(row.get("temperature"), row.get("level")) for row in rows]


async def undo(imports, job):
    """Undo an import."""
    answer = await imports.site.open.send("POST", f"{JOBS}/{job['id']}/undo")
    assert answer.status_code == 202, answer.text
    await imports.site.step()


async def test_a_later_version_replaces_what_the_earlier_one_wrote(imports):
    """Same name, other bytes: changed rows change, rows that it has no more disappear, all else stays."""
    await imports.site.open.wrote([{"_time": iso(8), "level": 77}])
    first = await version(imports, OLD)
    assert [*OLD_SEEN, (None, 77)] == await seen(imports)

    second = await version(imports, NEW, name="a.csv.gz")

    assert [*NEW_SEEN, (None, 77)] == await seen(imports)
    assert ("done", (3, 3, 0, 0)) == (second["state"], counts_of(second))
    assert (first["id"], 1) == (second["replaces"], second["counts"]["removed"])
    await imports.site.seal()
    assert [*NEW_SEEN, (None, 77)] == await seen(imports)


@pytest.mark.parametrize("sealed", [False, True])
async def test_a_correction_is_undone_and_corrected_itself(imports, sealed):
    """Its undo brings the earlier version back, exactly; a third version corrects the second one."""
    await version(imports, OLD)
    second = await version(imports, NEW)
    if sealed:
        await imports.site.seal()
    third = await version(imports, [HEAD, "{0},1,1", "{2},3,3"])
    assert [(1, 1), (3, 3)] == await seen(imports)
    assert (second["id"], 2) == (third["replaces"], third["counts"]["removed"])
    await undo(imports, third)
    assert NEW_SEEN == await seen(imports)

    other = await version(imports, [HEAD, "{1},9,2"], replaces=second["id"])
    assert (second["id"], [(9, 2)]) == (other["replaces"], await seen(imports))


async def test_the_first_version_again_is_a_correction_of_the_second(imports):
    """The same bytes change nothing only while they are what stands (SM-10)."""
    await version(imports, OLD)
    second = await version(imports, NEW)
    back = await version(imports, OLD)

    assert ("done", second["id"]) == (back["state"], back["replaces"])
    assert OLD_SEEN == await seen(imports)
    assert back["id"] == (await version(imports, OLD))["sameAs"]


async def test_what_others_wrote_since_stays_and_what_was_overwritten_returns(imports):
    """The earlier version's are only values that stand as it wrote them; under them lies what was before."""
    mast = imports.site.open
    await mast.wrote([{"_time": iso(1), "temperature": 50, "running": True}, {"_time": iso(2), "level": 60}])
    await version(imports, OLD)
    patched = await mast.patch([{"_time": iso(3), "level": 44}])
    assert 204 == patched.status_code, patched.text
    assert [(1, 1), (2, 2), (3, 3), (4, 44)] == await seen(imports)

    await version(imports, [HEAD, "{0},1,1"])

    assert [(1, 1), (50, None), (None, 60), (None, 44)] == await seen(imports)
    assert [None, True, None, None] == [row.get("running") for row in await mast.rows()]


async def test_what_versions_are_is_declared(imports):
    """A window of a logger keeps older rows; separate files stand side by side; others replace nothing."""
    window, separate = {**TYPE, "name": "ring", "versions": "window"}, {**TYPE, "name": "days"}
    separate["versions"] = "separate"
    for each in (window, separate):
        assert 201 == (await imports.site.open.send("POST", TYPES, each)).status_code
    await version(imports, OLD, type="ring")
    part = await version(imports, [HEAD, "{1},5,5", "{3},6,6"], type="ring")
    assert ([(1, 1), (5, 5), (6, 6)], 1) == (await seen(imports), part["counts"]["removed"])

    for other in ({"type": "days"}, {"name": "b.csv"}):
        job = await version(imports, [HEAD, "{2},7,7"], **other)
        assert "replaces" not in job
    assert [(1, 1), (5, 5), (7, 7), (6, 6)] == await seen(imports)


async def test_a_file_of_other_times_is_no_version_of_the_one_before(imports):
    """A logger that begins its file anew loses nothing; who names the import means it."""
    first = await version(imports, [HEAD, "{0},1,1", "{1},2,2"])
    second = await version(imports, [HEAD, "{2},3,3"])
    assert ("replaces" in second, [(1, 1), (2, 2), (3, 3)]) == (False, await seen(imports))

    third = await version(imports, [HEAD, "{8},9,9"], name="x.csv", replaces=first["id"])
    assert ([(3, 3), (9, 9)], first["id"]) == (await seen(imports), third["replaces"])
    again = await ask(imports, text_of(OLD), path="y.csv", replaces=first["id"])
    unknown = await ask(imports, text_of(OLD), path="z.csv", replaces="none")
    assert [(400, "/replaces")] * 2 == [
        (answer.status_code, answer.json()["errors"][0]["pointer"]) for answer in (again, unknown)
    ]


async def test_series_that_the_correction_does_not_have_lose_their_rows(imports):
    """Rows that went to the wrong aspect are corrected in both."""
    first = await version(imports, OLD)
    right = [HEAD.replace("temperature", "FRWheel").replace("level", "FLWheel"), "{0},1,1"]
    job = await version(imports, right, aspect="tyres", newColumns="extend", replaces=first["id"])

    assert ("done", 4) == (job["state"], job["counts"]["removed"])
    assert [] == await seen(imports)
    assert [1] == [row["FRWheel"] for row in await imports.site.open.of(aspect="tyres").rows()]


async def test_what_is_not_known_any_more_is_told(imports):
    """After the time for an undo rows of the same times are replaced; one that was named fails the job."""
    await version(imports, [HEAD, "{0},1,1", "{1},2,2", "{2},3,3"])
    for _ in range(8):
        imports.site.clock.advance(DAY_MS)
        await imports.site.renew()
    first = (await imports.site.open.send("GET", JOBS)).json()["jobs"][0]
    failed = await version(imports, [HEAD, "{0},5,5", "{2},6,6"], name="b.csv", replaces=first["id"])
    late = await version(imports, [HEAD, "{0},5,5", "{2},6,6"])

    assert ("failed", "done") == (failed["state"], late["state"])
    assert all("is not known any more" in job["message"] for job in (failed, late))
    assert ([(5, 5), (2, 2), (6, 6)], 0) == (await seen(imports), late["counts"]["removed"])


async def test_versions_are_imported_one_after_the_other(imports):
    """While a version is imported the next one waits outside, so there is one order."""
    first = await ask(imports, text_of(OLD), path="p/a.csv")
    second = await ask(imports, text_of(NEW), path="q/a.csv")
    assert (201, 409) == (first.status_code, second.status_code)
    assert first.json()["id"] in second.json()["errors"][0]["message"]


async def test_an_all_refused_correction_leaves_the_earlier_version(imports):
    """Nobody meant to take everything away."""
    first = await version(imports, OLD)
    job = await version(imports, [HEAD, "{0},x,1"], replaces=first["id"])
    assert ((1, 0, 0, 1), OLD_SEEN) == (counts_of(job), await seen(imports))


async def test_narrow_files_are_corrected_value_by_value(imports):
    """Values that the later version has no more go; others of the same record stay (SM-06)."""
    mast = imports.site.open
    typed = {
        **TYPE, "name": "narrow", "narrow": {"sensor": "what", "value": "reading"}, "aspect": "weather",
    }  # fmt: skip
    assert 201 == (await mast.send("POST", TYPES, typed)).status_code
    old = ["what,reading", "{0},temperature,1", "{0},level,2", "{1},level,3", "{2},temperature,4"]
    await version(imports, old, type="narrow", aspect="")
    assert [(1, 2), (None, 3), (4, None)] == await seen(imports)
    job = await version(imports, [*old[:2], "{2},temperature,5"], type="narrow", aspect="")

    assert "done" == job["state"], job
    assert [(1, None), (5, None)] == await seen(imports)
    await undo(imports, job)
    assert [(1, 2), (None, 3), (4, None)] == await seen(imports)


async def test_versions_that_are_asked_for_at_once_are_not_both_imported(imports):
    """Of two requests that did not see each other one at most is taken (design 9.7)."""
    for number, lines in enumerate((OLD, NEW)):
        await imports.put_file(imports.site.open, f"same{number}/a.csv", text_of(lines))
    asked = (ask(imports, b"", path=f"same{number}/a.csv", store=False) for number in (0, 1))
    statuses = [answer.status_code for answer in await asyncio.gather(*asked)]

    assert 409 in statuses
    listed = (await imports.site.open.send("GET", JOBS)).json()["jobs"]
    assert statuses.count(201) == sum(each["state"] == "submitted" for each in listed)


@pytest.mark.parametrize("sealed", [False, True])
async def test_what_a_correction_brought_back_is_not_its_own(imports, sealed):
    """A live record below the first version returns with the second one, and no further version takes it."""
    await imports.site.open.wrote([{"_time": iso(0), "temperature": 77, "level": 7}])
    await version(imports, OLD)
    await version(imports, [HEAD, "{1},2,2", "{2},3,3"])
    if sealed:
        await imports.site.seal()
    third = await version(imports, [HEAD, "{2},9,3"])

    assert [(77, 7), (9, 3)] == await seen(imports)
    assert 1 == third["counts"]["removed"]
    await undo(imports, third)
    assert [(77, 7), (2, 2), (3, 3)] == await seen(imports)
