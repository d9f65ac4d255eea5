"""A body of records, read to the letter: what is wrong with it, and where.

Comes after the typed decoders, for bodies that they refuse or cannot judge. It knows every rule for a
record, so a body without problems leaves it as lists that the columns take.
"""

from __future__ import annotations

from typing import NamedTuple

from msgspec import UNSET

from schemas.aspects import QUALITY_SUFFIX, TIME_MEMBER, Variable, VariableType
from schemas.cells import Lists, Members, Plan, characters_of
from schemas.codes import (
    INVALID_BODY,
    INVALID_TIME,
    JSON_DUPLICATE,
    JSON_MALFORMED,
    MISSING_BODY,
    NOT_PATCHABLE,
    OUT_OF_RANGE,
    QUALITY_ALONE,
    RECORD_TOO_LARGE,
    RETENTION,
    TIME_WINDOW,
    TOO_LONG,
    TOO_MANY_RECORDS,
    UNKNOWN_VARIABLE,
    WRONG_TYPE,
)
from schemas.errors import Malformed, Problem, TooLarge
from schemas.limits import (
    BODY_CELLS_MAX,
    CHARACTER_BYTES,
    INT_MAX,
    INT_MIN,
    LONG_MAX,
    LONG_MIN,
    PROBLEMS_LISTED_MAX,
    QUALITY_CODE_MAX,
    RECORD_BYTES_MAX,
)
from schemas.strict_json import Members as JsonMembers
from schemas.strict_json import Number, is_number, parse_json, read_double, read_integer
from schemas.times import format_time, parse_time


class Rules(NamedTuple):
    """What a body must keep to beside the types: policy, mode and the present."""

    least_ms: int
    most_ms: int
    records_max: int | None
    merging: bool
    retained: bool = False
    """True: it is retention that sets `least_ms` (design 4.13)."""


