"""Reads of the running service contain what was acknowledged before them; the named exceptions say so.

Design 4.17: a chain too long and a stream server that is down; `Read-After` waits ten seconds, then 503.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import msgspec
import pytest

from bench.service import Service
from bench.tenant import Refused, Tenant
from runtime import valkey_server
from schemas.receipts import decode_receipt
from tests.conftest import need
from tests.e2e.looking import get
from tests.e2e.serial import receipt_key
from tests.e2e.test_order import WRITER, built, settings_of
from tests.faults.house import ASPECT, House
from tests.faults.load import SERIES, START_MS
from tests.faults.operations import answered_rows, text_of

CHAIN_ENTRIES_MAX = 256
WAIT_S = 10.0
STREAM_TIMEOUT_S = 5.0
"""After which a silent stream server is taken for gone."""

QUIET = {"ASPECTSTORE_LEASE_S": "60", "ASPECTSTORE_JOB_WORKERS": "0", "ASPECTSTORE_SHARDS": "8"}


class Client:
    """One tenant's client of one house."""

    def __init__(self, house: House) -> None:
        """Log in."""
        self.house = house
        self.tenant: Tenant = house.tenant("alpha")
        self.assets = house.assets["alpha"]
        self.key = receipt_key(settings_of(house.service))

    def put(self, asset: int, slot: int, *, query: str = "") -> str:
        """Write one record and give its receipt."""
        body = msgspec.json.encode([{"_time": text_of(START_MS + 1000 * slot), "count": slot}])
        path = f"{SERIES}/{self.assets[asset]}/{ASPECT}{query}"
        headers = {"Authorization": f"Bearer {self.tenant.token}", "Content-Type": "application/json"}
        _, fields, _ = self.tenant.exchange("PUT", path, body, headers)
        return {name.lower(): text for name, text in fields.items()}["write-receipt"]

    def read(self, asset: int, **headers: str) -> tuple[int | None, list[int]]:
        """Read everything: the Read-Position if there is one, and the slots found."""
        span = f"?from={text_of(START_MS - 1)}&to={text_of(START_MS + 86_400_000)}&limit=2000"
        fields, records = get(self.tenant, f"{SERIES}/{self.assets[asset]}/{ASPECT}{span}", **headers)
        slots = [int(row["count"]) for _, row in answered_rows(records)]  # type: ignore[arg-type]
        behind = fields.get("read-position")
        return None if behind is None else int(behind), slots

    def position(self, receipt: str) -> int:
        """Read where a write stands in the order."""
        return decode_receipt(receipt, "alpha", self.key)[-1].position

    def refused(self, asset: int, receipt: str) -> tuple[str, float]:
        """Read after a receipt in vain: what was said, and after how long."""
        began = monotonic()
        with pytest.raises(Refused) as refusal:
            self.read(asset, **{"Read-After": receipt})
        return str(refusal.value), monotonic() - began


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    """A client of the embedded service."""
    need("valkey", valkey_server.missing())
    with built(tmp_path, Service(tmp_path / "data", variables=QUIET)) as house:
        client = Client(house)
        yield client
        client.tenant.close()


def stop(house: House, word: str) -> None:
    """Stop the processes of a part until the house resumes them."""
    found: Any = house.pids(word)
    assert found, house.said()
    for pid in found:
        os.kill(pid, signal.SIGSTOP)
        house.paused.append(pid)


def test_a_chain_too_long_is_answered_from_the_store_and_says_how_far(client: Client):
    """MS-31: beyond 256 waiting entries a read names its position; `Read-After` waits, then 503."""
    first = client.put(0, 0, query="?wait=applied")
    stop(client.house, WRITER)
    beside = client.put(1, 7)
    receipts = [client.put(0, slot) for slot in range(1, CHAIN_ENTRIES_MAX + 1)]
    assert (None, list(range(CHAIN_ENTRIES_MAX + 1))) == client.read(0)

    last = client.put(0, CHAIN_ENTRIES_MAX + 1)

    behind, slots = client.read(0)
    assert [0] == slots
    assert behind is not None
    assert client.position(first) <= behind < client.position(receipts[0])
    assert (None, [7]) == client.read(1, **{"Read-After": beside})
    assert [0] == client.read(0, **{"Read-After": first})[1]
    said, seconds = client.refused(0, last)
    assert ": 503 " in said
    assert WAIT_S - 0.5 < seconds < WAIT_S + 3

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(client.read, 0, **{"Read-After": last})
        sleep(0.5)
        assert not waiting.done()
        client.house.resume()
        assert (None, list(range(CHAIN_ENTRIES_MAX + 2))) == waiting.result(20)


def test_a_stream_server_that_is_silent_does_not_keep_reads_from_the_store(client: Client):
    """Design 4.17: stream down: a plain read says how far the store is; what it lacks is not lost."""
    stored = client.put(0, 0, query="?wait=applied")
    stop(client.house, WRITER)
    waiting = client.put(0, 1)
    assert (None, [0, 1]) == client.read(0)
    stop(client.house, "valkey-server")

    began = monotonic()
    behind, slots = client.read(0)

    assert [0] == slots
    assert behind is not None
    assert client.position(stored) <= behind < client.position(waiting)
    assert monotonic() - began < STREAM_TIMEOUT_S + 2
    said, seconds = client.refused(0, waiting)
    assert ": 503 " in said
    assert seconds < WAIT_S + STREAM_TIMEOUT_S + 3

    client.house.resume()
    assert [0, 1] == client.read(0, **{"Read-After": waiting})[1]
