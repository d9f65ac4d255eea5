"""What a client of TimeBase wants to read: a time span of symbols, from an offset, so many (TB-72). Pure."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from schemas.codes import INVALID_PARAMETER
from schemas.diagnosis import shown
from schemas.durations import DAY_MS
from schemas.errors import Invalid, Malformed, Problem
from schemas.limits import STREAM_ANSWER_ROWS_MAX, STREAM_ROWS_MAX, TIME_MS_MAX, TIME_MS_MIN
from schemas.times import parse_time

ROWS_DEFAULT: Final = 1_000
TOO_LARGE: Final = "Request is too large, try using paging"
"""What clients of TimeBase hear (TB-72)."""

_DEPTH: Final = re.compile(r"([0-9]{1,9})([SIHDW])")
_UNITS_MS: Final = {"S": 1_000, "I": 60_000, "H": 3_600_000, "D": DAY_MS, "W": 7 * DAY_MS}


class Selection(msgspec.Struct, frozen=True):
    """What is asked for; members that are unknown here are ignored."""

    streams: list[str] | None = None
    """Keys; where the address names one it counts instead."""
    symbols: list[str] | None = None
    """Without it all."""
    types: list[str] | None = None
    """What `$type` must be one of."""
    from_: str | None = msgspec.field(name="from", default=None)
    """Start, inclusive: RFC 3339."""
    to: str | None = None
    """End, inclusive: RFC 3339."""
    offset: int = 0
    """Messages that are passed over first."""
    rows: int = ROWS_DEFAULT
    reverse: bool = False
    """The newest first."""
    space: str | None = None
    """There are none here: a named one has no messages."""
    depth: str | None = None
    """How far to look back where there is no `from`: `3H`; units are S, I (minutes), H, D, W."""

    def range_ms(self, now_ms: int) -> tuple[int, int]:
        """Give the times asked for, half-open; Invalid with the parameter that cannot be read."""
        end_ms = TIME_MS_MAX if self.to is None else _time("to", self.to)
        start_ms = TIME_MS_MIN
        if self.from_ is not None:
            start_ms = _time("from", self.from_)
        elif self.depth is not None:
            start_ms = (now_ms if self.to is None else end_ms) - _depth_ms(self.depth)
        return start_ms, end_ms + 1

    def check_size(self) -> None:
        """Refuse what is too much for one answer."""
        if self.offset < 0 or self.rows < 0:
            name = "offset" if self.offset < 0 else "rows"
            raise _refused(name, "offset and rows are whole numbers from 0.")
        if self.rows > STREAM_ANSWER_ROWS_MAX or self.offset + self.rows > STREAM_ROWS_MAX:
            limits = f"at most {STREAM_ANSWER_ROWS_MAX} rows, and {STREAM_ROWS_MAX} with the offset"
            raise _refused("rows", f"{TOO_LARGE}: {limits}; go on with `from`.")


def _time(name: str, text: str) -> int:
    try:
        return parse_time(text)
    except Malformed as error:
        raise _refused(name, error.message) from None


def _depth_ms(text: str) -> int:
    found = _DEPTH.fullmatch(text)
    if found is None:
        raise _refused("depth", f"{shown(text)} is no depth; write it as 3H, with S, I, H, D or W.")
    return int(found[1]) * _UNITS_MS[found[2]]


def _refused(name: str, message: str) -> Invalid:
    return Invalid([Problem(f"/{name}", INVALID_PARAMETER, message)])
