"""`filter` and `sort` of lists (wire 4.4): JSON text → a predicate, a word → an order.

Pure. A field is a function from a thing to its text, or None; unknown fields of a filter are ignored, as the
platform does. The functions `eq`, `in`, `contains`, `startsWith` and `endsWith` are known; and, or and not
may stand around fields and inside one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from api.bodies import parse_strictly
from schemas import codes
from schemas.errors import Invalid, Malformed, Problem

T = TypeVar("T")
Field = Callable[[T], str | None]
Test = Callable[[str | None], bool]

FILTER_CHARACTERS_MAX = 10_000
"""Bounds the work for one list; clients send some dozens."""

CONDITIONS_MAX = 50
"""Each is tried on every thing of a tenant; clients send three."""


def parse_filter(text: str, fields: Mapping[str, Field[T]]) -> Callable[[T], bool]:
    """Turn a filter into a predicate; Invalid for what is no filter, everything passes an empty one."""
    if not text:
        return lambda _: True
    if len(text) > FILTER_CHARACTERS_MAX:
        raise _refused(f"at most {FILTER_CHARACTERS_MAX} characters")
    try:
        tree = parse_strictly(text.encode("utf-8", "surrogatepass"))
    except Malformed as error:
        raise _refused(error.message) from error
    if _count(tree) > CONDITIONS_MAX:
        raise _refused(f"at most {CONDITIONS_MAX} conditions")
    return _conjunction(tree, fields)


def parse_sort(text: str, fields: Mapping[str, Field[T]]) -> Callable[[Iterable[T]], list[T]]:
    """Turn `f1,f2,desc` into a sorter; unknown fields are ignored, and so is a direction alone.

    Ascending, things without a value come last; equal ones keep their order.
    """
    words = [word.strip() for word in text.split(",") if word.strip()]
    descending = bool(words) and words[-1].lower() == "desc"
    keys = [fields[word] for word in words if word in fields]

    def sort(things: Iterable[T]) -> list[T]:
        found = list(things)
        for key in reversed(keys):
            found.sort(key=_order(key), reverse=descending)
        return found

    return sort


def _order(key: Field[T]) -> Callable[[T], tuple[bool, str]]:
    def order(thing: T) -> tuple[bool, str]:
        value = key(thing)
        return value is None, value or ""

    return order


def _conjunction(tree: Any, fields: Mapping[str, Field[T]]) -> Callable[[T], bool]:
    if not isinstance(tree, dict):
        raise _refused("an object is expected")
    tests = [_member(name, condition, fields) for name, condition in tree.items()]
    return lambda thing: all(test(thing) for test in tests)


def _member(name: str, condition: Any, fields: Mapping[str, Field[T]]) -> Callable[[T], bool]:
    if name == "and":
        parts = _parts(condition, fields)
        return lambda thing: all(part(thing) for part in parts)
    if name == "or":
        parts = _parts(condition, fields)
        return lambda thing: any(part(thing) for part in parts)
    if name == "not":
        inner = _conjunction(condition, fields)
        return lambda thing: not inner(thing)
    field = fields.get(name)
    if field is None:
        return lambda _: True
    test = _test(condition)
    return lambda thing: test(field(thing))


def _parts(condition: Any, fields: Mapping[str, Field[T]]) -> list[Callable[[T], bool]]:
    if isinstance(condition, dict):
        return [_member(name, inner, fields) for name, inner in condition.items()]
    if isinstance(condition, list):
        return [_conjunction(inner, fields) for inner in condition]
    raise _refused("and, or: an object or an array is expected")


def _test(condition: Any) -> Test:
    if condition is None or isinstance(condition, str | int | float):
        return _equal(condition)
    if not isinstance(condition, dict):
        raise _refused("a value or an object of functions is expected")
    tests = [_function(name, argument) for name, argument in condition.items()]
    return lambda value: all(test(value) for test in tests)


def _function(name: str, argument: Any) -> Test:
    if name in {"and", "or"}:
        if not isinstance(argument, list):
            raise _refused(f"{name} inside a field takes an array")
        tests = [_test(inner) for inner in argument]
        if name == "and":
            return lambda value: all(test(value) for test in tests)
        return lambda value: any(test(value) for test in tests)
    if name == "not":
        inner = _test(argument)
        return lambda value: not inner(value)
    if name == "in":
        return _one_of(argument)
    if name == "eq":
        return _equal(argument)
    if name not in _TEXT_FUNCTIONS:
        raise _refused(f"the function {name[:40]!r} is not known")
    if not isinstance(argument, str):
        raise _refused(f"{name} takes a text")
    function = _TEXT_FUNCTIONS[name]
    return lambda value: value is not None and function(value, argument)


_TEXT_FUNCTIONS: dict[str, Callable[[str, str], bool]] = {
    "contains": lambda value, part: part in value,
    "startsWith": str.startswith,
    "endsWith": str.endswith,
}


def _equal(wanted: Any) -> Test:
    text = _text(wanted)
    return lambda value: value == text


def _one_of(argument: Any) -> Test:
    values: Sequence[Any] | None = argument.get("value") if isinstance(argument, dict) else argument
    if not isinstance(values, list):
        raise _refused('in takes {"value": [...]} or an array')
    texts = frozenset(_text(wanted) for wanted in values)
    return lambda value: value in texts


def _text(wanted: Any) -> str | None:
    if isinstance(wanted, bool):
        return "true" if wanted else "false"
    if wanted is None or isinstance(wanted, str | int | float):
        return None if wanted is None else str(wanted)
    raise _refused("a plain value is expected")


def _count(tree: Any) -> int:
    if isinstance(tree, dict):
        return sum(1 + _count(inner) for inner in tree.values())
    return sum(_count(inner) for inner in tree) if isinstance(tree, list) else 0


def _refused(reason: str) -> Invalid:
    return Invalid([Problem("", codes.INVALID_PARAMETER, f"filter: {reason}")])
