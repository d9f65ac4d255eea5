"""Random programs of one tenant leave another one as it was, byte for byte (S2).

Both tenants have the same names and the same ids wherever two tenants may. The programs are drawn from the
rows of the access matrix, so that a new route takes part as soon as it has one.
"""

from __future__ import annotations

import random

import msgspec
import pytest

from api.catalog.index import CatalogIndex
from schemas.assets import Asset
from schemas.times import format_time
from tests.api.doors import NOW_MS, bearer
from tests.security.dumps import dump
from tests.security.estate import ACME, OTHER, open_estate, opened
from tests.security.table import rows
from tests.workers.world import step

STEPS = 150
SEEDS = (1, 2, 3)
ALIKE = {ACME: 1, OTHER: 1}
"""The same number: the same ids."""

SERIES = "/api/iottimeseries/v3/timeseries/{asset}/weather"
SHARES = "/api/aspectstore/v1/shares"
ANSWERS = (
    "/api/assetmanagement/v3/assets?size=100",
    "/api/assetmanagement/v3/aspecttypes?size=100",
    "/api/assetmanagement/v3/assettypes?size=100&exploded=true",
    "/api/aspectstore/v1/timeseries/{asset}/weather",
    "/api/aspectstore/v1/latest?aspect=weather",
    "/api/aspectstore/v1/dead-letters",
    "/api/aspectstore/v1/receipts/{receipt}",
    "/api/aspectstore/v1/dead-letters/replays/{job}",
    "/api/eventmanagement/v3/events?history=true",
    "/api/eventmanagement/v3/events/{event}",
    "/api/eventmanagement/v3/eventTypes",
    "/api/eventmanagement/v3/createEventsJobs/{create_job}",
    "/api/iotfile/v3/files/{asset}",
    "/api/iotfile/v3/files/{asset}/kept.txt",
    "/api/iotfile/v3/files/{asset}/changed.txt",
    "/api/iotfile/v3/fileslist/{asset}/long.bin",
    "/api/aspectstore/v1/users",
    "/api/aspectstore/v1/clients",
    "/api/aspectstore/v1/tenant",
    "/api/tenantmanagement/v4/tenantInfo",
    "/api/tenantmanagement/v4/legalConfigRegions",
    "/api/iottsaggregates/v3/aggregates/{asset}/weather?from=2025-12-31T00:00:00Z&to=2026-01-02T00:00:00Z",
)


async def everything(estate, tenant):
    """Give what the tenant has, from inside and as it sees it itself."""
    headers = bearer(estate.token(tenant))
    answers = {}
    for path in ANSWERS:
        answer = await estate.http.get(path.format(**estate.things[tenant]), headers=headers)
        assert answer.status_code == 200, (path, answer.text)
        answers[path] = answer.content
    return {"inside": await dump(estate, tenant), "outside": answers}


class Program:
    """A tenant that does whatever comes to its mind, with any of the ids that it may have heard of."""

    def __init__(self, estate, seed):
        self.estate = estate
        self.random = random.Random(seed)
        self.statuses = []

    async def run(self, steps):
        """Do so many things."""
        for _ in range(steps):
            await self.random.choices((self._call, self._write, self._erase, self._pass_time), (6, 3, 1, 1))[
                0
            ]()

    async def _call(self):
        """Call any route with one id of somebody else, or none."""
        row = self.random.choice([row for row in rows().values() if row.method != "OPTIONS"])
        strange = self.random.choice([None, *row.places])
        foreign = self.random.choice((self.estate.things[OTHER], self.estate.twins[OTHER]))

        def value(place):
            if place == strange and place.thing in foreign:
                return foreign[place.thing]
            return self.estate.thing(ACME, place.thing)

        request = row.request(value)
        if row.scope is not None:
            request["headers"] |= bearer(self.estate.token(ACME))
        await self._send(**request)

    async def _write(self):
        """Write random records to the series whose ids both tenants have."""
        begin = self.random.randrange(-5_000, 5_000)
        times = sorted({begin + self.random.randrange(50) for _ in range(self.random.randint(1, 8))})
        records = [
            {"_time": format_time(NOW_MS + time), "level": self.random.randrange(-9, 9)} for time in times
        ]
        await self._send(
            method=self.random.choice(("PUT", "PATCH")), url=self._series, json=records, headers=self._headers
        )

    async def _erase(self):
        """Delete a random range of it."""
        begin = NOW_MS + self.random.randrange(-5_000, 5_000)
        ends = {"from": format_time(begin), "to": format_time(begin + self.random.randrange(1, 2_000))}
        await self._send(method="DELETE", url=self._series, params=ends, headers=self._headers)

    async def _pass_time(self):
        """Let the writer take a turn, some time later."""
        self.estate.world.clock.advance(self.random.randrange(1, 2_000))
        await step(self.estate.writer)

    @property
    def _series(self):
        return SERIES.format(**self.estate.things[ACME])

    @property
    def _headers(self):
        return bearer(self.estate.token(ACME))

    async def _send(self, **request):
        answer = await self.estate.http.request(**request)
        assert answer.status_code < 500, answer.text
        self.statuses.append(answer.status_code)


