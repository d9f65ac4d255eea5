"""Which slice a time belongs to, under plans of several versions (design 4.8, 4.9)."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.columns import Columns
from schemas.ids import AspectId
from storage.slices import (
    CELL_MS,
    DAY_MS,
    FIRST_PLAN,
    PARTITION_BYTES_MAX,
    PARTITION_BYTES_MIN,
    PLAN_LEAD_MS,
    WIDTH_MS,
    WIDTH_MS_MAX,
    WIDTH_MS_MIN,
    PlanVersion,
    next_version,
    slice_range,
    slice_start,
    slice_starts,
    split_by_slice,
    width_at,
)
from tests.storage.series import SERIES

NOW_MS = 1_767_225_600_000
RATES = st.lists(st.floats(1e-7, 1e4), max_size=6)
"""Stored bytes a millisecond."""


def planned(series, rates):
    """Let a writer change its mind a few times, each when the version before holds."""
    plan, now_ms = FIRST_PLAN, NOW_MS
    for rate in rates:
        version = next_version(series, plan, round(rate * DAY_MS), DAY_MS, now_ms)
        if version is not None:
            assert version.from_ms >= now_ms + PLAN_LEAD_MS
            plan = (*plan, version)
            now_ms = version.from_ms + DAY_MS
    return plan


@given(RATES, st.integers(0, 10**6), st.lists(st.integers(NOW_MS - 2**38, NOW_MS + 2**40), min_size=2))
def test_slices_of_all_versions_are_disjoint(rates, name, times):
    """Each time lies in its slice, slices of any two times are the same or apart, on borders of cells."""
    series = SERIES._replace(aspect=AspectId(f"{name:032x}"))
    plan = planned(series, rates)

    starts = slice_starts(series, np.array(times), plan).tolist()

    assert starts == [slice_start(series, time_ms, plan) for time_ms in times]
    ranges = {start: slice_range(start, width_at(plan, start + 1)) for start in starts}
    for time_ms, start in zip(times, starts, strict=True):
        assert ranges[start][0] <= time_ms < ranges[start][1]
        assert 0 == start % CELL_MS
    for before, after in pairwise(sorted(ranges.values())):
        assert before[1] <= after[0]


@given(RATES, st.integers(0, 10**6))
def test_a_version_leaves_no_time_without_a_slice(rates, name):
    """Where a version begins, the slice before it ends: no gap, no overlap."""
    series = SERIES._replace(aspect=AspectId(f"{name:032x}"))
    plan = planned(series, rates)
    for version in plan:
        last = slice_start(series, version.from_ms, plan)
        assert version.from_ms == last + width_at(plan, last + 1)
        assert version.from_ms == slice_start(series, version.from_ms + 1, plan)


@pytest.mark.parametrize("rate", [1e-6, 1e-4, 0.0008, 0.0037, 0.01, 1.0, 30.0, 1e5])
def test_a_plan_aims_at_partitions_of_a_few_megabytes(rate):
    """The next version gives partitions of 2 to 10 MiB, as far as widths reach (design 4.8)."""
    version = next_version(SERIES, FIRST_PLAN, round(rate * 100 * DAY_MS), 100 * DAY_MS, NOW_MS)

    width_ms = WIDTH_MS if version is None else version.width_ms
    assert width_ms in {WIDTH_MS_MIN, WIDTH_MS_MAX} or (
        PARTITION_BYTES_MIN <= rate * width_ms <= PARTITION_BYTES_MAX
    )
    assert (version is None) == (PARTITION_BYTES_MIN <= rate * WIDTH_MS <= PARTITION_BYTES_MAX)


def test_a_plan_that_waits_is_not_changed():
    """A version that has not begun yet stands, whatever the slices before it take."""
    version = next_version(SERIES, FIRST_PLAN, 2**25, DAY_MS, NOW_MS)
    assert version is not None

    assert next_version(SERIES, (version,), 2**40, DAY_MS, version.from_ms) is None
    assert next_version(SERIES, (version,), 2**40, DAY_MS, version.from_ms + 1) is not None
    again = next_version(SERIES, (version,), 2**25, DAY_MS, version.from_ms + 1)
    assert again is None


def test_rows_are_divided_by_the_plan():
    """Rows keep their order within a slice; before a version its predecessor holds."""
    border = slice_start(SERIES, NOW_MS) + WIDTH_MS
    plan = (PlanVersion(border, WIDTH_MS // 32),)
    times = np.array([border + 1, border, border + WIDTH_MS // 32, border - 5, border + WIDTH_MS])

    divided = split_by_slice(SERIES, Columns(times), plan)

    found = [(start, columns.time_ms.tolist()) for start, columns in divided]
    assert found == [
        (border - WIDTH_MS, [border, border - 5]),
        (border, [border + 1, border + WIDTH_MS // 32]),
        (border + WIDTH_MS - WIDTH_MS // 32, [border + WIDTH_MS]),
    ]
