"""Percentiles, filled gaps, points for a picture and items of an answer, against plain definitions."""

from __future__ import annotations

import json
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.aggregate_render import Named, render_items, render_points
from schemas.filling import Fill, filled
from schemas.folding import of_columns
from schemas.functions import FUNCTIONS, Table, table_of, united
from schemas.percentiles import fraction_of, is_percentile, percentiles_of
from schemas.screen import Method, Points, chosen_points, columns_of
from tests.schemas import aggregate_oracle as oracle
from tests.schemas.aggregate_oracle import Row
from tests.schemas.test_aggregate_partials import DOUBLE, LONG, divisions, kinds, series
from tests.schemas.test_aggregate_partials import columns_of as laid_out

HOURS = np.arange(6) * 3_600_000


# Percentiles.


def exact(values, fraction):
    """Give the value at rank fraction·(n − 1), straight between neighbours."""
    ordered = sorted(map(Fraction, values))
    rank = Fraction(fraction) * (len(ordered) - 1)
    below = math.floor(rank)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (rank - below)


@settings(max_examples=60)
@given(st.data(), kinds, divisions(), st.booleans())
def test_percentiles_are_those_of_sorted_values(data, kind, borders, uncertain_enters):
    """Of the values that enter, every one of them looked at (issue 4)."""
    rows, fractions = data.draw(series(kind)), [0.0, 0.05, 0.5, 0.999, 1.0]
    classes = ("good", "uncertain") if uncertain_enters else ("good",)
    expected = {
        number: values
        for number, members in oracle.groups_of(rows, borders.tolist()).items()
        if (values := [row.value for row in members if row.quality in classes])
    }

    found = percentiles_of(
        laid_out(rows, kind), 1, kind, borders, fractions, uncertain_enters=uncertain_enters
    )

    assert sorted(expected) == found.groups.tolist()
    for place, number in enumerate(found.groups.tolist()):
        largest = max(abs(float(value)) for value in expected[number])
        for line, fraction in enumerate(fractions):
            value = float(exact(expected[number], fraction))
            assert abs(value - found.values[line, place]) <= 1e-12 * largest


def test_names_of_percentiles():
    """From p0 to p100, up to three digits behind the point."""
    assert [True] * 4 == [is_percentile(name) for name in ("p0", "p50", "p99.999", "p100")]
    assert [False] * 6 == [is_percentile(name) for name in ("p", "p101", "p1.", "p1.2345", "P50", "p٣")]
    assert (0.0, 0.5, 0.999, 1.0) == tuple(map(fraction_of, ("p0", "p50", "p99.9", "p100")))


# Filling.


def table(**columns):
    """Give a table of intervals 1 and 3, and 4 with bad values only."""
    return Table(
        np.array([1, 3, 4]),
        np.array([True, True, False]),
        {name: np.array(values) for name, values in columns.items()},
    )


LEVELS = {"average": [10.0, 30.0, 0.0], "countgood": [2, 3, 0], "countbad": [0, 0, 7],
          "sum": [20.0, 90.0, 0.0],
          "firsttime": [5, 6, 0], "p50": [1.0, 3.0, np.nan], "lastvalue": [2**60, 2**60 + 1, 0]}  # fmt: skip


@pytest.mark.parametrize(
    ("how", "average", "last"),
    [
        (Fill.NULL, [None, 10.0, None, 30.0, None], [None, 2**60, None, 2**60 + 1, None]),
        (Fill.PREVIOUS, [None, 10.0, 10.0, 30.0, 30.0], [None, 2**60, 2**60, 2**60 + 1, 2**60 + 1]),
        (Fill.LINEAR, [None, 10.0, 20.0, 30.0, None], [None, 2**60, float(2**60), 2**60 + 1, None]),
    ],
)
def test_gaps_are_filled(how, average, last):
    """Levels are carried or drawn between, counts are 0, sums and times are null (issue 4)."""
    found = filled(table(**LEVELS), HOURS, how, {})

    assert [0, 1, 2, 3, 4] == found.groups.tolist()
    columns = {name: column.tolist() for name, column in found.columns.items()}
    assert (average, last) == (columns["average"], columns["lastvalue"])
    assert ([0, 2, 0, 3, 0], [0, 0, 0, 0, 7]) == (columns["countgood"], columns["countbad"])
    assert [None, 20.0, None, 90.0, None] == columns["sum"]
    assert [None, 5, None, 6, None] == columns["firsttime"]
    assert [None if value is None else value / 10 for value in average] == columns["p50"]
    assert list(LEVELS) == list(columns)


