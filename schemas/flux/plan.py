"""A parsed pipeline → a checked plan: a source with its range, and steps whose arguments are known. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Final, NamedTuple, TypeAlias

from schemas.errors import Malformed
from schemas.flux.limits import FLUX_STEPS_MAX, FLUX_WINDOWS_MAX
from schemas.flux.syntax import (
    Call,
    Compare,
    Duration,
    Exists,
    Logic,
    Name,
    Not,
    Predicate,
    Time,
)
from schemas.limits import TIME_MS_MAX, TIME_MS_MIN

ROW_KEY, COLUMN_KEY, VALUE_COLUMN = ("_time",), ("_field",), "_value"


class Function(Enum):
    """What sums a window up."""

    MEAN = "mean"
    SUM = "sum"
    MIN = "min"
    MAX = "max"
    COUNT = "count"
    FIRST = "first"
    LAST = "last"


class Filter(NamedTuple):
    """Keep the rows of which this is true."""

    predicate: Predicate


class Pivot(NamedTuple):
    """Fields become columns, a row a time."""


class Window(NamedTuple):
    """Sum up in windows of the same length; their time is their end."""

    every_ms: int
    function: Function
    create_empty: bool


class Last(NamedTuple):
    """Keep the newest row that has a value."""


class Limit(NamedTuple):
    """Keep so many rows of each table."""

    rows: int
    offset: int


class Count(NamedTuple):
    """Count the values of each table."""

    column: str


class Keep(NamedTuple):
    """Keep these columns, or all but these."""

    columns: frozenset[str]
    others: bool
    """True: all but these."""

    def has(self, column: str) -> bool:
        """Tell whether a column stays."""
        return (column in self.columns) != self.others


class Distinct(NamedTuple):
    """Give each value of a column once."""

    column: str


Step: TypeAlias = Filter | Pivot | Window | Last | Limit | Count | Keep | Distinct


class Plan(NamedTuple):
    """What a query asks for."""

    bucket: str
    start_ms: int
    stop_ms: int
    """Exclusive."""
    steps: list[Step]
    result: str


def plan_of(calls: list[Call], now_ms: int) -> Plan:
    """Check a pipeline; Malformed names the function that is not known, or lacks something."""
    if len(calls) > FLUX_STEPS_MAX:
        raise Malformed(f"a query has at most {FLUX_STEPS_MAX} functions")
    first, *others = calls
    known = _Arguments(first)
    if first.function != "from":
        raise Malformed(f"{first.function}: a query begins with from(bucket: …)")
    bucket = known.text("bucket")
    known.end()
    if not others or others[0].function != "range":
        raise Malformed("from: no unbounded read; range(start: …) must follow at once")
    start_ms, stop_ms = _range(others[0], now_ms)
    result = "_result"
    steps: list[Step] = []
    for place, call in enumerate(others[1:]):
        if call.function == "yield" and place == len(others) - 2:
            arguments = _Arguments(call)
            result = arguments.text("name", "_result")
            arguments.end()
            continue
        make = _STEPS.get(call.function)
        if make is None:
            raise Malformed(f"{call.function}: it cannot stand there")
        step = make(_Arguments(call))
        if isinstance(step, Window) and step.create_empty:
            _demand_few(step, start_ms, stop_ms)
        steps.append(step)
    return Plan(bucket, start_ms, stop_ms, steps, result)


def _demand_few(step: Window, start_ms: int, stop_ms: int) -> None:
    if (stop_ms - start_ms) // step.every_ms >= FLUX_WINDOWS_MAX:
        message = (
            f"aggregateWindow: more than {FLUX_WINDOWS_MAX} windows; narrow the range, or every is longer"
        )
        raise Malformed(message)


def _range(call: Call, now_ms: int) -> tuple[int, int]:
    arguments = _Arguments(call)
    start_ms = arguments.moment("start", now_ms)
    stop_ms = arguments.moment("stop", now_ms, now_ms)
    arguments.end()
    if start_ms >= stop_ms:
        raise Malformed("range: start is not before stop, so the range is empty")
    return start_ms, stop_ms


class _Arguments:
    """The arguments of one call, taken one by one."""

    def __init__(self, call: Call) -> None:
        self._name = call.function
        self._left = dict(call.arguments)

    def end(self) -> None:
        """Refuse what nobody took."""
        if self._left:
            raise Malformed(f"{self._name}: the argument {next(iter(self._left))} is not known here")

    def text(self, label: str, default: str | None = None) -> str:
        value = self._left.pop(label, default)
        if not isinstance(value, str):
            raise Malformed(f"{self._name}: {label} is a text")
        return value

    def texts(self, label: str) -> tuple[str, ...]:
        value = self._left.pop(label, None)
        if not isinstance(value, tuple) or not all(type(each) is str for each in value):
            raise Malformed(f"{self._name}: {label} is a list of texts, and no function")
        return value  # type: ignore[return-value]

    def number(self, label: str, default: int | None = None) -> int:
        value = self._left.pop(label, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise Malformed(f"{self._name}: {label} is a whole number from 0 on")
        return value

    def truth(self, label: str, *, default: bool) -> bool:
        value = self._left.pop(label, default)
        if not isinstance(value, bool):
            raise Malformed(f"{self._name}: {label} is true or false")
        return value

    def predicate(self, label: str) -> Predicate:
        value = self._left.pop(label, None)
        if not isinstance(value, Compare | Exists | Not | Logic):
            raise Malformed(f"{self._name}: {label} is a function (r) => …")
        return value

    def function(self, label: str) -> Function:
        value = self._left.pop(label, None)
        if not isinstance(value, Name) or value.name not in _FUNCTIONS:
            name = value.name if isinstance(value, Name) else "a function of one's own"
            raise Malformed(f"{self._name}: {name} is not known; fn is one of {', '.join(_FUNCTIONS)}")
        return _FUNCTIONS[value.name]

    def every(self, label: str) -> int:
        value = self._left.pop(label, None)
        if not isinstance(value, Duration) or value.ms <= 0:
            raise Malformed(f"{self._name}: {label} is a duration of at least a millisecond")
        # All of time is in two windows of that length, as in two of any greater one.
        return min(value.ms, TIME_MS_MAX - TIME_MS_MIN)

    def moment(self, label: str, now_ms: int, default: int | None = None) -> int:
        value = self._left.pop(label, None)
        if value is None and default is not None:
            return default
        if isinstance(value, Time):
            time_ms = value.time_ms
        elif isinstance(value, Duration):
            time_ms = now_ms + value.ms
        elif isinstance(value, int) and not isinstance(value, bool):
            time_ms = value * 1_000
        else:
            raise Malformed(f"{self._name}: {label} is a time, a duration, or seconds since 1970")
        return max(TIME_MS_MIN, min(TIME_MS_MAX, time_ms))


def _filter(arguments: _Arguments) -> Step:
    predicate = arguments.predicate("fn")
    if arguments.text("onEmpty", "drop") != "drop":
        raise Malformed("filter: onEmpty is drop")
    arguments.end()
    return Filter(predicate)


def _pivot(arguments: _Arguments) -> Step:
    found = arguments.texts("rowKey"), arguments.texts("columnKey"), arguments.text("valueColumn")
    arguments.end()
    if found != (ROW_KEY, COLUMN_KEY, VALUE_COLUMN):
        raise Malformed('pivot: rowKey is ["_time"], columnKey ["_field"], valueColumn "_value"')
    return Pivot()


def _window(arguments: _Arguments) -> Step:
    window = Window(
        arguments.every("every"), arguments.function("fn"), arguments.truth("createEmpty", default=True)
    )
    if arguments.text("column", VALUE_COLUMN) != VALUE_COLUMN:
        raise Malformed('aggregateWindow: column is "_value"')
    arguments.end()
    return window


def _last(arguments: _Arguments) -> Step:
    if arguments.text("column", VALUE_COLUMN) != VALUE_COLUMN:
        raise Malformed('last: column is "_value"')
    arguments.end()
    return Last()


def _limit(arguments: _Arguments) -> Step:
    limit = Limit(arguments.number("n"), arguments.number("offset", 0))
    arguments.end()
    return limit


def _count(arguments: _Arguments) -> Step:
    count = Count(arguments.text("column", VALUE_COLUMN))
    arguments.end()
    return count


def _keep(arguments: _Arguments, *, others: bool = False) -> Step:
    keep = Keep(frozenset(arguments.texts("columns")), others)
    arguments.end()
    return keep


def _distinct(arguments: _Arguments) -> Step:
    distinct = Distinct(arguments.text("column", VALUE_COLUMN))
    arguments.end()
    return distinct


_FUNCTIONS: Final = {function.value: function for function in Function}
_STEPS: Final = {
    "filter": _filter,
    "pivot": _pivot,
    "aggregateWindow": _window,
    "last": _last,
    "limit": _limit,
    "count": _count,
    "keep": _keep,
    "drop": lambda arguments: _keep(arguments, others=True),
    "distinct": _distinct,
}


def columns_in(predicate: Predicate) -> Iterable[str]:
    """Walk the columns that a predicate looks at."""
    if isinstance(predicate, Compare | Exists):
        yield predicate.column
    elif isinstance(predicate, Not):
        yield from columns_in(predicate.one)
    else:
        for part in predicate.parts:
            yield from columns_in(part)
