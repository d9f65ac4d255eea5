"""Aspect types: what a record may hold, and how that may change (wire 4.2, MS-02 … MS-10).

Domain structs and pure rules only; the shapes of the wire live in `api.http.wire`. A check returns every
problem with the JSON pointer of its place in a body that names members as the wire does.
"""

from __future__ import annotations

import re
from enum import Enum

import msgspec

from schemas.codes import INVALID_BODY
from schemas.columns import ColumnClass
from schemas.errors import Problem
from schemas.limits import (
    BIG_STRING_CHARACTERS_MAX,
    CHARACTER_BYTES,
    DEFAULT_VALUE_CHARACTERS_MAX,
    DESCRIPTION_CHARACTERS_MAX,
    NAME_CHARACTERS_MAX,
    RECORD_BYTES_MAX,
    STRING_CHARACTERS_MAX,
    TYPE_ID_CHARACTERS_MAX,
    TYPE_PREFIX_CHARACTERS_MAX,
    UNIT_CHARACTERS_MAX,
    VARIABLE_NAME_CHARACTERS_MAX,
    VARIABLES_OF_ASPECT_MAX,
)

RESERVED_NAMES = frozenset(
    {"id", "name", "description", "tenant", "etag", "scope", "properties", "propertySets", "extends"}
    | {"variables", "aspects", "parentTypeId"}
)
"""MS-07: neither a variable nor an aspect may be called so."""
TIME_MEMBER = "_time"
"""The member of a record that is no variable, so no variable may be called so."""
QUALITY_SUFFIX = "_qc"

STATIC, DYNAMIC = "static", "dynamic"
CATEGORIES = (STATIC, DYNAMIC)
SCOPES = ("private", "public")

_NAME_RULE = (
    f"letters, digits and _, no digit first, at most {VARIABLE_NAME_CHARACTERS_MAX}, and no reserved word."
)
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_TYPE_ID = re.compile(rf"([A-Za-z0-9_]{{1,{TYPE_PREFIX_CHARACTERS_MAX}}})\.[A-Za-z0-9_]+")


class VariableType(Enum):
    """The seven types of the dialect (MS-02)."""

    BOOLEAN = "BOOLEAN"
    INT = "INT"
    LONG = "LONG"
    DOUBLE = "DOUBLE"
    STRING = "STRING"
    BIG_STRING = "BIG_STRING"
    TIMESTAMP = "TIMESTAMP"

    @property
    def column_class(self) -> ColumnClass:
        """Tell how columns hold values of this type."""
        return _CLASSES[self]

    @property
    def is_text(self) -> bool:
        """Tell whether values are strings of characters with a declared length."""
        return self in _LENGTHS_MAX


_CLASSES = {
    VariableType.BOOLEAN: ColumnClass.BOOLEAN,
    VariableType.INT: ColumnClass.INTEGER,
    VariableType.LONG: ColumnClass.INTEGER,
    VariableType.DOUBLE: ColumnClass.FLOAT,
    VariableType.STRING: ColumnClass.TEXT,
    VariableType.BIG_STRING: ColumnClass.TEXT,
    VariableType.TIMESTAMP: ColumnClass.INTEGER,
}
_VALUE_BYTES = {
    VariableType.BOOLEAN: 1,
    VariableType.INT: 4,
    VariableType.LONG: 8,
    VariableType.DOUBLE: 8,
    VariableType.TIMESTAMP: 8,
}
_LENGTHS_MAX = {
    VariableType.STRING: STRING_CHARACTERS_MAX,
    VariableType.BIG_STRING: BIG_STRING_CHARACTERS_MAX,
}
_WIDENS_TO = {
    VariableType.INT: (VariableType.LONG, VariableType.DOUBLE),
    VariableType.LONG: (VariableType.DOUBLE,),
}
"""Design 8.12: the only changes of a type."""


class Variable(msgspec.Struct, frozen=True, kw_only=True):
    """One variable of an aspect type."""

    name: str
    type: VariableType
    id: int = 0
    """Its number for ever, ≥ 1 and never reused; 0 until `with_ids` gives one."""
    unit: str = ""
    length: int | None = None
    """Declared characters of STRING and BIG_STRING; None: the type's maximum."""
    quality_code: bool = False
    default_value: str | None = None
    searchable: bool = False
    """A wish that means something for static variables only; clients send it with dynamic ones too."""

    @property
    def characters_max(self) -> int:
        """Give the longest string taken, in UTF-16 units (MS-03); 0 for types without characters."""
        return (self.length or _LENGTHS_MAX[self.type]) if self.type in _LENGTHS_MAX else 0

    @property
    def value_bytes_max(self) -> int:
        """Give the most that one value counts by the byte rule (MS-02)."""
        return _VALUE_BYTES.get(self.type, CHARACTER_BYTES * self.characters_max)

    @property
    def quality_name(self) -> str:
        """Name the member that carries the quality code."""
        return self.name + QUALITY_SUFFIX