def test_lines_are_drawn_by_time():
    """Between intervals of unequal length the line runs by their middles."""
    borders = np.array([0, 10, 30, 40, 60, 70])
    found = filled(table(average=[1.0, 6.0, 0.0]), borders, Fill.LINEAR, {})

    assert [None, 1.0, 1.0 + 5 * 15 / 30, 6.0, None] == found.columns["average"].tolist()


def test_what_is_known_needs_no_filling():
    """Durations, and the average by time where something held, are known in every interval."""
    known = {
        "durationgood": np.array([0, 1, 2, 3, 4]),
        "timeaverage": np.array([np.nan, 1.0, 2.0, np.nan, 4.0]),
    }
    given_ = table(durationgood=[1, 3, 4], timeaverage=[1.0, np.nan, 4.0])

    found = filled(given_, HOURS, Fill.LINEAR, known)

    assert [0, 1, 2, 3, 4] == found.columns["durationgood"].tolist()
    assert [None, 1.0, 2.0, 3.0, 4.0] == found.columns["timeaverage"].tolist()


def test_nothing_cannot_be_carried():
    """Without any value every level is null."""
    empty = Table(
        np.zeros(0, "<i8"), np.zeros(0, "?"), {"average": np.zeros(0), "countbad": np.zeros(0, "<i8")}
    )

    for how in (Fill.NULL, Fill.PREVIOUS, Fill.LINEAR):
        found = filled(empty, HOURS, how, {})
        assert ([None] * 5, [0] * 5) == tuple(
            found.columns[name].tolist() for name in ("average", "countbad")
        )


# Points.


@settings(max_examples=60)
@given(st.data(), kinds, st.integers(4, 60), st.sampled_from(Method), st.booleans())
def test_points_are_few_and_faithful(data, kind, points_max, method, uncertain_enters):
    """At most as many as asked for, each a value of the series; first, last and extremes among them."""
    rows = data.draw(series(kind))
    after_ms, until_ms = -(10**7), 10**7
    classes = ("good", "uncertain") if uncertain_enters else ("good",)
    used = [row for row in rows if row.quality in classes]

    borders = columns_of(after_ms, until_ms, points_max, method)
    partials = of_columns(laid_out(rows, kind), 1, kind, borders)
    points = chosen_points(united(partials, uncertain_enters=uncertain_enters), points_max, method)

    found = list(zip(points.time_ms.tolist(), points.values.tolist(), strict=True))
    assert len(found) <= points_max
    assert set(found) <= {(row.time_ms, row.value) for row in used}
    assert found == sorted(found)
    if method is Method.SCREEN:
        assert pixels(used, borders) == pixels([Row(*point) for point in found], borders)
    if used:
        assert [used[0].time_ms, used[-1].time_ms] == [found[0][0], found[-1][0]]


def pixels(rows, borders):
    """Give what a line drawn through the rows shows in each column: first, last, lowest, highest."""
    found = {}
    for number, members in oracle.groups_of(rows, borders.tolist()).items():
        values = [row.value for row in members]
        found[number] = values[0], values[-1], min(values), max(values)
    return found


def test_columns_of_pixels_are_equal_and_at_least_a_millisecond():
    """A short range has fewer columns than were asked for; a point needs four values of room."""
    assert [0, 25, 50, 75, 100] == columns_of(0, 100, 16, Method.SCREEN).tolist()
    assert [7, 8, 9, 10] == columns_of(7, 10, 400, Method.SCREEN).tolist()
    assert 17 == len(columns_of(0, 100, 16, Method.LTTB))


