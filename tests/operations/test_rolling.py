"""Processes of a running service are restarted in order under load: no request that was taken fails (R18)."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import threading
import time
from collections import Counter

import pytest

from bench.service import descendants
from bench.tenant import Tenant
from tests.operations.conftest import CREDENTIALS

CLIENTS = 4
WAIT_S = 120.0
"""For a process to end and for another to serve: far longer than it takes anywhere."""


class Client(threading.Thread):
    """One keep-alive connection in a closed loop: each request writes a second of its own asset."""

    def __init__(self, tenant, asset, stop):
        super().__init__(daemon=True)
        self.address, self.path, self.stop = tenant.address, tenant.series_path(asset), stop
        self.headers = {"Authorization": f"Bearer {tenant.token}", "Content-Type": "application/json"}
        self.outcomes = Counter()
        self.acknowledged, self.unanswered = set(), set()
        self.failure = None

    def run(self):
        connection, second = None, 0
        try:
            while not self.stop.is_set():
                if connection is None and (connection := self.connected()) is None:
                    continue
                second += 1
                if not self.put(connection, second):
                    connection.close()
                    connection = None
        except Exception as error:
            self.failure = error
            raise
        finally:
            if connection is not None:
                connection.close()

    def connected(self):
        """Connect, or note that nobody listens just now."""
        connection = http.client.HTTPConnection(*self.address, timeout=WAIT_S)
        try:
            connection.connect()
        except ConnectionRefusedError:
            connection.close()
            self.outcomes["refused"] += 1
            time.sleep(0.01)
            return None
        return connection

    def put(self, connection, second):
        """Write one record; False where the connection is at its end."""
        text = f"2026-01-01T{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}Z"
        try:
            connection.request(
                "PUT", self.path, f'[{{"_time":"{text}","temperature":{second}}}]', self.headers
            )
            answer = connection.getresponse()
            answer.read()
        except (http.client.HTTPException, ConnectionError):
            # Closed before it was taken, as any client must expect of an idle connection; or cut off.
            self.unanswered.add(second)
            return False
        self.outcomes[answer.status] += 1
        if answer.status == 204:
            self.acknowledged.add(second)
        return not answer.will_close


def stored(tenant, asset):
    """Read every second that an asset has."""
    found, begin = set(), "2020-01-01T00:00:00Z"
    while True:
        page = tenant.ask("GET", f"{tenant.series_path(asset)}?from={begin}&limit=2000")
        found |= {int(record["temperature"]) for record in page}
        if len(page) < 2_000:
            return found
        begin = page[-1]["_time"]


@contextlib.contextmanager
def load(tenant, assets):
    """Load for the time of the block."""
    stop = threading.Event()
    clients = [Client(tenant, asset, stop) for asset in assets]
    for client in clients:
        client.start()
    try:
        yield clients
    finally:
        stop.set()
        for client in clients:
            client.join(WAIT_S)
            assert not client.is_alive(), "a request is neither answered nor refused"


def head_of(service, word):
    """Find the process of a part that the supervisor started."""
    found = service.processes(word)
    inner = {child for pid in found for child in descendants(pid)}
    [head] = [pid for pid in found if pid not in inner]
    return head


def answered(clients, enough=200):
    """Wait until so many more requests were answered."""
    before, deadline = counted(clients), time.monotonic() + WAIT_S
    while counted(clients) < before + enough:
        assert time.monotonic() < deadline, [client.outcomes for client in clients]
        time.sleep(0.02)


def counted(clients):
    """Count what was acknowledged so far."""
    return sum(len(client.acknowledged) for client in clients)


def replaced(service, word, old):
    """Wait until the part's process has ended and another one is there alone."""
    deadline = time.monotonic() + WAIT_S
    while old in (found := service.processes(word)) or not found:
        assert time.monotonic() < deadline, found
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("told", "number", "part"),
    [
        ("cli.door", signal.SIGTERM, "cli.door"),
        (" serve", signal.SIGHUP, "cli.door"),
        ("workers.main writer", signal.SIGTERM, "workers.main writer"),
    ],
)
def test_a_restart_in_order_fails_no_request_that_was_taken(service, told, number, part):
    """Answers under way are given and connections closed in order; what has no answer had no effect (R18).

    Nobody is turned away either: the supervisor holds the socket. With SIGHUP it replaces the doors.
    """
    with Tenant(service.url, CREDENTIALS) as tenant:
        assets = tenant.create_assets(CLIENTS, prefix=f"{told[:3]}-{number}")
        with load(tenant, assets) as clients:
            answered(clients)
            old = head_of(service, part)
            os.kill(head_of(service, told), number)
            replaced(service, part, old)
            answered(clients)  # from here on: before, the process that was told to end may have given them
        for client, asset in zip(clients, assets, strict=True):
            assert client.failure is None
            found = stored(tenant, asset)
            assert set() == client.acknowledged - found, "lost"
            assert set() == client.unanswered & found, "taken without an answer"
            assert set(client.outcomes) <= {204}
            assert len(client.unanswered) <= 3
