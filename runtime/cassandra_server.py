"""A real Cassandra 5 on this machine without a container: for tests, for measurements and for trying it out.

The server is the `cassandra-all` artifact and what it needs (deploy/cassandra/pom.xml), fetched once by Maven
into the user's cache directory and checked against deploy/cassandra/jars.sha256 before every start.
`python -m runtime.cassandra_server --data DIR` prints `host:port` and serves until Ctrl-C.

Java 11 or 17 and, for the first start only, Maven must be there; `missing()` says what is not.
"""

import argparse
import shutil
import signal
import socket
import string
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from runtime.jars import JAVA_PACKAGE, Jars, java_command, java_version
from runtime.server_process import ServerFailed, ServerProcess, deploy_path

CommitlogSync = Literal["batch", "group", "periodic"]

COMMITLOG_SYNC: dict[CommitlogSync, str] = {
    "batch": "commitlog_sync: batch",
    "group": "commitlog_sync: group\ncommitlog_sync_group_window: 5ms",
    "periodic": "commitlog_sync: periodic\ncommitlog_sync_period: 10000ms",
}
HEAP_MB = 1024
JAVA_VERSIONS = (11, 17)
JARS = Jars("cassandra", "Cassandra")
START_SECONDS = 180.0  # about 10 s are usual; a cold cache on two busy cores takes its time
CQL_TIMEOUT_SECONDS = 2.0
CQL_OPTIONS = bytes([4, 0, 0, 0, 5, 0, 0, 0, 0])  # protocol 4, stream 0, OPTIONS, no body
CQL_SUPPORTED = 6


def missing() -> str | None:
    """Name what lacks to start a Cassandra, with the package to install; None when all is there."""
    java = java_version()
    if java is None:
        return f"no Java found: install {JAVA_PACKAGE}"
    if java not in JAVA_VERSIONS:
        return f"Java {java} found, Cassandra 5 needs 11 or 17: install {JAVA_PACKAGE}"
    return JARS.missing()


TIMER_SLACK_NS = 500_000
"""Idle threads of the server look for work every few µs and cost half a core at 400 writes a second; with
this slack they look 2,000 times a second. Measured under workload A: a third less of its time in all."""


