"""VictoriaMetrics, single node, as Debian packages it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from time import sleep
from urllib.parse import urlencode

import msgspec

from bench.ingest import HOUR_MS
from bench.peers.debian import binary, lacking
from bench.peers.lines import MEASUREMENT, LinePeer, tag
from bench.service import directory_bytes
from bench.systems import VARIABLES_AGGREGATED, Disk, PeerProcess
from runtime.server_process import free_port

BINARY = "victoria-metrics"
FUNCTIONS = ("count", "sum", "avg", "min", "max", "first", "last")
COUNT = "count_over_time"
MERGED_S = 10.0
"""How long a forced merge of this workload takes at most; it has no end that could be asked for."""


class VictoriaMetrics(LinePeer):
    """Every variable is a series of its own there; rows are shown once they have left a buffer in memory."""

    name = "VictoriaMetrics 1.79.5"
    durability = "in memory for up to 1 s, then in files that are not synced"
    settings = "retention 100 years, no cache of answers (its manual asks for that where old data comes in)"

    def lacking(self) -> str | None:
        return lacking(BINARY)

    def start(self, directory: Path) -> None:
        port = free_port()
        line = [
            str(binary(BINARY)), f"-storageDataPath={directory / 'data'}",
            f"-httpListenAddr=127.0.0.1:{port}", "-retentionPeriod=100y", "-search.disableCache",
            "-loggerLevel=WARN",
        ]  # fmt: skip
        self.server = PeerProcess(BINARY, directory, port, line, "/health")
        self.server.start()

    def prepare(self, series: int) -> None:
        """Nothing is declared beforehand."""

    def latest(self, series: int, newest_ms: int) -> bytes:
        """Ask at the time of the newest record: an open look back of years would cost it far more."""
        asked = f"last_over_time({_selector(series)}[1h])"
        return self._query("/api/v1/query", query=asked, time=_seconds(newest_ms))

    def raw(self, series: int, begin_ms: int, end_ms: int, rows: int) -> bytes:
        matched = {"match[]": _selector(series)}
        return self._query("/api/v1/export", start=_seconds(begin_ms + 1), end=_seconds(end_ms), **matched)

    def hourly(self, series: int, begin_ms: int, end_ms: int) -> bytes:
        functions = ", ".join(f'"{name}_over_time"' for name in FUNCTIONS)
        numbers = "|".join(f"{MEASUREMENT}_{name}" for name in VARIABLES_AGGREGATED)
        matched = f'{{__name__=~"{numbers}",asset="{tag(series)}"}}'
        asked = f"aggr_over_time(({functions}), {matched}[1h]) keep_metric_names"
        return self._hours(asked, begin_ms, end_ms)

    def counts(self, series: Sequence[int], begin_ms: int, end_ms: int) -> list[tuple[bytes, Sequence[int]]]:
        """All series in one question."""
        asked = f"count_over_time({MEASUREMENT}_temperature[1h]) keep_metric_names"
        return [(self._hours(asked, begin_ms, end_ms), series)]

    def counted(self, answer: bytes) -> int:
        return sum(
            int(value)
            for series in msgspec.json.decode(answer)["data"]["result"]
            if series["metric"]["__name__"] == f"{MEASUREMENT}_temperature"
            and series["metric"].get("rollup", COUNT) == COUNT
            for _, value in series["values"]
        )

    def returned(self, answer: bytes) -> int:
        if answer.startswith(b'{"status"'):
            return min(1, len(msgspec.json.decode(answer)["data"]["result"]))
        lines = [msgspec.json.decode(line) for line in answer.splitlines()]
        return max((len(line["timestamps"]) for line in lines), default=0)

    def disk(self) -> Disk:
        """What it keeps of its caches when it stops does not grow with the data: it counts as a log does."""
        self.ask([self.request("GET", "/internal/force_flush"), self.request("GET", "/internal/force_merge")])
        sleep(MERGED_S)
        whole = super().disk().stored
        assert self.server is not None
        caches = directory_bytes(self.server.data_dir / "data" / "cache")
        return Disk(whole - caches, caches)

    def _hours(self, asked: str, begin_ms: int, end_ms: int) -> bytes:
        """Ask for whole hours: a window ends with its time, as the dialect's do."""
        first, last = _seconds(begin_ms + HOUR_MS), _seconds(end_ms)
        return self._query("/api/v1/query_range", query=asked, start=first, end=last, step="1h")

    def _query(self, path: str, **parameters: str) -> bytes:
        return self.request("GET", f"{path}?{urlencode(parameters)}")


def _selector(series: int) -> str:
    return f'{{asset="{tag(series)}"}}'


def _seconds(time_ms: int) -> str:
    return f"{time_ms / 1000:.3f}"
