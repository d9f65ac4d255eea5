"""Borders of intervals against the calendar itself: clocks of zones read minute by minute, no shared code."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.intervals import (
    VALUES_V3,
    VALUES_V4,
    Interval,
    Unit,
    borders_of,
    day_start,
    intervals_most,
    steps_from,
)

UTC_ZONE = ZoneInfo("UTC")
ZONES = [
    "UTC", "Europe/Berlin", "America/New_York", "America/Sao_Paulo", "America/Havana", "America/St_Johns",
    "Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Chatham", "Pacific/Apia", "Asia/Beirut",
]  # fmt: skip
"""Whole, half and quarter hours; changes at midnight, of half an hour, and a day that never was."""
SECONDS = {"second": 1, "minute": 60, "hour": 3_600}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def ms(text):
    """Read a time in UTC."""
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1_000)


def written(borders):
    """Write borders in UTC, to the minute."""
    return [datetime.fromtimestamp(time / 1_000, UTC).isoformat()[:16] for time in borders.tolist()]


def drawn(unit, value, zone, after, until):
    """Draw borders and write them."""
    return written(borders_of(Interval(Unit(unit), value), ZoneInfo(zone), ms(after), ms(until)))


@pytest.mark.parametrize(
    ("unit", "value", "zone", "after", "until", "expected"),
    [
        # MS-62, and ends that move outward (MS-66).
        ("minute", 4, "UTC", "2017-05-01T00:08", "2017-05-01T00:16", ["00:08", "00:12", "00:16"]),
        ("minute", 4, "UTC", "2017-05-01T00:09", "2017-05-01T00:13", ["00:08", "00:12", "00:16"]),
        ("hour", 1, "UTC", "2017-05-01T03:05", "2017-05-01T04:00", ["03:00", "04:00"]),
        ("hour", 1, "UTC", "2017-05-01T03:00", "2017-05-01T04:01", ["03:00", "04:00", "05:00"]),
        ("second", 7, "UTC", "2017-05-01T00:00", "2017-05-01T00:00", ["00:00", "00:00"]),
        # What does not divide a day ends with it.
        ("hour", 5, "UTC", "2017-05-01T19:00", "2017-05-02T01:00", ["15:00", "20:00", "00:00", "05:00"]),
        ("minute", 50, "UTC", "2017-05-01T23:30", "2017-05-02T00:01", ["23:20", "00:00", "00:50"]),
        # Half and quarter hours: hours begin where the zone's do.
        ("hour", 1, "Asia/Kolkata", "2026-05-01T00:00", "2026-05-01T00:40", ["23:30", "00:30", "01:30"]),
        ("hour", 24, "Asia/Kathmandu", "2026-05-01T00:00", "2026-05-01T00:40", ["18:15", "18:15"]),
        # Spring in Berlin: 23 hours; 6-hour intervals end with the day.
        ("hour", 6, "Europe/Berlin", "2026-03-28T23:00", "2026-03-29T22:00",
         ["23:00", "05:00", "11:00", "17:00", "22:00"]),
        ("hour", 24, "Europe/Berlin", "2026-03-28T23:00", "2026-03-29T22:00", ["23:00", "22:00"]),
        # Autumn: 25 hours.
        ("hour", 6, "Europe/Berlin", "2026-10-24T22:00", "2026-10-25T23:00",
         ["22:00", "04:00", "10:00", "16:00", "22:00", "23:00"]),
        ("hour", 24, "Europe/Berlin", "2026-10-24T22:00", "2026-10-25T23:00", ["22:00", "22:00", "23:00"]),
    ],
)  # fmt: skip
def test_intervals_within_a_day(unit, value, zone, after, until, expected):
    """Absolute time, counted anew from each midnight of the zone (MS-62, MS-63, MS-66, decision 15)."""
    assert expected == [text[11:] for text in drawn(unit, value, zone, after, until)]


@pytest.mark.parametrize(
    ("unit", "value", "zone", "after", "until", "expected"),
    [
        ("day", 1, "Europe/Berlin", "2026-03-28T12:00", "2026-03-30T12:00",
         ["2026-03-27T23:00", "2026-03-28T23:00", "2026-03-29T22:00", "2026-03-30T22:00"]),
        ("day", 1, "Europe/Berlin", "2026-10-24T22:00", "2026-10-25T23:00",
         ["2026-10-24T22:00", "2026-10-25T23:00"]),
        ("day", 1, "Pacific/Apia", "2011-12-29T12:00", "2011-12-31T12:00",
         ["2011-12-29T10:00", "2011-12-30T10:00", "2011-12-31T10:00", "2012-01-01T10:00"]),
        # Midnight of 2018-11-04 was left out in São Paulo.
        ("day", 1, "America/Sao_Paulo", "2018-11-03T03:00", "2018-11-05T02:00",
         ["2018-11-03T03:00", "2018-11-04T03:00", "2018-11-05T02:00"]),
        ("day", 90, "UTC", "1970-01-01T00:00", "1970-04-01T00:01",
         ["1970-01-01T00:00", "1970-04-01T00:00", "1970-06-30T00:00"]),
        ("week", 1, "Asia/Kathmandu", "2026-03-02T00:00", "2026-03-09T00:00",
         ["2026-03-01T18:15", "2026-03-08T18:15", "2026-03-15T18:15"]),
        ("week", 2, "UTC", "1970-01-01T00:00", "1970-01-12T00:00", ["1969-12-29T00:00", "1970-01-12T00:00"]),
        ("month", 1, "UTC", "2024-01-31T23:00", "2024-03-01T00:00",
         ["2024-01-01T00:00", "2024-02-01T00:00", "2024-03-01T00:00"]),
        ("month", 3, "America/New_York", "2026-02-28T12:00", "2026-04-01T04:01",
         ["2026-01-01T05:00", "2026-04-01T04:00", "2026-07-01T04:00"]),
        ("month", 1_200, "UTC", "2026-01-01T00:00", "2026-01-01T00:01",
         ["1970-01-01T00:00", "2070-01-01T00:00"]),
    ],
)  # fmt: skip
def test_days_weeks_and_months_follow_the_calendar(unit, value, zone, after, until, expected):
    """23, 24 and 25 hours, Mondays, ends of months and quarters in the zone (MS-63, design 8.11)."""
    assert expected == drawn(unit, value, zone, after, until)


def first_instant(zone, day):
    """Find the first whole minute whose date in the zone is `day` or later, by asking the clock."""
    low = round((datetime(day.year, day.month, day.day, tzinfo=UTC) - EPOCH).total_seconds() / 60) - 16 * 60
    high = low + 33 * 60
    while low < high:
        middle = (low + high) // 2
        shown = (EPOCH + timedelta(minutes=middle)).astimezone(zone)
        if shown.date() >= day:
            high = middle
        else:
            low = middle + 1
    return low * 60_000


def begins(interval, zone, day):
    """Tell whether an interval of days, weeks or months begins on a date."""
    unit, value = interval
    if unit is Unit.MONTH:
        return day.day == 1 and (day.year * 12 + day.month - 1 - 1970 * 12) % value == 0
    number = day.toordinal() - EPOCH.toordinal()
    if unit is Unit.WEEK:
        return day.isoweekday() == 1 and (number + 3) // 7 % value == 0
    return number % value == 0


def brute(interval, zone, after_ms, until_ms):
    """Draw the borders by walking from date to date."""
    unit, value = interval
    reach = {Unit.MONTH: 32 * value, Unit.WEEK: 7 * value, Unit.DAY: value}.get(unit, 1) + 3
    day = (EPOCH + timedelta(milliseconds=after_ms)).date() - timedelta(days=reach)
    end = (EPOCH + timedelta(milliseconds=until_ms)).date() + timedelta(days=reach)
    starts = []
    while day <= end:
        if unit.value in SECONDS or begins(interval, zone, day):
            starts.append(first_instant(zone, day))
        day += timedelta(days=1)
    borders = sorted(set(starts))
    if unit.value in SECONDS:
        width = value * SECONDS[unit.value] * 1_000
        borders = [time for first, last in pairwise(borders) for time in range(first, last, width)]
    return (
        [max(time for time in borders if time <= after_ms)]
        + [time for time in borders if after_ms < time < until_ms]
        + [min(time for time in borders if time >= until_ms)]
    )


SWITCHES = [
    ms(text)
    for text in (
        "2026-03-29T01:00", "2026-10-25T01:00", "2018-11-04T03:00", "2019-02-17T02:00", "2011-12-30T10:00",
        "2026-04-04T15:00", "2026-10-03T15:30", "2026-03-08T05:00", "2026-11-01T05:00", "2010-11-07T02:31",
        "2024-02-29T12:00", "1972-01-01T00:00", "2026-03-28T22:00",
    )
]  # fmt: skip
intervals = st.sampled_from(
    [Interval(unit, value) for unit, values in VALUES_V4.items() for value in values]
) | st.builds(Interval, st.just(Unit.MINUTE), st.integers(1, 60))


@settings(max_examples=150)
@given(
    intervals,
    st.sampled_from(ZONES),
    st.sampled_from(SWITCHES),
    st.integers(-(10**8), 10**8),
    st.integers(1, 10**8),
)
def test_borders_are_those_of_the_zones_clock(interval, zone, switch, shift_ms, range_ms):
    """Every unit of every zone, on and about the days on which clocks change (MS-69, design 8.11)."""
    zone, after_ms = ZoneInfo(zone), switch + shift_ms
    until_ms = after_ms + range_ms

    borders = borders_of(interval, zone, after_ms, until_ms)

    assert brute(interval, zone, after_ms, until_ms) == borders.tolist()
    assert len(borders) - 1 <= intervals_most(interval, after_ms, until_ms)


@settings(max_examples=100)
@given(
    intervals,
    st.sampled_from(ZONES),
    st.sampled_from(SWITCHES),
    st.integers(-(10**8), 10**8),
    st.integers(1, 30),
)
def test_steps_count_borders(interval, zone, switch, shift_ms, steps):
    """So many intervals forward and back are where drawing them ends (MS-66: count and one end)."""
    zone, time_ms = ZoneInfo(zone), switch + shift_ms

    after_ms = steps_from(interval, zone, time_ms, steps)
    before_ms = steps_from(interval, zone, time_ms, -steps)

    assert steps == len(borders_of(interval, zone, time_ms, after_ms)) - 1
    assert steps == len(borders_of(interval, zone, before_ms, time_ms)) - 1


def test_all_of_time_has_borders():
    """From the first to the last date that can be written, in any zone, without an error."""
    for zone in ("UTC", "Asia/Kathmandu"):
        for unit in (Unit.WEEK, Unit.MONTH):
            borders = borders_of(
                Interval(unit, 1_000), ZoneInfo(zone), ms("0001-01-01T00:00"), ms("9999-12-31T23:59")
            )

            assert (np.diff(borders) > 0).all()


def test_a_day_starts_at_its_midnight():
    """The midnight at or before a time, also on the day itself."""
    assert ms("2026-03-28T23:00") == day_start(ZoneInfo("Europe/Berlin"), ms("2026-03-29T21:59"))
    assert ms("2026-03-29T22:00") == day_start(ZoneInfo("Europe/Berlin"), ms("2026-03-29T22:00"))
    assert ms("2026-03-29T00:00") == day_start(UTC_ZONE, ms("2026-03-29T00:00"))


def test_the_units_of_both_versions():
    """Seconds and odd minutes in version 3 only; days, weeks and months end in version 4 (MS-63)."""
    assert {
        "minute": (2, 60, 2),
        "hour": (1, 24, 1),
        "day": (1, 90, 1),
        "week": (1, 12, 1),
        "month": (1, 3, 1),
    } == {unit.value: (values[0], values[-1], values.step) for unit, values in VALUES_V4.items()}
    assert (range(1, 121), range(1, 61)) == (VALUES_V3[Unit.SECOND], VALUES_V3[Unit.MINUTE])
    assert all(VALUES_V3[unit][-1] >= 1_000 for unit in (Unit.DAY, Unit.WEEK, Unit.MONTH))
