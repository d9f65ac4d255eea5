"""The steps of a query that look at one table at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import aclosing
from typing import Final

import numpy as np

from api.lineprotocol.joining import kept_columns, pivoted
from api.lineprotocol.tables import (
    LONG,
    VALUE,
    Cell,
    Piece,
    Pieces,
    Table,
    Tables,
    cells_of,
    column_of,
    demand,
    demand_room,
    rows_in,
    taken,
)
from api.lineprotocol.windows import windowed
from schemas.columns import Bools, Column, Texts
from schemas.errors import Malformed
from schemas.flux.plan import (
    Count,
    Distinct,
    Filter,
    Keep,
    Last,
    Limit,
    Pivot,
    Step,
    Window,
    columns_in,
)
from schemas.flux.syntax import Compare, Exists, Literal, Logic, Not, Predicate, Time


async def stepped(tables: Tables, steps: list[Step], start_ms: int, stop_ms: int) -> Tables:
    """Take tables through all steps."""
    for step in steps:
        tables = _step(tables, step, (start_ms, stop_ms))
    async with aclosing(tables):
        async for table in tables:
            yield table


def _step(tables: Tables, step: Step, bounds_ms: tuple[int, int]) -> Tables:
    if isinstance(step, Keep):
        return kept_columns(tables, step)
    if isinstance(step, Pivot):
        return pivoted(tables)
    return _each(tables, lambda table: _changed(table, step, bounds_ms))


async def _each(tables: Tables, change: Callable[[Table], Table | None]) -> Tables:
    async with aclosing(tables):
        async for table in tables:
            changed = change(table)
            if changed is not None:
                yield changed


def _changed(table: Table, step: Step, bounds_ms: tuple[int, int]) -> Table | None:
    """Take one table through a step that knows no other one; None: nothing of it is left."""
    match step:
        case Filter():
            return filtered(table, step)
        case Window():
            return windowed(table, step, bounds_ms)
        case Last():
            demand(table, "last", VALUE)
            return Table(table.key, table.columns, _last(table.pieces))
        case Limit():
            return Table(table.key, table.columns, _limited(table.pieces, step))
        case Count():
            demand(table, "count", step.column)
            return Table(table.key, {step.column: LONG}, _count(table.pieces, step.column))
        case Distinct():
            return _distinct(table, step.column)
    raise AssertionError(step)


# -- filter ----------------------------------------------------------------------------------------


def filtered(table: Table, step: Filter) -> Table | None:
    """Keep rows; a table of which the key decides is kept or left out without being read."""
    if not any(column in table.columns for column in columns_in(step.predicate)):
        return table if _judged(step.predicate, table, {}, 1)[0] else None

    async def pieces() -> Pieces:
        async with aclosing(table.pieces) as given:
            async for piece in given:
                rows = np.flatnonzero(_judged(step.predicate, table, piece, rows_in(piece)))
                if len(rows):
                    yield taken(piece, rows)

    return Table(table.key, table.columns, pieces())


def _judged(predicate: Predicate, table: Table, piece: Piece, rows: int) -> Bools:
    """Tell of each row whether it is true; of a value that is not there nothing is."""
    if isinstance(predicate, Not):
        return ~_judged(predicate.one, table, piece, rows)
    if isinstance(predicate, Logic):
        parts = [_judged(part, table, piece, rows) for part in predicate.parts]
        joined: Bools = (np.all if predicate.operator == "and" else np.any)(parts, axis=0)
        return joined
    held = table.key.get(predicate.column)
    if held is not None:
        is_true = isinstance(predicate, Exists) or _compare_one(held[1], predicate)
        return np.full(rows, is_true)
    column = piece.get(predicate.column)
    if column is None:
        return np.zeros(rows, np.bool_)
    present = np.ones(rows, np.bool_) if column.present is None else column.present
    return present if isinstance(predicate, Exists) else present & _compare(column, predicate)


def _plain(value: Literal) -> Cell | None:
    if isinstance(value, Time):
        return value.time_ms
    return value if isinstance(value, str | int | float | bool) else None


_OPERATORS: Final[Mapping[str, Callable[..., object]]] = {
    "==": lambda left, right: left == right,
    "!=": lambda left, right: left != right,
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
}


def _compare_one(value: Cell, predicate: Compare) -> bool:
    other = _plain(predicate.value)
    if other is None or isinstance(value, str) != isinstance(other, str):
        return False
    return bool(_OPERATORS[predicate.operator](value, other))


def _compare(column: Column, predicate: Compare) -> Bools:
    other = _plain(predicate.value)
    operate = _OPERATORS[predicate.operator]
    if isinstance(column.values, Texts):
        if not isinstance(other, str):
            return np.zeros(len(column.values), np.bool_)
        return np.array([operate(text, other) for text in column.values.to_list()], np.bool_)
    if (
        other is None
        or isinstance(other, str)
        or (column.values.dtype == np.bool_) != isinstance(other, bool)
    ):
        return np.zeros(len(column.values), np.bool_)
    return np.asarray(operate(column.values, other), np.bool_)


# -- rows of one table -----------------------------------------------------------------------------


async def _last(pieces: Pieces) -> Pieces:
    kept: Piece | None = None
    async with aclosing(pieces):
        async for piece in pieces:
            present = piece[VALUE].present
            there = np.arange(rows_in(piece)) if present is None else np.flatnonzero(present)
            if len(there):
                kept = taken(piece, there[-1:])
    if kept is not None:
        yield kept


async def _limited(pieces: Pieces, limit: Limit) -> Pieces:
    skipped, left = limit.offset, limit.rows
    if not left:
        return
    async with aclosing(pieces):
        async for piece in pieces:
            rows = rows_in(piece)
            first = min(skipped, rows)
            skipped -= first
            if first < rows:
                part = np.arange(first, min(rows, first + left))
                left -= len(part)
                yield taken(piece, part)
            if not left:
                return


async def _count(pieces: Pieces, column: str) -> Pieces:
    total = 0
    async with aclosing(pieces):
        async for piece in pieces:
            found = piece[column]
            total += rows_in(piece) if found.present is None else int(found.present.sum())
    yield {column: Column(np.array([total], np.int64))}


def _distinct(table: Table, column: str) -> Table:
    held = table.key.get(column)
    if held is not None:
        kind = held[0]
    elif column in table.columns:
        kind = table.columns[column]
    else:
        raise Malformed(f"distinct: there is no column {column!r}")

    async def pieces() -> Pieces:
        seen: dict[Cell, None] = {}
        async with aclosing(table.pieces) as given:
            async for piece in given:
                if held is not None:
                    seen = {held[1]: None}
                    break
                seen.update(dict.fromkeys(cell for cell in cells_of(piece[column]) if cell is not None))
                demand_room(len(seen))
        if seen:
            yield {VALUE: column_of(kind, list(seen))}

    return Table({name: each for name, each in table.key.items() if name != VALUE}, {VALUE: kind}, pieces())
