"""Messages of a stream → records of each symbol's series, each message with its own outcome (TB-20 … TB-31).

A message is an object: `$type`, `symbol`, `timestamp`, perhaps `nanoTime`, and fields by name. A refused one
does no harm to the others. Fields that the stream does not know are left out (TB-25), unless the message has
no other, or one that no column can hold: arrays, objects and binary data are refused, not lost. Rows merge
(design 3.2): a field that is not sent stays what it was, null takes it away. Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

import msgspec
import numpy as np

from schemas.aspects import TIME_MEMBER, AspectType, VariableType
from schemas.cells import Built, Lists, build
from schemas.codes import INVALID_BODY, INVALID_TIME, JSON_DUPLICATE, UNKNOWN_VARIABLE, WRONG_TYPE
from schemas.columns import NO_QUALITY, Bools, Column, Columns, Texts
from schemas.decoders import plan_of
from schemas.diagnosis import RecordReader, Rules, pointer_token, shown
from schemas.errors import Invalid, Problem, TooLarge
from schemas.limits import BODY_CELLS_MAX, RECORD_BYTES_MAX, TIME_MS_MAX, TIME_MS_MIN
from schemas.strict_json import Members, Number, parse_json, read_integer
from schemas.timebase.streams import Stream
from schemas.times import format_time

TYPE: Final = "$type"
SYMBOL: Final = "symbol"
TIMESTAMP: Final = "timestamp"
NANO_TIME: Final = "nanoTime"
_HEAD: Final = frozenset({TYPE, SYMBOL, TIMESTAMP, NANO_TIME})

_NS_OF_MS: Final = 1_000_000

_raws = msgspec.json.Decoder(list[msgspec.Raw])


HELD: Final = "The series has another value at that time by now."


class Message(NamedTuple):
    """A message whose head is in order."""

    place: int
    """In the body."""
    symbol: str
    record: Members
    """As `PATCH` of its series would have it."""


class Opened(NamedTuple):
    """The messages of a body, and what was wrong with some."""

    messages: list[Message]
    refused: dict[int, Problem]
    """By place in the body."""


class Read(NamedTuple):
    """What one series gets of a body."""

    columns: Columns | None
    """Rows merge, in the order of the body; None: there is none."""
    places: list[int]
    """Of the message of each row, in the body."""
    refused: dict[int, Problem]


class _Fault(Exception):
    def __init__(self, name: str, code: str, message: str) -> None:
        super().__init__(message)
        self.name, self.code, self.message = name, code, message


def read_array(body: bytes) -> list[object]:
    """Read a body to the letter; Malformed for what is no JSON, Invalid for what is no array (TB-26)."""
    root = parse_json(body)
    if not isinstance(root, list) or isinstance(root, Members):
        message = f"Send an array of messages, not {shown(root)}."
        raise Invalid([Problem("", WRONG_TYPE, message)])
    return root


def open_messages(array: Sequence[object], stream: Stream, symbol: str, now_ms: int) -> Opened:
    """Read the head of each message and pick the fields that the stream knows.

    `symbol` is what the address names, or empty. Messages of one symbol that have no timestamp get the
    present, a millisecond apart in the order of the body (TB-24).
    """
    opener = _Opener(stream, symbol, now_ms)
    found = Opened([], {})
    for place, raw in enumerate(array):
        try:
            found.messages.append(opener.open(place, raw))
        except _Fault as fault:
            pointer = f"/{place}/{pointer_token(fault.name)}" if fault.name else f"/{place}"
            found.refused[place] = Problem(pointer, fault.code, fault.message)
    return found


class _Opener:
    def __init__(self, stream: Stream, symbol: str, now_ms: int) -> None:
        self._types = stream.types
        self._stream = stream
        self._symbol = symbol
        self._now_ms = now_ms
        self._untimed: Counter[str] = Counter()
        variables = stream.aspect_type.variables
        self._known = {variable.name for variable in variables}
        self._known |= {variable.quality_name for variable in variables if variable.quality_code}
        self._times = {variable.name for variable in variables if variable.type is VariableType.TIMESTAMP}

    def open(self, place: int, raw: object) -> Message:
        if not isinstance(raw, Members):
            raise _Fault("", WRONG_TYPE, f"A message is an object, not {shown(raw)}.")
        head: dict[str, object] = {}
        fields = Members()
        for name, value in raw:
            if name in _HEAD:
                if name in head:
                    raise _Fault(name, JSON_DUPLICATE, f"{name} is there twice; send it once.")
                head[name] = value
            elif isinstance(value, list):
                message = (
                    f"{shown(name)} is {shown(value)}; a field holds one number, text, time or truth value."
                )
                raise _Fault(name, WRONG_TYPE, message)
            elif name in self._known:
                fields.append((name, self._as_time(value) if name in self._times else value))
        self._check_type(head.get(TYPE))
        symbol = self._symbol_of(head.get(SYMBOL))
        if not fields:
            message = f"None of its fields is one of {self._stream.aspect_type.id}."
            raise _Fault("", UNKNOWN_VARIABLE, message)
        time = self._time_of(head, symbol)
        return Message(place, symbol, Members([(TIME_MEMBER, time), *fields]))

    def _check_type(self, name: object) -> None:
        if name is not None and not (isinstance(name, str) and name in self._types):
            listed = ", ".join(sorted(self._types))
            raise _Fault(TYPE, INVALID_BODY, f"{shown(name)} is no type of the stream; it has {listed}.")

    def _symbol_of(self, value: object) -> str:
        if value is not None and not isinstance(value, str):
            raise _Fault(SYMBOL, WRONG_TYPE, f"A symbol is a text, not {shown(value)}.")
        if self._symbol and value and str(value) != self._symbol:
            message = f"The address names the symbol {shown(self._symbol)}, not {shown(value)}."
            raise _Fault(SYMBOL, INVALID_BODY, message)
        symbol = str(value or self._symbol or self._stream.symbol)
        if not symbol:
            raise _Fault(SYMBOL, INVALID_BODY, "The message names no symbol, and the stream declares none.")
        return symbol

    def _time_of(self, head: dict[str, object], symbol: str) -> object:
        time, nano_time = head.get(TIMESTAMP), head.get(NANO_TIME)
        if time is None and nano_time is not None:
            first_ns, last_ns = TIME_MS_MIN * _NS_OF_MS, (TIME_MS_MAX + 1) * _NS_OF_MS - 1
            ns = read_integer(nano_time, first_ns, last_ns) if isinstance(nano_time, str) else None
            if ns is None:
                raise _Fault(NANO_TIME, INVALID_TIME, "nanoTime is a whole number: nanoseconds since 1970.")
            return format_time(ns // _NS_OF_MS)
        if time is None:
            self._untimed[symbol] += 1
            return format_time(self._now_ms + self._untimed[symbol] - 1)
        return self._as_time(time)

    def _as_time(self, value: object) -> object:
        """Write milliseconds since 1970 as a time; anything else is judged as it is."""
        if isinstance(value, Number):
            ms = read_integer(value, TIME_MS_MIN, TIME_MS_MAX)
            return value if ms is None else format_time(ms)
        return value


def read_records(messages: Sequence[Message], aspect: AspectType, rules: Rules) -> Read:
    """Check the records of one series; TooLarge where columns for all would be out of proportion."""
    plan = plan_of(aspect, RECORD_BYTES_MAX)
    if len(messages) * len(plan.members) > BODY_CELLS_MAX:
        raise TooLarge(f"{len(messages)} messages of one symbol with so many fields; send fewer at a time.")
    reader = RecordReader(plan, rules)
    places: list[int] = []
    refused: dict[int, Problem] = {}
    for message in messages:
        problems = reader.take(message.record, f"/{message.place}")
        if problems:
            refused[message.place] = _renamed(problems[0], message.place)
        else:
            places.append(message.place)
    if not places:
        return Read(None, [], refused)
    built = build(plan, Lists(reader.times, reader.members), merging=True)
    assert isinstance(built, Built), "the reader passed what the columns refuse"
    return Read(built.columns, places, refused)


def spared(read: Read, held: Columns) -> Read:
    """Refuse the messages that would write over what a series holds at their times (decision 0049)."""
    if read.columns is None or not held.rows:
        return read
    over = _writes_over(read.columns, held)
    refused = {
        place: Problem(f"/{place}", INVALID_BODY, HELD)
        for place, flag in zip(read.places, over.tolist(), strict=True)
        if flag
    }
    if not refused:
        return read
    left = [place for place in read.places if place not in refused]
    columns = read.columns.take(np.flatnonzero(~over)) if left else None
    return Read(columns, left, read.refused | refused)


def _writes_over(columns: Columns, held: Columns) -> Bools:
    at = np.minimum(np.searchsorted(held.time_ms, columns.time_ms), held.rows - 1)
    meets = held.time_ms[at] == columns.time_ms
    over = np.zeros(columns.rows, np.bool_)
    for variable, column in columns.cells.items():
        if variable not in held.cells:
            continue
        there = held.cells[variable].take(at)
        has = meets if there.present is None else meets & there.present
        given = np.ones(columns.rows, np.bool_) if column.present is None else column.present
        over |= has & given & ~_alike(column, there)
        if column.removed is not None:
            over |= has & column.removed
    return over


def _alike(one: Column, other: Column) -> Bools:
    values, others = one.values, other.values
    if isinstance(values, Texts) and isinstance(others, Texts):
        same = np.array([a == b for a, b in zip(values.to_list(), others.to_list(), strict=True)], np.bool_)
    else:
        same = np.asarray(values) == np.asarray(others)
    codes = [
        np.full(len(same), NO_QUALITY) if each.quality is None else each.quality for each in (one, other)
    ]
    alike: Bools = same & (codes[0] == codes[1])
    return alike


def _renamed(problem: Problem, place: int) -> Problem:
    """Name the time of a message as messages do."""
    if problem.pointer == f"/{place}/{TIME_MEMBER}":
        message = problem.message.replace(TIME_MEMBER, TIMESTAMP)
        return Problem(f"/{place}/{TIMESTAMP}", problem.code, message)
    return problem


def cut_out(body: bytes, places: Collection[int]) -> bytes:
    """Give some messages of a body that was read, each as it was sent; all where it is nested deeply."""
    try:
        array = _raws.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return body
    return b"[%b]" % b",".join(bytes(array[place]) for place in sorted(places))
