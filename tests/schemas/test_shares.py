"""Shares by themselves: their windows, joined, and the rules that they keep (design 7)."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.partials import CELL_MS
from schemas.queries import TimeRange
from schemas.shares import EVER, Action, Receiver, Share, check_share, check_times, spans_of, within
from schemas.subtenants import Subtenant, check_subtenant

ASSET = "a" * 32
SHARE = Share(
    id="x", tenant="acme", receiver=Receiver("other"), assets=(ASSET,), actions=(Action.RECORDS_READ,),
    given_ms=0, given_by="ann",
)  # fmt: skip
END = st.one_of(st.none(), st.integers(0, 12))


def share(start=None, end=None):
    """Give a share with a window of so many cells."""
    return msgspec.structs.replace(
        SHARE,
        after_ms=None if start is None else start * CELL_MS,
        until_ms=None if end is None else end * CELL_MS,
    )


@given(st.lists(st.tuples(END, END), min_size=1, max_size=6), st.integers(-2, 13), st.integers(-1, 1))
def test_joined_windows_have_the_times_of_each(ends, cell, beside):
    """A time is in the spans exactly if one window, (from, to], has it; spans ascend and lie apart."""
    ends = [(start, end) for start, end in ends if start is None or end is None or start < end] or [(0, 1)]
    time_ms = max(0, cell * CELL_MS + beside)

    spans = spans_of(share(start, end) for start, end in ends)

    expected = any(
        (start is None or start * CELL_MS < time_ms) and (end is None or time_ms <= end * CELL_MS)
        for start, end in ends
    )
    assert expected == within(time_ms, spans)
    for one, following in zip(spans or (), (spans or ())[1:], strict=False):
        assert one.end_ms < following.start_ms


def test_two_halves_of_all_time_are_all_time():
    """Windows that meet are one: nothing is cut where nothing is left out."""
    assert spans_of([share(end=5), share(start=5)]) is None
    assert spans_of([share(end=5), share(start=6)]) == (
        TimeRange(EVER.start_ms, 5 * CELL_MS + 1),
        TimeRange(6 * CELL_MS + 1, EVER.end_ms),
    )


def test_records_outside_are_named_by_their_place():
    """Each record of another time is a problem, the first hundred of them."""
    spans = spans_of([share(1, 2)])
    times = np.array([CELL_MS, CELL_MS + 1, 2 * CELL_MS, 2 * CELL_MS + 1])

    assert ["/d/0/_time", "/d/3/_time"] == [problem.pointer for problem in check_times(times, spans, "/d")]
    assert 100 == len(check_times(np.zeros(500, np.int64), spans))


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"assets": ()}, "/assets"),
        ({"assets": tuple(f"{n:032x}" for n in range(101))}, "/assets"),
        ({"actions": (Action.RECORDS_READ,) * 2}, "/actions"),
        ({"aspects": tuple(f"a{n}" for n in range(101))}, "/aspects"),
        ({"after_ms": 1}, "/from"),
        ({"until_ms": CELL_MS - 1}, "/to"),
        ({"expires_ms": 7}, "/expires"),
        ({"note": "x" * 256}, "/note"),
        ({"receiver": Receiver("acme")}, "/receiver"),
        ({"receiver": Receiver("core")}, "/receiver/tenant"),
        ({"receiver": Receiver("other", user="")}, "/receiver/user"),
        ({"receiver": Receiver("other", subtenant="A b")}, "/receiver/subtenant"),
        ({"receiver": Receiver("other", role="king")}, "/receiver/role"),
    ],
)
def test_a_rule_names_its_place(change, pointer):
    """Each rule of a share refuses with the pointer of the member that it is about."""
    assert [] == check_share(SHARE, ("viewer",), 7)

    problems = check_share(msgspec.structs.replace(SHARE, **change), ("viewer",), 7)

    assert [pointer] == [problem.pointer for problem in problems]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"id": "North"}, "/id"),
        ({"id": "n" * 65}, "/id"),
        ({"display_name": ""}, "/displayName"),
        ({"display_name": "a\nb"}, "/displayName"),
        ({"description": "x" * 256}, "/description"),
    ],
)
def test_a_subtenant_that_makes_no_sense(change, pointer):
    """Id, name and description are bounded (wire 10)."""
    made = Subtenant(id="north", tenant="acme", entity_id="x", display_name="North", created_ms=0)
    assert [] == check_subtenant(made)

    assert [pointer] == [
        problem.pointer for problem in check_subtenant(msgspec.structs.replace(made, **change))
    ]
