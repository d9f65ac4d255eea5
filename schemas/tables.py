"""Records as a table: a fixed list of columns, the same for every piece of an answer and every series.

JSON leaves out what a record does not have; a table has a column for every variable asked for, and a column
`x_qc` beside each that carries quality codes, whether or not any record fills it. An answer about several
series begins each row with labels: which asset, which aspect.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from schemas.aspects import AspectType, VariableType
from schemas.codes import INVALID_BODY
from schemas.columns import Bools, Column, Columns, Ints, Texts
from schemas.errors import Invalid, Problem
from schemas.queries import Part


class Field(NamedTuple):
    """One column of a table."""

    name: str
    variable: str
    """The variable whose values, or codes, it holds."""
    type: VariableType
    code: bool
    unit: str


class Found(NamedTuple):
    """Rows of one series: all of an answer's about it, or a piece of them."""

    aspect: AspectType
    columns: Columns
    """Sorted, selected and limited; rows without any value are gone."""
    parts: tuple[Part, ...] | None = None
    """What is shown of each variable; None: everything."""
    labels: tuple[str, ...] = ()
    """What the series is called."""
    position: int | None = None
    """The applied position, where acknowledged entries after it may be missing; None: nothing is missing."""
    next: str | None = None
    """The time to go on from, if there is more of the series than was asked for."""
    summary_only: str | None = None
    """First and last time of records that were met and of which retention has left only summaries."""
    label_columns: tuple[Texts, ...] = ()
    """In tables of several series: the labels of each row."""


def part_of(found: Found, start: int, end: int) -> Found:
    """Cut rows out of a piece."""
    end = min(end, found.columns.rows)
    rows = np.arange(start, end)
    labels = tuple(texts.take(rows) for texts in found.label_columns)
    return found._replace(columns=found.columns.part(start, end), label_columns=labels)


class TableFormat(Protocol):
    """Writes the pieces of one answer, in their order."""

    def begin(self) -> bytes:
        """Write what stands before the first row."""

    def rows(self, found: Found) -> bytes:
        """Write the rows of a piece; may keep some for a later call."""

    def end(self) -> bytes:
        """Write what is kept, and what stands behind the last row."""


def fields_of(aspect: AspectType, parts: Sequence[Part] | None = None) -> tuple[Field, ...]:
    """List the columns of one series, in the order of the aspect type."""
    chosen = {part.variable_id: part for part in parts} if parts is not None else None
    fields: list[Field] = []
    for variable in aspect.variables:
        part = chosen.get(variable.id) if chosen is not None else None
        if chosen is not None and part is None:
            continue
        if part is None or part.values:
            fields.append(Field(variable.name, variable.name, variable.type, code=False, unit=variable.unit))
        if variable.quality_code and (part is None or part.codes):
            fields.append(Field(variable.quality_name, variable.name, VariableType.LONG, code=True, unit=""))
    return tuple(fields)


_WIDTH = {VariableType.INT: 1, VariableType.LONG: 2, VariableType.DOUBLE: 3}
"""Of two numeric types the wider one holds both (design 8.12)."""
_TEXTS = frozenset({VariableType.STRING, VariableType.BIG_STRING})


def joined_fields(several: Iterable[Sequence[Field]]) -> tuple[Field, ...]:
    """List the columns of several series: each name once, in the order in which they come.

    Invalid where a name is a number here and something else there: no column holds both.
    """
    joined: dict[str, Field] = {}
    for field in (field for fields in several for field in fields):
        known = joined.get(field.name)
        if known is None:
            joined[field.name] = field
        elif known != field:
            unit = known.unit if known.unit == field.unit else ""
            joined[field.name] = known._replace(type=_wider(known, field), unit=unit)
    return tuple(joined.values())


def _wider(one: Field, other: Field) -> VariableType:
    if one.type is other.type and one.code is other.code:
        return one.type
    if not one.code and not other.code:
        if one.type in _WIDTH and other.type in _WIDTH:
            return max(one.type, other.type, key=_WIDTH.__getitem__)
        if one.type in _TEXTS and other.type in _TEXTS:
            return VariableType.BIG_STRING
    message = (
        f"{one.name} is {one.type.value} in one aspect and {other.type.value} in another; ask for them apart."
    )
    raise Invalid([Problem("/variables", INVALID_BODY, message)])


class Filled(NamedTuple):
    """What rows have in one column of a table."""

    field: Field
    column: Column | None
    """Values or codes as values; None: none of the rows has any."""


def fill(found: Found, fields: Sequence[Field]) -> list[Filled]:
    """Find the rows' content of each column."""
    ids = {variable.name: variable.id for variable in found.aspect.variables}
    filled: list[Filled] = []
    for field in fields:
        column = found.columns.cells.get(ids.get(field.variable, 0))
        filled.append(Filled(field, _codes_of(column) if field.code else column))
    return filled


def _codes_of(column: Column | None) -> Column | None:
    """Turn a column's codes into a column of their own."""
    if column is None or column.quality is None:
        return None
    has = _codes_given(column)
    return Column(column.quality, None if has.all() else has)


def _codes_given(column: Column) -> Bools:
    """Tell which rows have a code; the column has some."""
    assert column.quality is not None
    quality: Ints = column.quality
    has: Bools = quality >= 0
    return has if column.present is None else has & column.present
