"""`filter` and `sort` of lists (wire 4.4): JSON text → which things of a table, words → in which order.

Pure. A table has a column of texts for each field that is asked for, and a condition is tried on a whole
column at once. Columns and orders are kept with their table. Unknown fields of a filter are ignored, as the
platform does; `and`, `or` and `not` may stand around fields and inside one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from api.http.bodies import parse_strictly
from schemas import codes
from schemas.errors import Invalid, Malformed, Problem
from schemas.times import format_time, parse_time

T = TypeVar("T")
K = TypeVar("K")
V = TypeVar("V")

Bools: TypeAlias = npt.NDArray[np.bool_]
Places: TypeAlias = npt.NDArray[np.int64]

_ColumnTest: TypeAlias = Callable[[Sequence[str | None]], list[bool]]

FILTER_CHARACTERS_MAX = 10_000
"""Bounds the work for one list; clients send some dozens."""

CONDITIONS_MAX = 50
"""Each is tried on every thing of a tenant; clients send three."""

KEPT_MAX = 8
"""Orders, and results of filters, that a table keeps: each takes 8 bytes a thing. A client that goes through
the pages of a list asks for the same ones again and again."""


class Field(NamedTuple, Generic[T]):
    """What things are filtered and sorted by."""

    text: Callable[[T], Any]
    """Gives what stands in the column."""
    read: Callable[[str], str] = str
    """Brings a text of a filter into the form that the column has."""
    is_time: bool = False
    """True: `before`, `after` and `between` are known."""
    has_many: bool = False
    """True: a thing has several texts, and passes where one of them does."""


class Column(NamedTuple):
    """What a field has, each text once: a condition is tried on these."""

    texts: list[Any]
    """Each different text, None where there is none; for a field of several texts a tuple of them."""
    of: Places
    """For each thing the place of its text."""


class Table(Generic[T]):
    """Things in their usual order, and what is known of them column by column; never changed."""

    def __init__(
        self, things: Sequence[T], fields: Mapping[str, Field[T]], usual: Sequence[str] = ()
    ) -> None:
        """Take the things, their fields, and the fields by which they are ordered already, ascending."""
        self.things = things
        self._fields = fields
        self._usual = list(usual)
        self._columns: dict[str, Column] = {}
        self._orders: dict[tuple[str, ...], Places] = {}
        self._passing: dict[str, Bools] = {}
        """By the text of the filter."""

    @property
    def names(self) -> frozenset[str]:
        """Give the names of the fields."""
        return frozenset(self._fields)

    def page(self, filter_text: str, sort: str, start: int, size: int) -> tuple[list[T], int]:
        """Give the things from `start` on, `size` at most, and how many pass the filter at all."""
        places = self._places(filter_text, sort)
        return [self.things[place] for place in places[start : start + size]], len(places)

    def _places(self, filter_text: str, sort: str) -> Places | range:
        order = self._order(sort)
        if not filter_text:
            return range(len(self.things)) if order is None else order
        passing = self._passing.get(filter_text)
        if passing is None:
            passing = self._conjunction(parse_filter(filter_text))
            _keep(self._passing, filter_text, passing)
        return np.flatnonzero(passing) if order is None else order[passing[order]]

    # Order.

    def _order(self, sort: str) -> Places | None:
        """Give the places in the order of `f1,f2,desc`; None for the usual order.

        Unknown fields are ignored, and so is a direction alone. Ascending, things without a value come
        last; equal ones keep their usual order.
        """
        words = [word.strip() for word in sort.split(",")]
        keys = [word for word in dict.fromkeys(words) if word in self._fields]
        descending = words[-1].lower() == "desc"
        if not keys or (not descending and keys == self._usual[: len(keys)]):
            return None
        name = ("desc" if descending else "asc", *keys)
        if name not in self._orders:
            _keep(self._orders, name, self._sorted(keys, descending=descending))
        return self._orders[name]

    def _sorted(self, keys: Sequence[str], *, descending: bool) -> Places:
        places = list(range(len(self.things)))
        for key in reversed(keys):
            column = list(map(self._fields[key].text, self.things))
            given = [place for place in places if column[place] is not None]
            absent = [place for place in places if column[place] is None]
            given.sort(key=column.__getitem__, reverse=descending)
            places = [*absent, *given] if descending else [*given, *absent]
        return np.array(places, np.int64)

    def _column(self, name: str) -> Column:
        column = self._columns.get(name)
        if column is None:
            known: dict[Any, int] = {}
            of = [known.setdefault(text, len(known)) for text in map(self._fields[name].text, self.things)]
            column = self._columns[name] = Column(list(known), np.array(of, np.int64))
        return column

    # Conditions: each gives a truth value a thing.

    def _conjunction(self, tree: Any) -> Bools:
        if not isinstance(tree, dict):
            raise _refused("an object is expected")
        return self._all([self._member(name, condition) for name, condition in tree.items()])

    def _member(self, name: str, condition: Any) -> Bools:
        if name == "and":
            return self._all(self._parts(condition))
        if name == "or":
            return self._any(self._parts(condition))
        if name == "not":
            return ~self._conjunction(condition)
        if name not in self._fields:
            return self._all([])
        return self._test(condition, name)

    def _parts(self, condition: Any) -> list[Bools]:
        if isinstance(condition, dict):
            return [self._member(name, inner) for name, inner in condition.items()]
        if isinstance(condition, list):
            return [self._conjunction(inner) for inner in condition]
        raise _refused("and, or: an object or an array is expected")

    def _test(self, condition: Any, name: str) -> Bools:
        """Try what stands behind a field: a value, or an object of functions."""
        if condition is None or isinstance(condition, str | int | float):
            return self._try(_equal(condition, self._fields[name]), name)
        if not isinstance(condition, dict):
            raise _refused("a value or an object of functions is expected")
        return self._all(
            [self._function(function, argument, name) for function, argument in condition.items()]
        )

    def _function(self, function: str, argument: Any, name: str) -> Bools:
        if function in {"and", "or"}:
            if not isinstance(argument, list):
                raise _refused(f"{function} inside a field takes an array")
            parts = [self._test(inner, name) for inner in argument]
            return self._all(parts) if function == "and" else self._any(parts)
        if function == "not":
            return ~self._test(argument, name)
        return self._try(_column_test(function, argument, self._fields[name]), name)

    def _try(self, test: _ColumnTest, name: str) -> Bools:
        texts, of = self._column(name)
        if self._fields[name].has_many:  # None: there is nothing.
            passes = [any(test(several or (None,))) for several in texts]
        else:
            passes = test(texts)
        return np.array(passes, np.bool_)[of]

    def _all(self, masks: Sequence[Bools]) -> Bools:
        found = np.ones(len(self.things), np.bool_)
        for mask in masks:
            found &= mask
        return found

    def _any(self, masks: Sequence[Bools]) -> Bools:
        found = np.zeros(len(self.things), np.bool_)
        for mask in masks:
            found |= mask
        return found


def _keep(kept: dict[K, V], key: K, found: V) -> None:
    """Keep what was worked out; when there is too much of it, begin anew."""
    if len(kept) == KEPT_MAX:
        kept.clear()
    kept[key] = found


def parse_filter(text: str) -> Any:
    """Read a filter's JSON; Invalid for what is none, and for one that is too long."""
    if len(text) > FILTER_CHARACTERS_MAX:
        raise _refused(f"at most {FILTER_CHARACTERS_MAX} characters")
    try:
        tree = parse_strictly(text.encode("utf-8", "surrogatepass"))
    except Malformed as error:
        raise _refused(error.message) from error
    if _count(tree) > CONDITIONS_MAX:
        raise _refused(f"at most {CONDITIONS_MAX} conditions")
    return tree


