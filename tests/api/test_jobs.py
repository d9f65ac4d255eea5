"""Jobs as their tenant sees them: listed, followed, cancelled, undone (design 9.7, SM-08, SM-14)."""

import json
from dataclasses import replace

import msgspec
import pytest

from schemas.durations import DAY_MS
from schemas.errors import StreamUnavailable
from schemas.jobs import RUN_JOB, RunJob
from schemas.limits import JOBS_UNFINISHED_MAX
from storage import job_records
from storage.job_records import Phase
from tests.api.bulk import BULK, JOBS, Imports, old, records
from workers.import_jobs import Workshop, run_job

UNKNOWN = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
async def imports(site):
    """A site that imports."""
    await site.step()
    return Imports(site)


async def asked(imports, mast, count=3, name="a.json"):
    """Ask for an import; gives the job's id."""
    await imports.put_file(mast, name, records(count))
    return (await imports.ask(mast, name)).json()["id"]


async def test_a_job_tells_what_came_of_every_row(imports):
    """Rows, bytes, rate, counts, receipt, and until when it can be undone."""
    mast = imports.site.open
    job_id = await asked(imports, mast)
    waiting = await imports.job(mast, job_id)
    await imports.run()
    done = await imports.job(mast, job_id)

    assert ("submitted", "import", "acme-tech") == (waiting["state"], waiting["kind"], waiting["by"])
    assert ("done", 1, [mast.asset]) == (done["state"], done["attempts"], done["assets"])
    assert {"rows": 3, "stored": 3, "duplicates": 0, "refused": 0, "series": 1, "cells": 6} == done["counts"]
    size = len(json.dumps(records(3)))
    assert {"rows": 3, "bytes": size - 1, "bytesAll": size, "rowsPerS": 15.0} == done["progress"]
    assert {"undoableUntil", "receipt", "started", "ended"} <= done.keys()
    assert "leftS" not in done["progress"]
    read = await mast.send("GET", mast.path, None, {"to": old(9)}, read_after=done["receipt"])
    assert 3 == len(read.json())


async def test_jobs_are_listed_the_newest_first(imports):
    """By pages, by state, the caller's tenant's only."""
    mast, ids = imports.site.open, []
    for number in range(3):
        imports.site.clock.advance(1_000)
        ids.append(await asked(imports, mast, name=f"{number}.json"))
    first = (await mast.send("GET", JOBS, None, {"limit": "2"})).json()
    second = (await mast.send("GET", JOBS, None, {"limit": "2", "before": first["next"]})).json()
    await imports.run()

    assert (ids[:0:-1], [ids[0]]) == (
        [job["id"] for job in first["jobs"]],
        [job["id"] for job in second["jobs"]],
    )
    assert "next" not in second
    assert [] == (await mast.send("GET", JOBS, None, {"state": "submitted"})).json()["jobs"]
    assert 3 == len((await mast.send("GET", JOBS, None, {"state": "done"})).json()["jobs"])
    other = imports.site.other
    assert [] == (await other.send("GET", JOBS)).json()["jobs"]
    for path in (f"{JOBS}/{ids[0]}", f"{BULK}/importJobs/{ids[0]}", f"{JOBS}/{ids[0]}/events"):
        answers = [
            await who.send("GET", path.replace(ids[0], name))
            for who, name in ((other, ids[0]), (mast, UNKNOWN))
        ]
        assert [404, 404] == [answer.status_code for answer in answers]
    for query in ({"before": "x"}, {"state": "none"}, {"limit": "0"}, {"other": "1"}):
        assert 400 == (await mast.send("GET", JOBS, None, query)).status_code


async def test_a_waiting_job_is_cancelled_at_once(imports):
    """Nothing of it is done; the same again changes nothing; one that has ended stays as it is."""
    mast = imports.site.open
    job_id = await asked(imports, mast)
    for _ in range(2):
        answer = await mast.send("POST", f"{JOBS}/{job_id}/cancel")
        assert (202, "cancelled") == (answer.status_code, answer.json()["state"])
    await imports.run()
    assert [] == await mast.rows()
    assert "ERROR" == (await mast.send("GET", f"{BULK}/importJobs/{job_id}")).json()["status"]

    other = await asked(imports, mast, name="b.json")
    await imports.run()
    assert 409 == (await mast.send("POST", f"{JOBS}/{other}/cancel")).status_code
    assert 404 == (await imports.site.other.send("POST", f"{JOBS}/{other}/cancel")).status_code


async def test_an_import_is_undone_by_its_job(imports):
    """What it replaced comes back; the job says how its undo stands; asked twice it is done once."""
    mast = imports.site.open
    before = [{"_time": old(1), "level": 7}]
    await mast.wrote(before)
    job_id = await asked(imports, mast)
    await imports.run()
    assert 3 == len(await mast.rows())

    first = (await mast.send("POST", f"{JOBS}/{job_id}/undo")).json()
    again = (await mast.send("POST", f"{JOBS}/{job_id}/undo")).json()
    await imports.site.step()
    done = await imports.job(mast, job_id)

    assert ("pending", "acme-tech") == (first["undo"]["state"], first["undo"]["by"])
    assert first["undo"]["receipt"] == again["undo"]["receipt"]
    assert ("applied", "done") == (done["undo"]["state"], done["state"])
    assert "undoableUntil" not in done
    assert before == await mast.rows()


