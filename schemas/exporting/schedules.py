"""Exports that are made regularly: when one is due, and which times it is of (SM-31).

All of it counts by what clocks of the schedule's zone show. A time that they show twice is due at the first;
one that they never show is due when the clock has been set; what falls together is due once. Spans as long as
the interval so lie side by side, and no record is between them.
"""

from __future__ import annotations

import hashlib
import re
from datetime import tzinfo
from enum import Enum
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np

from schemas.codes import INVALID_BODY
from schemas.columns import Ints
from schemas.durations import DAY_MS, HOUR_MS, MINUTE_MS
from schemas.errors import Problem
from schemas.zones import Repeated, Skipped, to_utc, zone_of

KIND: Final = "exportschedule"
"""The kind of their documents; named as they are."""
RUN_KIND: Final = "exportrun"
"""What came of each last, under the same names."""

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}")
_AT = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_LAST = re.compile(r"([1-9][0-9]{0,2})([hdw])")
_UNITS_MS: Final = {"h": HOUR_MS, "d": DAY_MS, "w": 7 * DAY_MS}
_MARGIN_MS: Final = 2 * DAY_MS
"""No clock is further from UTC than a day, and none was ever set by more."""
_MONDAY_MS: Final = 4 * DAY_MS
"""1970 began with a Thursday."""


class Every(Enum):
    """How often an export is made; each a part of a day, a day or a week, so that times of day stay."""

    HOUR = "1h"
    TWO_HOURS = "2h"
    THREE_HOURS = "3h"
    FOUR_HOURS = "4h"
    SIX_HOURS = "6h"
    EIGHT_HOURS = "8h"
    TWELVE_HOURS = "12h"
    DAY = "1d"
    WEEK = "1w"

    @property
    def length_ms(self) -> int:
        """Give the interval, as clocks show it."""
        return _length_ms(self.value)


class Weekday(Enum):
    """On which day what is made once a week is made."""

    MONDAY = "monday"
    TUESDAY = "tuesday"
    WEDNESDAY = "wednesday"
    THURSDAY = "thursday"
    FRIDAY = "friday"
    SATURDAY = "saturday"
    SUNDAY = "sunday"


class Moment(NamedTuple):
    """When an export is due."""

    time_ms: int
    shown_ms: int
    """What clocks of the zone show, as if it were UTC; the first of what falls together."""


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """When exports of a schedule are due."""

    every: Every
    at: str
    """`06:00`: a time of day at which one is due."""
    on: Weekday | None
    """Of `1w` only; None: a Monday."""
    timezone: str
    last: str | None
    """How far each goes back, `7d`; None: to its own beginning."""

    def due(self, now_ms: int) -> Moment:
        """Give the last moment at which one was due, up to now."""
        return max(moment for moment in self._around(now_ms) if moment.time_ms <= now_ms)

    def following(self, now_ms: int) -> Moment:
        """Give the first moment after now at which one is due."""
        return min(moment for moment in self._around(now_ms) if moment.time_ms > now_ms)

    def after_ms(self, due: Moment) -> int | None:
        """Give the time after which records are in what is due then; None: nobody says here."""
        if self.last is None:
            return None
        shown = np.array([due.shown_ms - _length_ms(self.last)], np.int64)
        return int(_instants(shown, self._zone)[0])

    @property
    def _zone(self) -> tzinfo:
        zone = zone_of(self.timezone)
        assert zone is not None, "it was checked before it was kept"
        return zone

    def _around(self, now_ms: int) -> list[Moment]:
        """Give moments on both sides of now, each once."""
        step_ms = self.every.length_ms
        first_ms = _time_of_day_ms(self.at)
        if self.every is Every.WEEK:
            first_ms += _MONDAY_MS + DAY_MS * list(Weekday).index(self.on or Weekday.MONDAY)
        start = (now_ms - _MARGIN_MS - step_ms - first_ms) // step_ms
        end = (now_ms + _MARGIN_MS + step_ms - first_ms) // step_ms
        shown = first_ms + step_ms * np.arange(start, end + 1, dtype=np.int64)
        found: dict[int, int] = {}
        for time_ms, shown_ms in zip(_instants(shown, self._zone).tolist(), shown.tolist(), strict=True):
            found.setdefault(time_ms, shown_ms)
        return [Moment(*pair) for pair in found.items()]


