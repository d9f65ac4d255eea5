"""Instants: RFC 3339 text ⇄ integer milliseconds since 1970 in UTC, one at a time and by the thousand.

The reading is stricter than the libraries at hand (design 8.21): `T` and a zone are demanded, a leap
second and 24:00 are refused, dates must exist, digits past the millisecond are cut and never rounded.
Ranges inside the service are half-open, [a, b). Nothing here asks a clock.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from schemas.columns import Bools, Ints
from schemas.durations import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS
from schemas.errors import Malformed
from schemas.limits import FRACTION_DIGITS_MAX, TIME_MS_MAX, TIME_MS_MIN
from schemas.lines import Cell, Text, lay

Octets = NDArray[np.uint8]
Small = NDArray[np.int32]

_TIME = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})"
    rf"(?:\.([0-9]{{1,3}})[0-9]{{0,{FRACTION_DIGITS_MAX - 3}}})?(?:Z|([+-])([0-9]{{2}}):([0-9]{{2}}))"
)
_USUAL = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{3}Z")
"""What nearly everyone sends, and the library reads right: the clock is checked, the digits are three."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_EXAMPLE = "2026-11-22T08:30:00.000Z"
_FEW = 24
"""Below this many texts a loop is faster than arrays."""


def parse_time(text: str) -> int:
    """Read one instant as milliseconds; Malformed with the reason for anything else (design 8.21)."""
    if _USUAL.fullmatch(text) is not None:
        try:
            since = datetime.fromisoformat(text) - _EPOCH
        except ValueError:
            raise _no_such_day(text) from None
        return since.days * DAY_MS + since.seconds * SECOND_MS + since.microseconds // 1_000
    match = _TIME.fullmatch(text)
    if match is None:
        raise Malformed(f"{_shown(text)} is not a time: {_form_hint(text)}.")
    year, month, day, hour, minute, second, fraction, sign, ahead_h, ahead_m = match.groups()
    try:
        days = date(int(year), int(month), int(day)).toordinal() - _EPOCH_DAY
    except ValueError:
        raise _no_such_day(text) from None
    if hour > "23" or minute > "59" or second > "59":
        raise Malformed(
            f"{_shown(text)} names a time of day that does not exist: hours go to 23, seconds to 59."
        )
    time_ms = days * DAY_MS + int(hour) * HOUR_MS + int(minute) * MINUTE_MS + int(second) * SECOND_MS
    if fraction is not None:
        time_ms += int(fraction.ljust(3, "0"))
    if sign is not None:
        if ahead_h > "23" or ahead_m > "59":
            raise Malformed(f"{_shown(text)} has an offset beyond 23:59.")
        ahead_ms = int(ahead_h) * HOUR_MS + int(ahead_m) * MINUTE_MS
        time_ms += ahead_ms if sign == "-" else -ahead_ms
        if not TIME_MS_MIN <= time_ms <= TIME_MS_MAX:
            raise Malformed(f"{_shown(text)} lies outside the years 1 to 9999 in UTC.")
    return time_ms


def parse_times(texts: Sequence[str]) -> Ints | None:
    """Read many instants; None if at least one is no time, which `parse_time` then names."""
    if len(texts) > _FEW:
        times = _parse_alike(texts)
        if times is not None:
            return times
    try:
        return np.array([parse_time(text) for text in texts], np.int64)
    except Malformed:
        return None


def format_time(time_ms: int) -> str:
    """Write `YYYY-MM-DDTHH:MM:SS.mmmZ`: three digits and `Z`, always (design 8.16)."""
    days, in_day = divmod(time_ms, DAY_MS)
    seconds, milliseconds = divmod(in_day, SECOND_MS)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    day = date.fromordinal(days + _EPOCH_DAY)
    return f"{day.isoformat()}T{hour:02d}:{minute:02d}:{second:02d}.{milliseconds:03d}Z"


def format_times(times_ms: Ints) -> list[str]:
    """Write many instants as `format_time` does."""
    if len(times_ms) <= _FEW:
        return [format_time(time_ms) for time_ms in times_ms.tolist()]
    text = lay(len(times_ms), [Cell(time_text(times_ms))]).decode("ascii")
    return [text[start : start + _WIDTH] for start in range(0, len(text), _WIDTH)]


def _no_such_day(text: str) -> Malformed:
    return Malformed(f"{_shown(text)} names a day that does not exist.")


def _form_hint(text: str) -> str:
    if " " in text and _TIME.fullmatch(text.replace(" ", "+")):
        return "the + of its offset arrived as a space; send it as %2B"
    if _TIME.fullmatch(text + "Z"):
        return f"it lacks a zone; add Z or an offset, as in {_EXAMPLE}"
    return f"write it as {_EXAMPLE}, with T and a zone"


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "…")


# Many texts of one shape, the shape of the first: bytes in a matrix, a column a character.

_PLAIN = len("2026-11-22T08:30:00Z")


class _Shape(NamedTuple):
    """How a text is laid out: what to take away from each byte, what may be left, what it is worth."""

    base: Octets
    most: Octets
    """9 where a digit stands, 0 where one character must stand, 2 for a sign (`+` to `-`)."""
    weights: NDArray[np.float32]
    """Bytes → year, month, day, hour, minute, second, millisecond and the hour and minute of the offset."""


_PARTS = ((0, 4), (5, 2), (8, 2), (11, 2), (14, 2), (17, 2))
_PARTS_MOST = np.array([9999, 12, 31, 23, 59, 59, 999, 23, 59], np.float32)


