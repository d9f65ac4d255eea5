"""This service as a measured system: with SQLite or Cassandra, with either durability, or already running."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter, sleep

import apsw
import msgspec
import numpy as np

from bench.service import Service, directory_bytes
from bench.systems import VARIABLES_AGGREGATED, Disk, System, settled
from bench.tenant import Credentials, Refused, Tenant
from bench.workload import Machine, Template, dialect_template, single_record, time_texts
from runtime import cassandra_server, valkey_server
from runtime.cassandra_server import CassandraServer

STORES = ("sqlite", "cassandra")
DURABILITIES = {
    "always": "log synced before each acknowledgement",
    "everysec": "log synced each second",
}
SOON = {
    "ASPECTSTORE_SEAL_QUIET_S": "1",
    "ASPECTSTORE_SEAL_GRACE_S": "2",
    "ASPECTSTORE_READ_DEADLINE_S": "1",
    "ASPECTSTORE_TRIM_DELAY_S": "1",
}
"""Seals and purges within seconds what waits minutes otherwise; the bytes are the same."""

FUNCTIONS = ("countgood", "sum", "average", "minvalue", "maxvalue", "firstvalue", "lastvalue")
"""The seven that every system is asked for."""

SEALED_S_MAX = 60.0
"""Sealing what a minute of ingest left takes seconds; a service that never ends is measured all the same."""


class Dialect(System):
    """A service that speaks the dialect and runs already; its processes and files are somebody else's."""

    name = "Aspectstore"
    durability = "as it was started"
    settings = "identity, quota and sealing on"

    def __init__(self, url: str, credentials: Credentials) -> None:
        """Connect at `start`."""
        self.url = url
        self.credentials = credentials
        self.assets: list[str] = []
        self._tenant: Tenant | None = None

    @property
    def tenant(self) -> Tenant:
        """Give the user that everything is done as; there is one between `start` and `stop`."""
        assert self._tenant is not None
        return self._tenant

    @property
    def address(self) -> tuple[str, int]:
        return self.tenant.address

    def lacking(self) -> str | None:
        return None

    def start(self, directory: Path) -> None:
        self._tenant = Tenant(self.url, self.credentials)

    def stop(self) -> None:
        if self._tenant is not None:
            self._tenant.close()
            self._tenant = None

    def pids(self) -> Sequence[int]:
        return []

    def prepare(self, series: int) -> None:
        """Create assets up to this number, and fetch a token that lasts for what follows."""
        self.tenant.refresh_token()
        held = len(self.assets)
        if series > held:
            self.assets += self.tenant.create_assets(series - held, prefix=f"machine-{held}")

    def template(self, series: int, machine: Machine) -> Template:
        return dialect_template(machine)

    def single(self, series: int, time_ms: int) -> bytes:
        return single_record(series, time_ms)

    def write(self, series: int, body: bytes) -> bytes:
        return self.tenant.request("PUT", self.tenant.series_path(self.assets[series]), body)

    def latest(self, series: int, newest_ms: int) -> bytes:
        return self.tenant.request("GET", self.tenant.series_path(self.assets[series]))

    def raw(self, series: int, begin_ms: int, end_ms: int, rows: int) -> bytes:
        begin, end = _texts(begin_ms, end_ms)
        path = self.tenant.series_path(self.assets[series])
        return self.tenant.request("GET", f"{path}?from={begin}&to={end}&limit={rows}")

    def hourly(self, series: int, begin_ms: int, end_ms: int) -> bytes:
        begin, end = _texts(begin_ms, end_ms)
        path = self.tenant.aggregates_path(self.assets[series], begin, end)
        wanted = [f"{variable}.{function}" for variable in VARIABLES_AGGREGATED for function in FUNCTIONS]
        return self.tenant.request("GET", f"{path}&select={','.join(wanted)}")

    def counts(self, series: Sequence[int], begin_ms: int, end_ms: int) -> list[tuple[bytes, Sequence[int]]]:
        """The dialect has one series a request, and can leave out all functions but one."""
        begin, end = _texts(begin_ms, end_ms)
        paths = [self.tenant.aggregates_path(self.assets[number], begin, end) for number in series]
        counting = [self.tenant.request("GET", f"{path}&select=temperature.countgood") for path in paths]
        return list(zip(counting, [[number] for number in series], strict=True))

    def counted(self, answer: bytes) -> int:
        return sum(
            interval["temperature"]["countgood"]
            for interval in msgspec.json.decode(answer)["aggregates"]
            if "temperature" in interval
        )

    def returned(self, answer: bytes) -> int:
        return len(msgspec.json.decode(answer))

    def disk(self) -> Disk:
        return Disk(0, 0)

    def rest(self) -> None:
        """Let the writers seal what was left ready: it is the work of the run that left it."""
        deadline = perf_counter() + SEALED_S_MAX
        while any(self.gauges("writer_slices_ready")) and perf_counter() < deadline:
            sleep(0.5)

    def remark(self) -> str:
        found = self.gauges("writer_turn_seconds")
        return f"τ {max(found):.2f} s" if found else ""

    def backlog_bytes(self) -> float | None:
        return next(iter(self.gauges("backlog_bytes")), None)

    def gauges(self, name: str) -> list[float]:
        """Give what each process shows under this name; nothing where it shows none."""
        try:
            headers = {"Authorization": f"Bearer {self.tenant.token}"}
            _, _, text = self.tenant.exchange("GET", "/metrics", None, headers)
        except Refused:
            return []
        found = re.findall(rf"^\w*{name}(?:\{{[^}}]*\}})? ([0-9.e+-]+)$", text.decode(), re.MULTILINE)
        return [float(value) for value in found]