class Owner(msgspec.Struct, frozen=True):
    """The account that stored a schedule last: exports have what it may read when they are due."""

    kind: str
    """`client` or `user`."""
    name: str
    created_ms: int
    """A later account of the same name is another."""


class ExportSchedule(msgspec.Struct, frozen=True, kw_only=True):
    """One schedule, as the catalogue keeps it."""

    id: str
    """Stays while it is changed; a later one of the same name has another."""
    name: str
    owner: Owner
    export: dict[str, Any]
    """What is asked for each time, as it came."""
    timing: Timing
    keep: int
    """How many downloads are kept."""
    paused: bool
    since_ms: int
    """Only what is due after this is made: since when it is as it is."""
    changed_ms: int

    def due(self, now_ms: int) -> Moment | None:
        """Give the moment that an export is to be made for now; None: for none."""
        moment = self.timing.due(now_ms)
        return None if self.paused or moment.time_ms <= self.since_ms else moment

    def job_id(self, due: Moment) -> str:
        """Give the id of the job of a moment: the same whoever makes it, so that there is but one."""
        digest = hashlib.sha256(f"{self.id} {due.time_ms}".encode()).hexdigest()
        return "-".join((digest[:8], digest[8:12], digest[12:16], digest[16:20], digest[20:32]))


class Scheduled(msgspec.Struct, frozen=True):
    """What the job of a scheduled export is told of its schedule."""

    id: str
    name: str
    keep: int


class ExportRun(msgspec.Struct, frozen=True):
    """What came of a schedule last."""

    schedule: str = ""
    """Its id."""
    due_ms: int = 0
    """The last moment that was seen to; 0: none yet."""
    job: str = ""
    """The job that was made for it; empty: none, and `reason` says why."""
    reason: str = ""
    waiting: str = ""
    """Why the moment after that has no job yet: there is no room."""


def check_name(name: str) -> list[Problem]:
    """Check the name of a schedule."""
    if _NAME.fullmatch(name):
        return []
    message = "A schedule's name has 1 to 100 letters, digits, '_', '-' and '.', no '.' at first."
    return [Problem("/name", INVALID_BODY, message)]


def check_timing(asked: Timing) -> list[Problem]:
    """Say everything that is wrong with when exports are due."""
    problems = []
    if _AT.fullmatch(asked.at) is None:
        problems.append(Problem("/at", INVALID_BODY, "at is a time of day, 00:00 to 23:59."))
    if asked.on is not None and asked.every is not Every.WEEK:
        problems.append(Problem("/on", INVALID_BODY, "on names the day of what is made every 1w."))
    if zone_of(asked.timezone) is None:
        message = "timezone is no IANA zone and no offset; write it as Europe/Berlin, UTC or +01:00."
        problems.append(Problem("/timezone", INVALID_BODY, message))
    if asked.last is not None and _LAST.fullmatch(asked.last) is None:
        message = "last is 1 to 999 hours, days or weeks: 12h, 7d, 4w."
        problems.append(Problem("/last", INVALID_BODY, message))
    return problems


def _length_ms(text: str) -> int:
    return int(text[:-1]) * _UNITS_MS[text[-1]]


def _time_of_day_ms(text: str) -> int:
    hours, minutes = text.split(":")
    return int(hours) * HOUR_MS + int(minutes) * MINUTE_MS


def _instants(shown_ms: Ints, zone: tzinfo) -> Ints:
    return to_utc(shown_ms, zone, Repeated.EARLIER, Skipped.FORWARD).time_ms