def mentions(text: str, field: str) -> bool:
    """Tell whether a filter has a condition on a field; Invalid as `parse_filter`."""
    return field in text and _has_member(parse_filter(text), field)


def time_text(text: str) -> str:
    """Write an instant as columns hold it; Invalid for what is none."""
    try:
        return format_time(parse_time(text.strip()))
    except Malformed as error:
        raise _refused(error.message) from error


def _column_test(function: str, argument: Any, field: Field[T]) -> _ColumnTest:
    """Make the test of a column out of a function of the dialect and its argument."""
    if function == "eq":
        return _equal(argument, field)
    if function == "in":
        return _one_of(argument, field)
    if function in _TIME_FUNCTIONS:
        if not field.is_time or not isinstance(argument, str):
            raise _refused(f"{function} takes a text, and stands behind a time")
        return _TIME_FUNCTIONS[function](argument)
    if function not in _TEXT_FUNCTIONS:
        raise _refused(f"the function {function[:40]!r} is not known")
    if not isinstance(argument, str):
        raise _refused(f"{function} takes a text")
    return _TEXT_FUNCTIONS[function](argument)


def _contains(part: str) -> _ColumnTest:
    return lambda texts: [text is not None and part in text for text in texts]


def _starts_with(part: str) -> _ColumnTest:
    return lambda texts: [text is not None and text.startswith(part) for text in texts]


