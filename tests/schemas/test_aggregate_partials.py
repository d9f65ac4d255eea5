"""Partials against a brute-force oracle: folds of rows and of cells, every function, holding."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import folding
from schemas.aspects import VariableType
from schemas.columns import NO_QUALITY, Column, Columns, Texts
from schemas.folding import cells_of, of_columns
from schemas.functions import FUNCTIONS, OWN_FUNCTIONS, table_of, united
from schemas.holding import Before, default_hold_ms, held_in
from schemas.partials import CELL_MS, cell_of, joined, nothing, regrouped
from schemas.quality import Quality
from tests.schemas import aggregate_oracle as oracle
from tests.schemas.aggregate_oracle import Row

DOUBLE, LONG, INT = VariableType.DOUBLE, VariableType.LONG, VariableType.INT
CODES = st.none() | st.sampled_from([0, 1, 1 << 30, (1 << 31) - 1, 1 << 31, 3 << 30])
VALUES = {
    DOUBLE: st.floats(1e-130, 9.9e125)
    | st.floats(-9.9e125, -1e-130)
    | st.integers(-(10**6), 10**6).map(lambda number: number / 1_000)
    | st.sampled_from([0.0, -0.0, 1e-130]),
    LONG: st.integers(-(2**63), 2**63 - 1) | st.integers(-9, 9) | st.integers(2**62, 2**62 + 9),
    INT: st.integers(-(2**31), 2**31 - 1),
}
kinds = st.sampled_from(list(VALUES))


@st.composite
def series(draw, kind, span_ms=10**7, coded=True):
    """Draw ascending rows of one variable, some of them bad or uncertain."""
    times = sorted(draw(st.sets(st.integers(1 - span_ms, span_ms), max_size=40)))
    codes = CODES if coded and draw(st.booleans()) else st.none()
    return [Row(time_ms, draw(VALUES[kind]), draw(codes)) for time_ms in times]


@st.composite
def divisions(draw, span_ms=10**7):
    """Draw borders, strictly ascending."""
    return np.array(sorted(draw(st.sets(st.integers(-span_ms, span_ms), min_size=2, max_size=8))), "<i8")


def columns_of(rows, kind, absent=()):
    """Lay rows out as variable 1; `absent` times get rows without a value in between."""
    times = sorted(
        [(row.time_ms, row) for row in rows] + [(t, None) for t in absent], key=lambda pair: pair[0]
    )
    values = np.array(
        [0 if row is None else row.value for _, row in times], "<f8" if kind is DOUBLE else "<i8"
    )
    codes = [NO_QUALITY if row is None or row.code is None else row.code for _, row in times]
    present = np.array([row is not None for _, row in times]) if absent else None
    quality = None if all(code == NO_QUALITY for code in codes) else np.array(codes, "<i8")
    cell = Column(values, present, quality=quality)
    return Columns(np.array([time for time, _ in times], "<i8"), {1: cell} if times else {})


def said_of(partials, functions=FUNCTIONS, **how):
    """Give interval → function → value."""
    table = table_of(partials, functions, **how)
    return {
        group: {
            name: column[place].item() if isinstance(column[place], np.generic) else column[place]
            for name, column in table.columns.items()
            if table.usable[place] or name.startswith("count")
        }
        for place, group in enumerate(table.groups.tolist())
    }


def check(expected, found, scale, kind):
    """Compare with what is promised: 1e-12·Σ|x| for sums, 1e-9 for deviations, the rest exactly."""
    assert expected.keys() == found.keys()
    for name, value in expected.items():
        if name == "sd":
            assert math.isclose(value, found[name], rel_tol=1e-9, abs_tol=1e-9 * scale / 10**6), (
                value,
                found[name],
            )
        elif name in ("sum", "average") and kind is DOUBLE:
            total = scale if name == "sum" else scale / (expected["countgood"] + expected["countuncertain"])
            assert abs(value - found[name]) <= 1e-12 * total, name
        else:
            assert value == found[name], name
            assert math.copysign(1, value) == math.copysign(1, found[name]), name


def check_all(rows, borders, partials, kind, classes=("good", "uncertain")):
    """Compare every interval with the oracle."""
    groups = oracle.groups_of(rows, borders.tolist())
    found = said_of(partials, uncertain_enters="uncertain" in classes)
    assert sorted(groups) == list(found)
    for number, members in groups.items():
        scale = math.fsum(abs(row.value) for row in members if row.quality in classes)
        check(oracle.functions(members, classes), found[number], scale, kind)


@settings(max_examples=120)
@given(st.data(), kinds, divisions(), st.sampled_from([("good",), ("good", "uncertain")]))
def test_a_fold_of_rows_says_what_brute_force_says(data, kind, borders, classes):
    """Every function of every interval, bad values only counted, uncertain ones as asked (MS-61, MS-69)."""
    rows = data.draw(series(kind))
    absent = data.draw(st.sets(st.integers(-(10**7), 10**7), max_size=5)) - {row.time_ms for row in rows}

    partials = of_columns(columns_of(rows, kind, absent), 1, kind, borders)

    check_all(rows, borders, partials, kind, classes)


@settings(max_examples=80)
@given(st.data(), kinds, st.integers(1, 6), st.integers(0, 3))
def test_cells_fold_on_to_the_same(data, kind, per_interval, cuts):
    """Cells of pieces, joined and regrouped, say what the rows say (design 4.11)."""
    rows = data.draw(series(kind))
    places = sorted(data.draw(st.lists(st.integers(0, len(rows)), min_size=cuts, max_size=cuts)))
    parts = [
        cells_of(columns_of(rows[first:last], kind), 1, kind)
        for first, last in zip([0, *places], [*places, len(rows)], strict=True)
    ]

    cells = joined(parts, kind)
    first = -20 * per_interval
    wide = regrouped(cells, (cells.groups - first) // per_interval)

    assert sorted({cell_of(row.time_ms) for row in rows}) == cells.groups.tolist()
    check_all(rows, np.arange(first, 20 * per_interval) * CELL_MS, cells_at(cells, first), kind)
    borders = first + np.arange(40) * per_interval
    check_all(rows, borders * CELL_MS, wide, kind)


def cells_at(cells, first):
    """Number the cells from the first border on."""
    return regrouped(cells, cells.groups - first)


@settings(max_examples=80)
@given(st.data(), kinds, divisions(), st.integers(1, 10**7), st.integers(-(10**7), 10**7))
def test_values_hold_until_the_next_one(data, kind, borders, hold_ms, until_ms):
    """Durations by class and the time-weighted average, from before the first interval on (design 8.28)."""
    rows = [row for row in data.draw(series(kind)) if row.time_ms <= until_ms]
    columns = columns_of(rows, kind)
    earlier = [row for row in rows if borders[0] - hold_ms < row.time_ms <= borders[0]]
    before = None
    if earlier:
        last = earlier[-1]
        before = Before(last.time_ms, float(last.value), Quality[last.quality.upper()])

    partials = of_columns(columns, 1, kind, borders, hold_ms)
    found = held_in(partials, borders, before, hold_ms=hold_ms, until_ms=until_ms)

    lasting, integral = oracle.held(rows, borders.tolist(), hold_ms, until_ms)
    assert lasting["good"] == found.good_ms.tolist()
    assert lasting["uncertain"] == found.uncertain_ms.tolist()
    assert lasting["bad"] == found.bad_ms.tolist()
    scale = sum(abs(row.value) * hold_ms for row in rows)
    for name, sums in (("good", found.good_integral), ("uncertain", found.uncertain_integral)):
        for expected, value in zip(integral[name], sums.tolist(), strict=True):
            assert abs(float(expected) - value) <= 1e-12 * scale


@settings(max_examples=60)
@given(st.data(), kinds, st.integers(1, 40))
def test_cells_hold_as_rows_do_where_no_gap_is_longer(data, kind, per_interval):
    """What is stored without a maximum hold is right wherever `gap_ms_max` does not exceed it (8.28)."""
    rows = data.draw(series(kind))
    columns = columns_of(rows, kind)
    cells = cells_of(columns, 1, kind)
    hold_ms = max([1, *cells.gap_ms_max.tolist()])
    first = -20 * per_interval
    borders = (first + np.arange(40) * per_interval) * CELL_MS

    stored = regrouped(cells, (cells.groups - first) // per_interval, hold_ms)
    fresh = of_columns(columns, 1, kind, borders, hold_ms)

    for name in ("groups", "first_ms", "last_ms", "gap_ms_max", "bad", "bad_held_ms"):
        assert getattr(fresh, name).tolist() == getattr(stored, name).tolist()
    assert fresh.good.held_ms.tolist() == stored.good.held_ms.tolist()
    scale = sum(abs(row.value) * hold_ms for row in rows)
    assert np.abs(fresh.good.integral - stored.good.integral).max(initial=0) <= 1e-12 * scale


@pytest.mark.parametrize("code", [None, 1 << 30, 1 << 31])
def test_what_holds_between_groups_is_of_the_last_class(code):
    """The time from one group to the next counts for the value that ends the first, also at 0 ms."""
    rows = [Row(-5, 7.0), Row(0, 3.0, code), Row(20, 5.0)]
    apart = of_columns(columns_of(rows, DOUBLE), 1, DOUBLE, np.array([-9, -3, 0, 30]))

    whole = regrouped(apart, np.zeros(3, "<i8"))

    uncertain = 0 if whole.uncertain is None else int(whole.uncertain.held_ms[0])
    held = {"good": int(whole.good.held_ms[0]), "uncertain": uncertain, "bad": int(whole.bad_held_ms[0])}
    expected = dict.fromkeys(held, 0) | {"good": 5}
    expected[rows[1].quality] += 20
    assert expected == held


@pytest.mark.parametrize("kind", list(VALUES))
@pytest.mark.parametrize("coded", [False, True])
def test_long_runs_are_folded_in_pieces(monkeypatch, kind, coded):
    """Groups that are longer than a piece, and pieces of many groups, give what one piece gives."""
    dice = np.random.default_rng(7)
    rows = [
        Row(int(time), dice.normal(1e9, 1e-3) if kind is DOUBLE else int(dice.integers(2**40)), code)
        for time, code in zip(
            np.cumsum(dice.integers(1, 9, 400)),
            dice.choice([0, 1 << 30, 1 << 31], 400).tolist() if coded else [None] * 400,
            strict=True,
        )
    ]
    borders = np.array([0, 3, 5, 6, 900, 901, 950, 10_000])

    for size in (7, 64, 10_000):
        monkeypatch.setattr(folding, "_ROWS_AT_ONCE", size)
        check_all(rows, borders, of_columns(columns_of(rows, kind), 1, kind, borders), kind)


@pytest.mark.parametrize(
    "values",
    [
        [1e9 + 1e-3, 1e9, 1e9 - 1e-3] * 50,
        [1e15, 1e15 + 1, 1e15 + 2] * 9,
        [2**62, 2**62 + 1, 2**62 + 2] * 9,
        [-(2**63), 2**63 - 1, 0],
        [5] * 30,
        [1e125, 1.0, 1.0],
    ],
)
def test_deviations_survive_values_far_from_zero(values):
    """Means are kept as distances, so nothing cancels (8.27); of equal values the deviation is 0."""
    kind = DOUBLE if isinstance(values[0], float) else LONG
    rows = [Row(place + 1, value) for place, value in enumerate(values)]
    borders = np.array([0, 10**6])
    columns = columns_of(rows, kind)
    parts = [of_columns(columns.part(place, place + 3), 1, kind, borders) for place in range(0, len(rows), 3)]
    expected = oracle.functions(rows)["sd"]

    for partials in (of_columns(columns, 1, kind, borders), joined(parts, kind)):
        assert math.isclose(expected, said_of(partials)[0]["sd"], rel_tol=1e-9)


def test_sums_beyond_a_double_say_infinite():
    """No lawful DOUBLE is so large; arithmetic neither warns nor fails."""
    rows = [Row(1, 1e308), Row(2, 1e308), Row(3, -1e308)]

    found = said_of(of_columns(columns_of(rows, DOUBLE), 1, DOUBLE, np.array([0, 2, 3])))

    assert math.inf == found[0]["sum"]
    assert (1e308, 1e308) == (found[0]["minvalue"], found[0]["maxvalue"])
    assert -1e308 == found[1]["sum"]


def test_integers_that_became_doubles_are_widened():
    """INT and LONG columns and cells of a variable that is DOUBLE today (design 8.12)."""
    rows = [Row(place + 1, 2**40 + place, code) for place, code in enumerate([0, 1 << 30, 1 << 31, 0])]
    wide = [Row(5, 0.5)]
    borders = np.array([0, 10])
    stored = cells_of(columns_of(rows, LONG), 1, LONG)

    mixed = joined([stored, cells_of(columns_of(wide, DOUBLE), 1, DOUBLE)], DOUBLE)
    fresh = of_columns(columns_of(rows, LONG), 1, DOUBLE, borders)

    doubles = [Row(row.time_ms, float(row.value), row.code) for row in rows]
    check_all(doubles, borders, fresh, DOUBLE)
    check_all(doubles + wide, borders, regrouped(mixed, mixed.groups), DOUBLE)


def test_nothing_gives_nothing():
    """No rows, no borders, no values, or no numbers: no groups (MS-67)."""
    empty = Columns(np.zeros(0, "<i8"))
    texts = Columns(np.array([1]), {1: Column(Texts.of(["a"]))})
    absent = Columns(np.array([1]), {1: Column(np.array([1.0]), np.array([False]))})
    one = columns_of([Row(1, 1.0)], DOUBLE)

    for columns in (empty, texts, absent):
        assert 0 == len(of_columns(columns, 1, DOUBLE, np.array([0, 9]))) == len(cells_of(columns, 1, DOUBLE))
    assert (
        0
        == len(of_columns(one, 1, DOUBLE, np.array([0])))
        == len(of_columns(one, 2, DOUBLE, np.array([0, 9])))
    )
    assert 0 == len(joined([], LONG)) == len(joined([nothing(LONG)], LONG)) == len(nothing(INT))
    assert (
        0
        == len(of_columns(one, 1, DOUBLE, np.array([5, 9])))
        == len(united(nothing(LONG), uncertain_enters=True))
    )


def test_cells_far_apart_are_few():
    """A value a century makes as many cells as values, not as many as there are between them."""
    rows = [Row(century * 36_525 * 86_400_000, 1.0) for century in range(-5, 5)]

    cells = cells_of(columns_of(rows, DOUBLE), 1, DOUBLE)

    assert [cell_of(row.time_ms) for row in rows] == cells.groups.tolist()
    assert [1] * 10 == cells.good.count.tolist()


@pytest.mark.parametrize(
    ("times", "hold_ms"),
    [
        ([], 3_600_000),
        ([5], 3_600_000),
        ([0, 1_000, 2_000, 9_000], 3_000),
        ([0, 10**9], 3_600_000),
        ([0, 1, 2], 3),
    ],
)
def test_values_hold_for_three_usual_distances(times, hold_ms):
    """Three times the median, at most an hour; an hour where nothing is known (design 8.28)."""
    assert hold_ms == default_hold_ms(np.array(times, "<i8"))


def test_columns_of_time_come_beside_the_others():
    """Durations in milliseconds by class; the average over the time that values that enter held."""
    rows = [Row(10, 1.0), Row(30, 5.0, 1 << 30), Row(40, 9.0, 1 << 31), Row(60, 2.0)]
    borders = np.array([0, 100])
    partials = of_columns(columns_of(rows, DOUBLE), 1, DOUBLE, borders, 25)
    held = held_in(partials, borders, None, hold_ms=25, until_ms=90)

    found = said_of(partials, OWN_FUNCTIONS, held=held)[0]
    strict = said_of(partials, OWN_FUNCTIONS, held=held, uncertain_enters=False)[0]

    assert (45, 10, 20) == (found["durationgood"], found["durationuncertain"], found["durationbad"])
    assert (1 * 20 + 5 * 10 + 2 * 25) / 55 == found["timeaverage"]
    assert (1 * 20 + 2 * 25) / 45 == strict["timeaverage"]
    assert (3.0, 1.5) == (strict["sum"], strict["average"])