async def run_beside(estate, seed):
    """Run a program of `acme`; gives what `other` has before and after, and the statuses."""
    await step(estate.writer)
    before = await everything(estate, OTHER)
    program = Program(estate, seed)
    await program.run(STEPS)
    return before, await everything(estate, OTHER), program.statuses


RUNS = [(kind, seed) for kind in ("memory", "sqlite") for seed in SEEDS]


@pytest.mark.parametrize(
    ("kind", "seed"), [*RUNS, pytest.param("cassandra", SEEDS[0], marks=pytest.mark.cassandra)]
)
async def test_a_tenant_leaves_another_as_it_was(request, tmp_path, kind, seed):
    """Documents, versions, records, letters, jobs and every answer stay the same bytes (S2)."""
    server = request.getfixturevalue("cassandra") if kind == "cassandra" else None
    async with opened(kind, tmp_path, server) as stores, open_estate(*stores, ALIKE) as estate:
        own = await dump(estate, ACME)

        before, after, statuses = await run_beside(estate, seed)

        assert before == after
        assert own != await dump(estate, ACME)
        assert {200, 202, 204, 404} <= set(statuses)


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
async def test_a_share_that_was_taken_back_leaves_nothing_open(tmp_path, kind):
    """While it lasts the receiver writes to that one series; afterwards its programs change nothing (S2)."""
    async with opened(kind, tmp_path, None) as stores, open_estate(*stores, ALIKE) as estate:
        shared = {"receiver": {"tenant": ACME}, "assets": ["7" * 32], "actions": ["records.read"]}
        await add_shared_asset(estate, shared["assets"][0])
        share = (await estate.call(OTHER, "POST", SHARES, shared)).json()["id"]
        await estate.call(ACME, "GET", SERIES.format(asset="7" * 32))
        changed = {**shared, "actions": ["records.write"]}
        await estate.call(OTHER, "PUT", f"{SHARES}/{share}", changed, if_match="0")
        records = [{"_time": format_time(NOW_MS), "level": 5}]
        await estate.call(ACME, "PUT", SERIES.format(asset="7" * 32), records)
        await estate.call(OTHER, "DELETE", f"{SHARES}/{share}")
        estate.things[OTHER] |= {"asset": "7" * 32, "share": share}

        before, after, statuses = await run_beside(estate, SEEDS[0])

        assert before == after
        assert 404 in statuses
        url, headers = SERIES.format(asset="7" * 32), bearer(estate.token(ACME))
        for request in ({"method": "GET"}, {"method": "PUT", "json": records}):
            answer = await estate.http.request(url=url, headers=headers, **request)
            assert answer.status_code == 404


async def add_shared_asset(estate, asset_id):
    """Give `other` an asset whose id nobody else has, with what the matrix expects of one."""
    things = estate.things[OTHER]
    asset = Asset(id=asset_id, tenant=OTHER, name="Shared", type_id=f"{OTHER}.Mast", parent_id=things["root"])
    await estate.catalog.create(OTHER, "asset", asset_id, msgspec.json.encode(asset))
    await estate.door.services.refresh()
    folder = f"/api/iotfile/v3/files/{asset_id}"
    for name in ("kept.txt", "changed.txt"):
        await estate.call(OTHER, "PUT", f"{folder}/{name}", name)
    await estate.call(OTHER, "PUT", f"{folder}/long.bin?upload=start", "")


async def test_a_door_that_confuses_tenants_is_noticed(tmp_path, monkeypatch):
    """With one look-up that takes the other tenant's part the dumps differ: the test above can fail."""
    async with opened("memory", tmp_path, None) as stores, open_estate(*stores, ALIKE) as estate:
        find = CatalogIndex.of
        monkeypatch.setattr(
            CatalogIndex, "of", lambda index, tenant: find(index, OTHER if tenant == ACME else tenant)
        )

        before, after, _ = await run_beside(estate, SEEDS[0])

        assert before["inside"]["records"] != after["inside"]["records"]
