"""The launcher of Cassandra: what it needs, what it checks, and one real start, kill and restart."""

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from runtime import cassandra_server, jars
from runtime.cassandra_server import CassandraServer
from tests.conftest import need

Factory = Callable[..., CassandraServer]


@pytest.mark.parametrize(
    ("java", "maven", "reason"),
    [
        (None, "/usr/bin/mvn", "no Java found: install openjdk-17-jre-headless"),
        (21, "/usr/bin/mvn", "Java 21 found, Cassandra 5 needs 11 or 17: install openjdk-17-jre-headless"),
        (17, None, "no Maven found to fetch Cassandra: install maven"),
        (17, "/usr/bin/mvn", None),
        (11, "/usr/bin/mvn", None),
    ],
)
def test_what_lacks_is_named(
    java: int | None, maven: str | None, reason: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line names the package to install; with the jars fetched before, Maven is not asked for."""
    monkeypatch.setattr(cassandra_server, "java_version", lambda: java)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(jars.shutil, "which", lambda _: maven)

    assert reason == cassandra_server.missing()


@pytest.mark.slow
@pytest.mark.parametrize("commitlog_sync", ["batch", "group"])
def test_a_node_keeps_its_rows_and_its_address_over_a_kill(
    cassandra_factory: Factory, commitlog_sync: str
) -> None:
    """A row acknowledged under `batch` or `group` is there after SIGKILL; the port stays (R8)."""
    from cassandra.cluster import Cluster

    server = cassandra_factory(commitlog_sync=commitlog_sync)
    address = server.address
    with (
        Cluster([server.host], port=server.port, protocol_version=5) as cluster,
        cluster.connect() as session,
    ):
        session.execute(
            "CREATE KEYSPACE k WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}"
        )
        session.execute("CREATE TABLE k.t (a int PRIMARY KEY)")
        for number in range(50):
            session.execute("INSERT INTO k.t (a) VALUES (%s)", [number])

    server.kill()
    server.start()

    assert server.address == address
    with (
        Cluster([server.host], port=server.port, protocol_version=5) as cluster,
        cluster.connect() as session,
    ):
        rows = {row.a for row in session.execute("SELECT a FROM k.t")}
    assert rows == set(range(50))
    assert "k" in server.nodetool("tablestats", "k.t")


def test_the_reason_in_the_log_is_said(tmp_path: Path) -> None:
    """Cassandra prints that its log has the reason: the error of a start has it too."""
    server = CassandraServer(tmp_path)
    server.output.write_text("Fatal configuration error; unable to start server.  See log for stacktrace.\n")
    (tmp_path / "system.log").write_text(
        "ERROR [main] an older one\n\tat a.b.C\nINFO  [main] Listening\n"
        "ERROR [main] Fatal configuration error\n"
        "a.b.ConfigurationException: 127.0.0.1:7000 is in use\n\tat a.b.D\n"
    )

    said = server._last_words()

    assert said.startswith("Fatal configuration error; unable to start server.")
    assert str(server.output) in said
    assert said.endswith("Fatal configuration error a.b.ConfigurationException: 127.0.0.1:7000 is in use")


@pytest.mark.slow
def test_a_port_that_another_program_took_meanwhile_is_chosen_anew(tmp_path: Path) -> None:
    """Between choosing and binding the port of the cluster is taken: the start is repeated and succeeds."""
    need("cassandra", cassandra_server.missing())
    with socket.socket() as quicker:

        class Beaten(CassandraServer):
            """A node whose port is taken while it starts for the first time."""

            def command(self):
                command = super().command()
                if not self.process:
                    quicker.bind((self.host, self.ports["storage_port"]))
                    quicker.listen()
                return command

        server = Beaten(tmp_path)
        try:
            server.start()
            assert server.answers()
            assert quicker.getsockname()[1] != server.ports["storage_port"]
        finally:
            server.kill()


def test_the_cassandra_of_this_run_answers(cassandra: tuple[str, int]) -> None:
    """The shared fixture gives the address of a node that speaks CQL."""
    server = CassandraServer(Path("unused"), cql_port=cassandra[1], host=cassandra[0])

    assert server.answers()