class AspectType(msgspec.Struct, frozen=True, kw_only=True):
    """One version of an aspect type; `version` rises with each change of its variables."""

    id: str
    tenant: str
    name: str
    category: str
    variables: tuple[Variable, ...]
    scope: str = "private"
    description: str = ""
    version: int = 1
    ids_given: int = 0
    """The highest variable id given so far, also to variables that are gone since."""

    @property
    def record_bytes_max(self) -> int:
        """Give the most that one record counts by the byte rule (MS-04)."""
        return sum(variable.value_bytes_max for variable in self.variables)

    def variable(self, name: str) -> Variable | None:
        """Find a variable by its name."""
        return next((variable for variable in self.variables if variable.name == name), None)


def with_ids(proposed: AspectType, old: AspectType | None = None) -> AspectType:
    """Complete a checked proposal: ids for new variables, and the version it will have.

    A variable keeps the id of the old one with its name; one that brings an id of the old type along
    is a renamed variable. Ids of removed variables stay unused for ever (design 3.2).
    """
    known = {variable.name: variable.id for variable in old.variables} if old else {}
    given = old.ids_given if old else 0
    variables = []
    for variable in proposed.variables:
        number = variable.id or known.get(variable.name, 0)
        if number == 0:
            number = given = given + 1
        variables.append(msgspec.structs.replace(variable, id=number))
    changed = old is not None and tuple(variables) != old.variables
    version = (old.version if old else 1) + changed
    return msgspec.structs.replace(proposed, variables=tuple(variables), ids_given=given, version=version)


def is_lawful_name(name: str, characters_max: int) -> bool:
    """Tell whether a variable may be called so: letters, digits, `_`, no digit first, nothing reserved."""
    return _NAME.fullmatch(name) is not None and len(name) <= characters_max and name not in RESERVED_NAMES


def check_type_id(type_id: str, tenant: str) -> list[Problem]:
    """Check `<tenant>.<name>` (wire 0.4): the prefix is the name of the tenant (design 8.13)."""
    match = _TYPE_ID.fullmatch(type_id)
    if match is None or len(type_id) > TYPE_ID_CHARACTERS_MAX:
        message = f"A type id reads {tenant}.name: letters, digits and _, at most {TYPE_ID_CHARACTERS_MAX}."
        return [_problem("/id", message)]
    if match[1] != tenant:
        return [_problem("/id", f"The id must begin with the name of the tenant: {tenant}.")]
    return []


def check_described(name: str, description: str, scope: str) -> list[Problem]:
    """Check what aspect types and asset types have in common: name, description, scope."""
    problems = []
    if not 1 <= len(name) <= NAME_CHARACTERS_MAX or not name.isprintable():
        problems.append(_problem("/name", f"A name has 1 to {NAME_CHARACTERS_MAX} printable characters."))
    if len(description) > DESCRIPTION_CHARACTERS_MAX or "'" in description:
        problems.append(
            _problem("/description", f"At most {DESCRIPTION_CHARACTERS_MAX} characters, without the quote '.")
        )
    if scope not in SCOPES:
        problems.append(_problem("/scope", f"One of {', '.join(SCOPES)}."))
    return problems


def check_aspect_type(new: AspectType) -> list[Problem]:
    """Check an aspect type by itself (MS-03, MS-04, MS-06, MS-07, MS-09, MS-10)."""
    problems = [*check_type_id(new.id, new.tenant), *check_described(new.name, new.description, new.scope)]
    if new.category not in CATEGORIES:
        problems.append(_problem("/category", f"One of {', '.join(CATEGORIES)}."))
    if len(new.variables) > VARIABLES_OF_ASPECT_MAX:
        problems.append(_problem("/variables", f"At most {VARIABLES_OF_ASPECT_MAX} variables."))
    for place, variable in enumerate(new.variables):
        problems += check_variable(variable, f"/variables/{place}", new.category)
    return problems + _check_together(new)


