"""Parameters of aggregates: what is missing is filled in, what is wrong is named (MS-63 … MS-68)."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.aggregate_extras import parse_extras
from schemas.aggregate_queries import Terms, parse_aggregate_query
from schemas.aspects import AspectType, Variable, VariableType
from schemas.durations import DAY_MS, HOUR_MS, MINUTE_MS
from schemas.filling import Fill
from schemas.functions import FUNCTIONS, OWN_FUNCTIONS
from schemas.intervals import VALUES_V3, VALUES_V4
from schemas.policies import OPEN, STRICT
from schemas.screen import Method
from schemas.times import format_time, parse_time

NOW = "2026-03-10T15:30:00.000Z"
NOW_MS = parse_time(NOW)
ASPECT = AspectType(
    id="t.a", tenant="t", name="a", category="dynamic",
    variables=tuple(
        Variable(name=name, type=kind, id=number, quality_code=name == "a")
        for number, (name, kind) in enumerate(
            (("a", VariableType.DOUBLE), ("b", VariableType.LONG), ("c", VariableType.INT),
             ("s", VariableType.STRING), ("t", VariableType.TIMESTAMP), ("on", VariableType.BOOLEAN)), 1
        )
    ),
)  # fmt: skip


def parse(parameters, zone="UTC", profile=OPEN, values=VALUES_V4, **terms):
    """Parse as a route does; blanks divide name=value."""
    given = dict(word.split("=", 1) for word in parameters.split())
    return parse_aggregate_query(given, ASPECT, Terms(ZoneInfo(zone), NOW_MS, profile, values, **terms))


def asked(parameters, *more, **terms):
    """Give (interval, first border, last border, number of intervals) of a lawful question."""
    query, problems = parse(parameters, *more, **terms)
    assert [] == problems
    borders = query.borders_ms
    unit, value = query.interval
    return f"{unit.value} {value}", short(borders[0]), short(borders[-1]), len(borders) - 1


def short(time_ms):
    """Write a time without what is zero at its end."""
    return format_time(int(time_ms)).removesuffix(":00.000Z").removesuffix("T00:00")


def named(parameters, *more, **terms):
    """Give (parameter, message) of each problem of a question that is refused."""
    query, problems = parse(parameters, *more, **terms)
    assert query is None
    return [(problem.pointer[1:], problem.message) for problem in problems]


def test_without_anything_seven_days_by_day():
    """Nothing given: 1 day, until now, from seven days before, moved out to days (MS-66, line 1)."""
    assert ("day 1", "2026-03-03", "2026-03-11", 8) == asked("")


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        # 90 days from there …
        ("from=2025-01-05T10:00:00Z", ("day 1", "2025-01-05", "2025-04-05", 90)),
        # … at most now; from moves back to its day.
        ("from=2026-03-08T10:00:00Z", ("day 1", "2026-03-08", "2026-03-11", 3)),
        # What the command line client sends: 24 hours ago.
        ("from=2026-03-09T15:30:00Z", ("day 1", "2026-03-09", "2026-03-11", 2)),
        # Of today only hours fit.
        ("from=2026-03-10T14:00:00Z", ("hour 1", "2026-03-10", "2026-03-10T16:00", 16)),
    ],
)
def test_with_a_start_only(parameters, expected):
    """Only `from`: 90 days or until now, from the midnight of its day (MS-66, line 2)."""
    assert expected == asked(parameters)


def test_a_start_moves_to_the_midnight_of_its_zone():
    """The day is that of the zone: 22:30 in UTC is the next day in Kathmandu (MS-64, MS-66)."""
    assert ("day 1", "2026-03-08T18:15", "2026-03-10T18:15", 2) == asked(
        "from=2026-03-08T22:30:00Z", "Asia/Kathmandu"
    )


def test_with_an_end_only():
    """Only `to`: 90 days before it (MS-66, line 3)."""
    assert ("day 1", "2025-11-02", "2026-01-31", 90) == asked("to=2026-01-31T00:00:00Z")


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ("from=2026-03-01T00:00:00Z intervalUnit=hour intervalValue=2 count=5",
         ("hour 2", "2026-03-01", "2026-03-01T10:00", 5)),
        ("from=2026-03-01T01:30:00Z intervalUnit=hour intervalValue=2 count=5",
         ("hour 2", "2026-03-01", "2026-03-01T10:00", 5)),
        ("to=2026-03-01T10:00:00Z intervalUnit=hour intervalValue=2 count=5",
         ("hour 2", "2026-03-01", "2026-03-01T10:00", 5)),
        ("to=2026-03-01T09:00:00Z intervalUnit=month intervalValue=1 count=2",
         ("month 1", "2026-02-01", "2026-04-01", 2)),
        ("intervalUnit=DAY intervalValue=1 count=3", ("day 1", "2026-03-08", "2026-03-11", 3)),
    ],
)  # fmt: skip
def test_interval_and_count_give_the_other_end(parameters, expected):
    """Unit, value, count and one end: the other one follows; without any, `to` is now (MS-66, line 4)."""
    assert expected == asked(parameters)


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ("from=2026-03-01T00:00:00Z to=2026-03-04T00:00:00Z", "day 1"),
        ("from=2026-03-01T00:00:00Z to=2026-03-01T23:59:59Z", "hour 1"),
        ("from=2026-03-01T00:00:00Z to=2026-03-01T00:59:59Z", "minute 2"),
        ("from=2026-03-01T00:00:00Z to=2026-03-01T00:00:01Z", "minute 2"),
        ("from=2026-03-01T00:00:00Z to=2026-03-04T00:00:00Z intervalUnit=hour", "hour 1"),
        ("from=2026-03-01T00:00:00Z to=2026-03-04T00:00:00Z intervalUnit=minute", "minute 2"),
        ("from=2026-03-01T00:00:00Z to=2026-03-04T00:00:00Z intervalValue=2", "day 2"),
        ("from=2026-03-01T00:00:00Z to=2026-03-04T00:00:00Z intervalValue=4", "hour 4"),
        ("from=2026-03-01T00:00:00Z to=2026-03-04T00:00:00Z intervalValue=50", "minute 50"),
        ("intervalUnit=hour", "hour 1"),
    ],
)
def test_without_an_interval_the_longest_that_fits(parameters, expected):
    """No unit or value: the longest of 2 minutes, 1 hour, 1 day that fits (MS-64, MS-66, line 5)."""
    assert expected == asked(parameters)[0]


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ("from=2026-03-01T00:00:00Z to=2026-03-02T00:00:00Z count=24", ("hour 1", 24)),
        ("from=2026-03-01T00:00:00Z to=2026-03-02T00:00:00Z count=12", ("hour 2", 12)),
        ("from=2026-03-01T00:00:00Z to=2026-03-02T00:00:00Z count=10", ("hour 2", 12)),
        ("from=2026-03-01T00:00:00Z to=2026-03-01T01:00:00Z count=6", ("minute 10", 6)),
        ("from=2026-03-01T00:00:00Z to=2026-03-01T01:00:00Z count=500", ("minute 2", 30)),
        ("from=2025-01-01T00:00:00Z to=2025-12-31T00:00:00Z count=4", ("day 90", 5)),
        ("from=2025-01-01T00:00:00Z to=2025-12-31T00:00:00Z count=4 intervalUnit=week", ("week 12", 5)),
        ("count=7", ("day 1", 8)),
    ],
)
def test_range_and_count_give_the_interval(parameters, expected):
    """Both ends and count: the longest interval that fits so often into the range (MS-66, line 6)."""
    interval, _, _, count = asked(parameters)

    assert expected == (interval, count)


def test_without_a_count_it_is_what_the_range_holds():
    """No count: as many intervals as there are; one that says otherwise has no effect (MS-66, line 7)."""
    both = "from=2026-03-01T00:00:00Z to=2026-03-01T03:00:00Z intervalUnit=hour intervalValue=1"

    assert ("hour 1", "2026-03-01", "2026-03-01T03:00", 3) == asked(both) == asked(both + " count=9")


@pytest.mark.parametrize(
    ("parameters", "zone", "expected"),
    [
        ("from=2026-03-01T00:31:00Z to=2026-03-01T02:29:00Z intervalUnit=hour intervalValue=1", "UTC",
         ("hour 1", "2026-03-01", "2026-03-01T03:00", 3)),
        ("from=2026-03-01T00:31:00Z to=2026-03-01T02:29:00Z intervalUnit=hour intervalValue=1",
         "Asia/Kolkata", ("hour 1", "2026-03-01T00:30", "2026-03-01T02:30", 2)),
        ("from=2026-01-15T00:00:00Z to=2026-02-15T00:00:00Z intervalUnit=month intervalValue=1", "UTC",
         ("month 1", "2026-01-01", "2026-03-01", 2)),
    ],
)  # fmt: skip
def test_ends_move_outward(parameters, zone, expected):
    """Ends that are no borders widen the range to borders in the zone (MS-66, line 8)."""
    assert expected == asked(parameters, zone)


@pytest.mark.parametrize(
    ("unit", "lawful", "unlawful"),
    [
        ("minute", (2, 4, 60), (0, 1, 3, 59, 61, 62)),
        ("hour", (1, 24), (0, 25)),
        ("day", (1, 90), (0, 91)),
        ("week", (1, 12), (0, 13)),
        ("month", (1, 3), (0, 4)),
    ],
)
def test_values_of_version_4(unit, lawful, unlawful):
    """Both ends of every unit, in lower and upper case; everything else is 400 (MS-63)."""
    for value in lawful:
        for word in (unit, unit.upper()):
            assert f"{unit} {value}" == asked(f"intervalUnit={word} intervalValue={value}")[0]
    for value in unlawful:
        assert ["intervalValue"] == [name for name, _ in named(f"intervalUnit={unit} intervalValue={value}")]
    assert ["intervalUnit"] == [name for name, _ in named("intervalUnit=second")]


@pytest.mark.parametrize(
    ("unit", "lawful", "unlawful"),
    [
        ("second", (1, 120), (0, 121)),
        ("minute", (1, 3, 60), (0, 61)),
        ("hour", (1, 24), (0, 25)),
        ("day", (1, 365, 36_525), (0,)),
        ("week", (1, 52), (0,)),
        ("month", (1, 12), (0,)),
    ],
)
def test_values_of_version_3(unit, lawful, unlawful):
    """Seconds and odd minutes too; days, weeks and months without an end that matters (MS-63, wire 2.1)."""
    ends = "from=2026-03-10T15:00:00Z to=2026-03-10T15:30:00Z"
    for value in lawful:
        found = asked(f"{ends} intervalUnit={unit} intervalValue={value}", values=VALUES_V3)
        assert f"{unit} {value}" == found[0]
    for value in unlawful:
        problems = named(f"{ends} intervalUnit={unit} intervalValue={value}", values=VALUES_V3)
        assert ["intervalValue"] == [name for name, _ in problems]


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ("from=x", ["from"]),
        ("from=2026-03-01 to=yesterday", ["from", "to"]),
        ("from=2026-03-01T00:00:00Z to=2026-03-01T00:00:00Z", ["from"]),
        ("from=2026-03-02T00:00:00Z to=2026-03-01T00:00:00Z", ["from"]),
        ("intervalUnit=fortnight", ["intervalUnit"]),
        ("intervalUnit=", ["intervalUnit"]),
        ("intervalValue=1.5 intervalUnit=hour", ["intervalValue"]),
        ("intervalValue=٣ intervalUnit=hour", ["intervalValue"]),
        ("intervalValue=-1", ["intervalValue"]),
        ("intervalValue=1e1", ["intervalValue"]),
        ("count=0", ["count"]),
        ("count=100001", ["count"]),
        ("count=x select=q from=x intervalUnit=y intervalValue=z",
         ["from", "intervalUnit", "intervalValue", "count", "select"]),
        ("select=", ["select"]),
        ("select=a,,b", ["select"]),
        ("select=A", ["select"]),
        ("select=a_qc", ["select"]),
        ("select=a.", ["select"]),
        ("select=a.median", ["select"]),
        ("select=q.sum", ["select"]),
        ("select=a.timeaverage", ["select"]),
        ("from=1970-01-01T00:00:00Z to=2026-01-01T00:00:00Z intervalUnit=minute intervalValue=2", ["to"]),
        ("from=0001-01-01T00:00:00Z to=9999-01-01T00:00:00Z intervalUnit=day intervalValue=1", ["to"]),
    ],
)  # fmt: skip
def test_problems_are_named(parameters, expected):
    """Every problem at once, each with the name of its parameter (design 6)."""
    assert expected == [name for name, _ in named(parameters)]


def test_intervals_of_an_answer_are_bounded():
    """100,000 intervals pass, one more is 400 with both numbers (design 7)."""
    hours = "from=2014-01-01T00:00:00Z intervalUnit=hour intervalValue=1 count=100000"
    end = format_time(parse_time("2014-01-01T00:00:00Z") + 100_000 * HOUR_MS + 1)

    assert 100_000 == asked(hours + " select=a")[3]
    [(name, message)] = named(
        f"from=2014-01-01T00:00:00Z to={end} intervalUnit=hour intervalValue=1 select=a"
    )
    assert "to" == name
    assert "100001" in message
    assert "100000" in message


def test_aggregates_of_an_answer_are_bounded():
    """Half a million aggregates: fewer variables or intervals fit where more do not (design 7)."""
    wide = AspectType(
        id="t.w", tenant="t", name="w", category="dynamic",
        variables=tuple(Variable(name=f"v{n}", type=VariableType.INT, id=n) for n in range(1, 102)),
    )  # fmt: skip
    terms = Terms(ZoneInfo("UTC"), NOW_MS, OPEN, VALUES_V4)
    given = {"from": "2025-01-01T00:00:00Z", "intervalUnit": "hour", "intervalValue": "1", "count": "10000"}

    _, problems = parse_aggregate_query(given, wide, terms)
    query, none = parse_aggregate_query(given | {"select": "v1,v2"}, wide, terms)

    assert ["/select"] == [problem.pointer for problem in problems]
    assert ([], 2) == (none, len(query.chosen))


@pytest.mark.parametrize(
    ("unit", "longest_ms"),
    [
        ("minute", 48 * HOUR_MS), ("hour", 30 * DAY_MS), ("day", 365 * DAY_MS), ("week", 365 * DAY_MS),
        ("month", 365 * DAY_MS), ("second", 48 * HOUR_MS),
    ],
)  # fmt: skip
def test_strict_bounds_the_range_by_unit(unit, longest_ms):
    """The longest range passes, a millisecond more is 400; `open` has no such limit (MS-65, design 7)."""
    end = parse_time("2026-03-01T00:00:00Z")
    ends = [f"from={format_time(end - longest_ms - more)} to={format_time(end)}" for more in (0, 1)]
    rest = f" intervalUnit={unit} intervalValue=2"

    assert [] == parse(ends[0] + rest, profile=STRICT, values=VALUES_V3)[1]
    assert ["from"] == [name for name, _ in named(ends[1] + rest, profile=STRICT, values=VALUES_V3)]
    assert unit == "second" or [] == parse(ends[1] + rest)[1]


@pytest.mark.parametrize(
    ("parameters", "longest_ms"),
    [
        ("to=2026-03-01T00:00:00Z intervalUnit=hour", 30 * DAY_MS),
        ("from=2025-03-01T00:00:00Z intervalUnit=minute intervalValue=2", 48 * HOUR_MS),
        ("intervalUnit=minute", 48 * HOUR_MS),
        ("to=2026-03-01T00:00:00Z intervalUnit=day", 90 * DAY_MS),
    ],
)
def test_what_is_filled_in_keeps_the_limits(parameters, longest_ms):
    """An end that follows is never so far away that the profile refuses it (MS-65, MS-66)."""
    query, problems = parse(parameters, profile=STRICT)

    assert [] == problems
    assert longest_ms == query.until_ms - query.after_ms


@pytest.mark.parametrize(
    "parameters",
    ["from=2026-03-11T00:00:00Z", "from=2026-03-10T15:31:00Z", "to=1969-12-31T00:00:00Z",
     "from=2026-06-01T00:00:00Z to=2026-07-01T00:00:00Z"],
)  # fmt: skip
def test_where_no_record_can_be_nothing_is_asked(parameters):
    """The future without an end, and times before 1970: no intervals, and no error."""
    query, problems = parse(parameters)

    assert ([], 0) == (problems, len(query.borders_ms))


@pytest.mark.parametrize(
    ("select", "expected"),
    [
        (None, [("a", FUNCTIONS, False), ("b", FUNCTIONS, False), ("c", FUNCTIONS, False)]),
        ("a", [("a", FUNCTIONS, False)]),
        ("a.sum,b.average", [("a", ("sum",), True), ("b", ("average",), True)]),
        ("b.SD,b.countbad,a", [("a", FUNCTIONS, False), ("b", ("countbad", "sd"), True)]),
        ("a.sum,a", [("a", FUNCTIONS, False)]),
        ("s,on,t.sum", []),
    ],
)
def test_a_selection(select, expected):
    """Variables and functions in the order of aspect and dialect; numbers only (MS-68, wire 2)."""
    query, problems = parse("" if select is None else f"select={select}")

    assert [] == problems
    assert expected == [(each.variable.name, each.functions, each.by_name) for each in query.chosen]


def extras(text):
    """Read what our own route takes."""
    return parse_extras(dict(word.split("=", 1) for word in text.split()))


def test_extras_of_our_own_route():
    """Functions beyond the dialect, quality, holding, filling, points (issue 4)."""
    words = "functions=P95,sum,timeaverage,p5 quality=GOOD maxHold=90s fill=linear select=a.p99.9"
    found, problems = extras(words)
    plain, _ = extras("")

    assert [] == problems
    assert (("sum", "timeaverage", "p5", "p95"), (*OWN_FUNCTIONS, "p5", "p95", "p99.9")) == found[:2]
    assert (Fill.LINEAR, 90_000, None, Method.SCREEN, False) == found[2:]
    assert (FUNCTIONS, OWN_FUNCTIONS, Fill.NONE, None, None, Method.SCREEN, True) == plain
    query, _ = parse("select=a.p99.9,b", functions=found.functions, known=found.known)
    assert [("p99.9",), ("sum", "timeaverage", "p5", "p95")] == [each.functions for each in query.chosen]


@pytest.mark.parametrize(("text", "hold_ms"), [("1ms", 1), ("15m", 15 * MINUTE_MS), ("31d", 31 * DAY_MS)])
def test_holds_are_a_number_and_a_unit(text, hold_ms):
    """Milliseconds to days, up to 31 days (design 8.28)."""
    assert (hold_ms, []) == (extras(f"maxHold={text}")[0].hold_ms, extras(f"maxHold={text}")[1])


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ("functions=sum,median", ["functions"]),
        ("functions=p101", ["functions"]),
        ("functions=p1,p2,p3,p4,p5,p6,p7,p8,p9,p10,p11", ["functions"]),
        ("quality=bad", ["quality"]),
        ("fill=zero", ["fill"]),
        ("maxHold=1", ["maxHold"]),
        ("maxHold=0s", ["maxHold"]),
        ("maxHold=32d", ["maxHold"]),
        ("method=lttb", ["method"]),
        ("maxPoints=3 from=x to=y", ["maxPoints"]),
        ("maxPoints=10001 from=x to=y", ["maxPoints"]),
        ("maxPoints=100 method=best from=x to=y", ["method"]),
        ("maxPoints=100", ["from", "to"]),
        ("maxPoints=100 from=x to=y intervalUnit=day count=1 fill=null", ["intervalUnit", "count", "fill"]),
        ("maxPoints=100 from=x to=y select=a.sum", ["select"]),
    ],
)
def test_problems_of_extras_are_named(parameters, expected):
    """Every problem with the name of its parameter; questions for points and for intervals do not mix."""
    assert expected == [problem.pointer[1:] for problem in extras(parameters)[1]]


@given(
    st.dictionaries(
        st.sampled_from(["from", "to", "intervalUnit", "intervalValue", "count", "select"]),
        st.sampled_from(
            ["2026-03-01T00:00:00Z", "1900-01-01T00:00:00Z", "9999-12-31T23:59:59.999Z",
             "2026-03-10T16:00:00Z", "minute", "hour", "day", "week", "MONTH", "second", "1", "2", "24", "90",
             "100000", "a", "a.sum"]
        ),
    ),
    st.sampled_from(["UTC", "Asia/Kathmandu"]),
    st.sampled_from([OPEN, STRICT]),
    st.sampled_from([VALUES_V3, VALUES_V4]),
)  # fmt: skip
def test_every_question_is_answered_or_refused(parameters, zone, profile, values):
    """Whatever is sent: a question within the limits, or problems; never neither, never both."""
    query, problems = parse_aggregate_query(
        parameters, ASPECT, Terms(ZoneInfo(zone), NOW_MS, profile, values)
    )

    assert (query is None) == bool(problems)
    if query is not None and len(query.borders_ms):
        assert len(query.borders_ms) <= 100_001
        assert query.borders_ms[0] <= max(query.after_ms, -1)
