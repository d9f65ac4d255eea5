"""Texts of times → instants by the thousand, by formats that are tried in order (SM-03, design 8.21).

A format is compiled to steps, and each step reads all texts at once: a cursor stands in every text and moves
on where the step fits. What a step cannot read, and formats with directives that have no step, are read one
by one by `strptime`, whose meaning of a format this is. Digits past the millisecond are cut, never rounded.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from schemas.columns import Bools, Ints, Texts
from schemas.durations import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS
from schemas.filetypes.model import FileType
from schemas.zones import to_utc, zone_of

ISO = "iso8601"
"""A date, `T` or a blank, a clock; seconds, digits after a point or comma, and a zone may follow."""
EPOCHS = {"epoch-s": -3, "epoch-ms": 0, "epoch-us": 3, "epoch-ns": 6}
"""Whole numbers since 1970, and by how many digits they are finer than milliseconds."""

NO_TIME = "is no time of the declared formats"
NO_ZONE = "has no zone; declare the zone of the file"
SHOWN_TWICE = "is an hour that the clock shows twice; declare repeatedHour"
NEVER_SHOWN = "is an hour that no clock shows; declare skippedHour"
REASONS = ("", NO_TIME, NO_ZONE, SHOWN_TWICE, NEVER_SHOWN)

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - subtracted from local times, which have no zone
_MONTHS = tuple(b"jan feb mar apr may jun jul aug sep oct nov dec".split())
_DIGITS_MAX = 19


class Times(NamedTuple):
    """One instant a text; where there is none, `reasons` says why as a place in `REASONS`."""

    time_ms: Ints
    reasons: NDArray[np.int8]


class _Local(NamedTuple):
    """What one text says: a local time, and how far its zone is ahead where it names one."""

    local_ms: Ints
    ahead_ms: Ints
    has_zone: Bools
    read: Bools


def read_times(texts: Texts, file_type: FileType) -> Times:
    """Read texts as the file type says; texts of several columns are joined by a blank before."""
    found = _read_locals(texts, file_type.time_formats or (ISO,))
    reasons = np.where(found.read, 0, REASONS.index(NO_TIME)).astype(np.int8)
    time_ms = found.local_ms - found.ahead_ms
    rows = np.flatnonzero(found.read & ~found.has_zone)
    if len(rows):
        time_ms[rows], reasons[rows] = place_times(found.local_ms[rows], file_type)
    return Times(time_ms, reasons)


def place_times(local_ms: Ints, file_type: FileType) -> Times:
    """Find the instants of times without zone by the zone that the file type declares."""
    reasons = np.zeros(len(local_ms), np.int8)
    zone = zone_of(file_type.zone) if file_type.zone else None
    if zone is None:
        reasons[:] = REASONS.index(NO_ZONE)
        return Times(local_ms, reasons)
    told = to_utc(local_ms, zone, file_type.repeated_hour, file_type.skipped_hour)
    reasons[told.twice] = REASONS.index(SHOWN_TWICE)
    reasons[told.never] = REASONS.index(NEVER_SHOWN)
    return Times(told.time_ms, reasons)


def is_format(text: str) -> bool:
    """Tell whether a time can be read by this: every directive is one that `strptime` knows."""
    if text == ISO or text in EPOCHS:
        return True
    if not re.search(r"%[a-zA-Z]", text):
        return False
    try:
        datetime.strptime("", text)  # noqa: DTZ007 - the format is tried, nothing is read
    except ValueError as error:
        return "does not match format" in str(error)
    except re.error:
        return False
    return True


def _read_locals(texts: Texts, formats: Iterable[str]) -> _Local:
    count = len(texts)
    found = _Local(
        np.zeros(count, np.int64),
        np.zeros(count, np.int64),
        np.zeros(count, np.bool_),
        np.zeros(count, np.bool_),
    )
    rows = np.arange(count)
    for form in formats:
        one = _read_by(texts, rows, form)
        for into, values in zip(found, one, strict=True):
            into[rows[one.read]] = values[one.read]
        rows = rows[~one.read]
        if not len(rows):
            break
    return found


def _read_by(texts: Texts, rows: Ints, form: str) -> _Local:
    """Read these texts by one format: all by its steps, then the rest one by one."""
    steps = _steps_of(form)
    if steps is None:
        found = _nothing(len(rows))
    else:
        cursor = _Cursor(texts, rows)
        for step in steps:
            step(cursor)
        found = cursor.result()
    if form != ISO and form not in EPOCHS:
        for row in np.flatnonzero(~found.read).tolist():
            _read_slowly(found, row, _text_at(texts, int(rows[row])), form)
    return found


def _nothing(count: int) -> _Local:
    return _Local(
        np.zeros(count, np.int64),
        np.zeros(count, np.int64),
        np.zeros(count, np.bool_),
        np.zeros(count, np.bool_),
    )


def _text_at(texts: Texts, row: int) -> str:
    return texts.octets[texts.offsets[row] : texts.offsets[row + 1]].tobytes().decode("utf-8", "replace")


def _read_slowly(found: _Local, row: int, text: str, form: str) -> None:
    try:
        moment = datetime.strptime(text, form)  # noqa: DTZ007 - the zone is the file type's
    except (ValueError, OverflowError):
        return
    ahead = moment.utcoffset()
    found.local_ms[row] = (moment.replace(tzinfo=None) - _EPOCH) // timedelta(milliseconds=1)
    found.ahead_ms[row] = 0 if ahead is None else ahead // timedelta(milliseconds=1)
    found.has_zone[row] = ahead is not None
    found.read[row] = True


class _Cursor:
    """A place in every text, what was read so far, and where it still fits."""

    def __init__(self, texts: Texts, rows: Ints) -> None:
        self._octets = np.append(texts.octets, np.zeros(1, np.uint8))
        self._at = texts.offsets[rows].copy()
        self._end = texts.offsets[rows + 1]
        self._fits = np.ones(len(rows), np.bool_)
        self._parts: dict[str, Ints] = {}
        self._has_zone = np.zeros(len(rows), np.bool_)

    def peek(self) -> NDArray[np.uint8]:
        """Give the character at each cursor, 0 at an end."""
        here = self._octets[np.minimum(self._at, len(self._octets) - 1)]
        here[self._at >= self._end] = 0
        return here

    def require(self, characters: bytes) -> None:
        """Step over one of these characters."""
        self._fits &= self.skip(characters)

    def skip(self, characters: bytes, where: Bools | None = None) -> Bools:
        """Step over one of these characters where it stands; tell where."""
        here = self.peek()
        hit: Bools = here == characters[0]
        for other in characters[1:]:
            hit |= here == other
        if where is not None:
            hit &= where
        self._at += hit
        return hit

    def digits(self, part: str, least: int, most: int, where: Bools | None = None) -> Ints:
        """Read a number of so many digits, demanded only `where`; gives how many there were."""
        value = np.zeros(len(self._at), np.int64)
        count = np.zeros(len(self._at), np.int64)
        going = np.ones(len(self._at), np.bool_) if where is None else where
        for _ in range(most):
            digit = self.peek() - np.uint8(48)  # what is below the digits wraps round to a large number
            going = going & (digit <= 9)
            if not going.any():
                break
            value = np.where(going, value * 10 + digit, value)
            count += going
            self._at += going
        self._fits &= (count >= least) if where is None else ((count >= least) | ~where)
        self._parts[part] = value
        return count

    def fraction(self, least: int, where: Bools | None = None) -> None:
        """Read digits after a point: the first three are milliseconds, the rest is cut."""
        count = self.digits("millisecond", least, 3, where)
        self._parts["millisecond"] *= np.array([0, 100, 10, 1], np.int64)[count]
        kept = self._parts["millisecond"]
        self.digits("cut", 0, 6, count == 3)
        self._parts["millisecond"] = kept

    def zone(self, *, demanded: bool) -> None:
        """Read `Z`, `+hh:mm`, `+hhmm` or `+hh`."""
        is_utc = self.skip(b"Zz")
        sign = self.peek()
        has_offset = self.skip(b"+-", where=~is_utc)
        self.digits("ahead_h", 2, 2, has_offset)
        self.skip(b":", where=has_offset)
        more = has_offset & (self.peek() != 0)
        self.digits("ahead_m", 2, 2, more)
        self._fits &= (self._parts["ahead_h"] <= 23) & (self._parts["ahead_m"] <= 59)
        self._has_zone = is_utc | has_offset
        self._parts["sign"] = np.where(sign == 45, -1, 1)
        if demanded:
            self._fits &= self._has_zone

    def month_name(self) -> None:
        """Read the first three letters of a month's English name."""
        letters = []
        for _ in range(3):
            letters.append(self.peek() | np.uint8(32))
            self._at += self._at < self._end
        month = np.zeros(len(self._at), np.int64)
        for number, name in enumerate(_MONTHS, 1):
            same = (letters[0] == name[0]) & (letters[1] == name[1]) & (letters[2] == name[2])
            month[same] = number
        self._fits &= month > 0
        self._parts["month"] = month

    def half_of_day(self) -> None:
        """Read AM or PM."""
        letter = self.peek() | np.uint8(32)
        self.require(b"AaPp")
        self.require(b"Mm")
        self._parts["noon"] = (letter == ord("p")).astype(np.int64)

    def epoch(self, finer: int) -> None:
        """Read a whole number since 1970, and for seconds digits after a point."""
        negative = self.skip(b"-")
        self.digits("epoch", 1, _DIGITS_MAX if finer > 0 else 16 + finer)
        scale = 10 ** abs(finer)
        value = self._parts.pop("epoch")
        value = np.where(negative, -value, value)
        self._parts["epoch_ms"] = value // scale if finer > 0 else value * scale
        if finer < 0:
            self.fraction(1, self.skip(b"."))
            self._parts["epoch_ms"] += np.where(negative, -1, 1) * self._parts["millisecond"]
        self._has_zone |= True

    def result(self) -> _Local:
        """Make times of the parts, where every step fitted and nothing is left."""
        read = self._fits & (self._at == self._end)
        zero = np.zeros(len(self._at), np.int64)
        if "epoch_ms" in self._parts:
            return _Local(self._parts["epoch_ms"], zero, self._has_zone, read)
        parts = self._parts
        year = parts.get("year", zero + 1900)
        month, day = parts.get("month", zero + 1), parts.get("day", zero + 1)
        hour, minute, second = (parts.get(name, zero) for name in ("hour", "minute", "second"))
        if "hour_12" in parts:
            half = parts.get("noon", zero)
            read &= (parts["hour_12"] >= 1) & (parts["hour_12"] <= 12)
            hour = parts["hour_12"] % 12 + 12 * half
        if "year_2" in parts:
            year = parts["year_2"] + np.where(parts["year_2"] < 69, 2000, 1900)  # POSIX, as strptime has it
        read &= (hour <= 23) & (minute <= 59) & (second <= 59)
        days, exists = _days_of(year, month, day)
        read &= exists
        local = days * DAY_MS + hour * HOUR_MS + minute * MINUTE_MS + second * SECOND_MS
        local += parts.get("millisecond", zero)
        ahead = parts.get("ahead_h", zero) * HOUR_MS + parts.get("ahead_m", zero) * MINUTE_MS
        return _Local(local, ahead * parts.get("sign", zero + 1), self._has_zone, read)


