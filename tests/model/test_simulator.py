"""The storage rules of design 4 hold in every interleaving that is tried, and each of them is needed."""

from __future__ import annotations

import contextlib
import secrets

import pytest

from tests.model.oracle import Violation
from tests.model.pinned import PINNED, STORIES, Pinned
from tests.model.rules import NAMES, without
from tests.model.search import random_run, smallest
from tests.model.simulator import Simulator, run

RUNS = 2_000
RUNS_SLOW = 100_000

CASES = [case for case in PINNED if not case.two_slices]

pinned = pytest.mark.parametrize("case", CASES, ids=[f"{case.rule}-{at}" for at, case in enumerate(CASES)])


@pinned
def test_pinned_program_goes_wrong_without_its_rule(case: Pinned):
    """Each rule is needed: without it a known program shows what serial execution never gives (design 4)."""
    violation = run(case.program, without(case.rule))

    assert violation is not None, case.story


@pytest.mark.parametrize("case", [*CASES, *STORIES], ids=lambda case: case.rule or case.story)
def test_pinned_program_is_right_with_every_rule(case: Pinned):
    """With all rules on, the same interleaving shows serial states only (design 4)."""
    assert run(case.program) is None


@pinned
def test_pinned_program_holds_nothing_superfluous(case: Pinned):
    """Every step of a pinned program has an effect in the run that goes wrong."""
    simulator = Simulator(without(case.rule))
    effects = {}
    with contextlib.suppress(Violation):
        for line, step in enumerate(case.program):
            effects[line, str(step)] = simulator.step(step)

    assert all(effects.values()), effects


LOOKS = (
    "the slice sees",
    "reader R sees",
    "sees the latest values",
    "is named and missing",
    "refuses to start",
)


@pytest.mark.parametrize("look", LOOKS)
def test_every_check_can_fail(look: str):
    """Each kind of check fails in a program that breaks its rule, so none of them is idle."""
    found = [run(case.program, without(case.rule)) for case in CASES]

    assert any(look in (violation or "") for violation in found)


def test_every_rule_has_a_program():
    """No switch is there that nothing needs."""
    assert set(NAMES) == {case.rule for case in CASES}


@pytest.mark.parametrize("first", range(0, RUNS, RUNS // 4))
def test_random_programs_are_right(first: int):
    """Random interleavings of writers, seals, purges, imports, reads show serial states only (design 4)."""
    seeds = range(first, first + RUNS // 4)
    violations = [(seed, bad) for seed in seeds for _, bad in [random_run(seed)] if bad]

    assert violations == []


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_many_random_programs_are_right():
    """The same, far more often and each time others; a failure shows the seed that repeats it."""
    first = secrets.randbelow(10**9)
    violations = [
        (seed, bad) for seed in range(first, first + RUNS_SLOW) for _, bad in [random_run(seed)] if bad
    ]

    assert violations == []


EASY = ("cut", "order", "cursor", "attach_in_purge", "delayed_compare_and_set")


@pytest.mark.parametrize("rule", EASY)
def test_search_finds_what_a_missing_rule_breaks(rule: str):
    """Search that finds nothing proves something only if it finds what is broken on purpose."""
    rules = without(rule)
    program = next(program for seed in range(1_000) for program, bad in [random_run(seed, rules)] if bad)

    shortest = smallest(program, lambda shorter: run(shorter, rules) is not None)

    assert run(shortest, rules) is not None
    assert run(shortest) is None
    assert len(shortest) <= 20
