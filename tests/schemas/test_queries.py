"""Parameters of reads and deletes: ranges, pages, selections and their limits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.durations import DAY_MS, HOUR_MS, YEAR_MS
from schemas.policies import OPEN, STRICT
from schemas.queries import Part, ReadKind, TimeRange, next_page, parse_delete_range, parse_series_query
from schemas.times import format_time
from tests.schemas.samples import ALL, NOW, NOW_MS

MIDNIGHT = NOW_MS - NOW_MS % DAY_MS


def asked(profile=OPEN, **parameters):
    """Give the query; the test fails if it was refused."""
    query, problems = parse_series_query(_named(parameters), ALL, now_ms=NOW_MS, profile=profile)
    assert problems == []
    return query


def refused(profile=OPEN, **parameters):
    """Give the pointers of the problems; the test fails if it was taken."""
    query, problems = parse_series_query(_named(parameters), ALL, now_ms=NOW_MS, profile=profile)
    assert query is None
    return [problem.pointer for problem in problems]


def _named(parameters):
    return {name.rstrip("_"): value for name, value in parameters.items()}


def test_from_is_exclusive_to_inclusive():
    """(from, to] of the wire is [from + 1, to + 1) inside (MS-40, design 8.5)."""
    query = asked(from_="2027-01-01T00:00:00.000Z", to="2027-01-01T00:00:01Z")
    start = 1_798_761_600_000
    assert (query.kind, query.range) == (ReadKind.RANGE, TimeRange(start + 1, start + 1001))
    assert (query.limit, query.descending, query.parts) == (2000, False, None)


def test_open_ends():
    """Without `to` the range ends now, without `from` it begins in 1970 (design 8.16)."""
    assert asked(from_=format_time(NOW_MS - 5)).range == TimeRange(NOW_MS - 4, NOW_MS + 1)
    assert asked(to=NOW).range == TimeRange(0, NOW_MS + 1)
    ahead = asked(from_=format_time(NOW_MS + 5)).range
    assert ahead.start_ms == ahead.end_ms


def test_newest_and_latest():
    """Without a range the newest record is asked, `latestValue` asks each variable (MS-43, MS-44)."""
    assert asked().kind is ReadKind.NEWEST
    assert asked().range.start_ms == 0
    assert asked(profile=STRICT).range.start_ms == NOW_MS - YEAR_MS
    latest = asked(latestValue="true")
    assert (latest.kind, latest.parts, latest.range.start_ms) == (ReadKind.LATEST, None, 0)
    assert latest.range.end_ms > NOW_MS + 31 * DAY_MS
    assert asked(latestValue="false").kind is ReadKind.NEWEST
    dialect = asked(profile=STRICT, latestValue="true")
    assert dialect.range == TimeRange(NOW_MS - 31 * DAY_MS, NOW_MS - 2 * HOUR_MS + 1)
    assert [part.variable_id for part in dialect.parts] == [1, 2, 3, 4]
    assert refused(latestValue="true", from_=NOW, to=NOW) == ["/from", "/to"]


@pytest.mark.parametrize("limit", ["1", "2000", "0002000"])
def test_limits_taken(limit):
    """A limit from 1 to 2000 is taken (MS-41)."""
    assert asked(limit=limit).limit == int(limit)


@pytest.mark.parametrize(
    "limit", ["0", "2001", "-1", "+1", "1e3", "1.0", "", " 1", "1_0", "٣", "9" * 5000, "x"]
)
def test_limits_refused(limit):
    """Every other limit is refused, also what Python would call a number (MS-41, design 8.16)."""
    assert refused(limit=limit) == ["/limit"]


def test_order_of_the_ends():
    """The start must be earlier than the end; one millisecond is enough (design 8.16)."""
    assert asked(from_=format_time(NOW_MS - 1), to=NOW).range == TimeRange(NOW_MS, NOW_MS + 1)
    assert refused(from_=NOW, to=NOW) == ["/from"]
    assert refused(from_=NOW, to=format_time(NOW_MS - 1)) == ["/from"]


def test_a_plus_that_became_a_space():
    """An unescaped + in an offset is refused with the hint (MS-32)."""
    _, [problem] = parse_series_query({"from": "2027-01-01T00:00:00 05:30"}, ALL, now_ms=NOW_MS, profile=OPEN)
    assert "%2B" in problem.message
    assert asked(from_="2027-01-01T00:00:00+05:30").range.start_ms == 1_798_741_800_001


def test_every_problem_is_listed():
    """All wrong parameters are named at once."""
    assert refused(limit="0", sort="up", latestValue="maybe", select="zz", from_="x", to="y") == [
        "/limit", "/sort", "/latestValue", "/select", "/from", "/to",
    ]  # fmt: skip


def test_sort():
    """Words asc and desc in any case (MS-40)."""
    assert [asked(sort=word).descending for word in ("asc", "desc", "DESC", "Asc")] == [
        False,
        True,
        True,
        False,
    ]


def test_select():
    """A variable brings its code, a code may be selected alone, the unknown is refused (MS-42, wire 1.5)."""
    assert asked(select="d,l").parts == (Part(1, values=True, codes=True), Part(3, values=True, codes=False))
    assert asked(select="d_qc").parts == (Part(1, values=False, codes=True),)
    assert asked(select="d_qc, d ,d_qc").parts == (Part(1, values=True, codes=True),)
    assert asked(select="d,i").variable_ids == {1, 2}
    assert asked().variable_ids is None
    for wrong in ("", "zz", "d,", "l_qc", "D", "_time", "d;i"):
        assert refused(select=wrong) == ["/select"]


def test_raw_range_of_the_dialect():
    """Under `strict` 90 days are read, one millisecond more is refused; `open` reads any range (MS-47)."""
    start = NOW_MS - 90 * DAY_MS
    asked(profile=STRICT, from_=format_time(start), to=NOW)
    assert refused(profile=STRICT, from_=format_time(start - 1), to=NOW) == ["/from"]
    assert refused(profile=STRICT, to=NOW) == ["/from"]
    asked(from_="1970-01-01T00:00:00Z", to=NOW)


@given(
    st.lists(st.integers(0, 300), unique=True),
    st.integers(1, 7),
    st.booleans(),
    st.sampled_from([("from",), ("to",), ("from", "to")]),
)
def test_pages_give_every_record_once(times, limit, descending, ends):
    """Following the parameters of the next page yields every record once, in order (MS-41)."""
    parameters = {"limit": str(limit), "select": "d", "sort": "desc" if descending else "asc"}
    parameters |= {name: format_time({"from": 40, "to": 250}[name]) for name in ends}
    low, high = 40 if "from" in ends else -1, 250 if "to" in ends else 400
    expected = sorted((t for t in times if low < t <= high), reverse=descending)
    read: list[int] = []
    while True:
        query, problems = parse_series_query(parameters, ALL, now_ms=400, profile=OPEN)
        assert problems == []
        assert query.select == "d"
        found = sorted(
            (t for t in times if query.range.start_ms <= t < query.range.end_ms), reverse=query.descending
        )
        read += found[: query.limit]
        if len(found) <= query.limit:
            break
        parameters = next_page(query, read[-1])
    assert read == expected


def test_delete_needs_both_ends():
    """A deletion names from and to, in order (MS-50)."""
    given_range = {"from": format_time(MIDNIGHT), "to": format_time(MIDNIGHT + 90_000)}
    assert parse_delete_range(given_range, now_ms=MIDNIGHT, profile=OPEN) == (
        TimeRange(MIDNIGHT + 1, MIDNIGHT + 90_001),
        [],
    )
    for missing in ({"from"}, {"to"}, {"from", "to"}):
        _, problems = parse_delete_range(
            {k: v for k, v in given_range.items() if k not in missing}, now_ms=MIDNIGHT, profile=OPEN
        )
        assert {problem.pointer for problem in problems} == {f"/{name}" for name in missing}
    for wrong in ({"from": "x"}, {"to": "2027-01-01T00:00:00 01:00"}, {"from": given_range["to"]}):
        assert parse_delete_range(given_range | wrong, now_ms=MIDNIGHT, profile=OPEN)[0] is None


def test_delete_of_the_dialect():
    """Under `strict` ends are full hours and seven days are the most (MS-51)."""

    def pointers(start_ms, end_ms):
        _, problems = parse_delete_range(
            {"from": format_time(start_ms), "to": format_time(end_ms)}, now_ms=MIDNIGHT, profile=STRICT
        )
        return [problem.pointer for problem in problems]

    assert pointers(MIDNIGHT, MIDNIGHT + 7 * DAY_MS) == []
    assert pointers(MIDNIGHT, MIDNIGHT + 7 * DAY_MS + HOUR_MS) == ["/to"]
    assert pointers(MIDNIGHT + HOUR_MS // 2, MIDNIGHT + HOUR_MS) == ["/from"]
    assert pointers(MIDNIGHT, MIDNIGHT + HOUR_MS + 1) == ["/to"]
