"""`kill -9` of each part under load: nothing lost, nothing done twice, nothing wrong (R1, R2, R4, R8).

The schedule is seeded and printed. In CI three kills in five seconds a part, in `slow` twenty in thirty.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import sleep

import pytest

from bench.service import Service
from runtime import valkey_server
from tests.conftest import need
from tests.faults.house import QUICK, House, running, say


@dataclass(frozen=True)
class Extent:
    """How long a part is tormented."""

    seconds: float
    kills: int
    seed: int


EXTENTS = [
    pytest.param(Extent(5, 3, 1), id="5s"),
    pytest.param(Extent(30, 20, random.SystemRandom().randrange(1 << 31)), id="30s", marks=pytest.mark.slow),
]

PARTS = {"door": "cli.door", "writer": "workers.main writer", "valkey": "valkey-server", "any": ""}


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """Give an embedded service with two tenants."""
    need("valkey", valkey_server.missing())
    with running(House(tmp_path, Service(tmp_path / "data", variables=dict(QUICK)))) as built:
        yield built


def torment(house: House, part: str, extent: Extent) -> None:
    """Kill one process of the part again and again while the load goes on, at any moment of its life."""
    say(f"seed {extent.seed}")
    chooser = random.Random(extent.seed)
    supervisor = house.service.process
    assert supervisor is not None
    with house.loaded():
        sleep(0.5)
        for _ in range(extent.kills):
            sleep(extent.seconds / extent.kills * chooser.uniform(0.5, 1.5))
            house.kill_part(PARTS[part], chooser, linger_s=chooser.uniform(0, 1))
        house.await_answers()
        sleep(0.5)


def demand_clean(house: House) -> None:
    """Every counter is 0, and enough was done for that to mean something."""
    account = house.account()
    say(account)
    assert account.clean, f"{account}\n{house.said()}"
    assert account.acknowledged > 100, f"{account}\n{house.said()}"


@pytest.mark.timeout(600)
@pytest.mark.parametrize("extent", EXTENTS)
@pytest.mark.parametrize("part", ["door", "writer", "valkey"])
def test_killing_a_part_of_the_embedded_service_loses_nothing(
    part: str, extent: Extent, house: House
) -> None:
    """R1, R2, R4: door, writer and stream server on SQLite, durability `always`."""
    house.seed = extent.seed

    torment(house, part, extent)

    demand_clean(house)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("extent", EXTENTS)
@pytest.mark.parametrize("point", ["after_store:2", "after_pin:3"])
def test_a_writer_that_dies_at_a_named_place_loses_nothing(
    point: str, extent: Extent, tmp_path: Path
) -> None:
    """R2: each writer dies after it stored a turn, before it told of it; or between a pin and its delete."""
    need("valkey", valkey_server.missing())
    variables = {**QUICK, "FAILPOINT": point}
    with running(House(tmp_path, Service(tmp_path / "data", variables=variables), seed=extent.seed)) as house:
        died = torment_by_itself(house, "workers.main writer", extent.seconds)
        assert died >= 2

        # Two pins a life would take longer than anyone waits for what half a minute of load left behind.
        assert house.service.stop() == 0
        house.service.variables = QUICK
        house.service.start()
        demand_clean(house)


def torment_by_itself(house: House, word: str, seconds: float) -> int:
    """Load while a part keeps dying of its own; gives how often it was seen anew."""
    seen: set[int] = set()
    with house.loaded():
        for _ in range(int(seconds / 0.1)):
            seen.update(house.pids(word))
            sleep(0.1)
    return len(seen) - 1
