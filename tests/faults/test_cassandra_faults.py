"""The service on Cassandra: three writers that are paused, killed and replaced, and a store that loses power.

R1, R2, R8, R9 of the test matrix; the lease is 1 s and the grace 2 s, so that seals and purges meet zombies.
"""

import random
from collections.abc import Iterator
from pathlib import Path
from time import sleep

import pytest

from bench.service import Service
from runtime import cassandra_server, valkey_server
from runtime.cassandra_server import CassandraServer
from tests.conftest import need
from tests.faults import proxy
from tests.faults.house import QUICK, House, running, say
from tests.faults.proxy import Proxy
from tests.faults.rollback import PowerCut

pytestmark = [pytest.mark.cassandra, pytest.mark.timeout(600)]


class Powered:
    """A Cassandra under the shim; a cut takes what its commit log has not synced."""

    def __init__(self, folder: Path, compiled: Path, sync: cassandra_server.CommitlogSync) -> None:
        """Start on an empty directory."""
        (folder / "data").mkdir(parents=True)
        self.server = CassandraServer(folder / "data", commitlog_sync=sync)
        self._cut = PowerCut(folder / "side", [folder / "data"], compiled)
        self.server.start(env=self._cut.environment)

    def cut(self) -> None:
        """Kill it, lose what was not synced, start it again."""
        self.server.kill()
        say(self._cut.roll_back())
        self.server.start()

    def store(self, keyspace: str) -> str:
        """Give what `--store` wants."""
        return f"cassandra://{self.server.host}:{self.server.port}/{keyspace}"


@pytest.fixture(scope="module")
def powered(tmp_path_factory: pytest.TempPathFactory, compiled: Path) -> Iterator[Powered]:
    """Give one Cassandra for the tests of this file; each has a keyspace of its own."""
    need("cassandra", cassandra_server.missing())
    need("valkey", valkey_server.missing())
    started = Powered(tmp_path_factory.mktemp("cassandra"), compiled, "batch")
    yield started
    started.server.stop()


def house_on(store: str, tmp_path: Path, **variables: str) -> House:
    """Give a service with three writers on a Cassandra."""
    given = {**QUICK, "ASPECTSTORE_WRITERS": "3", **variables}
    return House(tmp_path, Service(tmp_path / "data", store=store, variables=given))


def demand_clean(house: House) -> None:
    """Every counter is 0, and enough was done for that to mean something."""
    account = house.account()
    say(account)
    assert account.clean, f"{account}\n{house.said()}"
    assert account.acknowledged > 100, f"{account}\n{house.said()}"


@pytest.mark.parametrize("rounds", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_writers_that_stop_beyond_lease_and_grace_change_nothing(
    rounds: int, powered: Powered, tmp_path: Path
) -> None:
    """Order: one of three writers stands still, another takes its shards, the first wakes as a zombie."""
    chooser = random.Random(rounds)
    with running(house_on(powered.store(f"paused{rounds}"), tmp_path)) as house:
        with house.loaded():
            for _ in range(rounds):
                sleep(1)
                house.pause_one("workers.main writer", chooser)
                sleep(chooser.uniform(2, 5))
                house.resume()
            sleep(3)

        demand_clean(house)


@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_killing_writers_loses_nothing(kills: int, powered: Powered, tmp_path: Path) -> None:
    """R2: at any moment, so also between the deltas and the cursor, which are separate writes here."""
    chooser = random.Random(kills)
    with running(house_on(powered.store(f"killed{kills}"), tmp_path)) as house:
        with house.loaded():
            for _ in range(kills):
                sleep(chooser.uniform(1, 2.5))
                house.kill_part("workers.main writer", chooser)
            sleep(3)

        demand_clean(house)


@pytest.mark.parametrize("cuts", [1, pytest.param(20, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])])
def test_a_power_cut_of_the_store_loses_nothing(cuts: int, powered: Powered, tmp_path: Path) -> None:
    """R8: commit log `batch`; the stream holds everything until the store has it for certain.

    Under the shim the store syncs some fifty times a second, and an undoable delete takes several of them: so
    the load is one that it can follow, and leases are as long as they are by default, or writers would take
    each other's shards, and the deletes in them, from the beginning again and again.
    """
    house = house_on(
        powered.store(f"cut{cuts}"), tmp_path, ASPECTSTORE_TRIM_DELAY_S="0", ASPECTSTORE_LEASE_S="10"
    )
    house.config["pause_ms"] = 250
    with running(house):
        with house.loaded():
            for _ in range(cuts):
                sleep(3)
                powered.cut()
                house.await_answers(120)
            sleep(2)

        demand_clean(house)


@pytest.mark.slow
def test_a_commit_log_that_syncs_later_loses_data(tmp_path: Path, compiled: Path) -> None:
    """The control: `periodic` acknowledges first; trimmed at once and the gap accepted, data is gone."""
    need("cassandra", cassandra_server.missing())
    weak = Powered(tmp_path / "cassandra", compiled, "periodic")
    try:
        house = house_on(
            weak.store("weak"), tmp_path, ASPECTSTORE_TRIM_DELAY_S="0", ASPECTSTORE_ACCEPT_GAP="true"
        )
        house.service.durability = "everysec"
        with running(house):
            with house.loaded():
                sleep(5)
            sleep(0.5)
            weak.cut()
            house.await_answers(120)

            account = house.account()
            say(account)
            assert account.counts["lost"] > 0, str(account)
    finally:
        weak.server.stop()


@pytest.mark.parametrize("name", ["latency", "resets", "blackhole", "stopped"])
@pytest.mark.slow
def test_a_bad_line_to_the_store_loses_nothing(name: str, powered: Powered, tmp_path: Path) -> None:
    """R9: delays, resets, silence, a server that stands still; reads recover and no answer is mixed up."""
    with proxy.running(Proxy((powered.server.host, powered.server.port))) as line:
        house = house_on(f"cassandra://127.0.0.1:{line.port}/line{name}", tmp_path)
        with running(house):
            with house.loaded():
                sleep(2)
                if name == "stopped":
                    powered.server.pause()
                elif name == "latency":
                    line.faults.latency_s = 0.5
                elif name == "resets":
                    line.faults.reset_share = 0.02
                else:
                    line.faults.blackhole = True
                sleep(6)
                powered.server.resume()
                line.faults = proxy.Faults()
                house.await_answers(120)
                sleep(2)

            demand_clean(house)
