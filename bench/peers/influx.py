"""InfluxDB 1, as Debian packages it."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlencode

import msgspec

from bench.peers.debian import binary, lacking
from bench.peers.statements import StatementPeer
from bench.service import directory_bytes
from bench.systems import Disk, PeerProcess, settled
from runtime.server_process import free_port
from storage.statements import parse

BINARY = "influxd"
DATABASE = "bench"
STATEMENTS = parse(Path(__file__).with_name("influx.sql").read_text(encoding="utf-8"))
SOON = {
    "INFLUXDB_DATA_CACHE_SNAPSHOT_WRITE_COLD_DURATION": "1s",
    "INFLUXDB_DATA_COMPACT_FULL_WRITE_COLD_DURATION": "1s",
}
"""Writes and compacts within seconds what waits 10 minutes and 4 hours otherwise; the bytes are the same."""


class InfluxDB(StatementPeer):
    """One measurement, the series in a tag."""

    name = "InfluxDB 1.6.7"
    durability = "log synced before each acknowledgement"
    write_path = f"/write?db={DATABASE}&precision=ms"
    statements = STATEMENTS
    average = "mean"

    def lacking(self) -> str | None:
        return lacking(BINARY)

    def start(self, directory: Path) -> None:
        port = free_port()
        self.server = PeerProcess(BINARY, directory, port, [str(binary(BINARY))], "/ping")
        self.server.start(env=_environment(directory, port))

    def prepare(self, series: int) -> None:
        asked = urlencode({"q": STATEMENTS["create_database"].text})
        self.ask([self.request("POST", f"/query?{asked}")])

    def counted(self, answer: bytes) -> int:
        return sum(row[1] or 0 for row in _rows(answer))

    def returned(self, answer: bytes) -> int:
        return len(_rows(answer))

    def disk(self) -> Disk:
        assert self.server is not None
        self.stop()
        self.server.start(env=SOON)
        data, log = self.server.data_dir / "data", self.server.data_dir / "wal"
        settled(lambda: directory_bytes(data), self.steady_s)
        self.stop()
        return Disk(directory_bytes(data), directory_bytes(log))

    def path_of(self, text: str) -> str:
        return f"/query?{urlencode({'db': DATABASE, 'epoch': 'ms', 'q': text})}"


def _environment(directory: Path, port: int) -> dict[str, str]:
    return {
        "INFLUXDB_META_DIR": str(directory / "meta"),
        "INFLUXDB_DATA_DIR": str(directory / "data"),
        "INFLUXDB_DATA_WAL_DIR": str(directory / "wal"),
        "INFLUXDB_DATA_QUERY_LOG_ENABLED": "false",
        "INFLUXDB_HTTP_BIND_ADDRESS": f"127.0.0.1:{port}",
        "INFLUXDB_HTTP_LOG_ENABLED": "false",
        "INFLUXDB_BIND_ADDRESS": f"127.0.0.1:{free_port()}",
        "INFLUXDB_MONITOR_STORE_ENABLED": "false",
        "INFLUXDB_REPORTING_DISABLED": "true",
    }


def _rows(answer: bytes) -> list[list[int]]:
    """Give the rows of all groups."""
    groups = msgspec.json.decode(answer)["results"][0].get("series", [])
    return [row for group in groups for row in group["values"]]
