"""What runs a program on real storage functions, whichever store is under them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from tests.model.oracle import Violation
from tests.model.program import Entry, Step
from tests.model.simulator import settling


class Engine(Protocol):
    """One run on a stream and a store, with rules that can be switched off from the test's side."""

    async def step(self, step: Step) -> bool:
        """Take one step, judge what everybody could see now; False if it had no effect."""

    async def settled(self) -> None:
        """Demand the serial state of the newest position."""

    async def close(self) -> None:
        """Stop every actor."""

    @property
    def entries(self) -> Sequence[Entry]:
        """Give the entries so far."""


async def run_on(engine: Engine, program: Iterable[Step]) -> str | None:
    """Run a program and settle; the violation in words, None if there is none."""
    try:
        for step in program:
            await engine.step(step)
        for step in settling(engine.entries):
            await engine.step(step)
        await engine.settled()
    except Violation as violation:
        return str(violation)
    finally:
        await engine.close()
    return None