def check_variable(variable: Variable, at: str, category: str) -> list[Problem]:
    """Check one definition of a variable in a type of this category."""
    rules = (
        (
            is_lawful_name(variable.name, VARIABLE_NAME_CHARACTERS_MAX) and variable.name != TIME_MEMBER,
            "/name",
            f"{variable.name!r} cannot name a variable: {_NAME_RULE}",
        ),
        (
            len(variable.unit) <= UNIT_CHARACTERS_MAX and "'" not in variable.unit,
            "/unit",
            f"A unit has at most {UNIT_CHARACTERS_MAX} characters, without the quote '.",
        ),
        (
            category == DYNAMIC or variable.type is not VariableType.BIG_STRING,
            "/dataType",
            "BIG_STRING is allowed in dynamic aspects only; use STRING.",
        ),
        (
            category == STATIC or variable.default_value is None,
            "/defaultValue",
            "Only static variables have a default value.",
        ),
        (
            1
            <= len("-" if variable.default_value is None else variable.default_value)
            <= DEFAULT_VALUE_CHARACTERS_MAX,
            "/defaultValue",
            f"A default value has 1 to {DEFAULT_VALUE_CHARACTERS_MAX} characters.",
        ),
    )
    problems = [_problem(at + place, message) for lawful, place, message in rules if not lawful]
    return problems + _check_length(variable, at)


def _check_length(variable: Variable, at: str) -> list[Problem]:
    longest = _LENGTHS_MAX.get(variable.type)
    if variable.length is None or (longest is None and variable.length > 0):
        return []  # clients send a length with every type; it has a meaning for strings only
    if 1 <= variable.length <= (longest or 0):
        return []
    message = f"The length of a {variable.type.value} is 1 to {longest or 'any number'}."
    return [_problem(at + "/length", message)]


def _check_together(new: AspectType) -> list[Problem]:
    """Check what no variable can know alone: names, and the sums of lengths."""
    names: set[str] = set()
    codes = {variable.quality_name for variable in new.variables if variable.quality_code}
    problems = []
    for place, variable in enumerate(new.variables):
        at = f"/variables/{place}/name"
        if variable.name in names:
            problems.append(_problem(at, f"{variable.name} is there twice; names are unique in an aspect."))
        if variable.name in codes:
            taken = variable.name.removesuffix(QUALITY_SUFFIX)
            problems.append(_problem(at, f"{variable.name} is where the quality code of {taken} is sent."))
        names.add(variable.name)
    long_ones = [variable for variable in new.variables if variable.type is VariableType.BIG_STRING]
    if sum(variable.characters_max for variable in long_ones) > BIG_STRING_CHARACTERS_MAX:
        message = f"All BIG_STRING lengths together are at most {BIG_STRING_CHARACTERS_MAX}; shorten them."
        problems.append(_problem("/variables", message))
    elif new.record_bytes_max > RECORD_BYTES_MAX:
        message = (
            f"A record could count {new.record_bytes_max} bytes of {RECORD_BYTES_MAX}; shorten the strings."
        )
        problems.append(_problem("/variables", message))
    return problems


def check_change(old: AspectType, new: AspectType, *, may_remove: bool = False) -> list[Problem]:
    """Check what may change between two versions, beside `check_aspect_type(new)` (MS-06, wire 4.2).

    Variables may be added, get another unit, become longer and widen (design 8.12). With `may_remove`
    (PATCH of variables) they may also go, or be renamed by bringing their id along.
    """
    problems = [
        _problem("/" + member, f"The {member} of an aspect type cannot change; it is {before!r}.")
        for member, before, after in (
            ("id", old.id, new.id),
            ("name", old.name, new.name),
            ("category", old.category, new.category),
        )
        if before != after
    ]
    # One that brings an id along is that variable, and no other one of its name.
    places = {variable.name: place for place, variable in enumerate(new.variables) if not variable.id}
    numbers = {variable.id: place for place, variable in enumerate(new.variables) if variable.id}
    for variable in old.variables:
        place = numbers.get(variable.id, places.get(variable.name))
        if place is not None:
            problems += _check_variable_change(variable, new.variables[place], f"/variables/{place}")
        elif not may_remove:
            message = f"{variable.name} is missing; an update cannot remove or rename variables."
            problems.append(_problem("/variables", message))
    return problems


def _check_variable_change(old: Variable, new: Variable, at: str) -> list[Problem]:
    problems = []
    if new.type is not old.type and new.type not in _WIDENS_TO.get(old.type, ()):
        change = f"{old.name} is {old.type.value} and cannot become {new.type.value}"
        message = f"{change}; a type widens from INT to LONG to DOUBLE only."
        problems.append(_problem(at + "/dataType", message))
    elif new.characters_max < old.characters_max:
        message = f"{old.name} has length {old.characters_max} and can only grow."
        problems.append(_problem(at + "/length", message))
    if new.quality_code != old.quality_code:
        problems.append(_problem(at + "/qualityCode", f"The qualityCode of {old.name} cannot change."))
    return problems


def _problem(pointer: str, message: str) -> Problem:
    return Problem(pointer, INVALID_BODY, message)
