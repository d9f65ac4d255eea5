"""Whether a file type can be read by: everything that its types alone do not say, every problem at once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from re import _constants as ops  # type: ignore[attr-defined]  # the parser has no public name
from re import _parser as parser  # type: ignore[attr-defined]  # the same
from typing import Any, NamedTuple

from schemas.aspects import is_lawful_name
from schemas.codes import INVALID_BODY
from schemas.errors import Problem
from schemas.filetypes.limits import (
    COLUMN_NAME_CHARACTERS_MAX,
    COLUMNS_MAX,
    PATTERN_CHARACTERS_MAX,
    PATTERN_CHOICES_MAX,
    PATTERN_REPEATS_MAX,
)
from schemas.filetypes.model import FileFormat, FileType, NewColumns, Rule
from schemas.filetypes.moments import is_format
from schemas.filetypes.text import is_encoding
from schemas.limits import DESCRIPTION_CHARACTERS_MAX, VARIABLE_NAME_CHARACTERS_MAX
from schemas.zones import zone_of

_WITH_TIMES = {FileFormat.TEXT, FileFormat.PARQUET, FileFormat.ARROW, FileFormat.JSON}
_REPEATS = (ops.MAX_REPEAT, ops.MIN_REPEAT, ops.POSSESSIVE_REPEAT)
_FEW = 10
"""A repeat of at most so many is no repeat without end."""
_BRACES = re.compile(r"\{(\w+)\}")


def check_file_type(file_type: FileType) -> list[Problem]:
    """Check a file type by itself; an empty list: it can be read by (SM-03)."""
    found = [*_of_text(file_type), *_of_times(file_type), *_of_places(file_type)]
    for place, rule in enumerate(file_type.rules):
        found += _of_rule(rule, f"/rules/{place}")
    return [Problem(pointer, INVALID_BODY, message) for pointer, message in found]


_Found = Iterator[tuple[str, str]]


def _of_text(one: FileType) -> _Found:
    if len(one.description) > DESCRIPTION_CHARACTERS_MAX:
        yield "/description", f"At most {DESCRIPTION_CHARACTERS_MAX} characters."
    if len(one.delimiter) != 1 or one.delimiter in "\r\n\0" or not one.delimiter.isascii():
        yield "/delimiter", "One ASCII character that ends no line; for more write delimiterPattern."
    if one.delimiter_pattern:
        reason = _against_delimiter(one.delimiter_pattern)
        if reason:
            yield "/delimiterPattern", reason
    if len(one.quote) > 1 or one.quote in {"\r", "\n", one.delimiter} or not one.quote.isascii():
        yield "/quote", "One ASCII character other than the delimiter, or none."
    if one.multiline and (one.quote != '"' or one.delimiter_pattern):
        yield "/multiline", 'Cells go over lines only in quotes " and without delimiterPattern.'
    if one.encoding and not is_encoding(one.encoding):
        yield "/encoding", f"{one.encoding!r} is no encoding of text; utf-8, latin-1 or cp1252 for instance."
    if one.decimal_comma and one.delimiter == "," and not one.delimiter_pattern:
        yield "/decimalComma", "A comma cannot stand in numbers and between cells; declare the delimiter."
    if one.columns and one.header_line is not None:
        yield "/columns", "A file has a header or is given columns, not both."
    long = (name for name in one.columns if len(name) > COLUMN_NAME_CHARACTERS_MAX)
    if len(one.columns) > COLUMNS_MAX or next(long, None) is not None:
        yield "/columns", f"At most {COLUMNS_MAX} names of at most {COLUMN_NAME_CHARACTERS_MAX} characters."
    for row, pointer in ((one.units_row, "/unitsRow"), (one.statistics_row, "/statisticsRow")):
        if row is not None and (row > one.skip_rows or one.columns):
            yield pointer, "It counts lines after the header, and is one of skipRows."


def _of_times(one: FileType) -> _Found:
    if one.format in _WITH_TIMES and not one.time_columns:
        yield "/timeColumns", f"A file of format {one.format.value} needs the names of its columns of times."
    if one.columns and not set(one.time_columns) <= set(one.columns):
        yield "/timeColumns", "They must be among columns."
    for place, form in enumerate(one.time_formats):
        if not is_format(form):
            yield (
                f"/timeFormats/{place}",
                f"{form!r} is no format of times: %Y-%m-%d %H:%M:%S, iso8601 or epoch-ms for instance.",
            )
    if one.zone and zone_of(one.zone) is None:
        yield "/zone", f"{one.zone!r} is no zone: Europe/Berlin, UTC or +01:00 for instance."


def _of_places(one: FileType) -> _Found:
    if one.narrow is not None:
        if one.format not in _WITH_TIMES:
            yield "/narrow", f"Files of format {one.format.value} name their columns themselves."
        if one.narrow.sensor == one.narrow.value or not one.narrow.sensor or not one.narrow.value:
            yield "/narrow", "The sensor and the value are two columns."
    extends = one.new_columns is NewColumns.EXTEND
    has_aspect = one.aspect or one.aspect_column
    if extends and not has_aspect:
        yield "/newColumns", "To extend, the file type must name the aspect."


def _of_rule(rule: Rule, at: str) -> _Found:
    ways = (rule.column is not None) + (rule.pattern is not None) + rule.sensors
    if ways != 1:
        yield at, "A rule has one of column, pattern and sensors."
    groups: set[str] = set()
    if rule.pattern is not None:
        reason = against_pattern(rule.pattern)
        if reason:
            yield f"{at}/pattern", reason
        else:
            groups = set(re.compile(rule.pattern).groupindex)
    for name, template in (("asset", rule.asset), ("aspect", rule.aspect), ("variable", rule.variable)):
        unknown = sorted(set(_BRACES.findall(template)) - groups)
        if unknown:
            yield f"{at}/{name}", f"The pattern has no group {unknown[0]!r}; write (?P<{unknown[0]}>…)."
    most = VARIABLE_NAME_CHARACTERS_MAX
    if rule.variable and not groups and not is_lawful_name(rule.variable, most):
        yield f"{at}/variable", f"{rule.variable!r} is no name of a variable."


def against_pattern(pattern: str) -> str:
    """Say why a regular expression is not taken, empty: it is.

    A repeat inside a repeat can take longer than anyone waits, and so can many in a row (ReDoS).
    """
    if len(pattern) > PATTERN_CHARACTERS_MAX:
        return f"At most {PATTERN_CHARACTERS_MAX} characters."
    try:
        parsed = parser.parse(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        return f"It is no regular expression: {error}."
    choices = list(_choices(parsed, is_repeated=False))
    if any(choice.is_repeated for choice in choices):
        return "A repeat or an alternative inside a repeat is not taken; it could run for ever."
    if (
        len(choices) > PATTERN_CHOICES_MAX
        or sum(choice.is_endless for choice in choices) > PATTERN_REPEATS_MAX
    ):
        return f"At most {PATTERN_REPEATS_MAX} repeats without end and {PATTERN_CHOICES_MAX} choices."
    if any(op in {ops.GROUPREF, ops.GROUPREF_EXISTS, ops.ASSERT, ops.ASSERT_NOT} for op, _ in _all(parsed)):
        return "References to groups and looking around are not taken."
    return ""


def _against_delimiter(pattern: str) -> str:
    """Say why a delimiter is not taken: it must also cut a line of a megabyte in one go."""
    reason = against_pattern(pattern)
    if reason:
        return reason
    parsed = parser.parse(pattern)
    if parsed.getwidth()[0] == 0:
        return "A delimiter has at least one character."
    endings = [parsed]
    if len(parsed) == 1 and parsed[0][0] is ops.BRANCH:
        endings = parsed[0][1][1]
    before_last = (_choices(ending[: len(ending) - 1], is_repeated=False) for ending in endings)
    if any(choice.is_endless for choices in before_last for choice in choices):
        return "A repeat without end stands last in a delimiter."
    if any(op is ops.SUBPATTERN and arguments[0] is not None for op, arguments in _all(parsed)):
        return "Groups are not taken in a delimiter; write (?:…)."
    return ""


def _all(parsed: Any) -> Iterator[tuple[Any, Any]]:
    """Give every operation of a parsed pattern."""
    for op, arguments in parsed:
        yield op, arguments
        for inner in _inside(op, arguments):
            yield from _all(inner)


def _inside(op: Any, arguments: Any) -> list[Any]:
    if op in _REPEATS:
        return [arguments[2]]
    if op is ops.SUBPATTERN:
        return [arguments[3]]
    if op is ops.ATOMIC_GROUP:
        return [arguments]
    return list(arguments[1]) if op is ops.BRANCH else []


class _Choice(NamedTuple):
    """A place of a pattern where a matcher can go more than one way."""

    is_repeated: bool
    """It stands in a repeat."""
    is_endless: bool


def _choices(parsed: Any, *, is_repeated: bool) -> Iterator[_Choice]:
    for op, arguments in parsed:
        inside = is_repeated
        if op in _REPEATS:
            least, most = arguments[0], arguments[1]
            if least != most:
                yield _Choice(is_repeated, most is ops.MAXREPEAT or most > _FEW)
            inside = is_repeated or most is ops.MAXREPEAT or most > 1
        elif op is ops.BRANCH:
            yield _Choice(is_repeated, is_endless=False)
        for inner in _inside(op, arguments):
            yield from _choices(inner, is_repeated=inside)
