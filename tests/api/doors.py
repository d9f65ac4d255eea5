"""Doors over memory adapters, and how to log in at them."""

from __future__ import annotations

import base64
import contextlib
import functools
from types import SimpleNamespace

import httpx
import msgspec
from joserfc.jwk import RSAKey

from api.app import build_framework, create_app, join
from api.identity import keys
from runtime.ports import DoorPolicy, Ports
from schemas.model_files import ModelFile
from storage.memory import MemorySeriesStore
from storage.memory_audit import MemoryAuditStore
from storage.memory_catalog import MemoryCatalogStore
from storage.memory_events import MemoryEventStore
from storage.memory_files import MemoryFileStore
from streams.memory import MemoryRecordStream
from streams.memory_jobs import MemoryJobQueue
from streams.memory_notices import MemoryNoticeLog
from tests.workers.world import SHARDS, World

NOW_MS = 1_767_225_600_000
POLICY = DoorPolicy(shards=SHARDS, password_memory_kib=8, signing_key_bits=2048, secrets_key=bytes(32))

keys._import = functools.cache(keys._import)
"""Checking an RSA key that is read takes longer than most tests, and all doors of the tests have the same."""


def basic(client_id, secret):
    """Give the header of a client that sends its secret as Basic."""
    return {"authorization": "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()}


def bearer(token):
    """Give the header of a caller with this token."""
    return {"authorization": f"Bearer {token}"}


@functools.cache
def signing_key():
    """Give the stored form of one token key: making a new one for each test takes longer than most tests."""
    key = RSAKey.generate_key(2048)
    return msgspec.json.encode({"pem": key.as_pem(private=True).decode(), "created_ms": NOW_MS})


async def fresh_catalog():
    """Give an empty catalogue that has its token key already."""
    catalog = MemoryCatalogStore()
    await catalog.create("core", "key", "token-000001", signing_key())
    return catalog


_idle = []
"""Framework applications that serve no door at the moment: building one takes longer than most tests."""


@contextlib.contextmanager
def _door(ports, routes):
    if routes:
        yield create_app(ports, routes)
        return
    framework = _idle.pop() if _idle else build_framework()
    yield join(framework, ports)
    _idle.append(framework)


@contextlib.asynccontextmanager
async def running_door(catalog, clock, policy=POLICY, routes=(), store=None, audit=None):
    """Start a door in this process; gives the door and an HTTP client of it."""
    store = MemorySeriesStore() if store is None else store
    world = World(MemoryRecordStream(lambda: clock.now_ms() * 1000), store, clock)
    await world.writer().keep_leases()  # proves the shards
    others = (MemoryJobQueue({}), MemoryFileStore(), MemoryEventStore(), audit or MemoryAuditStore())
    notices = MemoryNoticeLog(lambda: clock.now_ms() * 1000)
    ports = Ports(world.stream, world.store, catalog, clock, policy, *others, notices=notices)
    with _door(ports, routes) as door:
        transport = httpx.ASGITransport(door, raise_app_exceptions=False, client=("192.0.2.1", 1))
        async with door.running(), httpx.AsyncClient(transport=transport, base_url="http://door") as client:
            yield SimpleNamespace(door=door, http=client, catalog=catalog, clock=clock, world=world)


async def put_model_files(service, *ids):
    """Put files with these ids into the catalogue, so that assets of `acme` can refer to them."""
    for file_id in ids:
        file = ModelFile(
            id=file_id, tenant="acme", name=file_id, original_name=file_id, description="", scope="PRIVATE",
            content=None, uploaded_ms=NOW_MS, modified_ms=NOW_MS,
        )  # fmt: skip
        await service.catalog.create("acme", "modelfile", file_id, msgspec.json.encode(file))
    await service.door.services.refresh()


async def token_of(http, client_id, secret, **form):
    """Log a client in and give its token."""
    answer = await http.post(
        "/oauth/token", data={"grant_type": "client_credentials", **form}, headers=basic(client_id, secret)
    )
    assert answer.status_code == 200, answer.text
    return answer.json()["access_token"]
