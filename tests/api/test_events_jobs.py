"""Jobs that create and delete events: checked by the door, done by a job worker (wire 9)."""

import asyncio
import json
import re

import pytest

from api.identity.scopes import EVENTS_DELETE, EVENTS_READ, EVENTS_WRITE
from schemas.errors import StoreUnavailable
from schemas.jobs import ARGUMENTS, CREATE_EVENTS, DELETE_EVENTS, CreateEvents, DeleteEvents, NewEvent
from storage.event_port import EventRow, EventSpan
from storage.memory_events import MemoryEventStore
from streams.memory_jobs import MemoryJobQueue
from tests.api.doors import NOW_MS
from tests.api.events import BASE, STANDARD, call, codes_of, create, listed, root_of, words_of
from workers.event_jobs import create_events, delete_events, functions

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
UNKNOWN = "00000000-0000-4000-8000-000000000000"
CREATE, DELETE = "/createEventsJobs", "/deleteEventsJobs"


@pytest.fixture
async def service(service):
    """The door with a job queue that works when it is told to."""
    store = service.door.services.ports.events

    async def opened():
        return store

    waiting = MemoryJobQueue(functions(opened), tries=1)

    async def run_jobs():
        await asyncio.to_thread(waiting.run_waiting)

    object.__setattr__(service.door.services.ports, "jobs", waiting)
    service.run_jobs, service.store = run_jobs, store
    return service


async def test_events_are_created_by_a_job(service):
    """202 ACCEPTED with the id, then FINISHED with the number; the events are as if created one by one."""
    root = await root_of(service)
    events = [
        {"entityId": root, "timestamp": f"2025-12-31T08:00:0{number}Z", "code": str(number), "severity": "20"}
        for number in range(3)
    ]

    answer = await call(service, "POST", CREATE, {"events": events})
    job_id = answer.json()["id"]
    waiting = await call(service, "GET", f"{CREATE}/{job_id}")
    await service.run_jobs()
    done = await call(service, "GET", f"{CREATE}/{job_id}")

    assert answer.status_code == 202
    assert UUID.fullmatch(job_id)
    assert answer.headers["location"] == f"{BASE}{CREATE}/{job_id}"
    assert answer.json() == waiting.json() == {"id": job_id, "state": "ACCEPTED", "details": {}}
    assert done.json() == {"id": job_id, "state": "FINISHED", "details": {"created": 3}}
    assert await codes_of(service) == ["2", "1", "0"]
    assert [event["severity"] for event in (await listed(service))[0]] == [20, 20, 20]


async def test_a_job_of_events_is_checked_whole(service):
    """Each problem with its place, and nothing is created if there is one."""
    root = await root_of(service)
    good = {"entityId": root, "timestamp": "2025-12-31T08:00:00Z"}

    answer = await call(service, "POST", CREATE, {"events": [good, {**good, "severity": "x"}, {}]})
    await service.run_jobs()

    assert answer.status_code == 400
    assert [words.partition(":")[0] for words in words_of(answer)] == [
        "/events/1/severity", "/events/2/entityId", "/events/2/timestamp",
    ]  # fmt: skip
    assert await codes_of(service) == []


@pytest.mark.parametrize("count", [0, 51])
async def test_a_job_has_up_to_fifty_events(service, count):
    """None and fifty-one are refused."""
    answer = await call(service, "POST", CREATE, {"events": [{}] * count})

    assert words_of(answer) == ["/events: A job creates 1 to 50 events."]


async def test_events_are_deleted_by_a_job(service):
    """What the filter wants is gone, of all times; the rest stays."""
    for code, at in (("a", "2001-01-01T00:00:00Z"), ("b", "08:00:00Z"), ("a", "09:00:00Z")):
        await create(service, at, code=code)

    answer = await call(service, "POST", DELETE, {"filter": {"code": "a"}})
    job_id = answer.json()["id"]
    await service.run_jobs()
    done = await call(service, "GET", f"{DELETE}/{job_id}")

    assert (answer.status_code, answer.json()["state"]) == (202, "ACCEPTED")
    assert answer.headers["location"] == f"{BASE}{DELETE}/{job_id}"
    assert done.json() == {"id": job_id, "state": "FINISHED", "details": {"deleted": 2}}
    assert await codes_of(service, {"timestamp": {"after": "1970-01-01T00:00:00Z"}}) == ["b"]


async def test_an_event_is_deleted_by_its_id(service):
    """The filter that the CLI sends: id and type."""
    made, other = await create(service, code="a"), await create(service, code="b")

    await call(service, "POST", DELETE, {"filter": {"id": made["id"], "typeId": STANDARD}})
    await call(service, "POST", DELETE, {"filter": {"id": other["id"], "typeId": "acme.Other"}})
    await service.run_jobs()

    assert await codes_of(service) == ["b"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"filter": {}}, "/filter: Name what to delete; an empty filter would mean every event."),
        ({"filter": {"code": {"like": 1}}}, "filter: the function 'like' is not known."),
        ({}, None),
    ],
)
async def test_what_is_no_deletion(service, body, words):
    """A filter that wants everything, or means nothing, is refused before anything is gone."""
    await create(service, code="a")

    answer = await call(service, "POST", DELETE, body)
    await service.run_jobs()

    assert answer.status_code == 400
    assert words is None or words_of(answer) == [words]
    assert await codes_of(service) == ["a"]


