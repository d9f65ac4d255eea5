"""Two doors that change the mappings of one agent at the same moment, on every catalogue (MS-85)."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import json
from types import SimpleNamespace

import httpx
import msgspec
import pytest

from api.identity.passwords import Passwords
from api.identity.scopes import ALL_SCOPES
from api.identity.setup import Credentials, bootstrap
from api.identity.tokens import Grant
from runtime.clock import ManualClock
from runtime.ports import Ports
from schemas.mappings import MappedAspect
from storage.memory_audit import MemoryAuditStore
from storage.memory_events import MemoryEventStore
from storage.memory_files import MemoryFileStore
from streams.memory import MemoryRecordStream
from streams.memory_jobs import MemoryJobQueue
from tests.api.doors import NOW_MS, _door, bearer, signing_key
from tests.api.masts import Mast, put_types
from tests.api.stations import AGENT, Station, put_agents
from tests.security.estate import STILL, opened
from tests.workers.world import World

KINDS = ["memory", "sqlite", pytest.param("cassandra", marks=pytest.mark.cassandra)]
POINTS = {f"dp{number}": ("DOUBLE", "") for number in range(4)}


@contextlib.asynccontextmanager
async def two_doors(catalog, store):
    """Start two doors over one catalogue that read its log when they are told; give a station at each."""
    clock = ManualClock(NOW_MS)
    await catalog.create("core", "key", "token-000001", signing_key())
    await bootstrap(catalog, Passwords(8), NOW_MS, Credentials("acme", "acme-tech", "s3cret"))
    await put_types(catalog, "acme")
    world = World(MemoryRecordStream(lambda: clock.now_ms() * 1000), store, clock)
    await world.writer().keep_leases()
    others = (MemoryJobQueue({}), MemoryFileStore(), MemoryEventStore(), MemoryAuditStore())
    async with contextlib.AsyncExitStack() as stack:
        stations = []
        for _ in range(2):
            ports = Ports(world.stream, store, catalog, clock, STILL, *others)
            door = stack.enter_context(_door(ports, ()))
            await stack.enter_async_context(door.running())
            transport = httpx.ASGITransport(door, raise_app_exceptions=False, client=("192.0.2.1", 1))
            http = await stack.enter_async_context(
                httpx.AsyncClient(transport=transport, base_url="http://door")
            )
            site = SimpleNamespace(http=http, door=door, catalog=catalog, clock=clock)
            stations.append(Station(Mast(site, "acme", header(door))))
        await put_agents(stations[0].site, "acme")
        await stations[1].site.door.services.refresh()
        yield stations


def header(door):
    """Give the header of an engineer."""
    grant = Grant("acme", "ann", "ann", ALL_SCOPES, "client-token:v1", 1_799)
    return bearer(door.services.identity.tokens.issue(grant, NOW_MS // 1_000)[0])


@pytest.fixture(params=KINDS)
async def stations(request, tmp_path):
    """The same engineer at two doors."""
    server = request.getfixturevalue("cassandra") if request.param == "cassandra" else None
    async with opened(request.param, tmp_path, server) as (catalog, store), two_doors(catalog, store) as both:
        yield both


async def kept(station):
    """Give what the store has: (data point, variable) of each mapping."""
    documents = await station.site.catalog.list("acme", "mapping")
    groups = [msgspec.json.decode(document.body, type=MappedAspect) for document in documents]
    return [(each.data_point_id, each.variable_name) for group in groups for each in group.mappings]


async def test_one_of_two_doors_makes_a_mapping(stations):
    """The same mapping at both doors at once: one is taken, every other one is a conflict (wire 13.13)."""
    await stations[0].configured(0, POINTS)

    answers = await asyncio.gather(*(station.map("dp0") for station in stations * 3))

    assert sorted(answer.status_code for answer in answers) == [201, *[409] * 5]
    assert await kept(stations[0]) == [("dp0", "temperature")]


async def test_no_rule_is_broken_by_a_race(stations):
    """Whoever comes first: a variable has one data point, a data point one variable of the aspect (MS-85)."""
    await stations[0].configured(0, POINTS)
    variables = ("v0", "v1", "v2", "v3")
    pairs = [(point, variable) for point in POINTS for variable in variables]

    answers = await asyncio.gather(
        *(
            stations[place % 2].map(point, variable, aspect="wide")
            for place, (point, variable) in enumerate(pairs)
        )
    )

    made = [pair for pair, answer in zip(pairs, answers, strict=True) if answer.status_code == 201]
    assert collections.Counter(answer.status_code for answer in answers).keys() == {201, 409}
    assert sorted(await kept(stations[0])) == sorted(made)
    assert len({point for point, _ in made}) == len({variable for _, variable in made}) == len(made)
    assert len(made) >= 2


async def test_one_of_two_doors_replaces_a_configuration(stations):
    """Both build on the same number: one is taken, the other is told that it is stale (wire 0.5)."""
    await stations[0].configured(0, POINTS)

    answers = await asyncio.gather(
        *(station.configure(1, POINTS, name=f"CF{place}") for place, station in enumerate(stations))
    )

    assert sorted(answer.status_code for answer in answers) == [200, 412]


async def test_a_mapping_at_one_door_and_a_configuration_at_the_other(stations):
    """What is made in the moment of a PUT is for the configuration before it, or for the one after it."""
    await stations[0].configured(0, POINTS)
    for etag in range(1, 6):
        put, made = await asyncio.gather(
            stations[0].configure(etag, POINTS), stations[1].map("dp0", keepMapping=False)
        )
        assert (put.status_code, made.status_code) == (200, 201)
        seen = []
        for station in stations:
            await station.site.door.services.refresh()
            seen.append([each["id"] for each in (await station.listed())["content"]])
            seen.append(list(station.routes().by_point))
        assert seen[0] == seen[2]
        assert seen[1] == seen[3] == ["dp0"] * len(seen[0])
        assert seen[0] in ([], [made.json()["id"]])
        for mapping_id in seen[0]:
            assert (await stations[0].removed({"id": mapping_id})).status_code == 204
            await stations[1].site.door.services.refresh()


async def test_a_door_that_has_not_heard_of_a_configuration_judges_by_it(stations):
    """PUT here, POST there, nothing in between: the mapping is for the new configuration, and stays."""
    await stations[0].configured(0, {"old": ("DOUBLE", "")})
    await stations[1].site.door.services.refresh()
    await stations[0].configured(1, {"new": ("DOUBLE", "")})

    gone = await stations[1].map("old")
    made = await stations[1].map("new")

    assert (gone.status_code, made.status_code) == (400, 201)
    await stations[0].site.door.services.refresh()
    assert (await stations[0].shown(made.json())).json()["validity"]["status"] == "VALID"


async def test_what_one_door_makes_another_finds_by_its_id(stations):
    """GET and DELETE look at the change log before they say that there is nothing."""
    await stations[0].configured(0, POINTS)
    found = await stations[0].mapped("dp0")

    assert (await stations[1].shown(found)).json() == found
    assert (await stations[1].removed(found)).status_code == 204
    assert (await stations[0].removed(found)).status_code == 404
    assert await kept(stations[0]) == []


async def test_a_slow_writer_does_not_bring_back_what_was_removed(stations):
    """Where the last mapping went, versions go on: what was read before is not taken for the present."""
    await stations[0].configured(0, POINTS)
    first = await stations[0].mapped("dp0")
    group_id = f"{AGENT}/{AGENT}/" + "1" * 32
    catalog = stations[0].site.catalog
    read = await catalog.get("acme", "mapping", group_id)
    await stations[0].removed(first)
    await stations[0].mapped("dp1")

    slow = await catalog.replace("acme", "mapping", group_id, read.body, read.version)

    assert slow is None
    assert await kept(stations[0]) == [("dp1", "temperature")]


async def test_a_door_that_starts_knows_everything(stations):
    """Configurations and mappings are read with the rest of the catalogue."""
    await stations[0].configured(0, POINTS)
    found = await stations[0].mapped("dp0", keepMapping=True)
    await stations[1].site.door.services.index.load()

    assert (await stations[1].listed(filter=json.dumps({"agentId": AGENT})))["content"] == [found]
    assert stations[1].routes().by_point.keys() == {"dp0"}
