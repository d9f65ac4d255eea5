"""QuestDB, from Maven: line protocol over HTTP in, SQL over HTTP out."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlencode

import msgspec

from bench.peers.maven import java, lacking
from bench.peers.places import folder
from bench.peers.statements import StatementPeer
from bench.systems import PeerProcess
from runtime.server_process import free_port
from storage.statements import parse

NAME = "questdb"
STATEMENTS = parse(Path(__file__).with_name("questdb.sql").read_text(encoding="utf-8"))


class QuestDB(StatementPeer):
    """One table, the series in a symbol; rows are shown once a writer has taken them over from the log."""

    name = "QuestDB 9.1.0"
    durability = "log written, not synced (its default)"
    settings = "PostgreSQL, TCP and telemetry off"
    statements = STATEMENTS

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
        self.ask([self.state("create_table")])

    def counted(self, answer: bytes) -> int:
        return sum(row[1] for row in msgspec.json.decode(answer)["dataset"])

    def returned(self, answer: bytes) -> int:
        return len(msgspec.json.decode(answer)["dataset"])

    def path_of(self, text: str) -> str:
        return f"/exec?{urlencode({'query': text})}"


def _environment(port: int) -> dict[str, str]:
    return {
        "QDB_HTTP_BIND_TO": f"127.0.0.1:{port}",
        "QDB_HTTP_MIN_ENABLED": "false",
        "QDB_PG_ENABLED": "false",
        "QDB_LINE_TCP_ENABLED": "false",
        "QDB_TELEMETRY_ENABLED": "false",
        "QDB_TELEMETRY_DISABLE_COMPLETELY": "true",
    }