async def test_an_undo_that_would_be_in_vain_is_refused(imports):
    """409 with the reason: not ended, nothing changed, something newer, too late."""
    mast = imports.site.open
    job_id = await asked(imports, mast)
    undo = f"{JOBS}/{job_id}/undo"
    assert 409 == (await mast.send("POST", undo)).status_code
    await imports.run()
    await mast.wrote([{"_time": old(1), "level": 1}])
    unsealed = await mast.send("POST", undo)
    await imports.site.step()
    stored = await mast.send("POST", undo)
    assert (409, 409) == (unsealed.status_code, stored.status_code)
    assert "something newer" in unsealed.text
    assert "something newer" in stored.text

    late = await asked(imports, mast, name="b.json")
    await imports.run()
    imports.site.clock.advance(8 * DAY_MS)
    await imports.site.renew()
    answer = await mast.send("POST", f"{JOBS}/{late}/undo")
    assert 409 == answer.status_code
    assert "is over" in answer.text


async def test_a_job_is_followed_to_its_end(imports):
    """Server-Sent Events: one whenever it has changed, and the stream ends with the job."""
    mast = imports.site.open
    job_id = await asked(imports, mast)
    feeds = imports.site.door.services.feeds
    feeds.poll_s = 0.001
    await imports.run()
    answer = await mast.send("GET", f"{JOBS}/{job_id}/events")
    events = [line.removeprefix("data: ") for line in answer.text.split("\n") if line.startswith("data: ")]
    assert "text/event-stream" in answer.headers["content-type"]
    assert answer.text.startswith("retry: 2000\n\nevent: job\n")
    assert ["done"] == [json.loads(event)["state"] for event in events]


async def test_a_tenant_has_so_many_jobs_at_most(imports):
    """Jobs that have not ended are counted; 429 beyond."""
    mast = imports.site.open
    job_id = await asked(imports, mast)
    record = await job_records.get(imports.site.catalog, "acme", job_id)
    for number in range(JOBS_UNFINISHED_MAX - 1):
        another = msgspec.structs.replace(record, id=f"{UNKNOWN[:-3]}{number:03}")
        await job_records.submit(imports.site.catalog, "acme", another)
    answer = await imports.ask(mast, "a.json")
    assert 429 == answer.status_code
    assert answer.headers["retry-after"]


async def test_a_queue_that_is_away_delays_a_job_only(imports):
    """The job stands in the catalogue; whoever keeps jobs tells the workers later."""

    async def away(*_arguments):
        raise StreamUnavailable("the job queue is not available")

    imports.queue.submit = away
    mast = imports.site.open
    job_id = await asked(imports, mast)
    assert "submitted" == (await imports.job(mast, job_id))["state"]


async def test_no_more_jobs_of_a_tenant_run_than_may(imports):
    """A third one waits, without a word of failure, and the first that ends wakes it (SM-14)."""
    mast = imports.site.open
    ids = [await asked(imports, mast, name=f"{number}.json") for number in range(3)]
    workshop, seen = imports.workshop, []

    async def pause(_seconds):
        if not seen:
            seen.append(None)
            await imports.run()
            seen.append([(await imports.job(mast, job))["state"] for job in ids])
        await imports.pause(0)

    ground = replace(workshop.ground, pause=pause)
    catalog = imports.site.catalog
    await job_records.change(catalog, "acme", ids[0], _one_at_a_time)
    for job_id in ids[1:]:
        await job_records.change(catalog, "acme", job_id, _one_at_a_time)
    first = imports.queue._asked.pop(f"acme-{RUN_JOB}-{ids[0]}-0")[1]
    await run_job(Workshop(ground, workshop.files, imports.queue, 1_024), RunJob(**first))

    assert ["running", "submitted", "submitted"] == seen[1]
    assert 1 == len(imports.queue._asked), "the one that waits longest was woken"
    for _ in range(3):
        await imports.run()
    assert ["done"] * 3 == [(await imports.job(mast, job))["state"] for job in ids]


def _one_at_a_time(record):
    return msgspec.structs.replace(record, told={**record.told, "running_max": 1})


@pytest.mark.parametrize(
    ("error", "words"), [(MemoryError(), "more memory than a job may have (1024 MB)"), (None, "took longer")]
)
async def test_a_job_over_its_limits_says_so(imports, monkeypatch, error, words):
    """Memory or time: it fails alone, with the reason, and nothing of it is left (S9)."""
    mast = imports.site.open
    job_id = await asked(imports, mast)

    async def write_blocks(_rows):
        if error is not None:
            raise error

    monkeypatch.setattr(imports.site.store, "write_blocks", write_blocks)
    if error is None:
        ground, files = imports.workshop.ground, imports.workshop.files
        imports.workshop = Workshop(ground, files, imports.queue, 1_024, seconds_max=-1)
    await imports.run()
    job = await imports.job(mast, job_id)
    assert "failed" == job["state"]
    assert words in job["message"]
    assert [job_records.KIND] == [
        kind for kind in await imports.site.catalog.kinds("acme") if "stag" in kind or kind == "job"
    ]


async def test_jobs_of_a_subtenants_assets_are_its_own(imports):
    """A caller that is bound to a subtenant sees jobs of its assets, and no others (design 7)."""
    mast = imports.site.open
    job_id = await asked(imports, mast)
    services = imports.site.door.services
    caller = services.identity.identify(mast.headers["authorization"], imports.site.clock.now_ms() / 1_000)
    bound = replace(caller, subtenant="north")
    assert ([], None) == await services.jobs.page(bound, phase=None, before=None, limit=9)
    assert [job_id] == [
        job.id for job in (await services.jobs.page(caller, phase=Phase.SUBMITTED, before=None, limit=9))[0]
    ]
