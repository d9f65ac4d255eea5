"""Local times → UTC by the thousand, with a declared rule for hours that a clock shows twice or never.

The library tells offsets of one instant at a time; here only days are asked, and a change of the clock is
searched where the offset around a day differs (design 8.8).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from enum import Enum
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from schemas.columns import Bools, Ints
from schemas.durations import DAY_MS
from schemas.limits import TIME_MS_MAX, TIME_MS_MIN

_FIXED = re.compile(r"([+-])([0-9]{2}):?([0-9]{2})")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MARGIN_MS = 2 * DAY_MS
"""No clock is further from UTC than a day."""


class Repeated(Enum):
    """Which of the two instants a local time means that a clock shows twice (design 8.8)."""

    REFUSE = "refuse"
    EARLIER = "earlier"
    LATER = "later"


class Skipped(Enum):
    """What a local time means that no clock shows (design 8.8)."""

    REFUSE = "refuse"
    FORWARD = "forward"
    """As if the clock had not been set yet: 02:30 is what it then shows as 03:30."""


class InUtc(NamedTuple):
    """Local times as instants."""

    time_ms: Ints
    twice: Bools
    """The clock showed it twice and the rule refuses that."""
    never: Bools
    """The clock never showed it and the rule refuses that."""


@lru_cache(maxsize=64)
def zone_of(name: str) -> tzinfo | None:
    """Find a zone by its IANA name or as an offset, `+01:00`; None: there is none of this name."""
    fixed = _FIXED.fullmatch(name)
    if fixed is not None:
        sign, hours, minutes = fixed.groups()
        if hours > "23" or minutes > "59":
            return None
        ahead = timedelta(hours=int(hours), minutes=int(minutes))
        return timezone(-ahead if sign == "-" else ahead)
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def to_utc(local_ms: Ints, zone: tzinfo, repeated: Repeated, skipped: Skipped) -> InUtc:
    """Turn what clocks of a zone showed into instants."""
    nowhere = np.zeros(len(local_ms), np.bool_)
    if not isinstance(zone, ZoneInfo):
        ahead = zone.utcoffset(None)
        assert ahead is not None
        return InUtc(local_ms - int(ahead / timedelta(milliseconds=1)), nowhere, nowhere)
    if not len(local_ms):
        return InUtc(local_ms, nowhere, nowhere)
    days, inverse = np.unique(local_ms // DAY_MS, return_inverse=True)
    around = [_offsets_around(zone, day) for day in days.tolist()]
    before = np.array([one.before_ms for one in around], np.int64)[inverse]
    after = np.array([one.after_ms for one in around], np.int64)[inverse]
    change = np.array([one.change_ms for one in around], np.int64)[inverse]
    earlier, later = local_ms - before, local_ms - after
    is_before, is_after = earlier < change, later >= change
    twice = is_before & is_after & (before != after)
    never = ~is_before & ~is_after
    # What never was is read by the offset before the change, as if the clock had not been set yet.
    use_earlier = is_before | never
    if repeated is Repeated.LATER:
        use_earlier &= ~twice
    return InUtc(
        np.where(use_earlier, earlier, later),
        twice if repeated is Repeated.REFUSE else nowhere,
        never if skipped is Skipped.REFUSE else nowhere,
    )


def ahead_of_utc(time_ms: Ints, zone: tzinfo) -> Ints:
    """Tell how many milliseconds clocks of a zone are ahead of UTC at instants; none where calendars end."""
    if not isinstance(zone, ZoneInfo):
        ahead = zone.utcoffset(None)
        assert ahead is not None
        everywhere: Ints = np.full(len(time_ms), int(ahead / timedelta(milliseconds=1)), np.int64)
        local_ms = time_ms + everywhere
        everywhere[(local_ms < TIME_MS_MIN) | (local_ms > TIME_MS_MAX)] = 0
        return everywhere
    days, inverse = np.unique(time_ms // DAY_MS, return_inverse=True)
    around = [_offsets_around(zone, day) for day in days.tolist()]
    before, after, change = np.array(around, np.int64).reshape(-1, 3)[inverse].T
    ahead_ms: Ints = np.where(time_ms < change, before, after)
    return ahead_ms


class _Around(NamedTuple):
    """The offsets of a zone around one local day, and the instant between them."""

    before_ms: int
    after_ms: int
    change_ms: int


@lru_cache(maxsize=100_000)
def _offsets_around(zone: ZoneInfo, day: int) -> _Around:
    low, high = day * DAY_MS - DAY_MS, (day + 2) * DAY_MS
    if low < TIME_MS_MIN + _MARGIN_MS or high > TIME_MS_MAX - _MARGIN_MS:
        return _Around(0, 0, high)
    before, after = _offset_ms(zone, low), _offset_ms(zone, high)
    if before == after:
        return _Around(before, after, high)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _offset_ms(zone, middle) == before else (low, middle)
    return _Around(before, after, high)


def _offset_ms(zone: ZoneInfo, time_ms: int) -> int:
    ahead = (_EPOCH + timedelta(milliseconds=time_ms)).astimezone(zone).utcoffset()
    assert ahead is not None
    return ahead // timedelta(milliseconds=1)
