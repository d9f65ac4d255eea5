"""Read and delete parameters as strings → ranges and selections with every bound checked.

On the wire a range is (from, to]; inside the service it is half-open milliseconds, [from + 1, to + 1)
(design 4.9). A problem's pointer is the name of its parameter. Parameters that are not known here are
the caller's to ignore or refuse (design 8.22).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import NamedTuple

from schemas.aspects import AspectType, Variable, VariableType
from schemas.codes import INVALID_PARAMETER, MISSING_PARAMETER, RETENTION
from schemas.diagnosis import kept_from, shown
from schemas.durations import DAY_MS
from schemas.errors import Malformed, Problem
from schemas.limits import READ_RECORDS_DEFAULT, READ_RECORDS_MAX, TIME_MS_MAX
from schemas.policies import Profile
from schemas.times import format_time, parse_time

_LIMIT = re.compile(r"[0-9]{1,9}")
_START_OF_TIME = 0
"""No record is older than 1970 (design 7)."""
_END_OF_TIME = TIME_MS_MAX + 1
_NOT_LATEST = frozenset({VariableType.STRING, VariableType.BIG_STRING, VariableType.TIMESTAMP})


class ReadKind(Enum):
    """The three questions that one route answers (MS-40, MS-43, MS-44)."""

    RANGE = "range"
    """Records of a range, one page."""
    NEWEST = "newest"
    """The one newest record of the range, with the variables of its time only."""
    LATEST = "latest"
    """The newest value of each variable in the range, each at its own time."""


class Part(NamedTuple):
    """What is asked of one variable."""

    variable_id: int
    values: bool
    codes: bool


class TimeRange(NamedTuple):
    """Half-open milliseconds, [start_ms, end_ms)."""

    start_ms: int
    end_ms: int


class RangeQuery(NamedTuple):
    """All records of a range, or the first so many."""

    range: TimeRange
    limit: int | None
    """None: all."""
    descending: bool
    parts: tuple[Part, ...] | None

    @property
    def variable_ids(self) -> frozenset[int] | None:
        """Name the variables to read; None: all."""
        return None if self.parts is None else frozenset(part.variable_id for part in self.parts)


class SeriesQuery(NamedTuple):
    """One read of one series."""

    kind: ReadKind
    range: TimeRange
    """Empty (start = end) if the range asked for lies in the future altogether."""
    limit: int = READ_RECORDS_DEFAULT
    """Records returned, exactly (design 8.6)."""
    descending: bool = False
    parts: tuple[Part, ...] | None = None
    """None: everything. A record in which none of them has a value is not returned, nor counted."""
    select: str | None = None
    """As it was sent, for the next page."""

    @property
    def variable_ids(self) -> frozenset[int] | None:
        """Name the variables to read; None: all."""
        return None if self.parts is None else frozenset(part.variable_id for part in self.parts)


def parse_series_query(
    parameters: Mapping[str, str], aspect: AspectType, *, now_ms: int, profile: Profile
) -> tuple[SeriesQuery | None, list[Problem]]:
    """Read from, to, limit, select, sort, latestValue: the query or every problem (MS-40 … MS-44, MS-47)."""
    problems: list[Problem] = []
    limit = _read_limit(parameters.get("limit"), problems)
    descending = _read_word(parameters, "sort", {"asc": False, "desc": True}, problems)
    latest = _read_word(parameters, "latestValue", {"false": False, "true": True}, problems)
    parts = _read_select(parameters.get("select"), aspect, problems)
    if latest:
        problems += [
            Problem(f"/{name}", INVALID_PARAMETER, f"latestValue=true looks at all times; leave {name} out.")
            for name in ("from", "to")
            if name in parameters
        ]
        kind, reach = ReadKind.LATEST, _latest_range(now_ms, profile)
        if not profile.latest_all_types:
            parts = _without_texts(parts, aspect)
    elif "from" in parameters or "to" in parameters:
        kind, reach = ReadKind.RANGE, _read_range(parameters, now_ms, profile, problems)
    else:
        start = (
            _START_OF_TIME
            if profile.newest_lookback_ms_max is None
            else now_ms - profile.newest_lookback_ms_max
        )
        kind, reach = ReadKind.NEWEST, TimeRange(start, _END_OF_TIME)
    if problems:
        return None, problems
    return SeriesQuery(kind, reach, limit, descending, parts, parameters.get("select")), []


def parse_range_query(
    parameters: Mapping[str, str], aspect: AspectType, *, now_ms: int, profile: Profile
) -> tuple[RangeQuery | None, list[Problem]]:
    """Read from, to, limit, select, sort of our own route: any range, any number of records (design 7).

    Without from and to all records are asked for, those that lie ahead included.
    """
    problems: list[Problem] = []
    limit = None
    if "limit" in parameters:
        limit = int(parameters["limit"]) if _LIMIT.fullmatch(parameters["limit"]) else 0
        if limit < 1:
            message = f"limit is a whole number from 1 on, not {shown(parameters['limit'])}."
            problems.append(Problem("/limit", INVALID_PARAMETER, message))
    descending = _read_word(parameters, "sort", {"asc": False, "desc": True}, problems)
    parts = _read_select(parameters.get("select"), aspect, problems)
    if "to" in parameters or profile.raw_range_ms_max is not None:
        reach = _read_range(parameters, now_ms, profile, problems)
    else:
        after_ms = _read_time(parameters, "from", problems)
        reach = TimeRange(_START_OF_TIME if after_ms is None else after_ms + 1, _END_OF_TIME)
    return (None, problems) if problems else (RangeQuery(reach, limit, descending, parts), [])


def next_page(query: SeriesQuery, last_ms: int) -> dict[str, str]:
    """Give the parameters that continue after the last record returned (MS-41, wire 1.5).

    To be used only if there are more records: then the range that is left is not empty.
    """
    start_ms, end_ms = query.range
    if query.descending:
        end_ms = last_ms
    else:
        start_ms = last_ms + 1
    parameters = {} if start_ms == _START_OF_TIME else {"from": format_time(start_ms - 1)}
    parameters |= {"to": format_time(end_ms - 1), "limit": str(query.limit)}
    if query.select is not None:
        parameters["select"] = query.select
    if query.descending:
        parameters["sort"] = "desc"
    return parameters


def parse_delete_range(
    parameters: Mapping[str, str], *, now_ms: int, profile: Profile
) -> tuple[TimeRange | None, list[Problem]]:
    """Read from and to, both required (MS-50), and check what needs no store (MS-51, design 4.13)."""
    problems = [
        Problem(f"/{name}", MISSING_PARAMETER, f"{name} is missing; a deletion names both ends.")
        for name in ("from", "to")
        if name not in parameters
    ]
    start_ms = _read_time(parameters, "from", problems)
    end_ms = _read_time(parameters, "to", problems)
    if start_ms is None or end_ms is None:
        return None, problems
    problems += _check_order(start_ms, end_ms)
    live_from_ms = profile.retention.live_from_ms(now_ms)
    if live_from_ms is not None and start_ms + 1 < live_from_ms:
        problems.append(Problem("/from", RETENTION, f"from reaches too far: {kept_from(live_from_ms)}"))
    step_ms = profile.delete_alignment_ms
    for name, time_ms in (("from", start_ms), ("to", end_ms)):
        if step_ms is not None and time_ms % step_ms:
            problems.append(Problem(f"/{name}", INVALID_PARAMETER, f"{name} must be a full hour in UTC."))
    longest_ms = profile.delete_range_ms_max
    if longest_ms is not None and end_ms - start_ms > longest_ms:
        message = f"At most {longest_ms // DAY_MS} days can be deleted at a time; send several requests."
        problems.append(Problem("/to", INVALID_PARAMETER, message))
    return (None, problems) if problems else (TimeRange(start_ms + 1, end_ms + 1), [])


def _read_limit(text: str | None, problems: list[Problem]) -> int:
    if text is None:
        return READ_RECORDS_DEFAULT
    limit = int(text) if _LIMIT.fullmatch(text) else 0
    if not 1 <= limit <= READ_RECORDS_MAX:
        message = f"limit is a whole number from 1 to {READ_RECORDS_MAX}, not {shown(text)}."
        problems.append(Problem("/limit", INVALID_PARAMETER, message))
    return limit


def _read_word(
    parameters: Mapping[str, str], name: str, meanings: Mapping[str, bool], problems: list[Problem]
) -> bool:
    text = parameters.get(name)
    if text is None:
        return False
    meaning = meanings.get(text.lower())
    if meaning is None:
        message = f"{name} is one of {', '.join(meanings)}, not {shown(text)}."
        problems.append(Problem(f"/{name}", INVALID_PARAMETER, message))
    return bool(meaning)


def _read_time(parameters: Mapping[str, str], name: str, problems: list[Problem]) -> int | None:
    text = parameters.get(name)
    if text is None:
        return None
    try:
        return parse_time(text)
    except Malformed as error:
        problems.append(Problem(f"/{name}", INVALID_PARAMETER, f"{name}: {error.message}"))
        return None


def _read_range(
    parameters: Mapping[str, str], now_ms: int, profile: Profile, problems: list[Problem]
) -> TimeRange:
    """Read (from, to]: without `to` until now, without `from` from the beginning (design 8.16)."""
    problems_before = len(problems)
    after_ms = _read_time(parameters, "from", problems)
    until_ms = _read_time(parameters, "to", problems)
    if len(problems) > problems_before:
        return TimeRange(0, 0)
    if after_ms is not None and until_ms is not None:
        problems += _check_order(after_ms, until_ms)
    end_ms = (now_ms if until_ms is None else until_ms) + 1
    start_ms = _START_OF_TIME if after_ms is None else after_ms + 1
    longest_ms = profile.raw_range_ms_max
    if longest_ms is not None and end_ms - start_ms > longest_ms:
        advice = "use aggregates for longer ranges" if after_ms is not None else "give from, too"
        message = f"At most {longest_ms // DAY_MS} days of records at a time; {advice}."
        problems.append(Problem("/from", INVALID_PARAMETER, message))
    return TimeRange(start_ms, max(start_ms, end_ms))


def _check_order(after_ms: int, until_ms: int) -> list[Problem]:
    if after_ms < until_ms:
        return []
    return [
        Problem("/from", INVALID_PARAMETER, "from must be earlier than to: from is exclusive, to inclusive.")
    ]


def _latest_range(now_ms: int, profile: Profile) -> TimeRange:
    start_ms, end_ms = _START_OF_TIME, _END_OF_TIME
    if profile.latest_lookback_ms_max is not None:
        start_ms, end_ms = now_ms - profile.latest_lookback_ms_max, now_ms - profile.latest_delay_ms + 1
    return TimeRange(start_ms, end_ms)


def _read_select(text: str | None, aspect: AspectType, problems: list[Problem]) -> tuple[Part, ...] | None:
    """Read `a,b_qc`: a variable brings its code along, a code alone comes alone (MS-42, wire 1.5)."""
    if text is None:
        return None
    parts, unknown = parts_named([word.strip() for word in text.split(",")], aspect)
    if unknown:
        named = ", ".join(shown(name) for name in unknown[:10])
        message = f"The aspect has no {named}; select its variables, divided by commas."
        problems.append(Problem("/select", INVALID_PARAMETER, message))
    return parts


def parts_named(names: Sequence[str], aspect: AspectType) -> tuple[tuple[Part, ...], list[str]]:
    """Find what names of variables and codes ask for, and the names that the aspect does not have."""
    values = {variable.name: variable for variable in aspect.variables}
    codes = {variable.quality_name: variable for variable in aspect.variables if variable.quality_code}
    parts: dict[int, Part] = {}
    unknown: list[str] = []
    for name in names:
        if name in values:
            variable = values[name]
            parts[variable.id] = Part(variable.id, values=True, codes=variable.quality_code)
        elif name in codes:
            variable = codes[name]
            parts.setdefault(variable.id, Part(variable.id, values=False, codes=True))
        else:
            unknown.append(name)
    return tuple(parts.values()), unknown


def _without_texts(parts: tuple[Part, ...] | None, aspect: AspectType) -> tuple[Part, ...]:
    asked = parts if parts is not None else tuple(_whole(variable) for variable in aspect.variables)
    left_out = {variable.id for variable in aspect.variables if variable.type in _NOT_LATEST}
    return tuple(part for part in asked if part.variable_id not in left_out)


def _whole(variable: Variable) -> Part:
    return Part(variable.id, values=True, codes=variable.quality_code)
