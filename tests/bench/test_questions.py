"""The longer questions (growth, soak, year, profile) run at tiny size, and their verdicts can fail."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench import disk, growth, memory, plots, profile, soak, speed, year
from bench.figures import (
    COLUMNS,
    QUESTIONS,
    Figures,
    Singles,
    Sustained,
    cell,
    figures_table,
    load,
    ratios_table,
    save,
)
from bench.ours import SOON, Aspectstore
from runtime import cassandra_server, valkey_server
from tests.conftest import need

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def service() -> Aspectstore:
    """A service with SQLite, not started."""
    need("valkey", valkey_server.missing())
    system = Aspectstore("sqlite", "everysec", SOON)
    system.steady_s = 0.5
    return system


@pytest.mark.valkey
def test_growth_gives_a_step_for_each_size(service: Aspectstore, tmp_path: Path) -> None:
    """Both curves have a point for each number of records and of series that there was time for."""
    curves = growth.measure(service, growth.TINY, tmp_path)

    assert list(growth.TINY.series) == [series for series, _, _ in curves.singles]
    assert [40, 440, 840] == [step.records for step in curves.steps]
    assert all(step.visible_us >= step.acked_us > 0 for step in curves.steps)
    assert "| 840 |" in growth.report([curves])


@pytest.mark.valkey
def test_a_soak_is_sent_as_fast_as_was_asked(service: Aspectstore, tmp_path: Path) -> None:
    """A second of soak: load, memory, backlog and reads are all there to be judged."""
    soaked = soak.measure(service, soak.TINY, tmp_path)

    assert soaked.sent_values > 0
    assert len(soaked.trace.resident) >= 2
    assert soaked.backlog
    assert len(soaked.reads) % soak.TINY.reads_a_burst == 0
    assert "backlog < 2 s of load" in soak.report(soaked, soak.TINY)


@pytest.mark.valkey
def test_a_day_of_a_year_is_loaded_and_counted(service: Aspectstore, tmp_path: Path) -> None:
    """Every second of the day is counted, and an hour of it holds 3,600 records."""
    found = year.measure(service, year.TINY, tmp_path)

    assert ["the year by day", "the year by month", "one hour, raw"] == list(found.answers_ms)
    assert 0 < found.stored < 20
    assert "86,400 records" in year.report(service.name, year.TINY, found)


@pytest.mark.valkey
@pytest.mark.slow
def test_the_bytes_of_the_service_are_found(service: Aspectstore, tmp_path: Path) -> None:
    """Sealed and purged, a value of the workload takes few bytes in the store's file."""
    found = disk.measure(service, tmp_path, 3, 2_000)

    assert 0 < found.stored < 16


@pytest.mark.valkey
@pytest.mark.cassandra
@pytest.mark.slow
def test_the_service_on_cassandra_answers_every_question(tmp_path: Path) -> None:
    """With Cassandra the same questions get answers, and its memory and files count too."""
    need("valkey", valkey_server.missing())
    need("cassandra", cassandra_server.missing())
    system = Aspectstore("cassandra", "everysec")
    system.steady_s = 0.5

    figures = speed.measure(system, replace(speed.TINY, disk=True), tmp_path)

    assert {"-"}.isdisjoint(cell(question, figures) for question in QUESTIONS)


@pytest.mark.valkey
def test_the_door_can_be_profiled(service: Aspectstore, tmp_path: Path) -> None:
    """Samples of the door under load name functions of the door."""
    if reason := profile.lacking():
        pytest.skip(reason)

    stacks = profile.measure(service, "door", profile.TINY, tmp_path)

    assert any("cli/door.py" in line or "door" in line for line in stacks)


def test_the_busiest_function_is_counted_once_a_sample() -> None:
    """A function that recurses was on the stack of a sample once; threads that wait do not count."""
    idle = "main;_worker (concurrent/futures/thread.py:69) 9"

    found = profile.busiest(["main;a;a 3", "main;b 1", idle])

    assert [("a", 0.75, 0.75), ("b", 0.25, 0.25)] == [(one.function, one.own, one.whole) for one in found]


