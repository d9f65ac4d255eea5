"""A writer, a notifier and a catalogue with wind masts: what subscribers of two tenants are told of it."""

from __future__ import annotations

import asyncio
import json

import msgspec
import numpy as np
from msgspec.structs import replace

from runtime.clock import ManualClock
from runtime.vault import Vault
from schemas.changes import Clear, Upsert
from schemas.columns import Column, Columns, Texts
from schemas.ids import CORE, SeriesId
from schemas.subscriptions import Filter, Owner, Subscription, Webhook
from schemas.tenants import Tenant
from schemas.webhooks import parse_networks
from storage.memory import MemorySeriesStore
from storage.memory_catalog import MemoryCatalogStore
from streams.memory import MemoryRecordStream
from streams.memory_notices import MemoryNoticeLog
from streams.notice_port import LogId
from tests.api.masts import ASPECT_IDS, MAST, SECOND, put_types
from tests.workers.world import SHARDS, START_MS, World
from workers.notifying import Notifier
from workers.webhooks import Webhooks

SCOPE = "iot.tim.r"
VAULT = Vault(bytes(32))
ALLOWED = parse_networks("127.0.0.0/8")
TEMPERATURE, PRESSURE, COUNT, LEVEL, RUNNING, LABEL = range(1, 7)
MINUTE_MS = 60_000

__all__ = ["MAST", "SECOND", "Listening", "columns", "listening", "mast"]


def mast(tenant="acme", asset=MAST, aspect="weather"):
    """Name a series."""
    return SeriesId(tenant, asset, ASPECT_IDS[aspect])


def columns(*times, **values):
    """Make rows at these seconds; a value for each, None for none, by the names of variables."""
    ids = {"temperature": 1, "pressure": 2, "count": 3, "level": 4, "running": 5, "label": 6}
    cells = {}
    for name, given in values.items():
        present = np.array([value is not None for value in given])
        filled = [0 if value is None else value for value in given]
        if name == "label":
            column = Texts.of([value or "" for value in given])
        else:
            kinds = {"temperature": "<f8", "pressure": "<f8", "running": np.bool_}
            column = np.array(filled, kinds.get(name, "<i8"))
        cells[ids[name]] = Column(column, None if present.all() else present)
    return Columns(np.array([START_MS + second * 1_000 for second in times], "<i8"), cells)


class Listening(World):
    """The world of writers, with subscriptions."""

    def __init__(self, stream, notices, clock, catalog):
        super().__init__(stream, MemorySeriesStore(), clock)
        self.catalog = catalog
        self.notices = notices
        self.hands = self.writer()
        self.random = 1.0
        self.notifier = self.another()
        self.made = 0

    def another(self, *, held=None, webhooks=None, vault=None):
        """Make a notifier that knows nothing yet."""
        return Notifier(
            self.stream,
            self.notices,
            self.catalog,
            self.clock,
            held=held or (lambda: self.hands._cursors),
            shards=SHARDS,
            webhooks=webhooks or Webhooks(ALLOWED),
            random=lambda: self.random,
            vault=vault or VAULT,
        )

    async def furnish(self):
        """Put two tenants with masts into the catalogue."""
        for tenant in ("acme", "other"):
            body = msgspec.json.encode(Tenant(tenant, "f" * 32, START_MS))
            await self.catalog.create(CORE, "tenant", tenant, body)
            await put_types(self.catalog, tenant)
        await self.hands.keep_leases()
        return self

    async def subscribe(
        self, receiver=None, *, tenant="acme", kind="data", secret="s3cret", in_clear=False, **asked
    ):
        """Make a subscription; `filter` as a mapping."""
        self.made += 1
        told = Subscription(
            id=f"00000000-0000-4000-8000-{self.made:012d}",
            tenant=tenant,
            kind=kind,
            owner=asked.pop("owner", Owner("", "")),
            scope=SCOPE,
            created_ms=self.clock.now_ms(),
            since_us=self.clock.now_ms() * 1_000,
            changed_ms=self.clock.now_ms(),
            filter=msgspec.convert(asked.pop("filter", {}), Filter),
            webhook=None if receiver is None else Webhook(receiver.url, secret if in_clear else ""),
            **asked,
        )
        if receiver is not None and secret and not in_clear:
            sealed = VAULT.seal(told.secret_name, secret)
            told = replace(told, webhook=Webhook(receiver.url, sealed=sealed))
        await self.catalog.create(tenant, "subscription", told.id, msgspec.json.encode(told))
        self.clock.advance(1)
        return told

    async def change(self, tenant, kind, document_id, **members):
        """Change members of a document behind everybody's back."""
        found = await self.catalog.get(tenant, kind, document_id)
        body = json.dumps({**json.loads(found.body), **members}).encode()
        assert await self.catalog.replace(tenant, kind, document_id, body, found.version)

    async def put(self, series, *times, **values):
        """Write rows, as their door does."""
        return await self.write(series, Upsert(columns(*times, **values)))

    async def clear(self, series, start, end):
        """Remove rows from one second to before another."""
        return await self.write(series, Clear(START_MS + start * 1_000, START_MS + end * 1_000))

    async def apply(self):
        """Let the writer store what waits, and leave it in the stream."""
        stop = asyncio.Event()
        stop.set()
        await self.hands.keep_leases()
        await self.hands.turn(stop)

    async def tell(self, notifier=None, times=1):
        """Let the notifier look, and wait for what it sends."""
        for _ in range(times):
            await (notifier or self.notifier).step()
            await (notifier or self.notifier).settle()

    async def kept(self, told):
        """Give what is kept for a subscription, oldest first."""
        page = await self.notices.read(LogId(told.tenant, told.id), 0, count=1_000)
        return [json.loads(kept.body) for kept in page.notices]


async def listening(stream=None, notices=None, catalog=None):
    """Make such a world; of memory where nothing is given."""
    clock = ManualClock(START_MS)
    stream = stream or MemoryRecordStream(lambda: clock.now_ms() * 1_000)
    notices = notices or MemoryNoticeLog(lambda: clock.now_ms() * 1_000)
    return await Listening(stream, notices, clock, catalog or MemoryCatalogStore()).furnish()


def with_members(told, **members):
    """Give a subscription with other members."""
    return replace(told, **members)
