"""Queries in a part of Flux over the series of an inlet, answered as annotated CSV (IX-10, IX-11).

A table is one field of one measurement of one set of tags, as clients of InfluxDB know it: a variable of an
aspect of an asset, with the tags that the rule of the inlet would read its asset from. Rows are read as every
other read has them, with all that was acknowledged, in pieces, while the answer goes out.
"""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing
from itertools import takewhile
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import structlog

from api.identity.tokens import Identity
from api.lineprotocol.steps import filtered, stepped
from api.lineprotocol.tables import (
    BOOLEAN,
    DOUBLE,
    FIELD,
    LONG,
    MEASUREMENT,
    MOMENT,
    START,
    STOP,
    STRING,
    TIME,
    VALUE,
    Cell,
    Piece,
    Pieces,
    Table,
    Tables,
    cells_of,
)
from schemas.aspects import DYNAMIC, AspectType, Variable, VariableType
from schemas.columns import Column, Texts
from schemas.errors import Malformed, ServiceError
from schemas.flux.limits import FLUX_TABLES_MAX
from schemas.flux.plan import Filter, Last, Pivot, Plan, Step, columns_in
from schemas.ids import SeriesId
from schemas.lineprotocol.inlets import Inlet, tags_of
from schemas.times import format_time
from storage.spans import Wanted

if TYPE_CHECKING:
    from api.services import Services

log = structlog.get_logger(__name__)

PIECE_ROWS: Final = 4_096

_TYPES: Final = {
    VariableType.BOOLEAN: BOOLEAN,
    VariableType.INT: LONG,
    VariableType.LONG: LONG,
    VariableType.DOUBLE: DOUBLE,
    VariableType.STRING: STRING,
    VariableType.BIG_STRING: STRING,
    VariableType.TIMESTAMP: MOMENT,
}
_OF_ROWS: Final = frozenset({TIME, VALUE})


class Dialect(NamedTuple):
    """How an answer is written."""

    annotations: Sequence[str] = ()
    header: bool = True


class _Series(NamedTuple):
    id: SeriesId
    aspect: AspectType
    key: Mapping[str, tuple[str, Cell]]


async def run(services: Services, caller: Identity, inlet: Inlet, plan: Plan) -> Tables:
    """Give the tables of a query; they are read as they are drawn."""
    leading = list(takewhile(_is_of_keys, plan.steps))
    rest = plan.steps[len(leading) :]
    begins_with: Step | None = rest[0] if rest else None
    series = _series(services, caller, inlet, plan)
    if isinstance(begins_with, Pivot):
        tables = _rows(services, series, plan, inlet, leading)
        rest = rest[1:]
    else:
        tables = _fields(services, series, plan, inlet, leading, newest=isinstance(begins_with, Last))
    async with aclosing(stepped(tables, rest, plan.start_ms, plan.stop_ms)) as found:
        async for table in found:
            yield table


# -- the source ------------------------------------------------------------------------------------


def _is_of_keys(step: Step) -> bool:
    """Tell whether a filter looks at no rows."""
    return isinstance(step, Filter) and _OF_ROWS.isdisjoint(columns_in(step.predicate))


def _series(services: Services, caller: Identity, inlet: Inlet, plan: Plan) -> Iterator[_Series]:
    """Walk the series that lines of the inlet may be of, by asset and aspect."""
    part = services.index.of(caller.tenant)
    bounds = {START: (MOMENT, plan.start_ms), STOP: (MOMENT, plan.stop_ms)}
    measurements = {aspect: measurement for measurement, aspect in inlet.measurements.items()}
    assets = [kept.value for kept in services.access.own_assets(caller)]
    for asset in sorted(assets, key=lambda each: each.id):
        tags = tags_of(inlet, asset)
        if tags is None:
            continue
        for held in part.aspects_of(asset.type_id):
            if held.type.category != DYNAMIC:
                continue
            name = held.aspect.name
            key: dict[str, tuple[str, Cell]] = {**bounds, MEASUREMENT: (STRING, measurements.get(name, name))}
            key |= {tag: (STRING, value) for tag, value in tags.items() if tag not in key}
            yield _Series(SeriesId(caller.tenant, asset.id, held.aspect.aspect_id), held.type, key)


def _chosen(series: _Series, inlet: Inlet, leading: Sequence[Step]) -> list[tuple[str, Variable]]:
    """Give the fields of a series that the first filters leave, with their variables."""
    fields = {variable: field for field, variable in inlet.fields.items()}
    found = []
    for variable in series.aspect.variables:
        field = fields.get(variable.name, variable.name)
        table: Table | None = Table({**series.key, FIELD: (STRING, field)}, {}, _nothing())
        for step in leading:
            assert isinstance(step, Filter)
            table = None if table is None else filtered(table, step)
        if table is not None:
            found.append((field, variable))
    return found


async def _nothing() -> Pieces:
    pieces: list[Piece] = []
    for piece in pieces:
        yield piece


