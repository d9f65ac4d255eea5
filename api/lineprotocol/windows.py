"""`aggregateWindow`: values summed up window by window, as they come."""

from __future__ import annotations

from contextlib import aclosing

import numpy as np

from api.lineprotocol.tables import (
    DOUBLE,
    LONG,
    MOMENT,
    STRING,
    TIME,
    VALUE,
    Cell,
    Pieces,
    Table,
    column_of,
    demand,
    demand_room,
)
from schemas.columns import Column, Texts, Values
from schemas.errors import Malformed
from schemas.flux.plan import Function, Window
from schemas.limits import LONG_MAX


def windowed(table: Table, step: Window, bounds_ms: tuple[int, int]) -> Table:
    """Sum a table up; Malformed where its values are of a type that this cannot be done with."""
    demand(table, "aggregateWindow", VALUE)
    demand(table, "aggregateWindow", TIME)
    kind = table.columns[VALUE]
    is_number = kind in {LONG, DOUBLE}
    if not is_number and step.function not in {Function.COUNT, Function.FIRST, Function.LAST}:
        raise Malformed(f"unsupported input type for {step.function.value} aggregate: {kind}")
    kinds = {Function.COUNT: LONG, Function.MEAN: DOUBLE}
    found = kinds.get(step.function, kind)
    return Table(table.key, {TIME: MOMENT, VALUE: found}, _windows(table.pieces, step, bounds_ms, found))


async def _windows(pieces: Pieces, step: Window, bounds_ms: tuple[int, int], kind: str) -> Pieces:
    """Sum up window by window; windows without a value are rows without one, where they are wanted."""
    start_ms, stop_ms = bounds_ms
    every = step.every_ms
    held: dict[int, list[Cell]] = {}
    counts: dict[int, int] = {}
    async with aclosing(pieces):
        async for piece in pieces:
            column, times = piece[VALUE], piece[TIME].values
            assert not isinstance(times, Texts)
            there = np.arange(len(times)) if column.present is None else np.flatnonzero(column.present)
            if not len(there):
                continue
            values = column.take(there).values
            windows, begins, sizes = np.unique(times[there] // every, return_index=True, return_counts=True)
            demand_room(len(held) + len(windows))
            for window, begin, size in zip(windows.tolist(), begins.tolist(), sizes.tolist(), strict=True):
                held.setdefault(window, []).append(_summed(values, begin, begin + size, step.function))
                counts[window] = counts.get(window, 0) + size
    wanted = range(start_ms // every, (stop_ms - 1) // every + 1) if step.create_empty else sorted(held)
    if not len(wanted):
        return
    cells = [_joined(held.get(window), counts.get(window, 0), step.function) for window in wanted]
    ends = np.minimum(np.array(list(wanted), np.int64) * every + every, stop_ms)
    present = np.array([cell is not None for cell in cells], np.bool_)
    if kind == LONG and any(abs(cell) > LONG_MAX for cell in cells if isinstance(cell, int)):
        raise Malformed("aggregateWindow: a sum is beyond what a long holds")
    filler: Cell = "" if kind == STRING else 0
    column = column_of(kind, [filler if cell is None else cell for cell in cells])
    yield {TIME: Column(ends), VALUE: Column(column.values, None if present.all() else present)}


def _summed(held: Values, begin: int, end: int, function: Function) -> Cell:
    """Sum up what one piece has of a window; of a mean the sum."""
    if isinstance(held, Texts):
        place = end - 1 if function is Function.LAST else begin
        return held.take(np.array([place])).to_list()[0]
    values = held[begin:end]
    match function:
        case Function.MEAN | Function.SUM:
            found = values.sum(dtype=np.float64) if values.dtype.kind == "f" else sum(values.tolist())
        case Function.MIN:
            found = values.min()
        case Function.MAX:
            found = values.max()
        case Function.LAST:
            found = values[-1]
        case _:
            found = values[0]
    plain: Cell = found.item() if isinstance(found, np.generic) else found
    return plain


def _joined(parts: list[Cell] | None, count: int, function: Function) -> Cell | None:
    """Join the parts of a window; None: it has no value."""
    if function is Function.COUNT:
        return count
    if parts is None:
        return None
    match function:
        case Function.MEAN:
            return sum(parts) / count  # type: ignore[arg-type]
        case Function.SUM:
            return sum(parts)  # type: ignore[arg-type]
        case Function.MIN:
            return min(parts)
        case Function.MAX:
            return max(parts)
        case Function.LAST:
            return parts[-1]
    return parts[0]
