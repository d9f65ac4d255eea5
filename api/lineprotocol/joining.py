"""Steps after which several tables are one: columns left out, and fields that become columns."""

from __future__ import annotations

from contextlib import aclosing

import numpy as np

from api.lineprotocol.tables import (
    FIELD,
    MOMENT,
    STRING,
    TIME,
    VALUE,
    Cell,
    Piece,
    Pieces,
    Table,
    Tables,
    cells_of,
    column_of,
    demand_room,
    rows_in,
)
from schemas.columns import Column, Ints, Texts
from schemas.errors import Malformed
from schemas.flux.plan import Keep


async def kept_columns(tables: Tables, step: Keep) -> Tables:
    """Leave columns out; tables that a column of the key told apart become one."""
    held: dict[tuple[tuple[str, Cell], ...], tuple[Table, list[Piece]]] = {}
    cells = 0
    async with aclosing(tables):
        async for table in tables:
            key = {name: each for name, each in table.key.items() if step.has(name)}
            columns = {name: kind for name, kind in table.columns.items() if step.has(name)}
            told = tuple((name, each[1]) for name, each in key.items())
            merged, pieces = held.setdefault(told, (Table(key, columns, table.pieces), []))
            if merged.columns != columns:
                raise Malformed("schema collision: tables that become one have columns of other types")
            async with aclosing(table.pieces) as given:
                async for piece in given:
                    if columns:
                        part: Piece = {name: piece[name] for name in columns}
                        pieces.append(part)
                        cells += rows_in(part) * len(part)
                    elif not pieces:
                        pieces.append({"": Column(np.zeros(1, np.bool_))})  # that there is a row
                    demand_room(cells)
    for table, pieces in held.values():
        if pieces:
            yield Table(table.key, table.columns, _given(pieces))


async def _given(pieces: list[Piece]) -> Pieces:
    for piece in pieces:
        yield piece


async def pivoted(tables: Tables) -> Tables:
    """Make columns of fields: tables that differ in the field alone become one, a row a time."""
    group: dict[tuple[tuple[str, Cell], ...], list[tuple[Table, str, list[Piece]]]] = {}
    cells = 0
    async with aclosing(tables):
        async for table in tables:
            if FIELD not in table.key or VALUE not in table.columns or TIME not in table.columns:
                raise Malformed("pivot: it needs the columns _time, _field and _value")
            told = tuple((name, each[1]) for name, each in table.key.items() if name != FIELD)
            pieces = []
            async with aclosing(table.pieces) as given:
                async for piece in given:
                    pieces.append(piece)
                    cells += 2 * rows_in(piece)
                    demand_room(cells)
            if pieces:
                group.setdefault(told, []).append((table, str(table.key[FIELD][1]), pieces))
    for parts in group.values():
        first = parts[0][0]
        key = {name: each for name, each in first.key.items() if name != FIELD}
        kinds = {name: table.columns[VALUE] for table, name, _ in parts}
        yield Table(key, {TIME: MOMENT, **kinds}, _rows_of_times(parts))


async def _rows_of_times(parts: list[tuple[Table, str, list[Piece]]]) -> Pieces:
    times = [np.concatenate([_times(piece) for piece in pieces]) for _, _, pieces in parts]
    rows_ms = np.unique(np.concatenate(times))
    columns = {TIME: Column(rows_ms)}
    for (table, name, pieces), its_times in zip(parts, times, strict=True):
        cells = [cell for piece in pieces for cell in cells_of(piece[VALUE])]
        laid: list[Cell | None] = [None] * len(rows_ms)
        for row, cell in zip(np.searchsorted(rows_ms, its_times).tolist(), cells, strict=True):
            laid[row] = cell
        present = np.array([cell is not None for cell in laid], np.bool_)
        kind = table.columns[VALUE]
        filler: Cell = "" if kind == STRING else 0
        values = column_of(kind, [filler if cell is None else cell for cell in laid]).values
        columns[name] = Column(values, None if present.all() else present)
    yield columns


def _times(piece: Piece) -> Ints:
    values = piece[TIME].values
    assert not isinstance(values, Texts)
    return values.astype(np.int64)
