"""A whole installation for tests of erasing: every port, over memory or real stores, and its tenants."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from runtime.clock import ManualClock
from runtime.ports import DoorPolicy, Ports
from schemas.builtin import root_asset
from schemas.durations import DAY_MS
from schemas.erasures import KIND, Erasure, erasure_id
from schemas.files import Content, Described, StoredFile, Upload, UploadPart
from schemas.ids import CORE, AspectId, AssetId, SeriesId, TenantId
from schemas.tenants import Tenant
from storage.audit_port import AuditLine
from storage.cassandra.audit import CassandraAuditStore
from storage.cassandra.catalog import CassandraCatalogStore
from storage.cassandra.events import CassandraEventStore
from storage.cassandra.series import CassandraSeriesStore
from storage.cassandra.session import Address
from storage.disk_files import DiskFileStore
from storage.event_port import EventRow, EventSpan
from storage.memory import MemorySeriesStore
from storage.memory_audit import MemoryAuditStore
from storage.memory_catalog import MemoryCatalogStore
from storage.memory_events import MemoryEventStore
from storage.memory_files import MemoryFileStore
from storage.sqlite.audit import SqliteAuditStore
from storage.sqlite.catalog import SqliteCatalogStore
from storage.sqlite.events import SqliteEventStore
from storage.sqlite.series import SqliteSeriesStore
from streams.memory import MemoryRecordStream
from streams.memory_jobs import MemoryJobQueue
from tests.workers.mixes import put
from tests.workers.world import SHARDS, START_MS, World, step
from workers.eraser import Eraser


def a_tenant() -> TenantId:
    """Name a tenant that no other run has: what is erased in a kept store stays erased."""
    return TenantId(f"t{secrets.token_hex(3)}")


class House:
    """The ports of an installation, a writer, and its eraser."""

    def __init__(self, stores: dict[str, Any], clock: ManualClock) -> None:
        """Begin with the stores; a stream and jobs that are not among them are of memory."""
        self.clock = clock
        stream = stores.get("stream") or MemoryRecordStream(lambda: clock.now_ms() * 1000)
        self.world = World(stream, stores["series"], clock)
        self.ports = Ports(
            self.world.stream,
            stores["series"],
            stores["catalog"],
            clock,
            DoorPolicy(shards=SHARDS),
            stores.get("jobs") or MemoryJobQueue({"job": dict}),
            files=stores["files"],
            events=stores["events"],
            audit=stores["audit"],
        )
        self.writer = self.world.writer()
        self.eraser = self.eraser_of(self.ports)

    @staticmethod
    def eraser_of(ports: Ports, erase_days: int = 30) -> Eraser:
        """Make an eraser that leads."""
        return Eraser(ports, lambda: True, erase_days)

    async def furnish(self, tenant: TenantId) -> SeriesId:
        """Give a tenant something of every kind; gives one of its series."""
        ports, catalog = self.ports, self.ports.catalog
        root = root_asset(tenant)
        await catalog.create(tenant, "asset", root.id, msgspec.json.encode(root))
        stored = Tenant(tenant, root.id, START_MS)
        await catalog.create(CORE, "tenant", tenant, msgspec.json.encode(stored))
        await catalog.reserve("user", f"{tenant}-board", tenant)
        await catalog.create(tenant, "user", f"{tenant}-board", b"{}")
        await catalog.create(tenant, "token", secrets.token_hex(16), b"{}")
        for number in range(3):
            event = EventRow(tenant, "e", START_MS + number * DAY_MS, f"{tenant}{number}", "t", 0, b"[]")
            await ports.events.create(event)
        await ports.events.replace(event, b"[1]")
        await ports.audit.append(AuditLine(tenant, START_MS, "r1", b"{}"))
        await ports.jobs.submit("job", {}, f"{tenant}-1")
        await self.keep_file(tenant, root.id, "a/b.txt", b"bytes")
        series = SeriesId(tenant, AssetId(root.id), AspectId("b" * 32))
        await step(self.writer)
        await self.world.write(series, put(*(START_MS + 60_000 * n for n in range(20))))
        await step(self.writer)
        return series

    async def keep_file(self, tenant: str, asset: str, path: str, octets: bytes) -> Content:
        """Store a file of an asset."""
        content = await self.keep_content(tenant, octets)
        row = StoredFile(
            contents=(content,), type="", description="", timestamp_ms=0, created_ms=0, updated_ms=0,
            created_by="", updated_by="",
        )  # fmt: skip
        await self.ports.catalog.create(tenant, f"file:{asset}", path, msgspec.json.encode(row))
        return content

    async def keep_part(self, tenant: str, asset: str, octets: bytes) -> Content:
        """Store a part of an upload that is under way."""
        content, upload = await self.keep_content(tenant, octets), secrets.token_hex(16)
        begun = Upload(id=upload, started_ms=START_MS, described=Described())
        await self.ports.catalog.create(tenant, f"upload:{asset}", "up.bin", msgspec.json.encode(begun))
        await self.ports.catalog.create(tenant, f"part:{upload}", "open", b"{}")
        part = UploadPart(number=1, content=content, updated_ms=START_MS)
        name = f"0001-{content.id}"
        await self.ports.catalog.create(tenant, f"part:{upload}", name, msgspec.json.encode(part))
        return content

    async def keep_content(self, tenant: str, octets: bytes) -> Content:
        """Store a content that no row names yet."""

        async def body() -> AsyncIterator[bytes]:
            yield octets

        content: Content = await self.ports.files.write(tenant, secrets.token_hex(16), body())
        return content

    async def ask(self, tenant: TenantId) -> None:
        """Suspend a tenant and ask for it to be erased, as a door does."""
        catalog = self.ports.catalog
        document = await catalog.get(CORE, "tenant", tenant)
        shut = msgspec.structs.replace(msgspec.json.decode(document.body, type=Tenant), suspended=True)
        await catalog.replace(CORE, "tenant", tenant, msgspec.json.encode(shut), document.version)
        wanted = Erasure(
            id=erasure_id(tenant), tenant=tenant, requested_ms=START_MS, requested_by="me",
            requested_for=TenantId("main"), shards=SHARDS,
        )  # fmt: skip
        await catalog.create(CORE, KIND, wanted.id, msgspec.json.encode(wanted))

    async def erasure(self, tenant: TenantId) -> Erasure:
        """Read how far it is."""
        document = await self.ports.catalog.get(CORE, KIND, erasure_id(tenant))
        return msgspec.json.decode(document.body, type=Erasure)

    async def pass_time(self, rounds: int = 6, seconds: int = 31, eraser: Eraser | None = None) -> None:
        """Let the writer and the eraser look, again and again, half a minute apart."""
        for _ in range(rounds):
            await step(self.writer)
            await (eraser or self.eraser).look()
            self.clock.advance(seconds * 1_000)
            await self.writer._renew_limits()

    async def dump(self, tenant: TenantId, series: SeriesId) -> dict[str, Any]:
        """Give all that a tenant has, as it lies there."""
        ports, catalog = self.ports, self.ports.catalog
        kept = {content.content for content in await ports.files.kept(tenant)}
        return {
            "tenant": await catalog.get(CORE, "tenant", tenant),
            "documents": [await catalog.list(tenant, kind) for kind in await catalog.kinds(tenant)],
            "names": await catalog.names_of(tenant),
            "events": await ports.events.read(EventSpan(tenant, None, 0, 2**53), 1_000),
            "files": sorted((content.id, content.size) for content in kept),
            "records": repr(await self.world.read(series)),
            "job": await ports.jobs.status(f"{tenant}-1"),
        }


@contextlib.asynccontextmanager
async def open_house(kind: str, folder: Any, server: Any, **others: Any) -> AsyncIterator[House]:
    """Open an installation over `memory`, `sqlite` or `cassandra`; a keyspace is dropped at the end.

    `others` may be `stream` and `jobs`; they are closed, too.
    """
    clock = ManualClock(START_MS)
    if kind == "memory":
        stores: dict[str, Any] = {
            "series": MemorySeriesStore(),
            "catalog": MemoryCatalogStore(),
            "events": MemoryEventStore(),
            "audit": MemoryAuditStore(),
            "files": MemoryFileStore(clock.now_ms),
        }
    elif kind == "sqlite":
        stores = {
            "series": await SqliteSeriesStore.open(folder / "series.db"),
            "catalog": await SqliteCatalogStore.open(folder / "catalog.db"),
            "events": await SqliteEventStore.open(folder / "events.db"),
            "audit": await SqliteAuditStore.open(folder / "audit.db"),
            "files": DiskFileStore(folder / "files", clock.now_ms),
        }
    else:
        address = Address([server.host], server.port, f"erasing_{os.getpid()}_{secrets.token_hex(4)}")
        stores = {
            "series": await CassandraSeriesStore.open(address),
            "catalog": await CassandraCatalogStore.open(address),
            "events": await CassandraEventStore.open(address),
            "audit": await CassandraAuditStore.open(address),
            "files": DiskFileStore(folder / "files", clock.now_ms),
        }
    stores |= others
    try:
        yield House(stores, clock)
    finally:
        if kind == "cassandra":
            cluster = stores["series"].session.cluster
            cluster.connect().execute(f"DROP KEYSPACE {address.keyspace}", timeout=60)
        for store in stores.values():
            await store.close()
