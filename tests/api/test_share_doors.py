"""Shares and bindings reach other doors through the catalogue, whichever it is (design 4, 7)."""

from __future__ import annotations

import contextlib
from types import SimpleNamespace

import httpx
import msgspec
import pytest

from api.app import create_app
from api.identity.accounts import CLIENT
from api.identity.passwords import Passwords
from api.identity.scopes import ALL_SCOPES
from api.identity.setup import Credentials, add_client, bootstrap, create_tenant
from api.identity.tokens import Grant
from runtime.clock import ManualClock
from runtime.ports import Ports
from schemas.assets import Asset
from schemas.builtin import root_asset
from storage.memory_audit import MemoryAuditStore
from storage.memory_events import MemoryEventStore
from storage.memory_files import MemoryFileStore
from streams.memory import MemoryRecordStream
from streams.memory_jobs import MemoryJobQueue
from tests.api.doors import NOW_MS, bearer, signing_key
from tests.api.masts import PATH, at, put_types
from tests.api.plants import PUMP, READ, SHARES, WRITE
from tests.security.estate import STILL, opened
from tests.workers.world import World

RECORD = [{"_time": at(0), "level": 1}]


@contextlib.asynccontextmanager
async def two_doors(catalog, store):
    """Start two doors over one catalogue, stream and store; they read the change log when they are told."""
    clock = ManualClock(NOW_MS)
    await catalog.create("core", "key", "token-000001", signing_key())
    await bootstrap(catalog, Passwords(8), NOW_MS, Credentials("acme", "acme-tech", "s3cret"))
    await create_tenant(catalog, "other", NOW_MS)
    await add_client(catalog, Passwords(8), Credentials("acme", "line", "s3cret"))
    await put_types(catalog, "acme")
    pump = Asset(id=PUMP, tenant="acme", name="Pump", type_id="acme.Mast", parent_id=root_asset("acme").id)
    await catalog.create("acme", "asset", PUMP, msgspec.json.encode(pump))
    world = World(MemoryRecordStream(lambda: clock.now_ms() * 1000), store, clock)
    await world.writer().keep_leases()
    others = (MemoryJobQueue({}), MemoryFileStore(), MemoryEventStore(), MemoryAuditStore())
    async with contextlib.AsyncExitStack() as stack:
        doors = []
        for _ in range(2):
            door = create_app(Ports(world.stream, store, catalog, clock, STILL, *others))
            await stack.enter_async_context(door.running())
            transport = httpx.ASGITransport(door, raise_app_exceptions=False, client=("192.0.2.1", 1))
            http = await stack.enter_async_context(
                httpx.AsyncClient(transport=transport, base_url="http://door")
            )
            doors.append(SimpleNamespace(door=door, http=http))
        yield doors


def token(door, tenant, name="admin"):
    """Give the header of somebody."""
    grant = Grant(tenant, name, name, ALL_SCOPES, "client-token:v1", 1_799)
    return bearer(door.door.services.identity.tokens.issue(grant, NOW_MS // 1_000)[0])


KINDS = ["memory", "sqlite", pytest.param("cassandra", marks=pytest.mark.cassandra)]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_share_holds_and_ends_at_every_door(request, tmp_path, kind):
    """Where it is given and taken back at once; at another door when it has read the change log."""
    server = request.getfixturevalue("cassandra") if kind == "cassandra" else None
    async with opened(kind, tmp_path, server) as stores, two_doors(*stores) as (here, there):
        owner, guest = token(here, "acme"), token(here, "other")
        path = f"{PATH}/{PUMP}/weather"

        async def statuses():
            return [
                (await door.http.put(path, json=RECORD, headers=guest)).status_code for door in (here, there)
            ]

        assert [404, 404] == await statuses()
        body = {"receiver": {"tenant": "other"}, "assets": [PUMP], "actions": [WRITE]}
        made = await here.http.post(SHARES, json=body, headers=owner)
        assert 201 == made.status_code, made.text
        assert [204, 404] == await statuses()
        await there.door.services.refresh()
        assert [204, 204] == await statuses()

        share = f"{SHARES}/{made.json()['id']}"
        changed = {**body, "actions": [READ]}
        assert (
            200 == (await there.http.put(share, json=changed, headers={**owner, "if-match": "0"})).status_code
        )
        assert [204, 404] == await statuses()
        await here.door.services.refresh()
        assert [404, 404] == await statuses()
        assert 200 == (await here.http.get(path, headers=guest)).status_code

        assert 204 == (await here.http.delete(share, headers=owner)).status_code
        await there.door.services.refresh()
        assert [404, 404] == [
            (await door.http.get(path, headers=guest)).status_code for door in (here, there)
        ]
        assert 404 == (await there.http.get(share, headers=guest)).status_code


@pytest.mark.parametrize("kind", KINDS)
async def test_a_binding_holds_at_every_door(request, tmp_path, kind):
    """An account that is bound to a subtenant loses the rest of the tenant, with the token that it has."""
    server = request.getfixturevalue("cassandra") if kind == "cassandra" else None
    async with opened(kind, tmp_path, server) as stores, two_doors(*stores) as (here, there):
        owner, line = token(here, "acme"), token(here, "acme", "line")
        path = f"{PATH}/{PUMP}/weather"
        subtenant = {"id": "north", "displayName": "North"}
        made = await here.http.post("/api/tenantmanagement/v4/subtenants", json=subtenant, headers=owner)
        assert 201 == made.status_code, made.text
        assert 204 == (await there.http.put(path, json=RECORD, headers=line)).status_code

        account = f"/api/aspectstore/v1/{CLIENT}s/line"
        bound = await here.http.patch(account, json={"subtenant": "north"}, headers=owner)
        assert (200, "north") == (bound.status_code, bound.json()["subtenant"]), bound.text
        await there.door.services.refresh()
        for door in (here, there):
            assert 404 == (await door.http.put(path, json=RECORD, headers=line)).status_code

        etag = "0"
        assign = f"/api/aspectstore/v1/assets/{PUMP}/subtenant"
        given = await there.http.put(assign, json={"subTenant": "north"}, headers={**owner, "if-match": etag})
        assert 200 == given.status_code, given.text
        await here.door.services.refresh()
        for door in (here, there):
            assert 204 == (await door.http.put(path, json=RECORD, headers=line)).status_code
