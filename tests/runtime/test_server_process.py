"""What every server of somebody else's is started with: ports of its own, also beside other starts."""

from __future__ import annotations

import socket
import sys

import pytest

from runtime import server_process
from runtime.server_process import PORTS, Ports, ServerFailed, ServerProcess, free_port

HOST = "127.0.0.1"
LISTENER = """
import socket, sys
with socket.socket() as server:
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(("127.0.0.1", int(sys.argv[1])))
    server.listen()
    while True:
        server.accept()[0].close()
"""


class Listener(ServerProcess):
    """A server that listens on one port; other programs take the ports of its first `beaten` starts."""

    def __init__(self, folder, beaten=0, port=0, **options):
        super().__init__("listener", folder, start_seconds=60, **options)
        self.ports.give("port", port)
        self.beaten = beaten
        self.others = []

    def command(self):
        port = self.ports.settle("port")["port"]
        if len(self.others) < self.beaten:
            self.others.append(socket.create_server((HOST, port)))
        return [sys.executable, "-c", LISTENER, str(port)]

    def answers(self):
        if len(self.others) == self.beaten and self.running():
            try:
                socket.create_connection((HOST, self.ports["port"]), 1).close()
            except OSError:
                return False
            return self.ports["port"] not in self.lost()
        return False

    def lost(self):
        """The ports that others have."""
        return [other.getsockname()[1] for other in self.others]

    def __exit__(self, *_):
        self.kill()
        for other in self.others:
            other.close()


def test_a_free_port_is_free():
    """A port below the ephemeral range, so that no outgoing connection takes it before the server does."""
    assert free_port() in PORTS
    assert not server_process.port_taken(HOST, free_port())


def test_a_start_that_lost_its_port_takes_another(tmp_path):
    """A program was quicker between choosing and binding, twice: the third start has a port of its own."""
    with Listener(tmp_path, beaten=2) as server:
        assert 2 == len({*server.lost()})
        assert server.ports["port"] not in server.lost()
        assert server.running()


def test_after_three_lost_ports_the_start_fails_with_the_servers_words(tmp_path):
    """It is not tried for ever; the error has what the server said and where the rest of it is."""
    server = Listener(tmp_path, beaten=9)
    try:
        with pytest.raises(ServerFailed, match=r"Address already in use \(all of it in .*listener\.out\)"):
            server.start()
        assert server_process.STARTS_MAX == len(server.others)
    finally:
        server.__exit__()


def test_a_given_port_is_not_exchanged(tmp_path):
    """Who names a port wants that one: taken, it is an error before the server is started."""
    with socket.create_server((HOST, 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ServerFailed, match=f"port {port} on 127.0.0.1 is taken"):
            Listener(tmp_path, port=port).start()


def test_two_starts_never_choose_the_same_port(monkeypatch):
    """A port is free for both until one binds it: the first one's claim sends the second one on."""
    one, other, third = free_port(), free_port(), free_port()
    tried = iter([one, one, other, one, other, third])
    monkeypatch.setattr(server_process, "free_port", lambda _: next(tried))
    first, second = Ports(HOST), Ports(HOST)

    assert {"a": one} == first.settle("a")
    assert {"a": other} == second.settle("a")
    assert {"a": other, "b": third} == second.settle("a", "b")


def test_the_claim_is_the_childs_too(tmp_path, monkeypatch):
    """Our own end frees no port on which a server of ours still starts; the server's end frees it."""
    with Listener(tmp_path) as server:
        port, server.ports = server.ports["port"], Ports(HOST)
        server.ports.give("port", port)
        monkeypatch.setattr(server_process, "free_port", lambda _: port)
        with pytest.raises(ServerFailed, match="no unclaimed port"):
            Ports(HOST).settle("port")
        server.kill()
        assert {"port": port} == Ports(HOST).settle("port")


def test_ports_stay_over_restarts_also_of_ourselves(tmp_path):
    """A client knows the address: kill and start again, by the same object and by the next process."""
    with Listener(tmp_path, ports_file="ports.json") as server:
        port = server.ports["port"]
        server.kill()
        server.start()
        assert port == server.ports["port"]
    with Listener(tmp_path, ports_file="ports.json") as successor:
        assert port == successor.ports["port"]
