"""Power cuts of the whole embedded service: `always` keeps every acknowledgement, weaker settings do not.

What is lost is reported as lost: its receipt answers 410 (design 4, stream and store together).
"""

from pathlib import Path
from time import sleep

import pytest

from bench.service import Service
from runtime import valkey_server
from tests.conftest import need
from tests.faults.house import QUICK, House, running, say
from tests.faults.rollback import PowerCut

EXTENTS = [pytest.param(2, id="2 cuts"), pytest.param(8, id="8 cuts", marks=pytest.mark.slow)]

CUTS_TO_LOSE = 5
"""Whether the log was synced just before a cut is chance; five times in a row it is not."""


@pytest.fixture
def cut(tmp_path: Path, compiled: Path) -> PowerCut:
    """Give a power cut of the data directory."""
    need("valkey", valkey_server.missing())
    (tmp_path / "data").mkdir()
    return PowerCut(tmp_path / "side", [tmp_path / "data"], compiled)


def house_of(tmp_path: Path, cut: PowerCut, durability: str, **variables: str) -> House:
    """Give a service under the shim."""
    environment = {**QUICK, **cut.environment, **variables}
    return House(tmp_path, Service(tmp_path / "data", durability=durability, variables=environment))


def power_off(house: House, cut: PowerCut) -> None:
    """Kill every process at once, lose what was not synced, start again."""
    house.service.kill()
    house.paused.clear()
    undone = cut.roll_back()
    say(undone)
    house.service.start(120)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("cuts", EXTENTS)
def test_a_power_cut_loses_nothing_that_was_acknowledged(cuts: int, tmp_path: Path, cut: PowerCut) -> None:
    """Durability `always`: stream, series and catalogue are synced before the answer leaves."""
    with running(house_of(tmp_path, cut, "always")) as house:
        for _ in range(cuts):
            with house.loaded():
                sleep(2.5)
                power_off(house, cut)
                house.await_answers()
                sleep(0.5)

        account = house.account()
        say(account)
        assert account.clean, f"{account}\n{house.said()}"
        assert account.acknowledged > 100


@pytest.mark.timeout(300)
def test_everysec_loses_what_it_says_and_reports_it(tmp_path: Path, cut: PowerCut) -> None:
    """The control: with `everysec` entries that were not stored yet vanish, and their receipts answer 410."""
    with running(house_of(tmp_path, cut, "everysec")) as house:
        for _ in range(CUTS_TO_LOSE):
            house.start_load()
            sleep(2)
            house.pause("workers.main writer")
            sleep(0.7)
            power_off(house, cut)
            house.stop_load()
            without = house.account()
            if without.counts["lost"] > 0:
                break
        with_receipts = house.account(ask_receipts=True)
        say(f"{without}\n{with_receipts}")
        assert without.counts["lost"] > 0, str(without)
        assert with_receipts.reported_lost > 0
        assert with_receipts.clean, f"{with_receipts}\n{house.said()}"


@pytest.mark.timeout(300)
def test_a_store_that_does_not_sync_loses_data(tmp_path: Path, cut: PowerCut) -> None:
    """The control of SQLite: syncs of series.db that do nothing, entries trimmed at once, gap accepted."""
    lying = {"ROLLBACK_LIES": "series.db", "ASPECTSTORE_TRIM_DELAY_S": "0", "ASPECTSTORE_ACCEPT_GAP": "true"}
    with running(house_of(tmp_path, cut, "always", **lying)) as house:
        with house.loaded():
            sleep(2.5)
        sleep(1)
        power_off(house, cut)

        account = house.account()
        say(account)
        assert account.counts["lost"] > 0, str(account)


@pytest.mark.timeout(300)
def test_a_gap_between_stream_and_store_is_refused(tmp_path: Path, cut: PowerCut) -> None:
    """Trimmed beyond what the store holds: the writer refuses to go on unless it is told to (design 4)."""
    lying = {"ROLLBACK_LIES": "series.db", "ASPECTSTORE_TRIM_DELAY_S": "0"}
    with running(house_of(tmp_path, cut, "always", **lying)) as house:
        with house.loaded():
            sleep(2.5)
        sleep(1)
        house.service.kill()
        cut.roll_back()
        with pytest.raises(Exception, match="gap"):
            house.service.start(15)
