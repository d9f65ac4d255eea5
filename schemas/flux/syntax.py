"""Flux text → one pipeline of calls with literal arguments and predicates; whatever else it is, is refused.

Pure, and safe for hostile input: the text is bounded, tokens are read from left to right without going back,
expressions nest a bounded number of times, and there are no regular expressions, functions or names of one's
own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple, TypeAlias

from schemas.errors import Malformed
from schemas.flux.limits import FLUX_CHARACTERS_MAX, FLUX_COMPARISONS_MAX, FLUX_DEPTH_MAX
from schemas.times import parse_time

_TOKEN: Final = re.compile(
    r"""\s+|//[^\n]*
    |(?P<time>[0-9]{4}-[0-9]{2}-[0-9]{2}
        (?:T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:[0-9]{2}))?)
    |(?P<duration>(?:[0-9]{1,15}(?:ns|us|µs|ms|mo|[smhdwy]))+)
    |(?P<float>[0-9]{1,308}\.[0-9]{0,308})
    |(?P<int>[0-9]{1,19})
    |(?P<string>"(?:[^"\\]|\\.)*")
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<mark>\|>|=>|==|!=|<=|>=|=~|!~|[()\[\]{},:.<>=+\-*/])""",
    re.VERBOSE | re.DOTALL,
)
_PART: Final = re.compile(r"([0-9]+)(ns|us|µs|ms|mo|[smhdwy])")
_UNIT_NS: Final = {
    "ns": 1, "us": 1_000, "µs": 1_000, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3_600 * 10**9,
    "d": 86_400 * 10**9, "w": 7 * 86_400 * 10**9,
}  # fmt: skip
_ESCAPES: Final = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\"}
KNOWN: Final = (
    "from", "range", "filter", "pivot", "aggregateWindow", "last", "limit", "count", "keep", "drop",
    "distinct", "yield",
)  # fmt: skip
COMPARISONS: Final = frozenset({"==", "!=", "<", "<=", ">", ">="})


class Time(NamedTuple):
    """A moment."""

    time_ms: int


class Duration(NamedTuple):
    """A length of time; before now where it stands for a moment and is negative."""

    ms: int


class Name(NamedTuple):
    """A name that stands for itself, such as the function of `aggregateWindow`."""

    name: str


class Column(NamedTuple):
    """`r.name` or `r["name"]`."""

    name: str


Literal: TypeAlias = str | int | float | bool | Time | Duration


class Compare(NamedTuple):
    """A comparison of a column with a literal."""

    column: str
    operator: str
    value: Literal


class Exists(NamedTuple):
    """`exists r.name`."""

    column: str


class Not(NamedTuple):
    """The opposite."""

    one: Predicate


class Logic(NamedTuple):
    """`and`, or `or`, of several."""

    operator: str
    parts: tuple[Predicate, ...]


Predicate: TypeAlias = Compare | Exists | Not | Logic
Argument: TypeAlias = Literal | Name | tuple[str, ...] | Compare | Exists | Not | Logic


class Call(NamedTuple):
    """One step of the pipeline."""

    function: str
    arguments: Mapping[str, Argument]


def parse(text: str, now_ms: int) -> list[Call]:
    """Read the one pipeline of a query; Malformed with the place, or the function that is not known."""
    if len(text) > FLUX_CHARACTERS_MAX:
        raise Malformed(f"a query has at most {FLUX_CHARACTERS_MAX} characters")
    return _Parser(_tokens(text), now_ms).pipeline()


class _Token(NamedTuple):
    kind: str
    text: str
    at: int


def _tokens(text: str) -> list[_Token]:
    found = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise Malformed(f"what stands at character {at + 1} is not known: {text[at : at + 20]!r}")
        if match.lastgroup is not None:
            found.append(_Token(match.lastgroup, match[0], at))
        at = match.end()
    return [*found, _Token("end", "the end", len(text))]


class _Parser:
    def __init__(self, tokens: list[_Token], now_ms: int) -> None:
        self._tokens = tokens
        self._now_ms = now_ms
        self._place = 0
        self._depth = 0
        self._comparisons = 0

    def pipeline(self) -> list[Call]:
        calls = [self._call()]
        while self._next.text == "|>":
            self._take()
            calls.append(self._call())
        if self._next.kind != "end":
            raise self._unexpected("`|>` or the end")
        return calls

    # -- calls -------------------------------------------------------------------------------------

    def _call(self) -> Call:
        name = self._expect("name", "a function").text
        while self._next.text == ".":  # `a.b(…)` is named whole
            self._take()
            name += f".{self._expect('name', 'a name').text}"
        if name in {"import", "option", "package"} or self._next.text != "(":
            raise Malformed(f"{name}: a query is one pipeline that begins with from(bucket: …)")
        if name not in KNOWN:
            raise Malformed(f"the function {name} is not known here; known are {', '.join(KNOWN)}")
        self._mark("(")
        arguments: dict[str, Argument] = {}
        while self._next.text != ")":
            label = self._expect("name", "the name of an argument").text
            if label in arguments:
                raise Malformed(f"{name}: {label} stands twice")
            self._mark(":")
            arguments[label] = self._argument(name)
            if self._next.text != ")":
                self._mark(",")
        self._mark(")")
        return Call(name, arguments)

    def _argument(self, function: str) -> Argument:
        token = self._next
        if token.text == "(":
            return self._lambda()
        if token.text == "[":
            return self._array()
        if token.kind == "name" and token.text not in {"true", "false", "now", "time"}:
            self._take()
            name = token.text
            while self._next.text == ".":
                self._take()
                name += f".{self._expect('name', 'a name').text}"
            if self._next.text == "(":
                raise Malformed(f"{function}: the function {name} is not known here")
            return Name(name)
        return self._literal()

    def _array(self) -> tuple[str, ...]:
        self._mark("[")
        found = []
        while self._next.text != "]":
            found.append(_text(self._expect("string", "a text").text))
            if self._next.text != "]":
                self._mark(",")
        self._mark("]")
        return tuple(found)

    # -- predicates --------------------------------------------------------------------------------

    def _lambda(self) -> Predicate:
        self._mark("(")
        row = self._expect("name", "the name of the row").text
        self._mark(")")
        self._mark("=>")
        return self._or(row)

    def _or(self, row: str) -> Predicate:
        parts = [self._and(row)]
        while self._next.text == "or":
            self._take()
            parts.append(self._and(row))
        return parts[0] if len(parts) == 1 else Logic("or", tuple(parts))

    def _and(self, row: str) -> Predicate:
        parts = [self._unary(row)]
        while self._next.text == "and":
            self._take()
            parts.append(self._unary(row))
        return parts[0] if len(parts) == 1 else Logic("and", tuple(parts))

    def _unary(self, row: str) -> Predicate:
        self._depth += 1
        if self._depth > FLUX_DEPTH_MAX:
            raise Malformed(f"a predicate nests at most {FLUX_DEPTH_MAX} times")
        try:
            if self._next.text == "not":
                self._take()
                return Not(self._unary(row))
            if self._next.text == "exists":
                self._take()
                return Exists(self._column(row))
            if self._next.text == "(":
                self._take()
                found = self._or(row)
                self._mark(")")
                return found
            return self._compare(row)
        finally:
            self._depth -= 1

    def _compare(self, row: str) -> Predicate:
        self._comparisons += 1
        if self._comparisons > FLUX_COMPARISONS_MAX:
            raise Malformed(f"a query has at most {FLUX_COMPARISONS_MAX} comparisons")
        if self._next.kind == "name" and self._next.text not in {"true", "false", "now", "time"}:
            column = self._column(row)
            operator = self._take()
            self._demand_comparison(operator)
            return Compare(column, operator.text, self._literal())
        value = self._literal()
        operator = self._take()
        self._demand_comparison(operator)
        turned = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}.get(operator.text, operator.text)
        return Compare(self._column(row), turned, value)

    def _demand_comparison(self, token: _Token) -> None:
        if token.text in {"=~", "!~"}:
            raise Malformed("regular expressions are not known here; compare with == and or")
        if token.text not in COMPARISONS:
            raise Malformed(f"a comparison is expected at character {token.at + 1}, not {token.text[:20]!r}")

    def _column(self, row: str) -> str:
        token = self._expect("name", f"a column of {row}")
        if token.text != row:
            after = self._next.text
            what = f"the function {token.text}" if after == "(" else f"the name {token.text}"
            raise Malformed(f"{what} is not known here; compare columns of {row} with literals")
        if self._next.text == ".":
            self._take()
            return self._expect("name", "the name of a column").text
        self._mark("[")
        name = _text(self._expect("string", "the name of a column").text)
        self._mark("]")
        return name

    # -- literals ----------------------------------------------------------------------------------

    def _literal(self) -> Literal:
        negative = False
        if self._next.text == "-":
            self._take()
            negative = True
        token = self._take()
        if token.kind == "duration":
            return Duration(-_duration_ms(token.text) if negative else _duration_ms(token.text))
        if token.kind in {"int", "float"}:
            number = int(token.text) if token.kind == "int" else float(token.text)
            return -number if negative else number
        if negative:
            raise Malformed(f"a number or a duration is expected at character {token.at + 1}")
        if token.kind == "string":
            return _text(token.text)
        if token.kind == "time":
            return Time(_time_ms(token.text))
        if token.text in {"true", "false"}:
            return token.text == "true"
        if token.text == "now":
            self._mark("(")
            self._mark(")")
            return Time(self._now_ms)
        if token.text == "time":
            return self._time_of()
        raise Malformed(f"a literal is expected at character {token.at + 1}, not {token.text[:20]!r}")

    def _time_of(self) -> Time:
        self._mark("(")
        if self._expect("name", "v").text != "v":
            raise Malformed("time: v is expected")
        self._mark(":")
        value = self._literal()
        self._mark(")")
        if isinstance(value, Time):
            return value
        if isinstance(value, str):
            return Time(_time_ms(value))
        if isinstance(value, int):
            return Time(value // 1_000_000)
        raise Malformed("time: v is a text, or nanoseconds")

    # -- tokens ------------------------------------------------------------------------------------

    @property
    def _next(self) -> _Token:
        return self._tokens[self._place]

    def _take(self) -> _Token:
        token = self._next
        if token.kind != "end":
            self._place += 1
        return token

    def _expect(self, kind: str, what: str) -> _Token:
        if self._next.kind != kind:
            raise self._unexpected(what)
        return self._take()

    def _mark(self, mark: str) -> None:
        if self._next.text != mark or self._next.kind != "mark":
            raise self._unexpected(f"`{mark}`")
        self._take()

    def _unexpected(self, what: str) -> Malformed:
        token = self._next
        return Malformed(f"{what} is expected at character {token.at + 1}, not {token.text[:20]!r}")


def _text(quoted: str) -> str:
    return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[0]), quoted[1:-1], flags=re.DOTALL)


def _duration_ms(text: str) -> int:
    total = 0
    for number, unit in _PART.findall(text):
        if unit not in _UNIT_NS:
            raise Malformed(f"the duration {text[:20]}: months and years have no fixed length; use days")
        total += int(number) * _UNIT_NS[unit]
    return total // 1_000_000


def _time_ms(text: str) -> int:
    try:
        return parse_time(text if "T" in text else f"{text}T00:00:00Z")
    except Malformed as error:
        raise Malformed(f"{text[:40]!r} is no time: {error.message}") from error
