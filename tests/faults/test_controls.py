"""Power cuts of the bare servers: what must be lost is lost, what was acknowledged as durable is not.

The kill suites of the whole service prove something only because these controls fail where they must
(stack 3.3: R4, R5, R8).
"""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from runtime import cassandra_server, valkey_server
from runtime.cassandra_server import CassandraServer, CommitlogSync
from runtime.valkey_server import AppendFsync, ValkeyServer
from tests.conftest import need
from tests.faults.rollback import PowerCut

# Valkey


def valkey_load(url: str, seconds: float) -> list[bytes]:
    """XADD in pipelines until the time is over or the server is gone; the ids that were acknowledged."""
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    acknowledged: list[bytes] = []
    stop = threading.Event()
    timer = threading.Timer(seconds, stop.set)
    timer.start()
    with redis.Redis.from_url(url, retry=Retry(NoBackoff(), 0)) as client:
        while not stop.is_set():
            pipeline = client.pipeline(transaction=False)
            for _ in range(20):
                pipeline.xadd("s", {"body": b"x" * 200})
            acknowledged += pipeline.execute()
    timer.cancel()
    return acknowledged


@pytest.mark.valkey
@pytest.mark.parametrize(("appendfsync", "loses"), [("everysec", True), ("always", False)])
def test_valkey_loses_acknowledged_entries_only_with_everysec(
    appendfsync: AppendFsync, loses: bool, tmp_path: Path, compiled: Path
) -> None:
    """R4, R5: two cuts under load; `always` answers after the fsync, `everysec` before it."""
    need("valkey", valkey_server.missing())
    cut = PowerCut(tmp_path / "side", [tmp_path / "data"], compiled)
    server = ValkeyServer(tmp_path / "data", appendfsync=appendfsync)
    acknowledged: set[bytes] = set()
    present: set[bytes] = set()
    lost = 0
    try:
        for _ in range(2):
            server.start(env=cut.environment)
            acknowledged = present | set(valkey_load(server.url, 0.6))
            server.kill()
            cut.roll_back()
            server.start(env=cut.environment)
            present = read_ids(server.url)
            lost += len(acknowledged - present)
    finally:
        server.stop()

    assert loses == (lost > 0)
    assert len(acknowledged) > 100


def read_ids(url: str) -> set[bytes]:
    """List every entry of the stream."""
    import redis

    with redis.Redis.from_url(url) as client:
        return {entry for entry, _ in client.xrange("s")}


@pytest.mark.valkey
def test_a_rewrite_of_the_log_survives_a_power_cut(tmp_path: Path, compiled: Path) -> None:
    """The rewritten append-only file and its manifest are durable before the old ones go."""
    need("valkey", valkey_server.missing())
    import redis

    cut = PowerCut(tmp_path / "side", [tmp_path / "data"], compiled)
    server = ValkeyServer(tmp_path / "data", appendfsync="always")
    try:
        server.start(env=cut.environment)
        before = set(valkey_load(server.url, 0.3))
        with redis.Redis.from_url(server.url) as client:
            client.bgrewriteaof()
            while client.info("persistence")["aof_rewrite_in_progress"]:
                pass
        acknowledged = before | set(valkey_load(server.url, 0.3))
        server.kill()
        cut.roll_back()
        server.start(env=cut.environment)
        present = read_ids(server.url)
    finally:
        server.stop()

    assert set() == acknowledged - present


# SQLite

SQLITE = """
import apsw, os, sys
db = apsw.Connection("series.db")
db.execute("PRAGMA journal_mode=WAL"); db.execute("PRAGMA synchronous=" + sys.argv[1])
db.execute("PRAGMA wal_autocheckpoint=200")
db.execute("CREATE TABLE IF NOT EXISTS t(k INTEGER PRIMARY KEY, v BLOB)")
k = db.execute("SELECT coalesce(max(k), 0) FROM t").fetchone()[0]
while True:
    k += 1
    with db: db.execute("INSERT INTO t VALUES(?, zeroblob(2000))", (k,))
    os.write(1, b"%d\\n" % k)
"""


