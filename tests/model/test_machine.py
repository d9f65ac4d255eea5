"""The storage rules as a Hypothesis state machine: random search that shrinks what it finds by itself.

The machine drives the simulator step by step; its invariants compare with the oracle, so that a failing
run is printed as the short list of steps that `pinned.toml` could hold.
"""

from __future__ import annotations

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.model.oracle import Violation
from tests.model.program import TIMES, VARIABLES, Step
from tests.model.rules import DESIGN, Rules, without
from tests.model.search import FLOWS, flow_steps
from tests.model.simulator import Simulator

writers = st.sampled_from(["A", "B", "C"])
readers = st.sampled_from(["R", "F"])
jobs = st.sampled_from(["K", "M"])
times = st.integers(0, TIMES - 1).map(str)
counts = st.integers(1, 4).map(str)
names = st.sampled_from(VARIABLES)
values = st.integers(1, 9)
flows = st.sampled_from([flow for _, flow in FLOWS])


class StorageRules(RuleBasedStateMachine):
    """Writers, readers, a purger and an import on one slice, in any order that Hypothesis thinks of."""

    switches: Rules = DESIGN

    def __init__(self) -> None:
        super().__init__()
        self.simulator = Simulator(self.switches)
        self.step("A", "start")

    def step(self, actor: str, action: str, *arguments: str) -> None:
        """Take one step; one that cannot be done now has no effect."""
        self.simulator.act(Step(actor, action, arguments))

    @rule(time=times, cells=st.dictionaries(names, values, min_size=1))
    def put(self, time, cells):
        self.step("door", "put", time, *(f"{name}={value}" for name, value in cells.items()))

    @rule(time=times, name=names, value=st.one_of(values.map(str), st.just("-")))
    def patch(self, time, name, value):
        self.step("door", "patch", time, f"{name}={value}")

    @rule(ends=st.lists(st.integers(0, TIMES), min_size=2, max_size=2, unique=True))
    def clear(self, ends):
        self.step("door", "clear", str(min(ends)), str(max(ends)))

    @rule(ends=st.lists(st.integers(0, TIMES), min_size=2, max_size=2, unique=True))
    def delete(self, ends):
        self.step("door", "delete", str(min(ends)), str(max(ends)))

    @rule(which=counts)
    def undo(self, which):
        self.step("door", "undo", which)

    @rule()
    def other(self):
        self.step("door", "other")

    @rule(flow=flows, writer=writers, reader=readers, time=times, count=counts, name=names, job=jobs)
    def flow(self, flow, name, **actors):
        """Take the steps that actors usually take in a row."""
        for step in flow_steps(flow, cell=f"{name}=7", **actors):
            self.simulator.act(step)

    @rule(
        flow=flows, at=counts, writer=writers, reader=readers, time=times, count=counts, name=names, job=jobs
    )
    def part(self, flow, at, name, **actors):
        """Take one of them, at any time."""
        steps = flow_steps(flow, cell=f"{name}=8", **actors)
        self.simulator.act(steps[int(at) % len(steps)])

    @precondition(lambda self: self.simulator.store.lost)
    @rule()
    def deliver(self):
        self.step("store", "deliver")

    @invariant()
    def the_slice_is_in_a_serial_state(self):
        self.simulator.check_slice()

    @invariant()
    def the_latest_values_are_those_of_the_last_entry(self):
        self.simulator.check_latest()

    def teardown(self) -> None:
        """Let a new writer finish what the run left."""
        self.simulator.settle()


def test_a_search_finds_nothing():
    """Everything on: no run of the machine shows what serial execution never gives (design 4)."""
    run_state_machine_as_test(StorageRules, settings=settings(max_examples=40, stateful_step_count=30))


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_long_search_finds_nothing():
    """The same with more and longer runs."""
    run_state_machine_as_test(StorageRules, settings=settings(max_examples=2_000, stateful_step_count=60))


@pytest.mark.parametrize("rule_off", ["cut", "order", "attach_in_purge"])
def test_the_machine_finds_what_a_missing_rule_breaks(rule_off: str):
    """The machine's invariants can fail: with a rule off it finds a program by itself."""

    class Broken(StorageRules):
        switches = without(rule_off)

    once = settings(max_examples=3_000, stateful_step_count=40, phases=[Phase.generate], database=None)
    with pytest.raises(Violation):
        run_state_machine_as_test(Broken, settings=once)
