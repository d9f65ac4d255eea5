"""Times of a file as times of the wire: which way of writing it is, and which zone it means.

The way of writing is found over the whole file: `05/04/2016` alone may be May or April, a file with
`31/12/2016` in it cannot be. A naive time needs a zone; an hour that the zone repeats needs a rule
(design 8.8), and an hour that the zone skips is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Literal
from zoneinfo import ZoneInfo

from cli.complaints import Complaint

Repeated = Literal["refuse", "first", "second"]

_DAY, _MONTH = r"(?:0[1-9]|[12]\d|3[01])", r"(?:0[1-9]|1[0-2])"
_CLOCK = r"(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?"


@dataclass(slots=True, frozen=True)
class Writing:
    """One way of writing a time."""

    name: str
    pattern: re.Pattern[str]
    to_iso: Callable[[str], str]


def _writing(name: str, date: str, to_iso: Callable[[str], str]) -> Writing:
    return Writing(name, re.compile(date + _CLOCK, re.ASCII), to_iso)


WRITINGS = (
    _writing("YYYY-MM-DD", rf"\d{{4}}-{_MONTH}-{_DAY}", lambda text: text),
    _writing("YYYY/MM/DD", rf"\d{{4}}/{_MONTH}/{_DAY}", lambda text: text.replace("/", "-")),
    _writing("DD/MM/YYYY", rf"{_DAY}/{_MONTH}/\d{{4}}", lambda t: f"{t[6:10]}-{t[3:5]}-{t[:2]}{t[10:]}"),
    _writing("MM/DD/YYYY", rf"{_MONTH}/{_DAY}/\d{{4}}", lambda t: f"{t[6:10]}-{t[:2]}-{t[3:5]}{t[10:]}"),
    _writing("DD.MM.YYYY", rf"{_DAY}\.{_MONTH}\.\d{{4}}", lambda t: f"{t[6:10]}-{t[3:5]}-{t[:2]}{t[10:]}"),
)


def parse_zone(name: str) -> tzinfo:
    """Read an IANA zone name; UTC is the fast one."""
    if name.upper() in {"UTC", "Z"}:
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown; not a name at all; a folder of the zone files
        raise Complaint(f"--zone {name} is no time zone; give one such as UTC or Europe/Berlin") from None


class TimeReader:
    """Reads cells of the time column to wire times, `YYYY-MM-DDTHH:MM:SS.mmmZ`, cut to the millisecond."""

    def __init__(self, writing: Writing | str, zone: tzinfo | None, repeated: Repeated = "refuse") -> None:
        """Take the way of writing (a strptime format as text) and what naive times mean."""
        self._writing = writing
        self._zone = zone
        self._repeated = repeated

    def read(self, cell: str) -> str:
        """Read one cell; ValueError says what is wrong with it."""
        moment = self._parse(cell.strip())
        if moment.tzinfo is None:
            moment = self._placed(moment)
        return moment.astimezone(UTC).isoformat(timespec="milliseconds")[:-6] + "Z"

    def _parse(self, text: str) -> datetime:
        if isinstance(self._writing, str):
            return datetime.strptime(text, self._writing)  # noqa: DTZ007  # the zone is given apart
        if not self._writing.pattern.fullmatch(text):
            raise ValueError(f"it is not written as {self._writing.name}")
        return datetime.fromisoformat(self._writing.to_iso(text))

    def _placed(self, naive: datetime) -> datetime:
        zone = self._zone
        if zone is None:
            raise ValueError("it names no zone; give --zone, such as UTC")
        first = naive.replace(tzinfo=zone)
        if zone is UTC:
            return first
        second = first.replace(fold=1)
        gap = (first.utcoffset() or timedelta()) - (second.utcoffset() or timedelta())
        if gap < timedelta():
            raise ValueError("the zone skips this hour; correct the file or --zone")
        if gap and self._repeated == "refuse":
            raise ValueError("the zone repeats this hour; say which is meant with --repeated first or second")
        return second if self._repeated == "second" else first


class TimeScout:
    """Finds the one way of writing that fits every time of a file."""

    def __init__(self, format_: str | None, zone: tzinfo | None, repeated: Repeated) -> None:
        """Try every known way, or only a strptime format where one is given."""
        ways: Iterable[Writing | str] = WRITINGS if format_ is None else (format_,)
        self._readers = {
            way if isinstance(way, str) else way.name: TimeReader(way, zone, repeated) for way in ways
        }

    def judge(self, place: str, lines: Iterable[int], cells: Iterable[str]) -> None:
        """Drop the ways that do not fit these cells; a Complaint when none is left."""
        for line, cell in zip(lines, cells, strict=True):
            reasons = []
            for name, reader in list(self._readers.items()):
                try:
                    reader.read(cell)
                except ValueError as error:
                    reasons.append(str(error))
                    del self._readers[name]
            if not self._readers:
                hint = (
                    "give --time, the column of the times, or --time-format"
                    if len(reasons) > 1
                    else reasons[0]
                )
                raise Complaint(f"{place}, line {line}: the time {cell!r} cannot be read: {hint}")

    def found(self, place: str) -> TimeReader:
        """Give the way that fits; a Complaint if several do and nobody can know which is meant."""
        if len(self._readers) > 1:
            names = " or ".join(self._readers)
            raise Complaint(
                f"{place}: the times may be {names}; say which with --time-format, such as %d/%m/%Y"
            )
        return next(iter(self._readers.values()))