def test_memory_that_grows_fails_a_soak() -> None:
    """2 % a minute is more than the 1 % that it may grow; the time before it is warm does not count."""
    seconds = np.arange(0, 600, 10.0)
    growing = 1e9 * np.where(seconds < 180, 0.2, 1 + 0.02 * (seconds - 180) / 60)
    soaked = _soaked(memory.Trace(seconds.tolist(), growing.astype(int).tolist()))

    assert 0.02 == pytest.approx(soaked.slope(180), rel=0.01)
    assert [True, False, True, True] == [holds for _, _, holds in soak.verdicts(soaked, soak.Plan())]


def test_reads_that_slow_down_and_a_backlog_fail_a_soak() -> None:
    """A p99 twice that of the second third, and a backlog of three seconds of load, are both said."""
    soaked = _soaked(memory.Trace([0.0, 600.0], [100, 100]))
    soaked.reads = [(when, 2.0 if when < 400 else 4.0) for when in np.arange(0, 600, 1.0).tolist()]
    soaked.backlog = [(1.0, 3 * soaked.bytes_a_value * soaked.values_a_second)]

    assert [True, True, False, False] == [holds for _, _, holds in soak.verdicts(soaked, soak.Plan())]


def test_a_slow_year_is_said() -> None:
    """An answer that takes longer than was asked, and too many bytes, do not hold."""
    answers = {"the year by day": 299.0, "the year by month": 101.0, "one hour, raw": 9.0}

    judged = year.verdicts(year.Found(1e6, 0.1, answers, 1.01, 0.0))

    assert [True, False, True, False] == [holds for _, _, holds in judged]


def test_ratios_are_above_one_where_the_service_is_ahead() -> None:
    """Twice the rate and half of the time are both 2."""
    one = Figures("A", acked=[2.0], latest_ms=1.0, singles=[Singles(100, [50.0], 1.0)])
    other = Figures("B", acked=[1.0], latest_ms=2.0, singles=[Singles(100, [100.0], 1.0)])

    cells = dict(zip(COLUMNS, ratios_table([one], [other]).splitlines()[-1].split(" | ")[1:], strict=True))

    assert ("2.00", "2.00", "0.50") == (
        cells["acked values/s"], cells["latest, ms"], cells["single-record requests/s"]
    )  # fmt: skip
    assert "-" == cells["raw records, ms"]


def test_figures_are_kept_and_read_back(tmp_path: Path) -> None:
    """What a run found can be drawn and compared later."""
    figures = Figures("A", acked=[1.0, 2.0], sustained=Sustained(1.0, 2.0, 3.0), absent=None)
    save([figures, Figures("B", absent="not there")], tmp_path / "figures.json")

    assert [figures, Figures("B", absent="not there")] == load(tmp_path / "figures.json")
    assert "B was not measured: not there." in figures_table(load(tmp_path / "figures.json"))


def test_each_column_is_a_picture(tmp_path: Path) -> None:
    """One PNG a question, for those that were measured."""
    if reason := plots.lacking():
        pytest.skip(reason)

    drawn = plots.draw_speed([Figures("A", acked=[1e6], latest_ms=0.5), Figures("B", absent="no")], tmp_path)
    step = growth.Step(1_000, 1.0, 2.0, None, 1 << 20)
    drawn += growth.plot([growth.Curves("A", [step], [(10, 100.0, "")])], tmp_path)
    drawn += soak.plot(_soaked(memory.Trace([0.0, 600.0], [100, 100])), "sqlite", tmp_path)
    drawn += year.plot(year.Found(answers_ms={"the year by day": 8.0}), "sqlite", tmp_path)

    table = ["acked-values-s", "latest-ms"]
    longer = ["soak-memory-sqlite", "soak-backlog-sqlite", "soak-reads-sqlite", "year-sqlite"]
    assert [*table, "growth-records", "growth-series", *longer] == [path.stem for path in drawn]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in drawn)


def _soaked(trace: memory.Trace) -> soak.Soaked:
    reads = [(when, 2.0) for when in np.arange(0, 600, 1.0).tolist()]
    return soak.Soaked("A", 1e6, 8.0, int(6e8), 600.0, trace, [(1.0, 1e6)], reads)
