"""Intervals: a unit and a value, and the borders that they draw on the time line of a zone (MS-63, wire 2).

Interval i of borders b holds b[i] < t ≤ b[i + 1]. Every border is an instant in UTC milliseconds; which
instants they are is a matter of the zone's calendar:

- `day`, `week`, `month` begin at midnights of the zone, so a day has 23, 24 or 25 hours as the calendar
  says. Weeks begin on Monday. Several of them are counted from the day, the week (Monday 1969-12-29) and the
  month of 1970-01-01, so that 3 months are the quarters of a year.
- `second`, `minute` and `hour` are absolute time, counted anew from each midnight of the zone; the last one
  of a day ends at the next midnight, even where it is shorter. So a day of 23 hours has 23 intervals of 1
  hour and, of 6 hours, three whole ones and one of 5; a day of 25 hours has four whole ones and one of 1.
  An hour that the clock shows twice is two intervals, and one that it leaves out is none.

A midnight that the clock leaves out is the instant at which it does so; of one that it shows twice the first
counts. A date that a zone never had (Samoa, 2011-12-30) has no interval.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from enum import Enum
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from schemas.columns import Ints
from schemas.durations import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS


class Unit(Enum):
    """The units of intervals; a word of a request in any case."""

    SECOND = "second"
    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


UNIT_MS = {
    Unit.SECOND: SECOND_MS,
    Unit.MINUTE: MINUTE_MS,
    Unit.HOUR: HOUR_MS,
    Unit.DAY: DAY_MS,
    Unit.WEEK: 7 * DAY_MS,
    Unit.MONTH: 28 * DAY_MS,
}
"""Of a month the shortest: what is bounded by it is bounded for every month."""
_WITHIN_DAY = frozenset({Unit.SECOND, Unit.MINUTE, Unit.HOUR})

VALUES_V4: dict[Unit, range] = {
    Unit.MINUTE: range(2, 61, 2),
    Unit.HOUR: range(1, 25),
    Unit.DAY: range(1, 91),
    Unit.WEEK: range(1, 13),
    Unit.MONTH: range(1, 4),
}
VALUES_V3: dict[Unit, range] = {
    Unit.SECOND: range(1, 121),
    Unit.MINUTE: range(1, 61),
    Unit.HOUR: range(1, 25),
    Unit.DAY: range(1, 36_526),
    Unit.WEEK: range(1, 5_201),
    Unit.MONTH: range(1, 1_201),
}
"""What may be asked for: wire 2.1 and 2.2. Where the dialect sets no end, a century does: borders can then
still be written as dates."""


class Interval(NamedTuple):
    """The width of one aggregate."""

    unit: Unit
    value: int

    @property
    def shortest_ms(self) -> int:
        """Give a width that no whole interval falls below by more than a change of the clock."""
        return self.value * UNIT_MS[self.unit]


def borders_of(interval: Interval, zone: ZoneInfo, after_ms: int, until_ms: int) -> Ints:
    """Draw the borders that cover (after_ms, until_ms], both ends moved outward; strictly ascending.

    At least two borders. The caller bounds their number beforehand, by `intervals_most`.
    """
    first_day, last_day = after_ms // DAY_MS - 2, until_ms // DAY_MS + 2
    days = _border_days(interval, first_day, last_day)
    borders = np.unique(_midnights(days, zone))
    if interval.unit in _WITHIN_DAY:
        borders = _divided(borders, interval.shortest_ms)
    first = int(np.searchsorted(borders, after_ms, side="right")) - 1
    last = int(np.searchsorted(borders, until_ms, side="left"))
    return borders[first : max(last, first + 1) + 1]


def intervals_most(interval: Interval, after_ms: int, until_ms: int) -> int:
    """Bound the number of intervals from above, without drawing them."""
    return (until_ms - after_ms) // interval.shortest_ms + (until_ms - after_ms) // DAY_MS + 3


def steps_from(interval: Interval, zone: ZoneInfo, time_ms: int, steps: int) -> int:
    """Give the border that lies so many intervals after (steps < 0: before) the interval border at a time.

    The time is moved first: down to a border to go forward, up to one to go back.
    """
    reach_ms = (abs(steps) + 2) * interval.value * _LONGEST_MS[interval.unit] + 2 * DAY_MS
    if steps > 0:
        return int(borders_of(interval, zone, time_ms, time_ms + reach_ms)[steps])
    return int(borders_of(interval, zone, time_ms - reach_ms, time_ms)[steps - 1])


_LONGEST_MS = {**UNIT_MS, Unit.MONTH: 31 * DAY_MS}


def day_start(zone: ZoneInfo, time_ms: int) -> int:
    """Give the midnight of the zone at or before a time."""
    return int(borders_of(Interval(Unit.DAY, 1), zone, time_ms, time_ms + 1)[0])


def _border_days(interval: Interval, first: int, last: int) -> Ints:
    """Number the days (since 1970-01-01) at whose midnight an interval of days, weeks or months begins.

    From the last one at or before `first` to the first one at or after `last`; for shorter units all days.
    """
    unit, value = interval
    if unit is Unit.MONTH:
        start, end = _month_of(first) // value, -(-(_month_of(last) + 1) // value)
        months = np.arange(start, end + 1) * value
        return months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    step = value if unit is Unit.DAY else 7 * value if unit is Unit.WEEK else 1
    shift = _MONDAY if unit is Unit.WEEK else 0
    return np.arange((first - shift) // step, -(-(last - shift) // step) + 1) * step + shift


_MONDAY = -3
"""1969-12-29, the Monday of the week of 1970-01-01, in days since that day."""
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_MIDNIGHTS_KEPT = 32_768
"""Ninety years of days of one zone, or a year of ninety zones; some 5 MB."""


def _month_of(day: int) -> int:
    return int(np.datetime64(day, "D").astype("datetime64[M]").astype(np.int64))


def _midnights(days: Ints, zone: ZoneInfo) -> Ints:
    """Give the instant at which each day begins in the zone."""
    if zone.key == "UTC":
        return days * DAY_MS
    return np.array([_midnight(zone, day) for day in days.tolist()], np.int64)


@lru_cache(maxsize=_MIDNIGHTS_KEPT)
def _midnight(zone: ZoneInfo, day: int) -> int:
    ordinal = min(max(day + _EPOCH_ORDINAL, 1), date.max.toordinal())
    offset = datetime.combine(date.fromordinal(ordinal), time(), zone).utcoffset()
    assert offset is not None
    return day * DAY_MS - offset // timedelta(milliseconds=1)


def _divided(midnights: Ints, width_ms: int) -> Ints:
    """Put a border every `width_ms` after each midnight until the next one."""
    counts = -(-np.diff(midnights) // width_ms)
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    borders: Ints = np.repeat(midnights[:-1], counts) + within * width_ms
    return np.append(borders, midnights[-1:])
