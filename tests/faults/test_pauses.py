"""A writer that stands still beyond lease and grace: reads stay fresh, nothing is lost (design 4.17)."""

from collections.abc import Iterator
from pathlib import Path
from time import sleep

import pytest

from bench.service import Service
from runtime import valkey_server
from tests.conftest import need
from tests.faults.house import QUICK, House, running, say


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """Give an embedded service with a lease of 1 s and a grace of 2 s."""
    need("valkey", valkey_server.missing())
    with running(House(tmp_path, Service(tmp_path / "data", variables=dict(QUICK)))) as built:
        yield built


@pytest.mark.timeout(240)
def test_a_stopped_writer_blocks_and_loses_nothing(house: House) -> None:
    """SQLite has one writer: while it is stopped writes are acknowledged and read; then they are stored."""
    with house.loaded():
        for _ in range(2):
            sleep(1)
            house.pause("workers.main writer")
            sleep(4)
            house.resume()
        sleep(2)

    account = house.account()
    say(account)
    assert account.clean, f"{account}\n{house.said()}"
    assert account.acknowledged > 100
    assert account.reads - account.exempt_reads > 50


@pytest.mark.timeout(240)
def test_a_writer_that_is_killed_while_it_is_stopped_is_replaced(house: House) -> None:
    """The next writer takes the shards over and goes on from the stored cursor."""
    with house.loaded():
        sleep(1)
        (stopped,) = house.pause("workers.main writer")
        sleep(3)
        house.kill(stopped)
        house.paused.clear()
        sleep(2)

    account = house.account()
    say(account)
    assert account.clean, f"{account}\n{house.said()}"
    assert [stopped] != house.pids("workers.main writer")
