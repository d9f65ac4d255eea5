"""A stream server that forgets: emptied, restored to an older state, failed over with entries missing.

None of it is hidden: what was not stored yet answers 410, everything else is there (design 4; R6).
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from time import sleep

import pytest
import redis

from bench.service import Service
from runtime import valkey_server
from runtime.valkey_server import ValkeyServer
from tests.conftest import need
from tests.faults import proxy
from tests.faults.house import QUICK, House, running, say
from tests.faults.proxy import Proxy


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[ValkeyServer]:
    """Give a stream server that is ours to break."""
    need("valkey", valkey_server.missing())
    with ValkeyServer(tmp_path / "stream", listen="tcp") as server:
        yield server


@pytest.fixture
def front(valkey: ValkeyServer) -> Iterator[Proxy]:
    """Give the address under which the service knows its stream server."""
    with proxy.running(Proxy(("127.0.0.1", valkey.port))) as built:
        yield built


@pytest.fixture
def house(tmp_path: Path, front: Proxy) -> Iterator[House]:
    """Give a service on that stream server."""
    stream = f"redis://127.0.0.1:{front.port}"
    with running(House(tmp_path, Service(tmp_path / "data", stream=stream, variables=dict(QUICK)))) as built:
        yield built


def demand_reported(house: House, *, lost: bool) -> None:
    """Nothing is missing except what its receipt calls lost; and something was lost, where it had to be."""
    account = house.account(ask_receipts=True)
    say(account)
    assert account.clean, f"{account}\n{house.said()}"
    assert account.acknowledged > 100
    assert not lost or account.reported_lost > 0


@pytest.mark.timeout(240)
def test_an_emptied_stream_server_is_noticed(valkey: ValkeyServer, house: House) -> None:
    """FLUSHALL keeps run id and connections: its marks are gone, so nothing is admitted until proved."""
    with house.loaded():
        sleep(1.5)
        house.pause("workers.main writer")
        sleep(0.7)
        with redis.Redis.from_url(valkey.url) as client:
            client.flushall()
        sleep(0.3)
        house.resume()
        house.await_answers()
        sleep(2)

    demand_reported(house, lost=True)


@pytest.mark.timeout(240)
def test_a_stream_server_restored_to_an_older_state_is_noticed(
    valkey: ValkeyServer, house: House, tmp_path: Path
) -> None:
    """An older copy of its files holds entries that were applied since, and lacks newer ones."""
    with house.loaded():
        sleep(1.5)
        older = tmp_path / "older"
        shutil.copytree(tmp_path / "stream" / "aof", older)
        sleep(1)
        house.pause("workers.main writer")
        sleep(0.7)
        valkey.kill()
        shutil.rmtree(tmp_path / "stream" / "aof")
        shutil.copytree(older, tmp_path / "stream" / "aof")
        valkey.start()
        house.resume()
        house.await_answers()
        sleep(2)

    demand_reported(house, lost=True)


@pytest.mark.timeout(240)
def test_a_failover_with_entries_missing_is_noticed(
    valkey: ValkeyServer, front: Proxy, house: House, tmp_path: Path
) -> None:
    """A replica that lags is promoted: the clients see the same address and another server."""
    with (
        ValkeyServer(tmp_path / "replica", listen="tcp") as replica,
        redis.Redis.from_url(replica.url) as promoted,
    ):
        promoted.replicaof("127.0.0.1", valkey.port)
        while promoted.info("replication")["master_link_status"] != "up":
            sleep(0.05)
        with house.loaded():
            sleep(1.5)
            promoted.replicaof("no", "one")
            sleep(0.2)
            house.pause("workers.main writer")
            sleep(0.7)
            valkey.kill()
            front.retarget(("127.0.0.1", replica.port))
            house.resume()
            house.await_answers()
            sleep(2)

        demand_reported(house, lost=True)


@pytest.mark.timeout(240)
def test_a_torn_tail_of_the_log_loses_only_what_is_reported(
    valkey: ValkeyServer, house: House, tmp_path: Path
) -> None:
    """R7: bytes cut off at the end of the append-only file; the server starts, the loss is on record."""
    with house.loaded():
        sleep(1.5)
        house.pause("workers.main writer")
        sleep(0.7)
        valkey.kill()
        newest = max((tmp_path / "stream" / "aof").glob("*.incr.aof"), key=lambda path: path.stat().st_mtime)
        with newest.open("r+b") as log:
            log.truncate(newest.stat().st_size - 20_001)
        valkey.start()
        house.resume()
        house.await_answers()
        sleep(2)

    demand_reported(house, lost=True)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("name", ["latency", "resets", "blackhole"])
def test_a_bad_line_to_the_stream_server_loses_nothing(name: str, front: Proxy, house: House) -> None:
    """R9, R26: delays, resets in the middle of answers, silence: no answer belongs to another request."""
    with house.loaded():
        sleep(1)
        if name == "latency":
            front.faults.latency_s = 0.05
        elif name == "resets":
            front.faults.reset_share = 0.02
        else:
            front.faults.blackhole = True
        sleep(3)
        front.faults = proxy.Faults()
        house.await_answers()
        sleep(1)

    account = house.account()
    say(account)
    assert account.clean, f"{account}\n{house.said()}"
    assert account.acknowledged > 50