async def test_a_job_deletes_its_tenants_events_only(service):
    """Another tenant's events of the same filter stay, and its jobs are unknown (S1)."""
    await create(service, code="a")
    await create(service, code="a", who=service.other)

    job_id = (await call(service, "POST", DELETE, {"filter": {"code": "a"}})).json()["id"]
    await service.run_jobs()

    assert await codes_of(service) == []
    assert [event["code"] for event in (await listed(service, who=service.other))[0]] == ["a"]
    assert (await call(service, "GET", f"{DELETE}/{job_id}", who=service.other)).status_code == 404


@pytest.mark.parametrize("path", [CREATE, DELETE])
async def test_unknown_jobs(service, path):
    """Ids that no submission gave, and those of the other kind of job."""
    await create(service)
    body = {"filter": {"code": "a"}}
    other = DELETE if path == CREATE else CREATE
    if other == CREATE:
        body = {"events": [{"entityId": await root_of(service), "timestamp": "2025-12-31T08:00:00Z"}]}
    job_id = (await call(service, "POST", other, body)).json()["id"]

    for unknown in (job_id, UNKNOWN, "x"):
        answer = await call(service, "GET", f"{path}/{unknown}")

        assert (answer.status_code, words_of(answer)) == (404, ["There is no such job."])


async def test_a_job_that_fails_says_so(service):
    """FINISHED_WITH_ERROR, with nothing of our inside."""

    async def broken(span, limit):
        raise StoreUnavailable("cassandra.internal:9042 refused")

    service.store.read = broken
    job_id = (await call(service, "POST", DELETE, {"filter": {"code": "a"}})).json()["id"]
    await service.run_jobs()
    answer = await call(service, "GET", f"{DELETE}/{job_id}")

    words = "It failed at every try; the operator's log says why."
    assert answer.json() == {"id": job_id, "state": "FINISHED_WITH_ERROR", "details": {"reason": words}}


# -- the work itself -------------------------------------------------------------------------------


def row(number, code="a"):
    """Make an event, older the higher its number."""
    event_id = f"{number:08}{UNKNOWN[8:]}"
    return EventRow(
        "acme", "0" * 32, NOW_MS - number, event_id, STANDARD, 0, f'["",{{"code":"{code}"}}]'.encode()
    )


def wanting(code):
    """Give the arguments of a deletion."""
    return DeleteEvents("acme", json.dumps({"code": code}))


def test_the_jobs_are_known():
    """Every name has its arguments and its function."""
    assert {CREATE_EVENTS: CreateEvents, DELETE_EVENTS: DeleteEvents}.items() <= ARGUMENTS.items()
    assert {CREATE_EVENTS, DELETE_EVENTS} == set(functions(lambda: None))


def test_the_scopes_are_those_of_the_dialects_kind():
    """Named after the service, as those of time series are (wire 0.9)."""
    assert (EVENTS_READ, EVENTS_WRITE, EVENTS_DELETE) == ("em.r", "em.w", "em.d")


async def test_a_second_try_creates_nothing_new():
    """A job that died in the middle is run again: each event is there once."""
    store = MemoryEventStore()
    kept = row(1)
    new = NewEvent(kept.id, kept.entity, kept.time_ms, kept.type, kept.body.decode())
    told = CreateEvents("acme", (new,))

    first = await create_events(store, told)
    second = await create_events(store, told)

    assert first == second == {"created": 1}
    assert await store.read(EventSpan("acme", None, 0, NOW_MS), 10) == [kept]


async def test_deletions_go_through_any_number_of_events():
    """More than a page of events, those between that are not wanted left alone."""
    store = MemoryEventStore()
    for number in range(1, 1_203):
        await store.create(row(number, "ab"[number % 2]))

    assert await delete_events(store, wanting("a")) == {"deleted": 601}
    assert await delete_events(store, wanting("a")) == {"deleted": 0}
    assert len(await store.read(EventSpan("acme", None, 0, NOW_MS), 2_000)) == 601


@pytest.mark.parametrize(("code", "deleted"), [("a", 1), ("b", 0)])
async def test_an_event_that_changes_meanwhile_is_looked_at_again(code, deleted):
    """It goes if it is still wanted, and stays if it is not any more."""

    class Racing(MemoryEventStore):
        async def remove(self, row):
            if row.version == 0:
                await self.replace(row, f'["",{{"code":"{code}"}}]'.encode())
            return await super().remove(row)

    store = Racing()
    await store.create(row(1))

    assert await delete_events(store, wanting("a")) == {"deleted": deleted}
    assert len(await store.read(EventSpan("acme", None, 0, NOW_MS), 10)) == 1 - deleted