@lru_cache(maxsize=4 * FRACTION_DIGITS_MAX)
def _shape_of(fraction_digits: int, *, has_offset: bool) -> _Shape:
    fraction = "." + "0" * fraction_digits if fraction_digits else ""
    text = "0000-00-00T00:00:00" + fraction + ("+00:00" if has_offset else "Z") + "\n"
    most = [9 if character == "0" else 2 if character == "+" else 0 for character in text]
    # Floats, because only they are multiplied by the processor's fast matrix routine; all sums are exact.
    weights = np.zeros((len(text), len(_PARTS_MOST)), np.float32)
    for part, (place, digits) in enumerate(_PARTS):
        weights[place : place + digits, part] = [1000, 100, 10, 1][-digits:]
    used = min(fraction_digits, 3)
    weights[20 : 20 + used, 6] = [100, 10, 1][:used]
    if has_offset:
        weights[[-6, -5], 7] = weights[[-3, -2], 8] = [10, 1]
    return _Shape(np.frombuffer(text.encode(), np.uint8), np.array(most, np.uint8), weights)


def _parse_alike(texts: Sequence[str]) -> Ints | None:
    """Read texts that all have the shape of the first; None if one has another shape or is wrong."""
    # The separator makes lengths part of the check: one text too long cannot lend to its neighbour.
    joined = ("\n".join(texts) + "\n").encode("utf-8", "surrogatepass")
    width = len(texts[0]) + 1
    has_offset = texts[0][-1:] != "Z"
    fraction_digits = max(width - 1 - _PLAIN - 5 * has_offset - 1, 0)
    if len(joined) != width * len(texts) or fraction_digits > FRACTION_DIGITS_MAX:
        return None
    shape = _shape_of(fraction_digits, has_offset=has_offset)
    if len(shape.base) != width:
        return None
    digits = np.frombuffer(joined, np.uint8).reshape(len(texts), width) - shape.base
    if not (digits <= shape.most).all():  # what was below its base has wrapped round to a large number
        return None
    parts = digits.astype(np.float32) @ shape.weights
    if not (parts <= _PARTS_MOST).all():
        return None
    year, month, day, hour, minute, second, millisecond, ahead_h, ahead_m = parts.astype(np.int32).T
    days = _days_of_dates(year, month, day)
    if days is None:
        return None
    clock_ms = ((hour * 60 + minute) * 60 + second) * SECOND_MS + millisecond
    times: Ints = days * DAY_MS + clock_ms
    if not has_offset:
        return times
    sign = digits[:, -7].astype(np.int64)
    times += (sign - 1) * ((ahead_h * 60 + ahead_m) * MINUTE_MS)
    lawful = (sign != 1).all() and times.min() >= TIME_MS_MIN and times.max() <= TIME_MS_MAX
    return times if lawful else None


def _days_of_dates(year: Small, month: Small, day: Small) -> Ints | None:
    """Count days since 1970; None if one of the dates does not exist."""
    if (day == day[0]).all() and (month == month[0]).all() and (year == year[0]).all():
        try:
            only = date(int(year[0]), int(month[0]), int(day[0])).toordinal() - _EPOCH_DAY
        except ValueError:
            return None
        return np.full(len(day), only, np.int64)
    if not _calendar_has(year, month, day).all():
        return None
    return _days_of(year, month, day).astype(np.int64)


_MONTH_DAYS = np.array([[0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]] * 2, np.int32)
_MONTH_DAYS[1, 2] = 29


def _calendar_has(year: Small, month: Small, day: Small) -> Bools:
    leap = ((year % 4 == 0) & (year % 100 != 0)) | (year % 400 == 0)
    exists: Bools = (year >= 1) & (day >= 1) & (day <= _MONTH_DAYS[leap.astype(np.int8), month])
    return exists


# Howard Hinnant's civil calendar: years begin in March, so that the leap day is the last; eras of 400 years.

_ERA_DAYS = 146_097
_MARCH_0000 = 719_468
"""Days from 0000-03-01 to 1970-01-01."""


def _days_of(year: Small, month: Small, day: Small) -> Small:
    year = year - (month <= 2)
    era, of_era = np.divmod(year, 400)
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    days: Small = era * _ERA_DAYS + of_era * 365 + of_era // 4 - of_era // 100 + of_year - _MARCH_0000
    return days


_WIDTH = len(_EXAMPLE)
_PAIRS = np.frombuffer(b"".join(b"%02d" % number for number in range(100)), "<u2")
_MILLISECONDS = np.frombuffer(b"".join(b"%03dZ" % millisecond for millisecond in range(1_000)), "<u4")
_DATES_TABLED = 4_096
"""Up to this span of days a table of dates is made first."""


def time_text(times_ms: Ints) -> Text:
    """Write many instants, each as `format_time` does."""
    days = times_ms // DAY_MS
    clock = (times_ms - days * DAY_MS).astype(np.int32)
    seconds = clock // SECOND_MS
    minutes = seconds // 60
    hours = minutes // 60
    return [
        *_date_text(days),
        b"T",
        _PAIRS[hours],
        b":",
        _PAIRS[minutes - hours * 60],
        b":",
        _PAIRS[seconds - minutes * 60],
        b".",
        _MILLISECONDS[clock - seconds * SECOND_MS],
    ]


def _date_text(days: Ints) -> Text:
    first, last = int(days.min()), int(days.max())
    if first == last:
        return [_date_octets(first)]
    if last - first < min(_DATES_TABLED, len(days)):
        tabled, index = np.arange(first, last + 1), days - first
    else:
        tabled, index = np.unique(days, return_inverse=True)
    octets = np.frombuffer(b"".join(map(_date_octets, tabled.tolist())), [("month", "<u8"), ("day", "<u2")])
    return [octets["month"][index], octets["day"][index]]


def _date_octets(day: int) -> bytes:
    return date.fromordinal(day + _EPOCH_DAY).isoformat().encode()
