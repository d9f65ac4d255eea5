"""Tables of a query on their way: each has a key, columns, and rows in pieces, read when they are drawn.

A table's pieces are drawn to their end, or let be, before the next table comes. So a query holds one piece of
one series, whatever its range, save where tables become one: there as many cells as `FLUX_CELLS_HELD_MAX`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np

from schemas.columns import Column, Ints, Texts
from schemas.errors import Malformed
from schemas.flux.limits import FLUX_CELLS_HELD_MAX

TIME, START, STOP, VALUE, FIELD, MEASUREMENT = "_time", "_start", "_stop", "_value", "_field", "_measurement"
STRING, LONG, DOUBLE, BOOLEAN, MOMENT = "string", "long", "double", "boolean", "dateTime:RFC3339"
"""Types as annotations name them."""

Cell: TypeAlias = str | int | float | bool
Piece: TypeAlias = Mapping[str, Column]
"""Columns of one length, by name; at least one row."""
Pieces: TypeAlias = AsyncGenerator[Piece, None]
Tables: TypeAlias = AsyncGenerator["Table", None]


@dataclass(slots=True, frozen=True)
class Table:
    """Rows of one key."""

    key: Mapping[str, tuple[str, Cell]]
    """By column, the same for all rows: type and value."""
    columns: Mapping[str, str]
    """The other columns: their types."""
    pieces: Pieces

    @property
    def signature(self) -> object:
        """Give what tables have in common that stand under one head."""
        return tuple((name, kind) for name, (kind, _) in self.key.items()), tuple(self.columns.items())


def rows_in(piece: Piece) -> int:
    """Count the rows of a piece."""
    return len(next(iter(piece.values())).values)


def taken(piece: Piece, rows: Ints) -> Piece:
    """Gather these rows, in this order."""
    return {name: column.take(rows) for name, column in piece.items()}


def demand(table: Table, function: str, column: str) -> None:
    """Refuse a step that needs a column which is not there."""
    if column not in table.columns:
        raise Malformed(f"{function}: there is no column {column!r}")


def cells_of(column: Column) -> list[Cell | None]:
    """Give the values of a column one by one; None where there is none."""
    values: list[Cell | None] = (
        list(column.values.to_list()) if isinstance(column.values, Texts) else column.values.tolist()
    )
    if column.present is None:
        return values
    return [value if there else None for value, there in zip(values, column.present.tolist(), strict=True)]


def column_of(kind: str, cells: list[Cell]) -> Column:
    """Make a column of cells of a type."""
    if kind == STRING:
        return Column(Texts.of([str(cell) for cell in cells]))
    return Column(np.array(cells, _DTYPES[kind]))


_DTYPES: Final = {LONG: np.int64, MOMENT: np.int64, DOUBLE: np.float64, BOOLEAN: np.bool_}


def demand_room(cells: int) -> None:
    """Refuse to hold more cells at once."""
    if cells > FLUX_CELLS_HELD_MAX:
        raise Malformed(
            f"the query puts more than {FLUX_CELLS_HELD_MAX} cells together; narrow the range or filter more"
        )
