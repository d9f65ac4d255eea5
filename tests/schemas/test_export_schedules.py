"""When exports are due that are made regularly, by clocks of a zone (SM-31)."""

from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from schemas.exporting.schedules import Every, Timing, Weekday, check_name, check_timing

BERLIN = ZoneInfo("Europe/Berlin")


def timing(every="1d", at="06:00", on=None, timezone="Europe/Berlin", last=None):
    """Write when exports are due."""
    weekday = None if on is None else Weekday(on)
    return Timing(every=Every(every), at=at, on=weekday, timezone=timezone, last=last)


def ms(text):
    """Read a time of Berlin's clocks, or one with an offset."""
    time = datetime.fromisoformat(text)
    return int((time if time.tzinfo else time.replace(tzinfo=BERLIN)).timestamp() * 1_000)


def shown(moment):
    """Write what Berlin's clocks show."""
    return datetime.fromtimestamp(moment.time_ms / 1_000, BERLIN).strftime("%d %H:%M%z")


def series(when, start, count):
    """Give the first moments after a time."""
    found, now_ms = [], ms(start)
    for _ in range(count):
        found.append(when.following(now_ms))
        now_ms = found[-1].time_ms
    return found


def test_a_moment_is_due_until_the_next_one():
    """At its millisecond, and as long as no other has come."""
    when = timing()
    early = ms("2026-02-03T06:00")
    assert ms("2026-02-02T06:00") == when.due(early - 1).time_ms
    assert early == when.due(early).time_ms == when.due(ms("2026-02-04T05:59")).time_ms
    assert early == when.following(early - 1).time_ms
    assert ms("2026-02-04T06:00") == when.following(early).time_ms


@pytest.mark.parametrize(
    ("every", "at", "on", "expected"),
    [
        ("1h", "00:15", None, ["02 21:15", "02 22:15", "02 23:15", "03 00:15"]),
        ("6h", "04:00", None, ["02 22:00", "03 04:00", "03 10:00", "03 16:00"]),
        ("12h", "07:30", None, ["03 07:30", "03 19:30", "04 07:30", "04 19:30"]),
        ("1d", "23:59", None, ["02 23:59", "03 23:59", "04 23:59", "05 23:59"]),
        ("1w", "06:00", None, ["09 06:00", "16 06:00", "23 06:00", "02 06:00"]),
        ("1w", "06:00", "sunday", ["08 06:00", "15 06:00", "22 06:00", "01 06:00"]),
    ],
)
def test_intervals_are_parts_of_a_day_days_and_weeks(every, at, on, expected):
    """From a time of day on, at which one is due; weeks on a weekday, Monday if nobody says."""
    found = series(timing(every, at, on), "2026-02-02T21:00", 4)
    assert expected == [shown(moment)[:8] for moment in found]


@pytest.mark.parametrize(
    ("every", "at", "start", "expected"),
    [
        # 02:00 to 03:00 is never shown on the 29th of March and shown twice on the 25th of October.
        ("1d", "06:00", "2026-03-28T12:00", ["29 06:00+0200", "30 06:00+0200"]),
        ("1d", "02:30", "2026-03-28T12:00", ["29 03:30+0200", "30 02:30+0200"]),
        ("1d", "02:30", "2026-10-24T12:00", ["25 02:30+0200", "26 02:30+0100"]),
        ("1h", "00:00", "2026-03-29T00:30", ["29 01:00+0100", "29 03:00+0200", "29 04:00+0200"]),
        ("1h", "00:00", "2026-10-25T00:30", ["25 01:00+0200", "25 02:00+0200", "25 03:00+0100"]),
        ("6h", "00:00", "2026-10-24T23:30", ["25 00:00+0200", "25 06:00+0100", "25 12:00+0100"]),
    ],
)
def test_clocks_that_are_set_move_no_time_of_day(every, at, start, expected):
    """What is never shown is due when the clock is set, what is shown twice at the first (design 8.8)."""
    assert expected == [shown(moment) for moment in series(timing(every, at), start, len(expected))]


@pytest.mark.parametrize("every", [each.value for each in Every])
@pytest.mark.parametrize(
    "zone", ["Europe/Berlin", "Australia/Lord_Howe", "America/St_Johns", "+05:45", "UTC"]
)
@pytest.mark.parametrize(
    "start", ["2026-03-26T00:00", "2026-04-03T00:00", "2026-10-01T00:00", "2026-10-24T00:00"]
)
def test_spans_as_long_as_the_interval_lie_side_by_side(every, zone, start):
    """Each begins where the one before ended, also where clocks are set: no record is between them."""
    when = timing(every, "02:15", None, zone, last=every)
    found = series(when, start, 60)
    for earlier, later in pairwise(found):
        assert earlier.time_ms == when.after_ms(later)
        assert earlier == when.due(later.time_ms - 1)


def test_a_span_is_what_clocks_show():
    """The last day of the 29th of March has 23 hours."""
    when = timing(at="00:00", last="1d")
    due = when.following(ms("2026-03-29T12:00"))
    assert (ms("2026-03-30T00:00"), ms("2026-03-29T00:00")) == (due.time_ms, when.after_ms(due))
    assert 23 * 3_600_000 == due.time_ms - when.after_ms(due)
    assert timing().after_ms(due) is None


@pytest.mark.parametrize(
    ("wrong", "places"),
    [
        ({"at": "24:00"}, ["/at"]),
        ({"at": "6:00"}, ["/at"]),
        ({"on": "monday"}, ["/on"]),
        ({"timezone": "Mars"}, ["/timezone"]),
        ({"last": "0d"}, ["/last"]),
        ({"last": "7"}, ["/last"]),
        ({"last": "1000d"}, ["/last"]),
        ({"at": "x", "on": "friday", "timezone": "", "last": "y"}, ["/at", "/on", "/timezone", "/last"]),
        ({"every": "1w", "on": "friday", "last": "52w", "timezone": "+01:00"}, []),
    ],
)
def test_everything_that_is_wrong_is_told(wrong, places):
    """With its place."""
    assert places == [problem.pointer for problem in check_timing(timing(**wrong))]


@pytest.mark.parametrize(("name", "fits"), [("daily.csv", True), (".x", False), ("a b", False), ("", False)])
def test_names_are_words(name, fits):
    """As names of downloads are."""
    assert fits == (not check_name(name))


def test_the_first_days_of_all():
    """Nothing breaks where times begin."""
    assert 0 == timing(at="00:00", timezone="UTC").due(0).time_ms