async def _fields(
    services: Services,
    series: Iterator[_Series],
    plan: Plan,
    inlet: Inlet,
    leading: Sequence[Step],
    *,
    newest: bool,
) -> Tables:
    """Give a table for each field of each series."""
    count = 0
    for each in series:
        for field, variable in await asyncio.to_thread(_chosen, each, inlet, leading):
            count = _counted(count)
            columns = {TIME: MOMENT, VALUE: _TYPES[variable.type]}
            pieces = _read(services, each.id, plan, {VALUE: variable}, newest=newest)
            yield Table({**each.key, FIELD: (STRING, field)}, columns, pieces)


async def _rows(
    services: Services, series: Iterator[_Series], plan: Plan, inlet: Inlet, leading: Sequence[Step]
) -> Tables:
    """Give a table for each series, with a column for each field."""
    count = 0
    for each in series:
        chosen = dict(await asyncio.to_thread(_chosen, each, inlet, leading))
        if chosen:
            count = _counted(count)
            columns = {TIME: MOMENT, **{field: _TYPES[variable.type] for field, variable in chosen.items()}}
            yield Table(each.key, columns, _read(services, each.id, plan, chosen))


def _counted(count: int) -> int:
    if count == FLUX_TABLES_MAX:
        raise Malformed(
            f"the query has more than {FLUX_TABLES_MAX} tables; filter by measurement, field or tag"
        )
    return count + 1


async def _read(
    services: Services,
    series: SeriesId,
    plan: Plan,
    variables: Mapping[str, Variable],
    *,
    newest: bool = False,
) -> Pieces:
    """Read the rows of a series in pieces; with `newest` the last one alone."""
    ids = frozenset(variable.id for variable in variables.values())
    wanted = Wanted(plan.start_ms, plan.stop_ms, ids, 1 if newest else None, descending=newest)
    _, pieces = await services.series.reading.pieces(series, wanted, PIECE_ROWS)
    async with aclosing(pieces) as given:
        async for piece in given:
            columns = piece.columns
            if columns.rows:
                found: dict[str, Column] = {TIME: Column(columns.time_ms)}
                for name, variable in variables.items():
                    column = columns.cells.get(variable.id)
                    found[name] = _absent(variable, columns.rows) if column is None else column
                yield found


def _absent(variable: Variable, rows: int) -> Column:
    if variable.type.is_text:
        return Column(Texts.of([None] * rows), np.zeros(rows, np.bool_))
    return Column(np.zeros(rows, np.int64), np.zeros(rows, np.bool_))


# -- the answer ------------------------------------------------------------------------------------


async def written(tables: Tables, dialect: Dialect, result: str) -> AsyncGenerator[bytes, None]:
    """Write tables as annotated CSV; what fails on the way is told in a table, as clients read it."""
    signature: object = None
    number = -1
    begun = False
    try:
        async with aclosing(tables):
            async for table in tables:
                is_open = False
                async with aclosing(table.pieces) as given:
                    async for piece in given:
                        if not is_open:
                            is_open = True
                            number += 1
                            if table.signature != signature:
                                yield _head(table, dialect, result, is_first=signature is None)
                                signature, begun = table.signature, True
                        yield await asyncio.to_thread(_body, table, piece, number)
    except ServiceError as error:
        if not begun:
            raise
        yield _failure(error.message)
    except Exception:
        if not begun:
            raise
        log.exception("query_failed")
        yield _failure("The query failed.")
    if number < 0:
        yield b"\r\n"


def _head(table: Table, dialect: Dialect, result: str, *, is_first: bool) -> bytes:
    key = list(table.key.items())
    names = [name for name, _ in key] + list(table.columns)
    kinds = [kind for _, (kind, _) in key] + list(table.columns.values())
    annotations = {
        "datatype": ["#datatype", STRING, LONG, *kinds],
        "group": ["#group", "false", "false", *["true"] * len(key), *["false"] * len(table.columns)],
        "default": ["#default", result, "", *[""] * len(names)],
    }
    head = [annotations[name] for name in ("datatype", "group", "default") if name in dialect.annotations]
    if dialect.header:
        head.append(["", "result", "table", *names])
    return (b"" if is_first else b"\r\n") + _lines(head)


def _body(table: Table, piece: Piece, number: int) -> bytes:
    fixed = ["", "", str(number), *(_text(kind, value) for kind, value in table.key.values())]
    if not table.columns:
        return _lines([fixed])
    columns = [[_text(kind, cell) for cell in cells_of(piece[name])] for name, kind in table.columns.items()]
    return _lines([*fixed, *row] for row in zip(*columns, strict=True))


def _text(kind: str, cell: Cell | None) -> str:
    """Write a cell as annotated CSV has it."""
    if cell is None:
        return ""
    if kind == MOMENT:
        return format_time(int(cell))
    if kind == BOOLEAN:
        return "true" if cell else "false"
    return repr(float(cell)) if kind == DOUBLE else str(cell)


def _failure(message: str) -> bytes:
    """Tell in the middle of an answer that there is no more of it, as clients read it."""
    head = [["#datatype", STRING, STRING], ["#group", "true", "true"], ["#default", "", ""]]
    return b"\r\n" + _lines([*head, ["", "error", "reference"], ["", message, ""]])


def _lines(rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()
