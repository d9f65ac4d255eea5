"""Clients that vanish in the middle of a request or an answer: nobody gets another one's answer (R26).

Stack finding 12: a cancelled command whose answer the next caller reads is how tenants see each other's data.
"""

import random
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from time import sleep

import pytest

from bench.generator import request_bytes
from bench.service import Service
from runtime import valkey_server
from tests.conftest import need
from tests.faults.house import ASPECT, QUICK, TENANTS, House, running, say
from tests.faults.load import SERIES, START_MS
from tests.faults.operations import text_of

VANISHING = 6


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """Give an embedded service."""
    need("valkey", valkey_server.missing())
    with running(House(tmp_path, Service(tmp_path / "data", variables=dict(QUICK)))) as built:
        yield built


def vanish(house: House, token: str, asset: str, seed: int, stop: threading.Event, done: list[int]) -> None:
    """Send requests up to a random byte, or read an answer up to one, and reset the connection."""
    chooser = random.Random(seed)
    path = f"{SERIES}/{asset}/{ASPECT}"
    query = f"?from={text_of(START_MS - 1)}&to={text_of(START_MS + 3_600_000)}&limit=2000"
    host = f"127.0.0.1:{house.service.port}"
    reading = request_bytes("GET", path + query, host, token)
    writing = request_bytes("PATCH", path, host, token, b'[{"_time":"2024-01-01T12:00:00.000Z","note":null}]')
    while not stop.is_set():
        request = chooser.choice([reading, writing])
        whole = chooser.random() < 0.6
        try:
            with socket.create_connection(("127.0.0.1", house.service.port), 5) as line:
                line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                line.sendall(request if whole else request[: chooser.randrange(len(request))])
                if whole and chooser.random() < 0.5:
                    line.recv(chooser.randrange(1, 4000))
                done[0] += 1
        except OSError:
            continue


@pytest.mark.timeout(240)
def test_vanishing_clients_get_nobody_anothers_answer(house: House) -> None:
    """Both tenants read and write while others vanish; every answer carries its own tenant's values."""
    stop = threading.Event()
    done = [0]
    tokens = {}
    for name in TENANTS:
        with house.tenant(name) as tenant:
            tokens[name] = tenant.token
    crowd = [
        threading.Thread(
            target=vanish,
            args=(house, tokens[name], house.assets[name][0], seed, stop, done),
        )
        for seed, name in enumerate(TENANTS * (VANISHING // 2))
    ]
    with house.loaded():
        for thread in crowd:
            thread.start()
        sleep(5)
        stop.set()
        for thread in crowd:
            thread.join()

    account = house.account()
    say(f"{done[0]} vanished\n{account}")
    assert done[0] > 200
    assert account.clean, f"{account}\n{house.said()}"
    assert account.acknowledged > 100