def _days_of(year: Ints, month: Ints, day: Ints) -> tuple[Ints, Bools]:
    """Count days since 1970, and tell which dates exist."""
    lawful = (month >= 1) & (month <= 12) & (year >= 1)
    months = ((year - 1970) * 12 + np.where(lawful, month - 1, 0)).astype("<M8[M]")
    first = months.astype("<M8[D]").astype(np.int64)
    length = (months + 1).astype("<M8[D]").astype(np.int64) - first
    return first + day - 1, lawful & (day >= 1) & (day <= length)


_Step = Callable[[_Cursor], object]
_NUMBERS = {
    "%Y": ("year", 4, 4), "%m": ("month", 1, 2), "%d": ("day", 1, 2), "%H": ("hour", 1, 2),
    "%I": ("hour_12", 1, 2), "%M": ("minute", 1, 2), "%S": ("second", 1, 2), "%y": ("year_2", 2, 2),
}  # fmt: skip


@lru_cache(maxsize=256)
def _steps_of(form: str) -> tuple[_Step, ...] | None:
    """Compile a format; None if one of its directives has no step."""
    if form == ISO:
        return tuple(_iso_steps())
    if form in EPOCHS:
        return (lambda cursor: cursor.epoch(EPOCHS[form]),)
    tokens = re.findall(r"%.|.", form, re.DOTALL)
    steps: list[_Step] = []
    for place, token in enumerate(tokens):
        step = _step_of(token, tokens[place + 1] if place + 1 < len(tokens) else "")
        if step is None:
            return None
        steps.append(step)
    return tuple(steps)


