"""Thresholds against plain loops over plain values (MS-84)."""

import operator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.columns import NO_QUALITY, Column, Texts
from schemas.thresholds import OPERATORS, Side, Threshold, crossings, met, usable

PLAIN = {
    ">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le, "=": operator.eq,
    "!=": operator.ne,
}  # fmt: skip
BAD, UNCERTAIN, GOOD = 2 << 30, 1 << 30, 0

numbers = st.integers(-(2**63), 2**63 - 1)
near = st.sampled_from([2**53, 2**53 + 1, -(2**53) - 1, 0, 1, -1])
doubles = st.floats(allow_nan=False, allow_infinity=False, width=64)


def column(kind, values):
    """Make a column without gaps."""
    if kind is str:
        return Column(Texts.of(values))
    return Column(np.array(values, {int: "<i8", float: "<f8", bool: np.bool_}[kind]))


@given(
    st.lists(near | numbers, min_size=1, max_size=8), near | numbers | doubles, st.sampled_from(list(PLAIN))
)
def test_integers_are_compared_exactly(values, bound, op):
    """Python compares integers and doubles without rounding, and so does a threshold."""
    threshold = Threshold("x", op, bound)

    assert [PLAIN[op](value, bound) for value in values] == met(column(int, values), threshold).tolist()


@given(
    st.lists(doubles, min_size=1, max_size=8),
    doubles | st.integers(-(2**53), 2**53),
    st.sampled_from(list(PLAIN)),
)
def test_doubles_are_compared_as_doubles(values, bound, op):
    """As in any language."""
    threshold = Threshold("x", op, bound)

    assert [PLAIN[op](value, bound) for value in values] == met(column(float, values), threshold).tolist()


@pytest.mark.parametrize(
    ("kind", "values", "op", "value", "expected"),
    [
        (bool, [True, False], "=", True, [True, False]),
        (bool, [True, False], "!=", True, [False, True]),
        (str, ["on", "off", ""], "=", "on", [True, False, False]),
        (str, ["on", "off", ""], "!=", "on", [False, True, True]),
        (bool, [True, False], "=", 1, [False, False]),
        (int, [1, 0], "=", True, [False, False]),
        (int, [1, 0], "=", "1", [False, False]),
        (str, ["1"], "=", 1, [False]),
        (float, [1.0], "=", "1", [False]),
    ],
)
def test_texts_and_booleans_are_equal_or_not(kind, values, op, value, expected):
    """A value of another kind fulfils nothing, not even an inequality."""
    assert expected == met(column(kind, values), Threshold("x", op, value)).tolist()


def test_bad_and_missing_values_do_not_count():
    """Good and uncertain ones do (design 8.27)."""
    values = Column(
        np.arange(5.0),
        present=np.array([True, True, True, False, True]),
        quality=np.array([GOOD, UNCERTAIN, BAD, GOOD, NO_QUALITY]),
    )

    assert [True, True, False, False, True] == usable(values, 5).tolist()
    assert [True] * 5 == usable(Column(np.arange(5.0)), 5).tolist()


def plain_crossings(rows, before):
    """Walk through (time, value or None) one by one: which times cross, and the side at the end."""
    side, crossed = before, []
    for time_ms, value in rows:
        if value is None or (side is not None and time_ms <= side.time_ms):
            continue
        if value > 0 and not (side is not None and side.met):
            crossed.append(time_ms)
        side = Side(time_ms, value > 0)
    return crossed, side


rows_of_values = st.dictionaries(st.integers(0, 30), st.none() | st.integers(-2, 2), max_size=12)


@given(st.lists(rows_of_values, max_size=6))
def test_crossings_are_those_that_a_loop_finds(batches):
    """Batch by batch, late and missing values included: the first record of each run that fulfils it."""
    expected_side = side = None
    for batch in batches:
        rows = sorted(batch.items())
        expected, expected_side = plain_crossings(rows, expected_side)
        times = np.array([time_ms for time_ms, _ in rows], "<i8")
        values = np.array([value or 0 for _, value in rows], "<i8")
        counts = np.array([value is not None for _, value in rows], np.bool_)

        found, side = crossings(times, counts, values > 0, side)

        assert expected == times[found].tolist()
        assert expected_side == side


def test_every_operator_has_a_plain_twin():
    """The oracle above knows all of them."""
    assert set(PLAIN) == set(OPERATORS)
