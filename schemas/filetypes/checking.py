"""Whether a file type can be read by: everything that its types alone do not say, every problem at once."""

from __future__ import annotations

import re
from collections.abc import Iterator

from schemas.aspects import is_lawful_name
from schemas.codes import INVALID_BODY
from schemas.errors import Problem
from schemas.filetypes.limits import (
    COLUMN_NAME_CHARACTERS_MAX,
    COLUMNS_MAX,
)
from schemas.filetypes.model import FileFormat, FileType, NewColumns, Rule
from schemas.filetypes.moments import is_format
from schemas.filetypes.patterns import against_delimiter, against_pattern
from schemas.filetypes.text import is_encoding
from schemas.limits import DESCRIPTION_CHARACTERS_MAX, VARIABLE_NAME_CHARACTERS_MAX
from schemas.zones import zone_of

_WITH_TIMES = {FileFormat.TEXT, FileFormat.PARQUET, FileFormat.ARROW, FileFormat.JSON}
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
        reason = against_delimiter(one.delimiter_pattern)
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
    if "" in one.time_columns:
        yield "/timeColumns", "A column of times has a name."
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