class CassandraServer(ServerProcess):
    """One node on 127.0.0.1 with its own data directory; its ports stay the same over restarts.

    `commitlog_sync` may be changed between two starts on the same directory. `cql_port` 0 takes a free one.
    """

    timer_slack_ns = TIMER_SLACK_NS

    def __init__(
        self,
        data_dir: Path,
        *,
        commitlog_sync: CommitlogSync = "batch",
        cql_port: int = 0,
        heap_mb: int = HEAP_MB,
        host: str = "127.0.0.1",
    ) -> None:
        super().__init__(
            "cassandra", data_dir, start_seconds=START_SECONDS, host=host, ports_file="ports.json"
        )
        self.commitlog_sync: CommitlogSync = commitlog_sync
        self.heap_mb = heap_mb
        self.ports.give("cql_port", cql_port)

    @property
    def port(self) -> int:
        """The port of CQL, known after the first start."""
        return self.ports["cql_port"]

    @property
    def address(self) -> str:
        """`host:port` of CQL."""
        return f"{self.host}:{self.port}"

    def command(self) -> Sequence[str]:
        """Write cassandra.yaml and logback.xml into the data directory; return the call of Java."""
        if reason := missing():
            raise ServerFailed(reason)
        jars = JARS.ensure()
        ports = self.ports.settle("cql_port", "storage_port", "jmx_port")
        conf = self.data_dir / "conf"
        conf.mkdir(exist_ok=True)
        template = string.Template(deploy_path("cassandra/cassandra.yaml").read_text(encoding="utf-8"))
        settings = template.substitute(
            ports,
            host=self.host,
            data_dir=self.data_dir,
            commitlog_sync=COMMITLOG_SYNC[self.commitlog_sync],
        )
        (conf / "cassandra.yaml").write_text(settings, encoding="utf-8")
        shutil.copyfile(deploy_path("cassandra/logback.xml"), conf / "logback.xml")
        return [
            str(java_command()),
            f"@{_java_arguments(conf)}",
            f"-Xms{self.heap_mb}m",
            f"-Xmx{self.heap_mb}m",
            f"-Dcassandra.storagedir={self.data_dir}",
            f"-Dcassandra.config=file://{conf}/cassandra.yaml",
            f"-Dcassandra.jmx.local.port={ports['jmx_port']}",
            "-Dcassandra-foreground=yes",
            f"-javaagent:{next(jars.glob('jamm-*.jar'))}",
            "-cp",
            f"{conf}:{jars}/*",
            "org.apache.cassandra.service.CassandraDaemon",
        ]

    def answers(self) -> bool:
        """Send OPTIONS in the native protocol and look for SUPPORTED."""
        try:
            with socket.create_connection((self.host, self.port), CQL_TIMEOUT_SECONDS) as cql:
                cql.sendall(CQL_OPTIONS)
                header = cql.recv(9)
        except OSError:
            return False
        return len(header) >= 5 and header[4] == CQL_SUPPORTED

    def nodetool(self, *arguments: str) -> str:
        """Run nodetool against this node (`flush`, `compact`, `tablestats`) and return what it printed."""
        options = [line for line in _jvm_options() if line.startswith("--add-")]
        main = ["-cp", f"{JARS.folder}/*", "org.apache.cassandra.tools.NodeTool"]
        target = ["-h", self.host, "-p", str(self.ports["jmx_port"])]
        java = [
            str(java_command()),
            "-Xmx64m",
            *options,
            f"-Dlogback.configurationFile={self.data_dir}/conf/none",
        ]
        answer = subprocess.run(
            [*java, *main, *target, *arguments], capture_output=True, text=True, check=False, timeout=600
        )
        if answer.returncode:
            raise ServerFailed(f"nodetool {' '.join(arguments)}: {(answer.stderr or answer.stdout).strip()}")
        return answer.stdout

    def _last_words(self) -> str:
        """What it printed, and the last error of its log with the exception behind it."""
        log = self.data_dir / "system.log"
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
        errors = [number for number, line in enumerate(lines) if line.startswith("ERROR")]
        reason = (
            " ".join(line.strip() for line in lines[errors[-1] : errors[-1] + 2]) if errors else "no error"
        )
        return f"{super()._last_words()}; {log.name} says: {reason}"


def _jvm_options() -> list[str]:
    text = deploy_path("cassandra/jvm.options").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def _java_arguments(conf: Path) -> Path:
    """Write the options as an argument file: half a hundred flags make `ps` unreadable."""
    file = conf / "jvm.arguments"
    file.write_text("\n".join(_jvm_options()), encoding="utf-8")
    return file


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve one node until Ctrl-C or SIGTERM; print its address once it answers."""
    parser = argparse.ArgumentParser(prog="python -m runtime.cassandra_server", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="data directory, made if absent")
    parser.add_argument("--port", type=int, default=0, help="CQL port (default: a free one)")
    parser.add_argument("--heap-mb", type=int, default=HEAP_MB)
    parser.add_argument("--commitlog-sync", choices=list(COMMITLOG_SYNC), default="batch")
    given = parser.parse_args(arguments)
    server = CassandraServer(
        given.data, commitlog_sync=given.commitlog_sync, cql_port=given.port, heap_mb=given.heap_mb
    )
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        server.start()
        sys.stdout.write(f"{server.address}\n")
        sys.stdout.flush()
        assert server.process is not None
        return server.process.wait()
    except ServerFailed as failure:
        sys.stderr.write(f"{failure}\n")
        return 2
    except KeyboardInterrupt:
        return 0
    finally:
        server.stop()


if __name__ == "__main__":
    sys.exit(main())
