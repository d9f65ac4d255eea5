"""Settings to adapters: the one module that names an adapter.

Adapters are imported where they are chosen, so that a door on SQLite never loads Cassandra's driver.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from runtime.clock import SystemClock
from runtime.places import secrets_key_of
from runtime.ports import DoorPolicy, Ports
from runtime.settings import Settings, SettingsError
from schemas.webhooks import parse_networks
from storage.audit_port import AuditStore
from storage.event_port import EventStore
from storage.files import FileStore
from storage.port import CatalogStore, SeriesStore
from streams.job_port import JobFunction, JobQueue, JobStatus
from streams.notice_port import NoticeLog
from streams.port import DEFAULT_CAPS, RecordStream

if TYPE_CHECKING:
    from storage.cassandra.session import Address

SERIES_FILE = "series.db"
CATALOG_FILE = "catalog.db"
FILES_FOLDER = "files"
EVENTS_FILE = "events.db"
AUDIT_FILE = "audit.db"


@asynccontextmanager
async def opened(settings: Settings, *, writes_series: bool) -> AsyncIterator[Ports]:
    """Open every port for the time of the block; only a writer may write series.

    Raises Unavailable where a store cannot be opened; the stream is met at its first call.
    """
    async with AsyncExitStack() as stack:
        series = await open_series(settings, writable=writes_series)
        stack.push_async_callback(series.close)
        catalog = await open_catalog(settings)
        stack.push_async_callback(catalog.close)
        stream = open_stream(settings)
        stack.push_async_callback(stream.close)
        policy = DoorPolicy(
            profile=settings.profile,
            retention_days=settings.retention_days,
            undo_days=settings.undo_days,
            shards=settings.shards,
            public_url=settings.public_url,
            access_token_s=settings.access_token_s,
            device_token_s=settings.device_token_s,
            refresh_token_s=settings.refresh_token_s,
            secrets_key=_secrets_key(settings),
            read_deadline_s=settings.read_deadline_s,
            webhook_networks=parse_networks(settings.webhook_networks),
        )
        notices = open_notices(settings)
        stack.push_async_callback(notices.close)
        jobs = _JobsWhenAsked(settings)
        stack.push_async_callback(jobs.close)
        files = open_files(settings)
        stack.push_async_callback(files.close)
        events = await open_events(settings)
        stack.push_async_callback(events.close)
        audit = await open_audit(settings)
        stack.push_async_callback(audit.close)
        yield Ports(
            stream,
            series,
            catalog,
            SystemClock(),
            policy,
            jobs,
            files=files,
            events=events,
            audit=audit,
            notices=notices,
        )


async def open_series(settings: Settings, *, writable: bool) -> SeriesStore:
    """Open the series store, bringing its schema up to date."""
    if settings.cassandra is None:
        from storage.sqlite.series import SqliteSeriesStore  # noqa: PLC0415

        return await SqliteSeriesStore.open(settings.folder / SERIES_FILE, writable=writable)
    from storage.cassandra.series import CassandraSeriesStore  # noqa: PLC0415

    store = await CassandraSeriesStore.open(_cassandra(settings), writable=writable)
    if settings.durability == "always":
        try:
            await store.check_durability()
        except BaseException:
            await store.close()
            raise
    return store


async def open_catalog(settings: Settings) -> CatalogStore:
    """Open the catalogue, bringing its schema up to date."""
    if settings.cassandra is None:
        from storage.sqlite.catalog import SqliteCatalogStore  # noqa: PLC0415

        return await SqliteCatalogStore.open(settings.folder / CATALOG_FILE)
    from storage.cassandra.catalog import CassandraCatalogStore  # noqa: PLC0415

    return await CassandraCatalogStore.open(_cassandra(settings))


async def open_events(settings: Settings) -> EventStore:
    """Open the store of events, bringing its schema up to date."""
    if settings.cassandra is None:
        from storage.sqlite.events import SqliteEventStore  # noqa: PLC0415

        return await SqliteEventStore.open(settings.folder / EVENTS_FILE)
    from storage.cassandra.events import CassandraEventStore  # noqa: PLC0415

    return await CassandraEventStore.open(_cassandra(settings))


async def open_audit(settings: Settings) -> AuditStore:
    """Open the audit log, bringing its schema up to date."""
    if settings.cassandra is None:
        from storage.sqlite.audit import SqliteAuditStore  # noqa: PLC0415

        return await SqliteAuditStore.open(settings.folder / AUDIT_FILE)
    from storage.cassandra.audit import CassandraAuditStore  # noqa: PLC0415

    return await CassandraAuditStore.open(_cassandra(settings))


def open_files(settings: Settings) -> FileStore:
    """Name the store of files' bytes; it is met at the first call."""
    bucket = settings.bucket
    if bucket is None:
        from storage.disk_files import DiskFileStore  # noqa: PLC0415

        return DiskFileStore(settings.folder / FILES_FOLDER, SystemClock().now_ms)
    from storage.s3_files import S3Address, S3FileStore  # noqa: PLC0415

    return S3FileStore.open(
        S3Address(
            bucket.name,
            bucket.prefix,
            settings.files_endpoint,
            settings.files_region,
            settings.files_key_id,
            settings.files_secret,
        )
    )


