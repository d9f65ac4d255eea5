"""Measures how many bytes a value takes on disk, once everything is sealed, purged and compacted (design 10).

What a log still holds (commit log, append-only file, write-ahead log) is shown beside it: it is bounded and
does not grow with the data.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

import apsw

from bench import ingest
from bench.service import Service, directory_bytes, scratch
from bench.tenant import Tenant
from runtime.cassandra_server import CassandraServer

SOON = {
    "ASPECTSTORE_SEAL_QUIET_S": "1",
    "ASPECTSTORE_SEAL_GRACE_S": "2",
    "ASPECTSTORE_READ_DEADLINE_S": "1",
    "ASPECTSTORE_TRIM_DELAY_S": "1",
}
"""Seals and purges within seconds what waits minutes otherwise; the bytes are the same."""

STEADY_S = 8.0
"""As long as this nothing must have changed before it counts as settled."""


@dataclass(slots=True, frozen=True)
class Disk:
    """Bytes a value, in the store and in the logs."""

    stored: float
    """In the store's files, without the pages that SQLite keeps for the next rows."""
    logs: float
    """In logs, and in such pages."""


def measure(store: str, assets: int = 100, records: int = 10_000, seconds_max: float = 180.0) -> Disk:
    """Start a service of its own, load one round of workload A, let it settle, look at its files."""
    directory = scratch("aspectstore-disk-")
    try:
        if store == "sqlite":
            return _embedded(directory, assets, records, seconds_max)
        return _cassandra(directory, assets, records, seconds_max)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _embedded(directory: Path, assets: int, records: int, seconds_max: float) -> Disk:
    data = directory / "data"
    values = _load(Service(data, variables=SOON), assets, records, lambda: _series_bytes(data), seconds_max)
    stored = _used_bytes(data / "series.db")
    return Disk(stored / values, (directory_bytes(data) - stored) / values)


def _used_bytes(file: Path) -> int:
    """Size of the pages in use: those of purged deltas wait in the file for the next ones."""
    database = apsw.Connection(str(file), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        counted = "SELECT (page_count - freelist_count) * page_size FROM"
        pragmas = "pragma_page_count(), pragma_freelist_count(), pragma_page_size()"
        used: int = next(database.execute(f"{counted} {pragmas}"))[0]
        return used
    finally:
        database.close()


def _series_bytes(data: Path) -> int:
    """Size of the series file; its write-ahead log is empty once the service has ended."""
    return sum(512 * path.stat().st_blocks for path in data.glob("series.db"))


def _cassandra(directory: Path, assets: int, records: int, seconds_max: float) -> Disk:
    with CassandraServer(directory / "cassandra") as server:
        service = Service(directory / "data", f"cassandra://{server.address}/bench", variables=SOON)
        tables = directory / "cassandra" / "data" / "bench"
        values = _load(service, assets, records, lambda: directory_bytes(tables), seconds_max)
        server.nodetool("flush", "bench")
        server.nodetool("compact", "bench")
        stored = _settled(lambda: directory_bytes(tables), seconds_max)
        logs = directory_bytes(directory / "cassandra" / "commitlog") + directory_bytes(directory / "data")
        return Disk(stored / values, logs / values)


def _load(service: Service, assets: int, records: int, look: Callable[[], int], seconds_max: float) -> int:
    """Load, wait until nothing changes any more, end the service; gives the number of values."""
    service.start()
    try:
        with Tenant(service.url, service.credentials) as tenant:
            workload = ingest.Workload(tenant.create_assets(assets), records, min(1_000, records))
            ingest.measure(tenant, workload)
        _settled(look, seconds_max)
    finally:
        service.stop()
    return workload.values


def _settled(look: Callable[[], int], seconds_max: float) -> int:
    """Wait until the size has been the same for a while, or the time is over."""
    deadline = monotonic() + seconds_max
    size, since = look(), monotonic()
    while monotonic() < deadline and monotonic() - since < STEADY_S:
        sleep(0.5)
        now = look()
        if now != size:
            size, since = now, monotonic()
    return size
