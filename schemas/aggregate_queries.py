"""Parameters of aggregates as strings → intervals and functions, what is missing filled in (wire 2, MS-66).

The rules of completion, in their order; `now` is the moment of the request:

1. unit, value and count with one end, or none (then `to` is now): the other end follows.
2. Neither `from` nor `to`: `to` is now and `from` seven days before. Only `to`: `from` is 90 days before.
   Only `from`: `to` is 90 days after it, at most now; if nothing but `from` says what is meant, `from` moves
   back to its midnight. Where the profile allows less than that for the unit, the range is as much shorter.
3. No unit or value: the longest of the intervals that may be meant that fits `count` times into the range, or
   the shortest of them if none does. May be meant: with `count`, every number of minutes, hours and days;
   without, 2 minutes, 1 hour and 1 day. A unit or a value that is given narrows the choice.
4. Ends move outward to borders of intervals.

With both ends and an interval `count` says nothing new and is not looked at. A problem's pointer is the name
of its parameter.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from schemas.aspects import AspectType, Variable
from schemas.codes import INVALID_PARAMETER
from schemas.columns import Ints
from schemas.diagnosis import shown
from schemas.durations import DAY_MS, HOUR_MS
from schemas.errors import Malformed, Problem
from schemas.functions import FUNCTIONS
from schemas.intervals import UNIT_MS, Interval, Unit, borders_of, day_start, intervals_most, steps_from
from schemas.limits import AGGREGATES_MAX, COUNT_MAX
from schemas.partials import NUMERIC
from schemas.policies import Profile
from schemas.times import parse_time

_REACH_MS = 90 * DAY_MS
_REACH_OF_NOTHING_MS = 7 * DAY_MS
_LADDER = (Interval(Unit.MINUTE, 2), Interval(Unit.HOUR, 1), Interval(Unit.DAY, 1))
"""What the dialect computes in advance (MS-64)."""
_DERIVED = (Unit.MINUTE, Unit.HOUR, Unit.DAY)
_FIRST_RECORD_MS = 0
"""No record is older than 1970 (design 7)."""
_WHOLE = re.compile(r"[0-9]{1,6}", re.ASCII)
_DRAWN_TIMES = 3
"""Intervals are at most so many times what range and width say: a day may end with a short one."""


class Chosen(NamedTuple):
    """What is asked of one variable."""

    variable: Variable
    functions: tuple[str, ...]
    """In the order in which they go out."""
    by_name: bool
    """The functions were named: then counts are said of nothing but bad values, too (design 8.27)."""


class AggregateQuery(NamedTuple):
    """One question for aggregates."""

    interval: Interval
    borders_ms: Ints
    """Interval i holds borders[i] < t ≤ borders[i + 1]; fewer than two: nothing is asked for."""
    after_ms: int
    until_ms: int
    """The range as it was given or completed: (after, until]."""
    chosen: tuple[Chosen, ...]
    """Numeric variables only, in the order of the aspect."""


class Terms(NamedTuple):
    """What holds for a request, whatever its parameters are."""

    zone: ZoneInfo
    now_ms: int
    profile: Profile
    values: Mapping[Unit, range]
    """The intervals that the route knows."""
    functions: Sequence[str] = FUNCTIONS
    """What is said of a variable without a word on it, in this order."""
    known: Sequence[str] = FUNCTIONS
    """What can be said, in this order."""


class _Given(NamedTuple):
    """Parameters after they were read; None: missing."""

    after_ms: int | None
    until_ms: int | None
    unit: Unit | None
    value: int | None
    times: int | None
    """`count`."""

    @property
    def interval(self) -> Interval | None:
        """Give the interval if both parts of it are there."""
        return None if self.unit is None or self.value is None else Interval(self.unit, self.value)


def parse_aggregate_query(
    parameters: Mapping[str, str], aspect: AspectType, terms: Terms
) -> tuple[AggregateQuery | None, list[Problem]]:
    """Read from, to, intervalUnit, intervalValue, count and select: the query or every problem."""
    problems: list[Problem] = []
    given = _read(parameters, terms, problems)
    chosen = _read_select(parameters.get("select"), aspect, terms, problems)
    if problems:
        return None, problems
    after_ms, until_ms = _complete_range(given, terms)
    interval = given.interval or _fitting(given, terms.values, until_ms - after_ms)
    problems = _check_range(interval, after_ms, until_ms, terms.profile)
    if problems:
        return None, problems
    borders_ms = _borders(interval, after_ms, until_ms, terms)
    problems = _check_size(len(borders_ms) - 1, len(chosen), terms.profile)
    query = AggregateQuery(interval, borders_ms, after_ms, until_ms, chosen)
    return (None, problems) if problems else (query, [])


# Reading.


def _read(parameters: Mapping[str, str], terms: Terms, problems: list[Problem]) -> _Given:
    after_ms = _read_time(parameters, "from", problems)
    until_ms = _read_time(parameters, "to", problems)
    unit = _read_unit(parameters.get("intervalUnit"), terms.values, problems)
    value = read_whole(parameters, "intervalValue", _values_of(unit, terms.values), problems)
    count = read_whole(parameters, "count", range(1, COUNT_MAX + 1), problems)
    if after_ms is not None and until_ms is not None and after_ms >= until_ms:
        message = "from must be earlier than to: from is exclusive, to inclusive."
        problems.append(Problem("/from", INVALID_PARAMETER, message))
    return _Given(after_ms, until_ms, unit, value, count)


def _read_time(parameters: Mapping[str, str], name: str, problems: list[Problem]) -> int | None:
    text = parameters.get(name)
    try:
        return None if text is None else parse_time(text)
    except Malformed as error:
        problems.append(Problem(f"/{name}", INVALID_PARAMETER, f"{name}: {error.message}"))
        return None


def _read_unit(text: str | None, values: Mapping[Unit, range], problems: list[Problem]) -> Unit | None:
    if text is None:
        return None
    for unit in values:
        if text.lower() == unit.value:
            return unit
    words = ", ".join(unit.value for unit in values)
    problems.append(Problem("/intervalUnit", INVALID_PARAMETER, f"intervalUnit is one of {words}."))
    return None


def _values_of(unit: Unit | None, values: Mapping[Unit, range]) -> range:
    """Give what may be asked for of a unit, or of any."""
    return values[unit] if unit is not None else range(1, max(allowed[-1] for allowed in values.values()) + 1)


def read_whole(
    parameters: Mapping[str, str], name: str, allowed: range, problems: list[Problem]
) -> int | None:
    """Read a whole number out of a range; None if it is missing or a problem."""
    text = parameters.get(name)
    if text is None:
        return None
    number = int(text) if _WHOLE.fullmatch(text) else -1
    if number in allowed:
        return number
    kind = "an even number" if allowed.step == 2 else "a whole number"
    message = f"{name} is {kind} from {allowed[0]} to {allowed[-1]}, not {shown(text)}."
    problems.append(Problem(f"/{name}", INVALID_PARAMETER, message))
    return None


def _read_select(
    text: str | None, aspect: AspectType, terms: Terms, problems: list[Problem]
) -> tuple[Chosen, ...]:
    """Read `a` and `a.sum,b.average`: variables with all functions, or the named ones (MS-68)."""
    variables = {variable.name: variable for variable in aspect.variables}
    wanted: dict[str, set[str]] = {name: {""} for name in variables} if text is None else {}
    unknown: list[str] = []
    for word in [] if text is None else text.split(","):
        name, dot, function = word.strip().partition(".")
        if name not in variables or (dot and function.lower() not in terms.known):
            unknown.append(word.strip())
        else:
            wanted.setdefault(name, set()).add(function.lower())
    if unknown:
        named = ", ".join(shown(word) for word in unknown[:10])
        message = f"There is no {named}; select variables of the aspect or their functions, as in a.sum,b."
        problems.append(Problem("/select", INVALID_PARAMETER, message))
    return tuple(
        _chosen(variable, wanted[variable.name], terms)
        for variable in aspect.variables
        if variable.name in wanted and variable.type in NUMERIC
    )


def _chosen(variable: Variable, wanted: set[str], terms: Terms) -> Chosen:
    everything = terms.functions if "" in wanted else ()
    functions = [name for name in terms.known if name in wanted or name in everything]
    return Chosen(variable, tuple(functions), "" not in wanted)


# Completing.


def _complete_range(given: _Given, terms: Terms) -> tuple[int, int]:
    """Find the end that is missing; after ≥ until where `from` lies in the future and `to` is missing."""
    after_ms, until_ms, now_ms = given.after_ms, given.until_ms, terms.now_ms
    if after_ms is not None and until_ms is not None:
        return after_ms, until_ms
    if given.interval is not None and given.times is not None:
        if after_ms is not None:
            return after_ms, steps_from(given.interval, terms.zone, after_ms, given.times)
        until_ms = now_ms if until_ms is None else until_ms
        return steps_from(given.interval, terms.zone, until_ms, -given.times), until_ms
    longest_ms = None if given.unit is None else _range_ms_max(given.unit, terms.profile)
    reach_ms = min(_REACH_MS, longest_ms or _REACH_MS)
    if after_ms is not None:
        if after_ms < now_ms and given.unit is None and given.value is None and given.times is None:
            after_ms = day_start(terms.zone, after_ms)
        return after_ms, min(after_ms + reach_ms, now_ms)
    if until_ms is not None:
        return until_ms - reach_ms, until_ms
    return now_ms - min(_REACH_OF_NOTHING_MS, reach_ms), now_ms


def _fitting(given: _Given, values: Mapping[Unit, range], range_ms: int) -> Interval:
    """Find the longest interval that may be meant and fits `count` times into the range."""
    candidates = sorted(_candidates(given, values), key=lambda interval: interval.shortest_ms)
    fitting = [each for each in candidates if each.shortest_ms * (given.times or 1) <= range_ms]
    return fitting[-1] if fitting else candidates[0]


def _candidates(given: _Given, values: Mapping[Unit, range]) -> list[Interval]:
    unit, value, count = given.unit, given.value, given.times
    if unit is not None:
        return [Interval(unit, each) for each in (values[unit] if count else values[unit][:1])]
    if value is not None:
        return [Interval(each, value) for each, allowed in values.items() if value in allowed]
    if count is None:
        return list(_LADDER)
    return [Interval(each, number) for each in _DERIVED for number in values[each]]


# Checking.


def _range_ms_max(unit: Unit, profile: Profile) -> int | None:
    """Give the longest range that the profile answers in intervals of this unit (design 7)."""
    if UNIT_MS[unit] >= DAY_MS:
        return profile.aggregate_range_day_ms_max
    if unit is Unit.HOUR:
        return profile.aggregate_range_hour_ms_max
    return profile.aggregate_range_minute_ms_max


def _check_range(interval: Interval, after_ms: int, until_ms: int, profile: Profile) -> list[Problem]:
    unit = interval.unit
    longest_ms = _range_ms_max(unit, profile)
    if longest_ms is not None and until_ms - after_ms > longest_ms:
        hours = longest_ms // HOUR_MS
        longest = f"{hours} hours" if hours < 72 else f"{hours // 24} days"
        message = f"At most {longest} in intervals of the unit {unit.value}; send several requests."
        return [Problem("/from", INVALID_PARAMETER, message)]
    most = _DRAWN_TIMES * profile.aggregate_intervals_max
    if intervals_most(interval, after_ms, until_ms) > most:
        return [_too_many("more than " + str(profile.aggregate_intervals_max), profile)]
    return []


def _borders(interval: Interval, after_ms: int, until_ms: int, terms: Terms) -> Ints:
    """Draw the borders, but none where no record can be."""
    after_ms = max(after_ms, _FIRST_RECORD_MS - 1)
    until_ms = min(until_ms, terms.now_ms + terms.profile.record_ahead_ms_max)
    if after_ms >= until_ms:
        return np.zeros(0, np.int64)
    return borders_of(interval, terms.zone, after_ms, until_ms)


def _check_size(intervals: int, variables: int, profile: Profile) -> list[Problem]:
    if intervals > profile.aggregate_intervals_max:
        return [_too_many(str(intervals), profile)]
    if intervals * variables > AGGREGATES_MAX:
        message = (
            f"{intervals} intervals of {variables} variables are more than {AGGREGATES_MAX} aggregates; "
            "select fewer variables."
        )
        return [Problem("/select", INVALID_PARAMETER, message)]
    return []


def _too_many(intervals: str, profile: Profile) -> Problem:
    most = profile.aggregate_intervals_max
    message = f"The range has {intervals} intervals; at most {most} are answered at a time."
    return Problem("/to", INVALID_PARAMETER, message)