def open_stream(settings: Settings) -> RecordStream:
    """Name the stream server; `embedded` must have become an address by now (`runtime.supervisor`)."""
    from streams.valkey import ValkeyRecordStream  # noqa: PLC0415

    if settings.stream == "embedded":
        raise SettingsError("one process alone needs a stream server: set ASPECTSTORE_STREAM to its address")
    caps = replace(DEFAULT_CAPS, backlog_bytes_max=settings.backlog_bytes_max)
    return ValkeyRecordStream(settings.stream, caps=caps)


def open_notices(settings: Settings) -> NoticeLog:
    """Name the log of notices; it lives beside the stream."""
    from streams.valkey import ValkeyNoticeLog  # noqa: PLC0415

    return ValkeyNoticeLog(settings.stream)


DURABLE = {
    "appendonly": "yes",
    "appendfsync": "always",
    "no-appendfsync-on-rewrite": "no",
    "maxmemory-policy": "noeviction",
}
"""What a stream server must be set to so that acknowledged is on its disk (design 4, promise)."""


async def demand_durable_stream(settings: Settings) -> None:
    """Refuse a stream server that may forget what it acknowledged, unless `everysec` was asked for.

    Raises SettingsError naming what to change. Asked by writers, which alone open shards for admission.
    """
    if settings.durability != "always":
        return
    from streams.valkey import ValkeyRecordStream  # noqa: PLC0415

    stream = open_stream(settings)
    assert isinstance(stream, ValkeyRecordStream)
    try:
        found = await stream.read_settings()
    finally:
        await stream.close()
    wrong = {name: value for name, value in DURABLE.items() if found.get(name) != value}
    if wrong:
        listed = ", ".join(f"`{name} {value}`" for name, value in wrong.items())
        raise SettingsError(
            f"the stream server may lose what it acknowledged: set {listed} there, or ask for `everysec`"
        )


def open_jobs(settings: Settings) -> JobQueue:
    """Name the job queue; it lives beside the stream."""
    from streams.rq_jobs import RqJobQueue  # noqa: PLC0415

    return RqJobQueue(settings.stream)


class _JobsWhenAsked(JobQueue):
    """Opens the queue at its first use: few doors ever ask for a job, and RQ takes long to load."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._queue: JobQueue | None = None

    async def submit(self, name: str, arguments: Mapping[str, object], job_id: str) -> str:
        return await (await self._opened()).submit(name, arguments, job_id)

    async def status(self, job_id: str) -> JobStatus | None:
        return await (await self._opened()).status(job_id)

    async def forget(self, tenant: str) -> None:
        await (await self._opened()).forget(tenant)

    async def count_left(self, tenant: str) -> dict[str, int]:
        return await (await self._opened()).count_left(tenant)

    async def close(self) -> None:
        if self._queue is not None:
            await self._queue.close()

    async def _opened(self) -> JobQueue:
        if self._queue is None:
            self._queue = await asyncio.to_thread(open_jobs, self._settings)
        return self._queue


def serve_jobs(settings: Settings, functions: Mapping[str, JobFunction]) -> None:
    """Run these jobs until told to end."""
    from streams.rq_jobs import serve  # noqa: PLC0415

    serve(settings.stream, functions)


def _secrets_key(settings: Settings) -> bytes:
    """Give the key of stored secrets: the setting's, or what lies beside an embedded store; empty: none."""
    if settings.secrets_key:
        return bytes.fromhex(settings.secrets_key)
    return b"" if settings.cassandra else secrets_key_of(settings.folder)


def _cassandra(settings: Settings) -> Address:
    from storage.cassandra.session import Address  # noqa: PLC0415

    place = settings.cassandra
    assert place is not None
    return Address(
        place.hosts,
        place.port,
        place.keyspace,
        replicas=settings.store_replicas,
        username=settings.store_user or None,
        password=settings.store_password or None,
    )