def _step_of(directive: str, following: str) -> _Step | None:
    if directive in _NUMBERS:
        part, least, most = _NUMBERS[directive]
        # Digits that nothing divides from the next ones must all be there.
        least = most if following in _NUMBERS or following in {"%f", "%j"} else least
        return lambda cursor: cursor.digits(part, least, most)
    if directive == "%f":
        return lambda cursor: cursor.fraction(1)
    if directive == "%z":
        return lambda cursor: cursor.zone(demanded=True)
    if directive == "%b":
        return lambda cursor: cursor.month_name()
    if directive == "%p":
        return lambda cursor: cursor.half_of_day()
    if directive.startswith("%") or not directive.isascii():
        return None
    character = directive.encode()
    return lambda cursor: cursor.require(character)


def _iso_steps() -> Iterable[_Step]:
    def clock(cursor: _Cursor) -> None:
        has_clock = cursor.skip(b"T ")
        cursor.digits("hour", 2, 2, has_clock)
        has_minute = cursor.skip(b":", has_clock)
        cursor.digits("minute", 2, 2, has_minute)
        has_second = cursor.skip(b":", has_minute)
        cursor.digits("second", 2, 2, has_second)
        cursor.fraction(1, cursor.skip(b".,", has_second))

    for directive, literal in (("%Y", b"-"), ("%m", b"-"), ("%d", b"")):
        part, _, most = _NUMBERS[directive]
        yield lambda cursor, part=part, most=most: cursor.digits(part, most, most)  # type: ignore[misc]
        if literal:
            yield lambda cursor, literal=literal: cursor.require(literal)  # type: ignore[misc]
    yield clock
    yield lambda cursor: cursor.zone(demanded=False)