class _Fault(Exception):
    """Why a value is not taken."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


def diagnose(body: bytes, plan: Plan, rules: Rules, at: str) -> tuple[Lists | None, list[Problem]]:
    """Read the body record by record: lists without problems, or the first 100 problems without lists.

    TooLarge where the lists would be out of proportion to the body (`BODY_CELLS_MAX`).
    """
    try:
        root = parse_json(body)
    except Malformed as error:
        return None, [Problem(at, JSON_MALFORMED, error.message)]
    if not isinstance(root, list) or isinstance(root, JsonMembers):
        return None, [Problem(at, WRONG_TYPE, f"Send an array of records, not {shown(root)}.")]
    if not root:
        return None, [Problem(at, INVALID_BODY, "The array holds no record; send at least one.")]
    if rules.records_max is not None and len(root) > rules.records_max:
        message = (
            f"{len(root)} records, and {rules.records_max} are allowed at a time; send several requests."
        )
        return None, [Problem(at, TOO_MANY_RECORDS, message)]
    reader = RecordReader(plan, rules)
    together = BODY_CELLS_MAX // len(plan.members) if plan.members else len(root)
    for place, record in enumerate(root[:together]):
        reader.read(record, f"{at}/{place}")
        if len(reader.problems) >= PROBLEMS_LISTED_MAX:
            break
    if reader.problems:
        return None, reader.problems[:PROBLEMS_LISTED_MAX]
    if len(root) > together:
        members = f"an aspect with {len(plan.members)} members"
        raise TooLarge(f"{len(root)} records of {members}; send at most {together} of them at a time.")
    return Lists(reader.times, reader.members), []


class RecordReader:
    """Reads one record after the other, and keeps what it read and what was wrong."""

    def __init__(self, plan: Plan, rules: Rules) -> None:
        """Begin with nothing."""
        self.problems: list[Problem] = []
        self.times: list[str] = []
        self.members: list[Members] = [[] for _ in plan.members]
        self._rules = rules
        self._plan = plan
        self._places = {
            variable.quality_name if is_quality else variable.name: place
            for place, (variable, is_quality) in enumerate(plan.members)
        }

    def read(self, record: object, at: str) -> None:
        """Read one record, whose pointer is `at`."""
        if not isinstance(record, JsonMembers):
            self._complain(at, WRONG_TYPE, f"A record is an object, not {shown(record)}.")
            return
        row: Members = [UNSET] * len(self.members)
        problems_before = len(self.problems)
        seen: set[str] = set()
        for name, value in record:
            try:
                self._read_member(name, value, row, seen)
            except _Fault as fault:
                self._complain(f"{at}/{pointer_token(name)}", fault.code, fault.message)
                if len(self.problems) >= PROBLEMS_LISTED_MAX:
                    return
        if TIME_MEMBER not in seen:
            message = (
                f'{TIME_MEMBER} is missing; give each record its time, as in "2026-11-22T08:30:00.000Z".'
            )
            self._complain(f"{at}/{TIME_MEMBER}", MISSING_BODY, message)
        if len(self.problems) == problems_before:  # else a code would be missed with its faulty value
            self._read_together(row, at)
        for values, value in zip(self.members, row, strict=True):
            values.append(value)

    def take(self, record: object, at: str) -> list[Problem]:
        """Read one record, and keep it only if nothing is wrong with it; gives what is."""
        rows = len(self.times)
        self.read(record, at)
        problems, self.problems = self.problems, []
        if problems:
            for values in (self.times, *self.members):
                del values[rows:]
        return problems

    def _complain(self, pointer: str, code: str, message: str) -> None:
        self.problems.append(Problem(pointer, code, message))

    def _read_member(self, name: str, value: object, row: Members, seen: set[str]) -> None:
        if name in seen:
            raise _Fault(JSON_DUPLICATE, f"{shown(name)} is there twice in one record; send it once.")
        seen.add(name)
        if name == TIME_MEMBER:
            self.times.append(self._read_time(value))
            return
        place = self._places.get(name)
        if place is None:
            raise _Fault(UNKNOWN_VARIABLE, self._unknown(name))
        variable, is_quality = self._plan.members[place]
        row[place] = _read_quality(name, value) if is_quality else _read_value(variable, value)
        is_sent = row[place] is not UNSET
        if self._rules.merging and is_sent and variable.type is VariableType.BIG_STRING:
            raise _Fault(NOT_PATCHABLE, f"{name} is a BIG_STRING, which PATCH does not take; use PUT.")

    def _read_time(self, value: object) -> str:
        if type(value) is not str:
            raise _Fault(INVALID_TIME, f"{TIME_MEMBER} is a string, not {shown(value)}.")
        try:
            time_ms = parse_time(value)
        except Malformed as error:
            raise _Fault(INVALID_TIME, error.message) from None
        if self._rules.retained and time_ms < self._rules.least_ms:
            raise _Fault(RETENTION, f"{value} is too old: {kept_from(self._rules.least_ms)}")
        if not self._rules.least_ms <= time_ms <= self._rules.most_ms:
            window = f"{format_time(self._rules.least_ms)} to {format_time(self._rules.most_ms)}"
            raise _Fault(TIME_WINDOW, f"{value} is outside the time that is taken now: {window}.")
        return value

    def _unknown(self, name: str) -> str:
        measured = name.removesuffix(QUALITY_SUFFIX)
        if measured != name and measured in self._places:
            return f"{measured} was declared without qualityCode; leave {name} out."
        names = ", ".join(variable.name for variable in self._plan.variables[:20])
        more = ", …" if len(self._plan.variables) > 20 else ""
        return f"The aspect has no variable {shown(name)}; it has {names or 'none'}{more}."

    def _read_together(self, row: Members, at: str) -> None:
        """Check what concerns a whole record: codes without values, and its size."""
        size = 0
        for place, (variable, is_quality) in enumerate(self._plan.members):
            value = row[place]
            if value is UNSET or value is None:
                continue
            if not is_quality:
                text = CHARACTER_BYTES * characters_of(value) if variable.type.is_text else 0
                size += text or variable.value_bytes_max
            elif row[place - 1] is UNSET or row[place - 1] is None:
                pointer = f"{at}/{variable.quality_name}"
                self._complain(pointer, QUALITY_ALONE, f"A code needs its value; send {variable.name} too.")
        if size > RECORD_BYTES_MAX:
            message = f"The record counts {size} bytes (2 a character), and {RECORD_BYTES_MAX} are allowed."
            self._complain(at, RECORD_TOO_LARGE, message)


def kept_from(live_from_ms: int) -> str:
    """Say what the retention of the tenant leaves (design 4.13)."""
    return f"by the tenant's retention records live from {format_time(live_from_ms)} on, before it summaries."


def _read_value(variable: Variable, value: object) -> object:
    """Read one value as a typed decoder would; null stays None, an empty string is as good as not sent."""
    if value is None:
        return None
    if value == "" and type(value) is str:
        return UNSET
    if variable.type.is_text:
        return _read_text(variable, value)
    if variable.type is VariableType.TIMESTAMP:
        return _read_timestamp(variable, value)
    if variable.type is VariableType.BOOLEAN:
        return _read_boolean(variable, value)
    if not isinstance(value, str) or not is_number(value):
        raise _Fault(
            WRONG_TYPE, f"{variable.name} is {_article(variable)}: send a number, not {shown(value)}."
        )
    number: float | None
    if variable.type is VariableType.DOUBLE:
        number = read_double(value)
        allowed = "0, or a magnitude from 1E-130 to 9.99E+125"
    else:
        least, most = _INTEGERS[variable.type]
        number = read_integer(value, least, most)
        allowed = f"a whole number from {least} to {most}"
    if number is None:
        raise _Fault(OUT_OF_RANGE, f"{variable.name} is {_article(variable)}: {allowed}, not {shown(value)}.")
    return number


_INTEGERS = {VariableType.INT: (INT_MIN, INT_MAX), VariableType.LONG: (LONG_MIN, LONG_MAX)}
_BOOLEANS = {"true": True, "false": False}


def _read_boolean(variable: Variable, value: object) -> bool:
    meaning = _BOOLEANS.get(value, value) if type(value) is str else value
    if not isinstance(meaning, bool):
        raise _Fault(WRONG_TYPE, f"{variable.name} is a BOOLEAN: send true or false, not {shown(value)}.")
    return meaning


def _read_timestamp(variable: Variable, value: object) -> str:
    if type(value) is not str:
        raise _Fault(
            WRONG_TYPE, f"{variable.name} is a TIMESTAMP: send a time as string, not {shown(value)}."
        )
    try:
        parse_time(value)
    except Malformed as error:
        raise _Fault(INVALID_TIME, f"{variable.name} is a TIMESTAMP: {error.message}") from None
    return value


def _read_text(variable: Variable, value: object) -> str:
    if type(value) is not str:
        raise _Fault(
            WRONG_TYPE, f"{variable.name} is {_article(variable)}: send a string, not {shown(value)}."
        )
    if "\0" in value:
        raise _Fault(INVALID_BODY, f"{variable.name} contains the character NUL; leave it out.")
    try:
        value.encode()
    except UnicodeEncodeError:
        message = f"{variable.name} contains half of a surrogate pair; send both halves or none."
        raise _Fault(INVALID_BODY, message) from None
    characters = characters_of(value)
    if characters > variable.characters_max:
        most = variable.characters_max
        message = f"{variable.name} has {characters} characters (UTF-16 units), and {most} are declared."
        raise _Fault(TOO_LONG, message)
    return value


def _read_quality(name: str, value: object) -> object:
    if value is None:
        return None
    if value == "" and type(value) is str:
        return UNSET
    code = read_integer(value, 0, QUALITY_CODE_MAX) if isinstance(value, str) else None
    if code is None:
        message = (
            f"{name} is a quality code: a whole number from 0 to {QUALITY_CODE_MAX}, not {shown(value)}."
        )
        raise _Fault(OUT_OF_RANGE, message)
    return code


def _article(variable: Variable) -> str:
    return f"an {variable.type.value}" if variable.type is VariableType.INT else f"a {variable.type.value}"


def shown(value: object) -> str:
    """Write a value for a message: short, and without anything that could break a line or an encoding."""
    if isinstance(value, JsonMembers):
        return "an object"
    if isinstance(value, list):
        return "an array"
    if isinstance(value, Number):
        return _cut(str(value))
    if isinstance(value, str):
        return ascii(_cut(value))
    return {True: "true", False: "false", None: "null"}[value]  # type: ignore[index]


def pointer_token(name: str) -> str:
    """Write a member's name as part of a JSON pointer (RFC 6901); very long ones are cut."""
    escaped = name.replace("~", "~0").replace("/", "~1")
    return _cut(escaped, 128).encode("utf-8", "backslashreplace").decode()


def _cut(text: str, characters_max: int = 40) -> str:
    return text if len(text) <= characters_max else text[: characters_max - 1] + "…"
