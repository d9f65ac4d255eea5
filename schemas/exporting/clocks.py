"""Instants → texts by the thousand, in a zone and by a format: the other way of `schemas.filetypes.moments`.

A file that was written by a format is read by the same one. Where a clock shows an hour twice, only a format
with `%z` tells which it was.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, tzinfo
from typing import Final

import numpy as np
from numpy.typing import NDArray

from schemas.columns import Ints
from schemas.durations import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS
from schemas.lines import Text, Words, integer_text
from schemas.times import time_text
from schemas.zones import ahead_of_utc

ISO: Final = "iso8601"
EPOCHS: Final = {"epoch-s": 1_000, "epoch-ms": 1}
"""Whole numbers since 1970, and how many milliseconds one counts; parts of one are cut."""

DIRECTIVES: Final = "YmdHMSfz"
"""Behind a `%`: year, month, day, hour, minute, second, milliseconds in three digits, offset as `+01:00`."""

FORMAT_CHARACTERS_MAX: Final = 64

_PARTS = re.compile(r"%(.)|([^%]+)")
_LITERAL = re.compile(r"[ -~]*")
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_EXACT: Final = {"Y", "m", "d"}
"""Without these a text names no day."""


def is_time_format(text: str) -> bool:
    """Tell whether times can be written so, and read again."""
    if text == ISO or text in EPOCHS:
        return True
    if len(text) > FORMAT_CHARACTERS_MAX or not _LITERAL.fullmatch(text) or '"' in text:
        return False
    used = re.findall(r"%(.?)", text)
    return set(DIRECTIVES) >= set(used) >= _EXACT and len(set(used)) == len(used)


def clock_text(time_ms: Ints, zone: tzinfo, form: str) -> Text:
    """Write instants as clocks of a zone show them."""
    if form in EPOCHS:
        return integer_text(time_ms // EPOCHS[form])
    if form == ISO and zone is UTC:
        return time_text(time_ms)
    ahead_ms = np.zeros(len(time_ms), np.int64) if zone is UTC else ahead_of_utc(time_ms, zone)
    local_ms = time_ms + ahead_ms
    if form == ISO:
        form = "%Y-%m-%dT%H:%M:%S.%f%z"
    days = local_ms // DAY_MS
    parts = _Parts(days, local_ms - days * DAY_MS, ahead_ms)
    text: list[Words | bytes] = []
    for directive, literal in _PARTS.findall(form):
        text += parts.of[directive](parts) if directive else [literal.encode()]
    return text


class _Parts:
    """The parts of local times, written when they are asked for."""

    def __init__(self, days: Ints, in_day_ms: Ints, ahead_ms: Ints) -> None:
        self._in_day_ms = in_day_ms
        self._ahead_ms = ahead_ms
        tabled = np.unique(days)
        self._place = np.searchsorted(tabled, days)
        self._dates = [date.fromordinal(day + _EPOCH_DAY) for day in tabled.tolist()]

    def _year(self) -> Text:
        years = b"".join(b"%04d" % day.year for day in self._dates)
        return [np.frombuffer(years, "<u4")[self._place]]

    def _month(self) -> Text:
        return [_PAIRS[np.array([day.month for day in self._dates], np.int64)][self._place]]

    def _day(self) -> Text:
        return [_PAIRS[np.array([day.day for day in self._dates], np.int64)][self._place]]

    def _hour(self) -> Text:
        return [_PAIRS[self._in_day_ms // HOUR_MS]]

    def _minute(self) -> Text:
        return [_PAIRS[self._in_day_ms // MINUTE_MS % 60]]

    def _second(self) -> Text:
        return [_PAIRS[self._in_day_ms // SECOND_MS % 60]]

    def _fraction(self) -> Text:
        in_second = self._in_day_ms % SECOND_MS
        return [_DIGITS[in_second // 100], _PAIRS[in_second % 100]]

    def _offset(self) -> Text:
        minutes = np.abs(self._ahead_ms) // MINUTE_MS
        sign = np.where(self._ahead_ms < 0, np.uint8(ord("-")), np.uint8(ord("+")))
        return [sign, _PAIRS[minutes // 60], b":", _PAIRS[minutes % 60]]

    of: Final[Mapping[str, Callable[[_Parts], Text]]] = {
        "Y": _year, "m": _month, "d": _day, "H": _hour, "M": _minute, "S": _second, "f": _fraction,
        "z": _offset,
    }  # fmt: skip


_PAIRS: NDArray[np.uint16] = np.frombuffer(b"".join(b"%02d" % number for number in range(100)), "<u2")
_DIGITS: NDArray[np.uint8] = np.frombuffer(b"0123456789", np.uint8)
