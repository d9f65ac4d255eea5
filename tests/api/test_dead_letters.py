"""Dead letters over HTTP: a tenant sees, replays and discards its own and nobody else's (design 4, R14)."""

import json

import msgspec
import pytest

from api.routes.dead_letters import JOBS_PATH, PATH
from schemas.changes import Upsert
from schemas.columns import Column, Columns
from schemas.ids import AspectId, AssetId, SeriesId, TenantId
from streams.entries import SeriesEntry, encode_entry
from streams.memory_jobs import MemoryJobQueue
from streams.port import DeadLetter
from streams.shards import shard_of
from tests.api.doors import NOW_MS
from tests.workers.world import SHARDS
from workers.jobs import functions

REASON = "an entry of 88 bytes fails its checksum or version 1"


def letter(tenant, asset, number, *, spoilt=True, shard=None):
    """Make a dead letter of a tenant's series, with a checksum that does not hold."""
    import numpy as np

    series = SeriesId(TenantId(tenant), AssetId(f"{asset:032x}"), AspectId("b" * 32))
    change = Upsert(Columns(np.array([NOW_MS], "<i8"), {1: Column(np.ones(1))}))
    body = encode_entry(SeriesEntry(series, 1, change))
    if spoilt:
        body = body[:-1] + bytes([body[-1] ^ 1])
    home = shard_of(series.tenant, series.asset, SHARDS) if shard is None else shard
    return DeadLetter(home, NOW_MS * 1_000 + number, REASON, body)


async def bury(service, *letters):
    """Put letters where a writer would."""
    for each in letters:
        await service.world.stream.bury(each)
    return sorted((each.shard, each.position) for each in letters)


async def listed(service, headers, query=""):
    """Give (shard, position) of the letters of a page, and the page."""
    answer = await service.http.get(PATH + query, headers=headers)
    assert 200 == answer.status_code, answer.text
    page = answer.json()
    return [(each["shard"], each["position"]) for each in page["letters"]], page


async def test_a_tenant_sees_its_own_letters_only(service):
    """The header names the tenant although the checksum does not hold; nobody sees what nobody can read."""
    ours = await bury(service, letter("acme", 1, 1), letter("acme", 2, 2))
    theirs = await bury(service, letter("other", 1, 3))
    nobodys = DeadLetter(0, 5, REASON, b"who put me here?")
    elsewhere = letter("acme", 1, 6, shard=(shard_of("acme", f"{1:032x}", SHARDS) + 1) % SHARDS)
    await bury(service, nobodys, DeadLetter(1, 5, REASON, b""), elsewhere)

    assert ours == (await listed(service, service.acme))[0]
    assert theirs == (await listed(service, service.other))[0]


async def test_a_letter_says_what_was_lost_and_nothing_of_its_content(service):
    """Place, time, series, size and reason: enough to look for the cause."""
    [(shard, position)] = await bury(service, letter("acme", 7, 1))

    _, page = await listed(service, service.acme)

    assert {
        "letters": [
            {
                "shard": shard,
                "position": position,
                "time": "2026-01-01T00:00:00.000Z",
                "assetId": f"{7:032x}",
                "aspectId": "b" * 32,
                "reason": REASON,
                "bytes": 88,
            }
        ]
    } == page


async def test_a_long_list_comes_in_pages(service):
    """Pages follow one another without gap and repetition, over all shards; the last one has no next."""
    ours = await bury(service, *(letter("acme", number % 5, number) for number in range(23)))
    await bury(service, *(letter("other", number % 5, number + 100) for number in range(9)))

    seen, after = [], ""
    for _ in range(10):
        places, page = await listed(service, service.acme, f"?limit=4{after}")
        assert len(places) <= 4
        seen += places
        if "next" not in page:
            break
        after = f"&after={page['next']}"

    assert ours == seen


@pytest.mark.parametrize("query", ["?after=x", "?after=1", "?after=1.2.3", "?limit=0", "?limit=1001", "?x=1"])
async def test_a_bad_question_is_refused(service, query):
    """Unknown and malformed parameters are named (design 8.22)."""
    answer = await service.http.get(PATH + query, headers=service.acme)

    assert 400 == answer.status_code