def _ends_with(part: str) -> _ColumnTest:
    return lambda texts: [text is not None and text.endswith(part) for text in texts]


# Times in a column are written alike, so their texts are ordered as they are.


def _before(argument: str) -> _ColumnTest:
    end = time_text(argument)
    return lambda texts: [text is not None and text < end for text in texts]


def _after(argument: str) -> _ColumnTest:
    start = time_text(argument)
    return lambda texts: [text is not None and text > start for text in texts]


def _between(argument: str) -> _ColumnTest:
    """Read `[from, to)`: a square bracket includes its end, a round one does not."""
    start, comma, end = argument[1:-1].partition(",")
    if not comma or argument[:1] not in {"[", "("} or argument[-1:] not in {"]", ")"}:
        raise _refused('between takes two times, as "[2026-01-01T00:00:00Z, 2027-01-01T00:00:00Z)"')
    low, high = time_text(start), time_text(end)
    with_low, with_high = argument[0] == "[", argument[-1] == "]"
    return lambda texts: [
        text is not None and (low < text < high or (with_low and text == low) or (with_high and text == high))
        for text in texts
    ]


_TEXT_FUNCTIONS: dict[str, Callable[[str], _ColumnTest]] = {
    "contains": _contains, "startsWith": _starts_with, "endsWith": _ends_with,
}  # fmt: skip
_TIME_FUNCTIONS: dict[str, Callable[[str], _ColumnTest]] = {
    "before": _before, "after": _after, "between": _between,
}  # fmt: skip


def _equal(wanted: Any, field: Field[T]) -> _ColumnTest:
    expected = _text(wanted, field)
    return lambda texts: [text == expected for text in texts]


def _one_of(argument: Any, field: Field[T]) -> _ColumnTest:
    values = argument.get("value") if isinstance(argument, dict) else argument
    if not isinstance(values, list):
        raise _refused('in takes {"value": [...]} or an array')
    expected = frozenset(_text(wanted, field) for wanted in values)
    return lambda texts: [text in expected for text in texts]


def _text(wanted: Any, field: Field[T]) -> str | None:
    if isinstance(wanted, bool):
        return "true" if wanted else "false"
    if wanted is None or isinstance(wanted, str | int | float):
        return None if wanted is None else field.read(str(wanted))
    raise _refused("a plain value is expected")


def _count(tree: Any) -> int:
    if isinstance(tree, dict):
        return sum(1 + _count(inner) for inner in tree.values())
    return sum(_count(inner) for inner in tree) if isinstance(tree, list) else 0


def _has_member(tree: Any, name: str) -> bool:
    if isinstance(tree, dict):
        return name in tree or any(_has_member(inner, name) for inner in tree.values())
    return isinstance(tree, list) and any(_has_member(inner, name) for inner in tree)


def _refused(reason: str) -> Invalid:
    return Invalid([Problem("", codes.INVALID_PARAMETER, f"filter: {reason}")])