def test_largest_triangles_keep_the_peak():
    """Out of a flat line with one peak: the ends, the peak, and no more than asked for."""
    rows = [Row(time, 100.0 if time == 613 else 0.0) for time in range(1, 1_001)]
    borders = columns_of(0, 1_000, 10, Method.LTTB)
    part = of_columns(laid_out(rows, DOUBLE), 1, DOUBLE, borders).good

    points = chosen_points(part, 10, Method.LTTB)

    assert 10 == len(points.time_ms)
    assert (1, 1_000) == (points.time_ms[0], points.time_ms[-1])
    assert [100.0] == [value for value in points.values.tolist() if value]


def test_largest_triangles_are_the_largest():
    """Each choice spans the largest triangle with the one before and the mean of the next bucket."""
    times, values = [0, 1, 2, 3, 4, 5], [0.0, 5.0, 1.0, -3.0, -9.0, 0.0]
    part = of_columns(
        laid_out([Row(time + 1, value) for time, value in zip(times, values, strict=True)], DOUBLE),
        1, DOUBLE, np.arange(7),
    ).good  # fmt: skip

    points = chosen_points(part, 4, Method.LTTB)

    assert [0.0, 5.0, -9.0, 0.0] == points.values.tolist()


# Items.


def test_items_are_in_order_and_say_no_more_than_asked():
    """Intervals ascend, variables stand in the given order, bad values alone say nothing (wire 2, 8.27)."""
    rows = [Row(10, 1.0), Row(3_600_001, 2.0, 1 << 31), Row(7_200_001, 4.0)]
    partials = of_columns(laid_out(rows, DOUBLE), 1, DOUBLE, HOURS)
    long = of_columns(laid_out([Row(7_200_002, 2**63 - 1), Row(7_200_003, 1)], LONG), 1, LONG, HOURS)
    sums, counted = table_of(partials, ["sum"]), table_of(partials, ["countbad", "sum"])

    named = [Named("b", sums, False), Named("a", table_of(long, ["sum", "average"]), False)]
    items = json.loads(render_items(named, HOURS))
    counts = json.loads(render_items([Named("b", counted, True)], HOURS))

    assert ["1970-01-01T01:00:00.000Z", "1970-01-01T03:00:00.000Z"] == [item["endtime"] for item in items]
    assert {"sum": 1.0} == items[0]["b"]
    assert ["starttime", "endtime", "b", "a"] == list(items[1])
    assert {"sum": 2**63, "average": 2**62} == items[1]["a"]
    assert [{"countbad": 0, "sum": 1.0}, {"countbad": 1}, {"countbad": 0, "sum": 4.0}] == [
        item["b"] for item in counts
    ]
    assert b"[]" == render_items([], HOURS)


def test_all_functions_go_out_in_the_order_of_the_dialect():
    """Names, order and forms of wire 2; -0.0 stays, and what is infinite is null (MS-61)."""
    rows = [Row(10, -0.0), Row(20, 1e308), Row(30, 1e308)]
    partials = of_columns(laid_out(rows, DOUBLE), 1, DOUBLE, HOURS)

    text = render_items([Named("x", table_of(partials, FUNCTIONS), False)], HOURS).decode()

    assert list(FUNCTIONS) == list(json.loads(text)[0]["x"])
    assert '"sum":null' in text
    assert '"minvalue":-0.0' in text
    assert '"firsttime":"1970-01-01T00:00:00.010Z"' in text


def test_long_answers_are_written_in_pieces():
    """Thousands of intervals, some of which say nothing, are one array in order."""
    rows = [Row(hour * 3_600_000, hour, 1 << 31 if 1_000 < hour <= 3_000 else 0) for hour in range(1, 5_000)]
    borders = np.arange(5_000) * 3_600_000
    partials = of_columns(laid_out(rows, LONG), 1, LONG, borders)

    items = json.loads(render_items([Named("x", table_of(partials, ["sum"]), False)], borders))

    assert [*range(1, 1_001), *range(3_001, 5_000)] == [item["x"]["sum"] for item in items]
    assert sorted(items, key=lambda item: item["endtime"]) == items


def test_points_go_out_as_records_do():
    """Time first, with three digits and `Z`."""
    points = Points(np.array([5]), np.array([2**60]))

    expected = f'{{"x":[{{"_time":"1970-01-01T00:00:00.005Z","value":{2**60}}}]}}'
    assert expected == render_points({"x": points}).decode()
