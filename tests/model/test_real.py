"""The programs of the model, run on the real writer, reader, sealing and purge: right on every store.

With a rule switched off from the test's side they go wrong here too, so what runs here is what is checked.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import pytest

from storage.memory import MemorySeriesStore
from storage.port import SeriesStore
from tests.model.engine import run_on
from tests.model.pinned import PINNED, STORIES, Pinned
from tests.model.program import Step
from tests.model.real import SWITCHES, RealEngine
from tests.model.rules import DESIGN, Rules, without
from tests.model.search import random_run
from tests.storage.opened import opened_store

RUNS = 100
"""Random programs in memory; a tenth of it where each step goes to a server or a file."""

RUNS_SLOW = 3_000
BREAKABLE = [case for case in PINNED if case.rule in SWITCHES and not case.simulator_only]


@pytest.fixture(params=["memory", "sqlite", "cassandra"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SeriesStore]:
    """Each series store in turn."""
    async with opened_store(request, tmp_path) as opened:
        yield opened


async def run_real(
    store: SeriesStore, program: Iterable[Step], rules: Rules = DESIGN, slices: int = 1
) -> str | None:
    """Run a program on the real functions over a store."""
    return await run_on(await RealEngine(store, rules, slices).open(), program)


async def violations(store: SeriesStore, seeds: Iterable[int], slices: int) -> list[tuple[int, str]]:
    """Run random programs; the seeds of those that go wrong, and how."""
    runs = [(seed, await run_real(store, random_run(seed)[0], slices=slices)) for seed in seeds]
    return [(seed, violation) for seed, violation in runs if violation is not None]


@pytest.mark.parametrize("case", BREAKABLE, ids=[f"{case.rule}-{at}" for at, case in enumerate(BREAKABLE)])
async def test_pinned_program_goes_wrong_without_its_rule(case: Pinned):
    """The real functions need the rule too: what its switch breaks, the program shows."""
    violation = await run_real(MemorySeriesStore(), case.program, without(case.rule))

    assert violation is not None, case.story


def test_every_switch_has_a_program():
    """Each rule that can be broken from outside is broken on the real functions at least once."""
    assert {case.rule for case in BREAKABLE} == SWITCHES


async def test_pinned_programs_are_right(store: SeriesStore):
    """With all rules on, the real functions show serial states only, on every store (design 4)."""
    cases = (*PINNED, *STORIES)
    found = [(case.story, await run_real(store, case.program, slices=1 + case.two_slices)) for case in cases]

    assert [case for case in found if case[1] is not None] == []


@pytest.mark.parametrize("slices", [1, 2])
async def test_random_programs_are_right(store: SeriesStore, slices: int):
    """Programs that the simulator found possible are right on the real functions, on every store."""
    runs = RUNS if isinstance(store, MemorySeriesStore) else RUNS // 10

    assert await violations(store, range(runs), slices) == []


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("slices", [1, 2])
async def test_many_random_programs_are_right(store: SeriesStore, slices: int):
    """The same, far more often and each time others; a failure shows the seed that repeats it."""
    first = secrets.randbelow(10**9)
    runs = RUNS_SLOW if isinstance(store, MemorySeriesStore) else RUNS_SLOW // 10

    assert await violations(store, range(first, first + runs), slices) == []
