"""Which values of a replay find other ones in their cells, against a plain count of it."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from schemas.columns import NO_QUALITY, Column, Columns, Texts
from schemas.devices.held import spare

TIMES = st.integers(0, 5)
CODES = st.sampled_from([NO_QUALITY, 0, 64])
VARIABLE = 3


def expected(held, cells):
    """Go through the values one by one: (left out, refused) of each."""
    last = {time: place for place, (time, _, _) in enumerate(cells)}
    refused = {
        place for time, place in last.items() if time in held and held[time] != tuple(cells[place][1:])
    }
    out = {cells[place][0] for place in refused}
    return [time in out for time, _, _ in cells], [place in refused for place in range(len(cells))]


def columns_of(held, *, texts):
    """Lay cells out as a read gives them, with a row that has no value."""
    times = sorted({*held, 9})
    filled = [held.get(time, ("" if texts else 0, NO_QUALITY)) for time in times]
    values = [value for value, _ in filled]
    column = Column(
        Texts.of(values) if texts else np.array(values, np.int64),
        np.array([time in held for time in times], np.bool_),
        None,
        np.array([code for _, code in filled], np.int64),
    )
    return Columns(np.array(times, np.int64), {VARIABLE: column})


@given(
    held=st.dictionaries(TIMES, st.tuples(st.integers(0, 2), CODES)),
    cells=st.lists(st.tuples(TIMES, st.integers(0, 2), CODES), min_size=1, max_size=12),
)
def test_numbers_are_spared_as_a_plain_count_says(held, cells):
    """A cell that has another value or code refuses the last of its values and leaves out all (0049)."""
    times, values, codes = (np.array(part, np.int64) for part in zip(*cells, strict=True))

    found = spare(columns_of(held, texts=False), VARIABLE, times, values, codes)

    assert (found.left_out.tolist(), found.refused.tolist()) == expected(held, cells)


@given(
    held=st.dictionaries(TIMES, st.tuples(st.sampled_from("ab"), st.just(NO_QUALITY))),
    cells=st.lists(st.tuples(TIMES, st.sampled_from("ab"), st.just(NO_QUALITY)), min_size=1, max_size=12),
)
def test_texts_are_spared_as_a_plain_count_says(held, cells):
    """Of variables without quality codes neither side has any."""
    times = np.array([time for time, _, _ in cells], np.int64)

    found = spare(columns_of(held, texts=True), VARIABLE, times, [value for _, value, _ in cells], None)

    assert (found.left_out.tolist(), found.refused.tolist()) == expected(held, cells)


def test_another_variable_is_no_obstacle():
    """What a record has beside the value does not keep it out, and an empty series nothing."""
    held = columns_of({1: (5, 0)}, texts=False)
    times, values = np.array([1], np.int64), np.array([7], np.int64)

    beside = spare(held, VARIABLE + 1, times, values, None)
    empty = spare(Columns(np.zeros(0, np.int64), held.cells), VARIABLE, times, values, None)

    assert not beside.left_out.any()
    assert not empty.refused.any()
