"""`filter` and `sort` of events (wire 4.4, 9): a parsed JSON tree → what the store is asked, and a predicate.

Pure. Entity, time and id at the top, alone or under `and`, go to the store; everything else is tried on each
event's document. A member that an event does not have is null. Functions: `eq`, `in`, `contains`,
`startsWith`, `endsWith`, `before`, `after`, and `between`, whose brackets say which ends belong to it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from schemas import codes
from schemas.errors import Invalid, Malformed, Problem
from schemas.events import is_event_id
from schemas.ids import is_hex_id
from schemas.limits import TIME_MS_MAX
from schemas.strict_json import read_double
from schemas.times import parse_time

Document = Mapping[str, object]
Test = Callable[[object], bool]
"""Of one value."""
Place = tuple[str, float]
"""What is compared: a kind, and a number within it."""

CONDITIONS_MAX: Final = 50
"""Each is tried on every event that is read; clients send three."""

VALUES_MAX: Final = 1_000
"""Of an `in`, and so of the events that are read by their ids."""

SORT_DEFAULT: Final = "timestamp,desc"

_BETWEEN = re.compile(r"\s*([\[(])\s*([^,\s]+)\s*,\s*([^,\s]+)\s*([\])])\s*")


class EventFilter(NamedTuple):
    """What of a tenant's events is wanted."""

    ids: frozenset[str] | None = None
    """None: not said."""
    entity: str | None = None
    start_ms: int | None = None
    """Inclusive; None: not said."""
    end_ms: int | None = None
    """Exclusive; None: not said."""
    test: Callable[[Document], bool] | None = None
    """What else an event must fulfil; None: nothing."""

    @property
    def is_timed(self) -> bool:
        """Tell whether it says from when events are wanted, or which."""
        return self.ids is not None or self.start_ms is not None or self.end_ms is not None

    def passes(self, document: Document) -> bool:
        """Tell whether an event that the store gave is wanted."""
        return self.test is None or self.test(document)


class EventSort(NamedTuple):
    """In which order events are listed."""

    names: tuple[str, ...]
    descending: bool

    @property
    def by_time(self) -> bool:
        """Tell whether the order is the store's, or its reverse."""
        return self.names == ("timestamp",)

    def key(self, document: Document) -> tuple[tuple[int, float, str], ...]:
        """Give what documents are ordered by: numbers, then texts, then what is neither or not there."""
        return tuple(_rank(document.get(name)) for name in self.names)


def parse_event_filter(tree: object) -> EventFilter:
    """Read a filter; Invalid for what is none, everything passes an empty object or nothing at all."""
    if tree is None:
        return EventFilter()
    if _count(tree) > CONDITIONS_MAX:
        raise _refused(f"at most {CONDITIONS_MAX} conditions")
    found = EventFilter()
    tests: list[Callable[[Document], bool]] = []
    for name, condition in _flat(tree):
        narrowed = _narrowed(found, name, condition)
        if narrowed is None:
            tests.append(_member(name, condition))
        else:
            found = narrowed
    if tests:
        found = found._replace(test=lambda document: all(test(document) for test in tests))
    return found


def parse_event_sort(text: str) -> EventSort:
    """Read `f1,f2,desc`; a direction alone is one of time, and nothing is the newest first."""
    words = [word.strip() for word in (text or SORT_DEFAULT).split(",") if word.strip()]
    descending = bool(words) and words[-1].lower() == "desc"
    names = tuple(word for word in words if word.lower() not in {"asc", "desc"})
    return EventSort(names[:CONDITIONS_MAX] or ("timestamp",), descending)


def _flat(tree: object) -> Iterator[tuple[str, object]]:
    """Give the conditions that must all hold, those under `and` among them."""
    if not isinstance(tree, Mapping):
        raise _refused("an object is expected")
    for name, condition in tree.items():
        if name == "and":
            for part in condition if isinstance(condition, list) else [condition]:
                yield from _flat(part)
        else:
            yield name, condition


def _narrowed(found: EventFilter, name: str, condition: object) -> EventFilter | None:
    """Give the filter with a condition that the store can judge; None where it cannot."""
    if name == "entityId" and found.entity is None:
        entity = _only(condition, "eq")
        return found._replace(entity=entity) if isinstance(entity, str) and is_hex_id(entity) else None
    if name == "id" and found.ids is None:
        ids = [_only(condition, "eq")]
        if isinstance(condition, Mapping) and set(condition) == {"in"}:
            ids = _listed(condition["in"])
        if all(isinstance(each, str) for each in ids):  # those of another form are nobody's
            return found._replace(ids=frozenset(each for each in map(str, ids) if is_event_id(each)))
        return None
    if name == "timestamp":
        return _narrowed_time(found, condition if isinstance(condition, Mapping) else {"eq": condition})
    return None


def _narrowed_time(found: EventFilter, functions: Mapping[str, object]) -> EventFilter | None:
    if not functions or not set(functions) <= {"eq", "before", "after", "between"}:
        return None
    start_ms, end_ms = found.start_ms, found.end_ms
    for name, argument in functions.items():
        first_ms, last_ms = 0, TIME_MS_MAX  # both inclusive
        if name == "eq":
            first_ms = last_ms = _time(argument)
        elif name == "before":
            last_ms = _time(argument) - 1
        elif name == "after":
            first_ms = _time(argument) + 1
        else:
            opening, start, end, closing = _ends(argument)
            first_ms = _time(start) + (opening == "(")
            last_ms = _time(end) - (closing == ")")
        if name != "before":
            start_ms = first_ms if start_ms is None else max(start_ms, first_ms)
        if name != "after":
            end_ms = last_ms + 1 if end_ms is None else min(end_ms, last_ms + 1)
    return found._replace(start_ms=start_ms, end_ms=end_ms)