async def test_a_letter_is_discarded_by_its_tenant_only(service):
    """Another tenant's letter is not found, with the same body as one that never was."""
    [(shard, position)] = await bury(service, letter("acme", 1, 1))
    path = f"{PATH}/{shard}/{position}"

    foreign = await service.http.delete(path, headers=service.other)
    unknown = await service.http.delete(f"{PATH}/{shard}/{position + 1}", headers=service.other)
    assert (404, 404) == (foreign.status_code, unknown.status_code)
    assert _without_logref(foreign) == _without_logref(unknown)
    assert 1 == len((await listed(service, service.acme))[0])

    assert 204 == (await service.http.delete(path, headers=service.acme)).status_code
    assert 404 == (await service.http.delete(path, headers=service.acme)).status_code
    assert [] == (await listed(service, service.acme))[0]


def _without_logref(answer):
    return [{**error, "logref": ""} for error in answer.json()["errors"]]


async def test_a_replay_is_a_job_of_its_tenant(service):
    """202 with the job; the job keeps to the tenant; another tenant's job is not found."""
    await bury(service, letter("acme", 1, 1, spoilt=False), letter("other", 1, 2, spoilt=False))
    await bury(service, letter("acme", 2, 3))

    answer = await service.http.post(f"{PATH}/replay", json={}, headers=service.acme)

    assert 202 == answer.status_code, answer.text
    job = answer.json()
    assert {"id": job["id"], "state": "SUBMITTED"} == job
    assert f"{JOBS_PATH}/{job['id']}" == answer.headers["location"]
    assert job == (await service.http.get(answer.headers["location"], headers=service.acme)).json()
    await service.run_jobs()
    done = (await service.http.get(answer.headers["location"], headers=service.acme)).json()
    assert {"id": job["id"], "state": "SUCCESS", "result": {"replayed": 1, "kept": 1}} == done
    foreign = await service.http.get(answer.headers["location"], headers=service.other)
    assert 404 == foreign.status_code
    assert 1 == len((await listed(service, service.other))[0])


async def test_a_failed_job_says_so_without_detail(service):
    """What went wrong inside stands in the log of the operator, not in the answer."""

    def fail(_arguments):
        raise ConnectionError("unix:///run/secret.sock")

    service.jobs._functions = {"replay_dead_letters": fail}
    answer = await service.http.post(f"{PATH}/replay", json={"shard": 1}, headers=service.acme)
    service.jobs.run_waiting()

    status = await service.http.get(answer.headers["location"], headers=service.acme)

    assert "ERROR" == status.json()["state"]
    assert "secret" not in status.text


@pytest.mark.parametrize("body", [b"", b"[]", b'{"x":1}', b'{"positions":[1]}', b'{"shard":-1}', b"{"])
async def test_a_malformed_replay_is_refused(service, body):
    """Nothing is submitted for a body that does not say what is meant."""
    headers = {**service.acme, "content-type": "application/json"}

    answer = await service.http.post(f"{PATH}/replay", content=body, headers=headers)

    assert 400 == answer.status_code, answer.text
    assert {} == service.jobs._asked


@pytest.mark.parametrize(
    "job_id", ["x", "acme-", "acme-" + "g" * 32, "other-" + "0" * 32, "acme-" + "0" * 32]
)
async def test_an_unknown_job_is_not_found(service, job_id):
    """Ids that no submission gave, and another tenant's."""
    assert 404 == (await service.http.get(f"{JOBS_PATH}/{job_id}", headers=service.acme)).status_code


def test_the_arguments_survive_the_queue():
    """What the door submits is what the job is told."""
    told = json.loads(json.dumps(msgspec.to_builtins({"shard": None, "positions": [], "tenant": "acme"})))

    assert {"replay_dead_letters"} == set(functions(lambda: None, SHARDS))
    assert {"shard", "positions", "tenant"} == set(told)


@pytest.fixture
async def service(service):
    """The door with a job queue that works when it is told to."""
    import asyncio

    def open_stream():
        return service.world.stream

    waiting = MemoryJobQueue(functions(open_stream, SHARDS))

    async def close():
        """Leave the one stream of the test open."""

    service.world.stream.close = close

    async def run_jobs():
        await asyncio.to_thread(waiting.run_waiting)

    object.__setattr__(service.door.services.ports, "jobs", waiting)
    service.jobs, service.run_jobs = waiting, run_jobs
    return service
