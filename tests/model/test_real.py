"""The programs of the model, run on the real writer, reader, sealing and purge: right on every store.

With a rule switched off from the test's side they go wrong here too, so what runs here is what is checked.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import pytest

from storage.cassandra.series import CassandraSeriesStore
from storage.cassandra.session import Address
from storage.memory import MemorySeriesStore
from storage.port import SeriesStore
from storage.sqlite.series import SqliteSeriesStore
from tests.model.engine import run_on
from tests.model.pinned import PINNED, Pinned
from tests.model.program import Step
from tests.model.real import SWITCHES, RealEngine
from tests.model.rules import DESIGN, Rules, without
from tests.model.search import random_run

RUNS = 60
RUNS_SLOW = 5_000
BREAKABLE = [case for case in PINNED if case.rule in SWITCHES and not case.simulator_only]

pinned = pytest.mark.parametrize("case", PINNED, ids=[f"{case.rule}-{at}" for at, case in enumerate(PINNED)])


@pytest.fixture(params=["memory", "sqlite", "cassandra"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SeriesStore]:
    """Each series store in turn."""
    if request.param == "memory":
        yield MemorySeriesStore()
        return
    opened: SeriesStore
    if request.param == "sqlite":
        opened = await SqliteSeriesStore.open(tmp_path / "series.db")
    else:
        server: Any = request.getfixturevalue("cassandra")
        opened = await CassandraSeriesStore.open(Address([server.host], server.port, "test_model"))
    yield opened
    await opened.close()


async def run_real(store: SeriesStore, program: Iterable[Step], rules: Rules = DESIGN) -> str | None:
    """Run a program on the real functions over a store."""
    return await run_on(await RealEngine(store, rules).open(), program)


@pytest.mark.parametrize("case", BREAKABLE, ids=[f"{case.rule}-{at}" for at, case in enumerate(BREAKABLE)])
async def test_pinned_program_goes_wrong_without_its_rule(case: Pinned):
    """The real functions need the rule too: what its switch breaks, the program shows."""
    violation = await run_real(MemorySeriesStore(), case.program, without(case.rule))

    assert violation is not None, case.story


def test_every_switch_has_a_program():
    """Each rule of the design's list is broken on the real functions at least once."""
    assert {case.rule for case in BREAKABLE} == SWITCHES


async def test_pinned_programs_are_right(store: SeriesStore):
    """With all rules on, the real functions show serial states only, on every store (design 4)."""
    found = [(case.rule, await run_real(store, case.program)) for case in PINNED]

    assert [case for case in found if case[1] is not None] == []


async def test_random_programs_are_right(store: SeriesStore):
    """Programs that the simulator found possible are right on the real functions, on every store."""
    found = [(seed, await run_real(store, random_run(seed)[0])) for seed in range(RUNS)]

    assert [case for case in found if case[1] is not None] == []