def _time(argument: object) -> int:
    try:
        return parse_time(argument) if isinstance(argument, str) else _no_time()
    except Malformed as error:
        raise _refused(error.message) from error


def _no_time() -> int:
    raise _refused("timestamp: a time is expected")


def _only(condition: object, function: str) -> object:
    """Give the value of a condition that is a value, or an object of this function alone."""
    if isinstance(condition, Mapping):
        return condition[function] if set(condition) == {function} else None
    return condition


def _conjunction(tree: object) -> Callable[[Document], bool]:
    tests = [_member(name, condition) for name, condition in _flat(tree)]
    return lambda document: all(test(document) for test in tests)


def _member(name: str, condition: object) -> Callable[[Document], bool]:
    if name == "or":
        parts = _parts(condition)
        return lambda document: any(part(document) for part in parts)
    if name == "not":
        inner = _conjunction(condition)
        return lambda document: not inner(document)
    test = _test(condition)
    return lambda document: test(document.get(name))


def _parts(condition: object) -> Sequence[Callable[[Document], bool]]:
    if isinstance(condition, Mapping):
        return [_conjunction({name: inner}) for name, inner in condition.items()]
    if isinstance(condition, list):
        return [_conjunction(inner) for inner in condition]
    raise _refused("or: an object or an array is expected")


def _test(condition: object) -> Test:
    if not isinstance(condition, Mapping):
        return _equal(condition)
    tests = [_function(name, argument) for name, argument in condition.items()]
    return lambda value: all(test(value) for test in tests)


def _function(name: str, argument: object) -> Test:
    if name in {"and", "or"}:
        if not isinstance(argument, list):
            raise _refused(f"{name} inside a field takes an array")
        tests = [_test(inner) for inner in argument]
        together = all if name == "and" else any
        return lambda value: together(test(value) for test in tests)
    if name == "not":
        inner = _test(argument)
        return lambda value: not inner(value)
    made = _FUNCTIONS.get(name)
    if made is None:
        raise _refused(f"the function {name[:40]!r} is not known")
    return made(argument)


def _equal(argument: object) -> Test:
    wanted = _text(argument)
    if wanted is None and argument is not None:
        raise _refused("a plain value is expected")
    return lambda value: _text(value) == wanted and (value is None) == (wanted is None)


def _one_of(argument: object) -> Test:
    tests = [_equal(wanted) for wanted in _listed(argument)]
    return lambda value: any(test(value) for test in tests)


def _listed(argument: object) -> list[object]:
    values = argument.get("value") if isinstance(argument, Mapping) else argument
    if not isinstance(values, list) or len(values) > VALUES_MAX:
        raise _refused(f'in takes {{"value": [...]}} or an array, of at most {VALUES_MAX}')
    return values


def _text_function(holds: Callable[[str, str], bool]) -> Callable[[object], Test]:
    def made(argument: object) -> Test:
        if not isinstance(argument, str):
            raise _refused("a text is expected")
        return lambda value: isinstance(value, str) and holds(value, argument)

    return made


def _ordered(holds: Callable[[float, float], bool]) -> Callable[[object], Test]:
    def made(argument: object) -> Test:
        kind, border = _wanted_place(argument)

        def test(value: object) -> bool:
            place = _place(value)
            return place is not None and place[0] == kind and holds(place[1], border)

        return test

    return made


def _between(argument: object) -> Test:
    opening, start, end, closing = _ends(argument)
    above = _ordered(float.__gt__ if opening == "(" else float.__ge__)(start)
    below = _ordered(float.__lt__ if closing == ")" else float.__le__)(end)
    return lambda value: above(value) and below(value)


def _ends(argument: object) -> tuple[str, str, str, str]:
    found = _BETWEEN.fullmatch(argument) if isinstance(argument, str) else None
    if found is None:
        raise _refused('between takes "[start, end)", each bracket either way')
    return found[1], found[2], found[3], found[4]


def _wanted_place(argument: object) -> Place:
    place = _place(argument)
    if place is None and isinstance(argument, str):
        number = read_double(argument)
        place = None if number is None else ("number", number)
    if place is None:
        raise _refused("a time or a number is expected")
    return place


def _place(value: object) -> Place | None:
    """Give where a value stands among times or numbers; None for others."""
    if isinstance(value, str):
        try:
            return "time", float(parse_time(value))
        except Malformed:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return "number", float(value)
    except OverflowError:  # an integer beyond a double: of a filter, as no event has one
        return None


def _text(value: object) -> str | None:
    """Write a plain value as a text, so that 20, 20.0 and "20" are the same; None for others."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    return str(value) if isinstance(value, str | int) else None


def _rank(value: object) -> tuple[int, float, str]:
    if isinstance(value, int | float):
        return 0, float(value), ""
    return (1, 0.0, value) if isinstance(value, str) else (2, 0.0, "")


def _count(tree: object) -> int:
    if isinstance(tree, Mapping):
        return sum(1 + _count(inner) for inner in tree.values())
    return sum(_count(inner) for inner in tree) if isinstance(tree, list) else 0


def _refused(reason: str) -> Invalid:
    return Invalid([Problem("", codes.INVALID_PARAMETER, f"filter: {reason}.")])


_FUNCTIONS: dict[str, Callable[[object], Test]] = {
    "eq": _equal,
    "in": _one_of,
    "contains": _text_function(lambda value, part: part in value),
    "startsWith": _text_function(str.startswith),
    "endsWith": _text_function(str.endswith),
    "before": _ordered(float.__lt__),
    "after": _ordered(float.__gt__),
    "between": _between,
}
