"""Random layers of rows, and the order rule once more in plain Python: the oracle of merge and codecs.

Shares nothing with `storage.merge`: a dict of dicts, one cell after the other.
"""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from schemas.changes import Clear
from schemas.columns import NO_QUALITY, Column, Columns, Texts

TIMES = st.integers(0, 30)
VARIABLES = (1, 2, 3, 4)
"""A float, a text, an integer with quality codes, a boolean."""

Cell = tuple[object, int]
State = dict[int, dict[int, Cell]]


@st.composite
def cells(draw, rows: int, merges: list[bool]):
    """Draw some of the four variables over so many rows."""
    found: dict[int, Column] = {}
    for variable in draw(st.sets(st.sampled_from(VARIABLES))):
        present = np.array(draw(st.lists(st.booleans(), min_size=rows, max_size=rows)))
        asked = np.array(draw(st.lists(st.booleans(), min_size=rows, max_size=rows)))
        removed = asked & ~present & np.array(merges)
        found[variable] = Column(
            draw(values(variable, rows)),
            None if present.all() else present,
            removed if removed.any() else None,
            draw(qualities(rows)) if variable == 3 else None,
        )
    return found


def values(variable: int, rows: int):
    """Draw the values of a variable."""
    of = {
        1: (st.floats(allow_nan=False, width=32), lambda found: np.array(found, "<f8")),
        2: (st.text(max_size=3), Texts.of),
        3: (st.integers(-(2**63), 2**63 - 1), lambda found: np.array(found, "<i8")),
        4: (st.booleans(), np.array),
    }
    element, made = of[variable]
    return st.lists(element, min_size=rows, max_size=rows).map(made)


def qualities(rows: int):
    """Draw quality codes, some absent."""
    code = st.sampled_from([NO_QUALITY, 0, 2**30, 2**32 - 1])
    return st.lists(code, min_size=rows, max_size=rows).map(lambda found: np.array(found, "<i8"))


@st.composite
def upserts(draw, rows_max: int = 8):
    """Draw rows in any order, with repeated times, some of them merging."""
    rows = draw(st.integers(1, rows_max))
    times = np.array(draw(st.lists(TIMES, min_size=rows, max_size=rows)), "<i8")
    merges = draw(st.lists(st.booleans(), min_size=rows, max_size=rows))
    return Columns(times, draw(cells(rows, merges)), np.array(merges) if any(merges) else None)


@st.composite
def clears(draw):
    """Draw the removal of a range."""
    start = draw(TIMES)
    return Clear(start, start + draw(st.integers(1, 12)))


def layers():
    """Draw a sequence of changes of one slice."""
    return st.lists(st.one_of(upserts(), upserts(), clears()), max_size=6)


def serial(changes, before: State | None = None) -> State:
    """Apply changes one row after the other, to nothing or to the state before, which stays as it is."""
    state: State = dict(before or {})
    for change in changes:
        if isinstance(change, Clear):
            state = {t: row for t, row in state.items() if not change.start_ms <= t < change.end_ms}
        else:
            for index in range(change.rows):
                _apply(state, change, index)
    return state


def _apply(state: State, rows: Columns, index: int) -> None:
    merging = rows.merges is not None and bool(rows.merges[index])
    row = dict(state.get(int(rows.time_ms[index]), {})) if merging else {}
    for variable, column in rows.cells.items():
        if column.present is None or column.present[index]:
            quality = NO_QUALITY if column.quality is None else int(column.quality[index])
            row[variable] = (_value(column, index), quality)
        elif merging and column.removed is not None and column.removed[index]:
            row.pop(variable, None)
    state[int(rows.time_ms[index])] = row


def _value(column: Column, index: int) -> object:
    if isinstance(column.values, Texts):
        start, end = column.values.offsets[index : index + 2]
        return column.values.octets[start:end].tobytes().decode()
    return column.values[index].item()


def random_rows(seed: int, rows: int) -> Columns:
    """Make many rows in one go, where drawing each cell would take too long."""
    dice = np.random.default_rng(seed)
    return Columns(
        dice.integers(0, 4 * rows, rows),
        {
            1: Column(np.round(dice.normal(0, 9, rows), 2), dice.random(rows) > 0.3),
            2: Column(Texts.of([f"{dice.integers(0, 3)}é" for _ in range(rows)])),
            3: Column(dice.integers(-9, 9, rows), quality=dice.integers(-1, 2, rows)),
            4: Column(dice.random(rows) > 0.1),
        },
    )
