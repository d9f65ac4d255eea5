"""QuestDB, from Maven: line protocol over HTTP in, SQL over HTTP out."""

from __future__ import annotations

import string
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlencode

import msgspec

from bench.peers.lines import MEASUREMENT, lines_template, single_line, tag
from bench.peers.maven import java, lacking
from bench.peers.places import folder
from bench.systems import VARIABLES_AGGREGATED, Peer, PeerProcess
from bench.workload import Machine, Template
from runtime.server_process import free_port
from storage.statements import parse

NAME = "questdb"
FUNCTIONS = ("count", "sum", "avg", "min", "max", "first", "last")
STATEMENTS = parse(Path(__file__).with_name("questdb.sql").read_text(encoding="utf-8"))


class QuestDB(Peer):
    """One table, the series in a symbol; rows are shown once a writer has taken them over from the log."""

    name = "QuestDB 9.1.0"
    durability = "log written, not synced (its default)"
    settings = "PostgreSQL, TCP and telemetry off"

    def lacking(self) -> str | None:
        return lacking(NAME)

    def start(self, directory: Path) -> None:
        port = free_port()
        root = directory / "root"
        root.mkdir(parents=True)
        line = [
            java(), "-XX:+UseParallelGC", "-p", str(folder(NAME)),
            "-m", "io.questdb/io.questdb.ServerMain", "-d", str(root), "-n",
        ]  # fmt: skip
        self.server = PeerProcess(NAME, directory, port, line, "/ping")
        self.server.start(env=_environment(port))

    def prepare(self, series: int) -> None:
        self.ask([self._query("create_table")])

    def template(self, series: int, machine: Machine) -> Template:
        return lines_template(series, machine)

    def single(self, series: int, time_ms: int) -> bytes:
        return single_line(series, time_ms)

    def write(self, series: int, body: bytes) -> bytes:
        return self.request("POST", "/write?precision=ms", body)

    def latest(self, series: int, newest_ms: int) -> bytes:
        return self._query("latest", series=tag(series))

    def raw(self, series: int, begin_ms: int, end_ms: int, rows: int) -> bytes:
        return self._query("raw", series=tag(series), begin_ms=begin_ms, end_ms=end_ms, rows=rows)

    def hourly(self, series: int, begin_ms: int, end_ms: int) -> bytes:
        columns = [f"{name}({variable})" for variable in VARIABLES_AGGREGATED for name in FUNCTIONS]
        values = {"series": tag(series), "begin_ms": begin_ms, "end_ms": end_ms}
        return self._query("hourly", columns=", ".join(columns), **values)

    def counts(self, series: Sequence[int], begin_ms: int, end_ms: int) -> list[tuple[bytes, Sequence[int]]]:
        """All series in one statement."""
        return [(self._query("counts", begin_ms=begin_ms, end_ms=end_ms), series)]

    def counted(self, answer: bytes) -> int:
        return sum(row[1] for row in msgspec.json.decode(answer)["dataset"])

    def returned(self, answer: bytes) -> int:
        return len(msgspec.json.decode(answer)["dataset"])

    def _query(self, name: str, **values: object) -> bytes:
        text = string.Template(STATEMENTS[name].text).substitute(values, measurement=MEASUREMENT)
        return self.request("GET", f"/exec?{urlencode({'query': text})}")


def _environment(port: int) -> dict[str, str]:
    return {
        "QDB_HTTP_BIND_TO": f"127.0.0.1:{port}",
        "QDB_HTTP_MIN_ENABLED": "false",
        "QDB_PG_ENABLED": "false",
        "QDB_LINE_TCP_ENABLED": "false",
        "QDB_TELEMETRY_ENABLED": "false",
        "QDB_TELEMETRY_DISABLE_COMPLETELY": "true",
    }
