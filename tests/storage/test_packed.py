"""Requests for many partitions share a request, as far as the nodes take it without a warning."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.cassandra.calls import DEFAULT_LIMITS, ROW_BYTES, Call, PackLimits, packed
from storage.cassandra.nodes import _limits


def calls_of(*sizes, rows=1):
    return [Call("write", [(number, row) for row in range(rows)], size) for number, size in enumerate(sizes)]


def test_calls_are_joined_up_to_the_number_of_rows():
    """No request has more rows than the nodes like."""
    found = list(packed(calls_of(1, 1, 1, 1, 1), PackLimits(2, 10_000)))
    assert [len(call.rows) for call in found] == [2, 2, 1]


def test_calls_are_joined_up_to_the_bytes():
    """Ids and positions count as well."""
    found = list(packed(calls_of(400, 400, 400), PackLimits(10, 2 * (400 + ROW_BYTES))))
    assert [len(call.rows) for call in found] == [2, 1]


def test_a_call_over_the_limits_stays_whole_and_alone():
    """Its rows are one mutation and must not be divided."""
    found = list(packed([*calls_of(1), *calls_of(9_999, rows=5), *calls_of(1)], PackLimits(3, 1_000)))
    assert [len(call.rows) for call in found] == [1, 5, 1]


def test_nothing_packs_to_nothing():
    """A turn without new slices sends no request for them."""
    assert list(packed([], DEFAULT_LIMITS)) == []


@given(
    sizes=st.lists(st.integers(0, 5_000), max_size=40), rows=st.integers(1, 12), room=st.integers(1, 9_000)
)
def test_rows_keep_their_order_and_their_bytes(sizes, rows, room):
    """Packing loses, repeats and reorders nothing."""
    calls = calls_of(*sizes)
    found = list(packed(calls, PackLimits(rows, room)))
    assert [row for call in found for row in call.rows] == [row for call in calls for row in call.rows]
    for call in found:
        assert len(call.rows) == 1 or (len(call.rows) <= rows and call.size <= room)
    assert sum(call.size for call in found) == sum(sizes) + ROW_BYTES * len(sizes)


@pytest.mark.parametrize(
    ("settings", "limits"),
    [
        ({}, DEFAULT_LIMITS),
        ({"batch_size_warn_threshold": "5KiB"}, PackLimits(10, 5 * 1024)),
        ({"batch_size_warn_threshold": "2MiB"}, PackLimits(10, 2 * 1024 * 1024)),
        ({"batch_size_warn_threshold": "7B"}, PackLimits(10, 7)),
        ({"unlogged_batch_across_partitions_warn_threshold": "40"}, PackLimits(40, 5 * 1024)),
        ({"unlogged_batch_across_partitions_warn_threshold": "0"}, PackLimits(1, 5 * 1024)),
        ({"unlogged_batch_across_partitions_warn_threshold": None}, DEFAULT_LIMITS),
        ({"batch_size_warn_threshold": None}, DEFAULT_LIMITS),
        ({"batch_size_warn_threshold": "much"}, DEFAULT_LIMITS),
    ],
)  # fmt: skip
def test_a_node_says_how_much_it_takes(settings, limits):
    """What a node does not say, or says in other words, is its default."""
    assert _limits(settings) == limits
