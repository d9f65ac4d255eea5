"""What our own route takes beside the dialect's parameters: each word read, or named as a problem (issue 4).

`functions` and what `select` names may be more than the dialect's functions: `timeaverage`, `durationgood`,
`durationuncertain`, `durationbad` (milliseconds) and percentiles (`p50`, `p99.9`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple, TypeVar

from schemas.aggregate_queries import read_whole
from schemas.codes import INVALID_PARAMETER, MISSING_PARAMETER
from schemas.diagnosis import shown
from schemas.durations import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS
from schemas.errors import Problem
from schemas.filling import Fill
from schemas.functions import FUNCTIONS, OWN_FUNCTIONS
from schemas.limits import HOLD_MS_MAX, PERCENTILES_MAX, POINTS_MAX
from schemas.percentiles import fraction_of, is_percentile
from schemas.screen import Method

POINTS_MIN = 4
"""One column of pixels."""
_HOLD = re.compile(r"([0-9]{1,9})(ms|s|m|h|d)", re.ASCII)
_HOLD_UNITS_MS = {"ms": 1, "s": SECOND_MS, "m": MINUTE_MS, "h": HOUR_MS, "d": DAY_MS}
_OF_INTERVALS = ("intervalUnit", "intervalValue", "count", "functions", "fill", "maxHold")

_Word = TypeVar("_Word", bound=Enum)


class Classes(Enum):
    """Which quality classes enter the functions (design 8.27); the others are only counted."""

    GOOD = "good"
    GOOD_UNCERTAIN = "good,uncertain"


class Extras(NamedTuple):
    """What a request says beside range, intervals and variables."""

    functions: tuple[str, ...] = FUNCTIONS
    known: tuple[str, ...] = OWN_FUNCTIONS
    """What `select` may name, in the order in which it goes out."""
    fill: Fill = Fill.NONE
    hold_ms: int | None = None
    """The declared maximum hold; None: by the variable's usual distance (design 8.28)."""
    points_max: int | None = None
    """Asked for points instead of intervals."""
    method: Method = Method.SCREEN
    uncertain_enters: bool = True


def parse_extras(parameters: Mapping[str, str]) -> tuple[Extras, list[Problem]]:
    """Read functions, select, quality, maxHold, fill, maxPoints and method."""
    problems: list[Problem] = []
    functions, known = _read_functions(parameters, problems)
    points_max = read_whole(parameters, "maxPoints", range(POINTS_MIN, POINTS_MAX + 1), problems)
    extras = Extras(
        functions,
        known,
        _read_word(parameters, "fill", Fill.NONE, problems),
        _read_hold(parameters.get("maxHold"), problems),
        points_max,
        _read_word(parameters, "method", Method.SCREEN, problems),
        _read_word(parameters, "quality", Classes.GOOD_UNCERTAIN, problems) is Classes.GOOD_UNCERTAIN,
    )
    return extras, problems + _check_points(parameters)


def _read_functions(
    parameters: Mapping[str, str], problems: list[Problem]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    given = parameters.get("functions")
    words = [] if given is None else [word.strip().lower() for word in given.split(",")]
    unknown = [word for word in words if word not in OWN_FUNCTIONS and not is_percentile(word)]
    if unknown:
        message = f"functions are {', '.join(OWN_FUNCTIONS)} and p0 to p100, not {shown(unknown[0])}."
        problems.append(Problem("/functions", INVALID_PARAMETER, message))
    selected = [word.strip().partition(".")[2].lower() for word in parameters.get("select", "").split(",")]
    percentiles = sorted({word for word in (*words, *selected) if is_percentile(word)}, key=fraction_of)
    if len(percentiles) > PERCENTILES_MAX:
        message = f"At most {PERCENTILES_MAX} percentiles at a time."
        problems.append(Problem("/functions", INVALID_PARAMETER, message))
    known = (*OWN_FUNCTIONS, *percentiles)
    return FUNCTIONS if given is None else tuple(name for name in known if name in words), known


def _read_word(parameters: Mapping[str, str], name: str, default: _Word, problems: list[Problem]) -> _Word:
    text = parameters.get(name)
    if text is None:
        return default
    for word in type(default):
        if text.lower() == word.value:
            return word
    words = " or ".join(str(word.value) for word in type(default))
    problems.append(Problem(f"/{name}", INVALID_PARAMETER, f"{name} is {words}, not {shown(text)}."))
    return default


def _read_hold(text: str | None, problems: list[Problem]) -> int | None:
    if text is None:
        return None
    match = _HOLD.fullmatch(text)
    hold_ms = int(match[1]) * _HOLD_UNITS_MS[match[2]] if match else 0
    if 1 <= hold_ms <= HOLD_MS_MAX:
        return hold_ms
    message = f"maxHold is a number and ms, s, m, h or d, up to {HOLD_MS_MAX // DAY_MS}d; not {shown(text)}."
    problems.append(Problem("/maxHold", INVALID_PARAMETER, message))
    return None


def _check_points(parameters: Mapping[str, str]) -> list[Problem]:
    """Check that what is said fits a question for points, or that there is one."""
    if "maxPoints" not in parameters:
        message = "method says how points are chosen; give maxPoints, too."
        return [Problem("/method", INVALID_PARAMETER, message)] if "method" in parameters else []
    problems = [
        Problem(
            f"/{name}", INVALID_PARAMETER, f"maxPoints asks for points, not for intervals; leave {name} out."
        )
        for name in _OF_INTERVALS
        if name in parameters
    ]
    problems += [
        Problem(f"/{name}", MISSING_PARAMETER, f"{name} is missing; a picture needs both ends.")
        for name in ("from", "to")
        if name not in parameters
    ]
    if "." in parameters.get("select", ""):
        problems.append(Problem("/select", INVALID_PARAMETER, "With maxPoints select variables only."))
    return problems
