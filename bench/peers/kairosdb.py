"""KairosDB, from Maven, on a Cassandra 5 of its own."""

from __future__ import annotations

import string
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from bench.peers.maven import java, lacking
from bench.peers.places import folder
from bench.service import directory_bytes
from bench.systems import VARIABLES_AGGREGATED, Disk, Peer, PeerProcess, Scale, settled
from bench.workload import VARIABLES, Machine, Single, Template, decimal_texts, template_of
from runtime import cassandra_server
from runtime.cassandra_server import CassandraServer
from runtime.server_process import free_port

NAME = "kairosdb"
HEAP_MB = 1024
FUNCTIONS = ("count", "sum", "avg", "min", "max", "first", "last")
OPENED = ("java.lang", "java.util", "java.nio", "sun.nio.ch")
"""What its libraries, older than Java 9, reach into."""


class KairosDB(Peer):
    """Every variable is a metric, the series in a tag; a queue in a file feeds Cassandra."""

    name = "KairosDB 1.3.0"
    durability = "queue file not synced; then Cassandra, commit log synced in batches"
    settings = "batches of 10,000, no metrics of its own"
    scale = Scale(series_max=20, rounds_max=8, paced_by_visible=True)

    def __init__(self) -> None:
        """Start nothing yet."""
        self.cassandra: CassandraServer | None = None

    def lacking(self) -> str | None:
        return lacking(NAME) or cassandra_server.missing()

    def start(self, directory: Path) -> None:
        self.cassandra = CassandraServer(directory / "cassandra")
        self.cassandra.start()
        port = free_port()
        own = directory / NAME
        own.mkdir(parents=True)
        values = {"http_port": port, "cql_port": self.cassandra.port, "directory": own}
        for file in ("kairosdb.conf", "logback.xml"):
            text = Path(__file__).with_name(file).read_text(encoding="utf-8")
            (own / file).write_text(string.Template(text).substitute(values), encoding="utf-8")
        opens = [f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in OPENED]
        line = [
            java(), f"-Xmx{HEAP_MB}m", *opens, f"-Dlogback.configurationFile={own / 'logback.xml'}",
            "-cp", f"{folder(NAME)}/*", "org.kairosdb.core.Main", "-c", "run",
            "-p", str(own / "kairosdb.conf"),
        ]  # fmt: skip
        self.server = PeerProcess(NAME, own, port, line, "/api/v1/version")
        self.server.start()

    def stop(self) -> None:
        super().stop()
        if self.cassandra is not None:
            self.cassandra.stop()

    def pids(self) -> Sequence[int]:
        assert self.cassandra is not None
        return [*super().pids(), self.cassandra.pid]

    def prepare(self, series: int) -> None:
        """It makes its tables by itself."""

    def template(self, series: int, machine: Machine) -> Template:
        before: list[bytes] = []
        opening = b"["
        for name, values in machine.values():
            texts = [b"," + msgspec.json.encode(_number(value)) + b"],[" for value in values]
            before += [opening + _metric(name, series), *texts[:-1]]
            opening = texts[-1][:-2] + b"]},"
        times = machine.time_ms
        return template_of(before, _repeated(times), opening[:-1] + b"]", decimal_texts)

    def single(self, series: int, time_ms: int) -> bytes:
        values = Single.of(series, time_ms)
        metrics = [
            b"%s%d,%s]]}"
            % (_metric(name, series), time_ms, msgspec.json.encode(_number(getattr(values, name))))
            for name, _, _ in VARIABLES
        ]
        return b"[" + b",".join(metrics) + b"]"

    def write(self, series: int, body: bytes) -> bytes:
        return self.request("POST", "/api/v1/datapoints", body)

    def latest(self, series: int, newest_ms: int) -> bytes:
        """Ask from the newest record's day on: it looks through all rows of the range that it is given."""
        limits = {"limit": 1, "order": "desc"}
        names = [name for name, _, _ in VARIABLES]
        return self._query(
            newest_ms - 86_400_000, newest_ms, [_asked(name, series, **limits) for name in names]
        )

    def raw(self, series: int, begin_ms: int, end_ms: int, rows: int) -> bytes:
        asked = [_asked(name, series, limit=rows) for name, _, _ in VARIABLES]
        return self._query(begin_ms + 1, end_ms, asked)

    def hourly(self, series: int, begin_ms: int, end_ms: int) -> bytes:
        asked = [
            _asked(name, series, aggregators=[_each_hour(function)])
            for name in VARIABLES_AGGREGATED
            for function in FUNCTIONS
        ]
        return self._query(begin_ms + 1, end_ms, asked)

    def counts(self, series: Sequence[int], begin_ms: int, end_ms: int) -> list[tuple[bytes, Sequence[int]]]:
        """All series in one question."""
        asked = {"name": "temperature", "aggregators": [_each_hour("count")]}
        grouped = {**asked, "group_by": [{"name": "tag", "tags": ["asset"]}]}
        return [(self._query(begin_ms + 1, end_ms, [grouped]), series)]

    def counted(self, answer: bytes) -> int:
        first = msgspec.json.decode(answer)["queries"][0]
        return sum(int(value) for result in first["results"] for _, value in result["values"])

    def returned(self, answer: bytes) -> int:
        queries = msgspec.json.decode(answer)["queries"]
        return max(len(result["values"]) for query in queries for result in query["results"])

    def disk(self) -> Disk:
        assert self.cassandra is not None
        tables = self.cassandra.data_dir / "data" / NAME
        self.cassandra.nodetool("flush", NAME)
        self.cassandra.nodetool("compact", NAME)
        settled(lambda: directory_bytes(tables), self.steady_s)
        logs = directory_bytes(self.cassandra.data_dir / "commitlog")
        self.stop()
        assert self.server is not None
        return Disk(directory_bytes(tables), logs + directory_bytes(self.server.data_dir))

    def _query(self, begin_ms: int, end_ms: int, metrics: list[dict[str, Any]]) -> bytes:
        asked = {"start_absolute": begin_ms, "end_absolute": end_ms, "metrics": metrics}
        return self.request("POST", "/api/v1/datapoints/query", msgspec.json.encode(asked))


def _metric(name: str, series: int) -> bytes:
    """Open the points of one variable, up to the first time."""
    return b'{"name":"%s","tags":{"asset":"m%06d"},"datapoints":[[' % (name.encode(), series)


def _asked(name: str, series: int, **more: object) -> dict[str, Any]:
    return {"name": name, "tags": {"asset": [f"m{series:06}"]}, **more}


def _each_hour(function: str) -> dict[str, Any]:
    return {"name": function, "sampling": {"value": 1, "unit": "hours"}, "align_sampling": True}


def _number(value: float) -> float:
    """Write booleans as 0 and 1: it knows numbers only."""
    return int(value) if isinstance(value, bool) else value


def _repeated(time_ms: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give the times once for each variable."""
    return np.tile(time_ms, len(VARIABLES))
