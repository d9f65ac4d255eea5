"""Instants: what is read, what is refused, and that one and many agree (design 8.21)."""

from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import Malformed
from schemas.limits import TIME_MS_MAX, TIME_MS_MIN
from schemas.times import format_time, format_times, parse_time, parse_times

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

READ = {
    "1970-01-01T00:00:00Z": 0,
    "1970-01-01T00:00:00.001Z": 1,
    "1970-01-01T00:00:00.1Z": 100,
    "1970-01-01T00:00:00.12Z": 120,
    "1970-01-01T00:00:00.9999999Z": 999,
    "1970-01-01T00:00:00.123456789Z": 123,
    "1969-12-31T23:59:59.999Z": -1,
    "1969-12-31T23:59:59.9999Z": -1,
    "1970-01-01T05:30:00+05:30": 0,
    "1969-12-31T18:30:00.250-05:30": 250,
    "1970-01-01T00:00:00-00:00": 0,
    "1970-01-01T23:59:00.000+23:59": 0,
    "2000-02-29T00:00:00Z": 951_782_400_000,
    "2024-02-29T23:59:59.999Z": 1_709_251_199_999,
    "0001-01-01T00:00:00.000Z": TIME_MS_MIN,
    "9999-12-31T23:59:59.999Z": TIME_MS_MAX,
}

REFUSED = [
    "", "x", "2026", "2026-11-22", "2026-11-22T08:30Z", "2026-11-22T08:30:00", "2026-11-22 08:30:00Z",
    "2026-11-22t08:30:00Z", "2026-11-22T08:30:00z", "2026-11-22T08:30:00+0530", "2026-11-22T08:30:00+05",
    "2026-11-22T08:30:00 05:30", "2026-11-22T08:30:60Z", "2026-11-22T23:59:60.000Z", "2026-11-22T24:00:00Z",
    "2026-11-22T24:00:00.000Z", "2026-11-22T08:60:00.000Z", "2026-02-29T00:00:00Z",
    "1900-02-29T00:00:00.000Z",
    "2026-02-30T00:00:00.000Z", "2026-04-31T00:00:00Z", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00.000Z",
    "2026-01-00T00:00:00.000Z", "2026-01-32T00:00:00Z", "0000-01-01T00:00:00.000Z", "2026-11-22T08:30:00.Z",
    "2026-11-22T08:30:00,5Z", "2026-11-22T08:30:00.5", "+2026-11-22T08:30:00Z", "12026-11-22T08:30:00Z",
    " 2026-11-22T08:30:00Z", "2026-11-22T08:30:00Z ", "2026-11-22T08:30:00Z\n", "2026-11-22T08:30:00+24:00",
    "2026-11-22T08:30:00+05:60", "2026-11-22T08:30:00,05:30", "2026-1-22T08:30:00Z", "20261122T083000Z",
    "2026-W47-7T08:30:00Z", "２026-11-22T08:30:00.000Z", "2026-11-22T08:30:00.٣Z", "1763769600000",
    "0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01", "2026-11-22T08:30:00.000Z\ud800",
    "2026-11-22T08:30:00." + "0" * 61 + "Z",
]  # fmt: skip

instants = st.integers(TIME_MS_MIN, TIME_MS_MAX)


@pytest.mark.parametrize(("text", "expected"), READ.items())
def test_reads(text, expected):
    """RFC 3339 with T and zone is read; digits past the millisecond are cut (MS-26, MS-32)."""
    assert parse_time(text) == expected
    assert parse_times([text] * 100).tolist() == [expected] * 100


@pytest.mark.parametrize("text", REFUSED)
def test_refuses(text):
    """Everything else is refused, alone and among a hundred good ones."""
    with pytest.raises(Malformed) as refusal:
        parse_time(text)
    assert refusal.value.message.isprintable()
    assert parse_times([text] * 100) is None
    for place in (0, 50, 99):
        many = ["2026-11-22T08:30:00.000Z"] * 100
        many[place] = text
        assert parse_times(many) is None


def test_says_how_to_send_a_plus():
    """A blank where a + must have been gets the hint to send %2B (MS-32)."""
    with pytest.raises(Malformed, match="%2B"):
        parse_time("2026-11-22T08:30:00 05:30")


def test_neighbours_lend_nothing():
    """Two texts of wrong length whose sum is right are refused."""
    good = "2026-11-22T08:30:00.000Z"
    for pair in ((good[:-1], "Z" + good), (good + "\n" + good, ""), (good + "\n", good[:-1])):
        assert parse_times([good] * 30 + list(pair) + [good] * 30) is None


@given(st.lists(instants, min_size=1, max_size=60), st.sampled_from(["", "12", "9999"]))
def test_many_agree_with_the_library(times, more_digits):
    """What was written is read back, and datetime agrees on its meaning."""
    texts = [format_time(time_ms) for time_ms in times]
    assert [EPOCH + timedelta(milliseconds=t) for t in times] == [
        datetime.fromisoformat(text) for text in texts
    ]
    assert format_times(np.array(times, np.int64)) == texts
    assert parse_times([text[:-1] + more_digits + "Z" for text in texts]).tolist() == times
    assert [parse_time(text) for text in texts] == times


@given(st.lists(instants, min_size=30, max_size=60), st.integers(-23 * 60 - 59, 23 * 60 + 59))
def test_offsets_agree_with_the_library(times, minutes):
    """Offsets of any sign are taken away (MS-32)."""
    zone = timezone(timedelta(minutes=minutes))
    inside = [t for t in times if TIME_MS_MIN + 86_400_000 <= t <= TIME_MS_MAX - 86_400_000] or [0]
    texts = [
        (EPOCH + timedelta(milliseconds=t)).astimezone(zone).isoformat(timespec="milliseconds")
        for t in inside
    ]
    assert parse_times(texts).tolist() == inside
    assert [parse_time(text) for text in texts] == inside


@given(
    st.lists(
        st.text("0123456789-+:.TZ ", max_size=30) | st.sampled_from([*READ, *REFUSED]), min_size=1, max_size=3
    )
)
def test_one_and_many_agree(texts):
    """Thousands at once are read as each one alone would be."""
    try:
        expected = [parse_time(text) for text in texts] * 40
    except Malformed:
        expected = None
    times = parse_times(texts * 40)
    assert (None if times is None else times.tolist()) == expected