@pytest.mark.parametrize(("synchronous", "loses"), [("OFF", True), ("FULL", False)])
def test_sqlite_loses_acknowledged_rows_only_without_syncs(
    synchronous: str, loses: bool, tmp_path: Path, compiled: Path
) -> None:
    """Three cuts of a writer that checkpoints often: FULL keeps every committed row."""
    import apsw

    root = tmp_path / "data"
    root.mkdir()
    cut = PowerCut(tmp_path / "side", [root], compiled)
    lost = 0
    for _ in range(3):
        acknowledged = sqlite_load(root, cut, synchronous)
        cut.roll_back()
        database = apsw.Connection(str(root / "series.db"))
        try:
            assert [("ok",)] == list(database.execute("PRAGMA integrity_check"))
            tables = list(database.execute("SELECT name FROM sqlite_master"))
            stored = (
                next(database.execute("SELECT coalesce(max(k), 0), count(*) FROM t")) if tables else (0, 0)
            )
        finally:
            database.close()
        assert stored[0] == stored[1]
        lost += max(0, acknowledged - stored[0])

    assert loses == (lost > 0)


def sqlite_load(root: Path, cut: PowerCut, synchronous: str) -> int:
    """Let a process commit rows and kill it after a thousand; the last row that it reported."""
    environment = {**os.environ, **cut.environment}
    with subprocess.Popen(
        [sys.executable, "-c", SQLITE, synchronous], cwd=root, env=environment, stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout is not None
        lines = [line for line, _ in zip(writer.stdout, range(1000), strict=False)]
        writer.kill()
        lines += writer.stdout.read().splitlines()
    return int(lines[-1])


# Cassandra


@contextmanager
def session(server: CassandraServer) -> Iterator[Any]:
    """Connect the driver."""
    from cassandra.cluster import Cluster

    cluster = Cluster([server.host], port=server.port, connect_timeout=20)
    try:
        yield cluster.connect()
    finally:
        cluster.shutdown()


def cassandra_load(server: CassandraServer, begin: int, seconds: float) -> list[int]:
    """Insert rows, 64 in flight, then kill the server in the middle; the keys that were acknowledged."""
    acknowledged: list[int] = []
    slots = threading.Semaphore(64)
    killed = threading.Event()

    def kill() -> None:
        server.kill()
        killed.set()

    with session(server) as connected:
        insert = connected.prepare("INSERT INTO cut.t (k, v) VALUES (?, ?)")
        timer = threading.Timer(seconds, kill)
        timer.start()
        key = begin
        while not killed.is_set():
            if not slots.acquire(timeout=0.1):
                continue
            key += 1
            future = connected.execute_async(insert, (key, b"v" * 500), timeout=5)
            future.add_callback(lambda _, key=key: acknowledged.append(key))
            future.add_callbacks(lambda _: slots.release(), lambda _: slots.release())
        timer.join()
    return acknowledged


CASSANDRA = [
    pytest.param("periodic", True, id="periodic"),
    pytest.param("batch", False, id="batch"),
    pytest.param("group", False, id="group", marks=pytest.mark.slow),
]


@pytest.mark.cassandra
@pytest.mark.timeout(400)
@pytest.mark.parametrize(("sync", "loses"), CASSANDRA)
def test_cassandra_loses_acknowledged_rows_only_with_periodic(
    sync: CommitlogSync, loses: bool, tmp_path: Path, compiled: Path
) -> None:
    """R8: a cut under load; `batch` and `group` answer after the sync of the log, `periodic` before."""
    need("cassandra", cassandra_server.missing())
    (tmp_path / "data").mkdir()
    server = CassandraServer(tmp_path / "data", commitlog_sync=sync)
    cut = PowerCut(tmp_path / "side", [tmp_path / "data"], compiled)
    try:
        server.start()
        with session(server) as connected:
            connected.execute(
                "CREATE KEYSPACE cut WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}"
            )
            connected.execute("CREATE TABLE cut.t (k bigint PRIMARY KEY, v blob)")
        server.stop()
        server.start(env=cut.environment)
        acknowledged = cassandra_load(server, 0, seconds=3)
        cut.roll_back()
        server.start()
        with session(server) as connected:
            present = {row.k for row in connected.execute("SELECT k FROM cut.t")}
    finally:
        server.stop()

    assert len(acknowledged) > 100
    assert loses == (len(set(acknowledged) - present) > 0)
