"""Random writes near each other, and what a read of them may show: serial execution in receipt order."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np

from schemas.aspects import AspectType, Variable, VariableType
from schemas.changes import Change, Clear, Undo, Upsert
from schemas.columns import Column, Columns
from storage.slices import WIDTH_MS
from storage.spans import Wanted
from tests.storage.layers import State
from tests.workers.world import START_MS, Brought

UNDO_S = 7 * 86_400

NEWEST = Wanted(-(2**60), 2**60, None, 1, descending=True)
BOTH = Wanted(-(2**60), 2**60, frozenset({1, 2}))
ASPECT = AspectType(
    id="acme.mast",
    tenant="acme",
    name="mast",
    category="dynamic",
    variables=(
        Variable(name="x", type=VariableType.DOUBLE, id=1),
        Variable(name="y", type=VariableType.DOUBLE, id=2),
    ),
)


def put(*times: int, value: float = 1.0) -> Upsert:
    """Make rows that replace."""
    return Upsert(Columns(np.array(times, "<i8"), {1: Column(np.full(len(times), value))}))


def random_change(dice: random.Random, number: int, *, calm: bool = False) -> Change:
    """Make a PUT, PATCH or DELETE near the start, sometimes across the border of a slice.

    `calm`: mostly whole rows and few deletions, so that latest caches live long enough to be wrong.
    """
    base = START_MS + dice.choice([0, 0, 0, WIDTH_MS])
    if calm and dice.random() < 0.9:
        return put(START_MS + dice.randrange(64), value=number * 10.0)
    if dice.random() < 0.25:
        start = base + dice.randrange(8)
        return Clear(start, start + dice.choice([1, 3, 9, 2 * WIDTH_MS]), dice.choice([0, UNDO_S, UNDO_S]))
    rows = dice.choice([1, 1, 3])
    times = np.array([base + dice.randrange(8) for _ in range(rows)], "<i8")
    merges = np.array([dice.random() < 0.4 for _ in range(rows)])
    cells = {}
    for variable in dice.sample([1, 2], dice.choice([1, 2])):
        present = np.array([dice.random() < 0.8 for _ in range(rows)])
        values = number * 10.0 + variable + np.zeros(rows)
        cells[variable] = Column(values, present, merges & ~present)
    return Upsert(Columns(times, cells, merges if merges.any() else None))


def random_undo(dice: random.Random, before: Sequence[tuple[int, Change | Undo]]) -> Undo | None:
    """Now and then, ask for one of the last deletes or imports to be undone."""
    kept = [(at, found) for at, found in before if isinstance(found, Clear | Brought) and found.undo_s]
    if not kept or dice.random() > 0.15:
        return None
    position, found = dice.choice(kept[-2:])
    if isinstance(found, Brought):
        return Undo(position, found.reach.start, found.reach.stop)
    return Undo(position, found.start_ms, found.end_ms)


def newest_of(state: State) -> State:
    """Give the newest row that has a value."""
    top = max((time_ms for time_ms, row in state.items() if row), default=None)
    return {} if top is None else {top: state[top]}


def latest_of(state: State) -> State:
    """Give the newest value of each variable, as rows of their times."""
    found: State = {}
    for variable in (1, 2):
        times = [time_ms for time_ms, row in state.items() if variable in row]
        if times:
            found.setdefault(max(times), {})[variable] = state[max(times)][variable]
    return found


def visible(state: State) -> State:
    """Leave out rows without a value: they are not shown (wire 1.5)."""
    return {time_ms: row for time_ms, row in state.items() if row}