class Aspectstore(Dialect):
    """A service of our own on a directory of the run, with a Cassandra of its own if it wants one."""

    def __init__(self, store: str, durability: str, variables: Mapping[str, str] | None = None) -> None:
        """Start nothing yet; `variables` are further settings in the environment."""
        super().__init__("", Credentials("bench", "bench-client", "bench-secret-0123456789"))
        self.name = f"Aspectstore, {store}, `{durability}`"
        self.durability = DURABILITIES[durability]
        if store == "cassandra":
            self.durability += "; Cassandra's commit log in batches"
        self.store = store
        self.variables = dict(variables or {})
        self._mode = durability
        self.service: Service | None = None
        self.cassandra: CassandraServer | None = None

    def lacking(self) -> str | None:
        cassandra = cassandra_server.missing() if self.store == "cassandra" else None
        return cassandra or valkey_server.missing()

    def start(self, directory: Path) -> None:
        self.assets = []
        store = self.store
        if store == "cassandra":
            self.cassandra = CassandraServer(directory / "cassandra")
            self.cassandra.start()
            store = f"cassandra://{self.cassandra.address}/bench"
        self.service = Service(directory / "data", store, self._mode, variables=self.variables)
        self.service.start()
        self.url, self.credentials = self.service.url, self.service.credentials
        super().start(directory)

    def stop(self) -> None:
        super().stop()
        if self.service is not None:
            self.service.stop()
        if self.cassandra is not None:
            self.cassandra.stop()

    def pids(self) -> Sequence[int]:
        assert self.service is not None
        return [*self.service.processes(), *([self.cassandra.pid] if self.cassandra else [])]

    def settling(self) -> System:
        same = Aspectstore(self.store, self._mode, SOON)
        same.steady_s = self.steady_s
        return same

    def disk(self) -> Disk:
        assert self.service is not None
        data = self.service.data
        return self._disk_of_sqlite(data) if self.cassandra is None else self._disk_of_cassandra(data)

    def _disk_of_sqlite(self, data: Path) -> Disk:
        settled(lambda: _blocks_bytes(data / "series.db"), self.steady_s)
        self.stop()
        stored = _used_bytes(data / "series.db")
        return Disk(stored, directory_bytes(data) - stored)

    def _disk_of_cassandra(self, data: Path) -> Disk:
        assert self.cassandra is not None
        tables = self.cassandra.data_dir / "data" / "bench"
        settled(lambda: directory_bytes(tables), self.steady_s)
        self.cassandra.nodetool("flush", "bench")
        self.cassandra.nodetool("compact", "bench")
        settled(lambda: directory_bytes(tables), self.steady_s)
        self.stop()
        logs = directory_bytes(self.cassandra.data_dir / "commitlog") + directory_bytes(data)
        return Disk(directory_bytes(tables), logs)


def _texts(*times_ms: int) -> list[str]:
    return [f"{text}Z" for text in time_texts(np.array(times_ms)).tolist()]


def _blocks_bytes(file: Path) -> int:
    """Give the size of a file; SQLite's write-ahead log beside it is empty once the service has ended."""
    return 512 * file.stat().st_blocks if file.exists() else 0


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
