"""The order rule as arrays: fold entries into a delta, lay deltas over blocks (design 4.4, 4.5).

Layers are given in ascending order; a later one wins. A row replaces the older row of its time or
merges into it, cell by cell: a value (with its quality code) takes the place of the old one, an
explicit removal takes it away, an absent cell keeps it. A merge into nothing creates the row.
A clear removes every row of its range from the layers before it.

One function does all of it; `fold` keeps what a row still wants from rows below it (merge bit,
removals), `state` knows that there is nothing below.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from schemas.changes import Clear
from schemas.columns import NO_QUALITY, Bools, Column, ColumnClass, Columns, Ints, Texts, Values

Layer = Columns | Clear

EMPTY = Columns(np.zeros(0, "<i8"))


def fold(layers: Sequence[Columns]) -> Columns:
    """Fold rows into one row a time, ascending, that has the same effect on any state below."""
    return _resolved(joined(layers), final=False)


def state(layers: Sequence[Layer]) -> Columns:
    """Give the rows that exist after all layers, ascending by time, one a time, all of them whole."""
    return _resolved(joined(_cleared(layers)), final=True)


def between(columns: Columns, start_ms: int, end_ms: int) -> Columns:
    """Cut ascending rows to start_ms ≤ time < end_ms."""
    first, last = np.searchsorted(columns.time_ms, (start_ms, end_ms))
    if first == 0 and last == columns.rows:
        return columns
    return columns.part(int(first), int(last))


def selected(columns: Columns, variables: frozenset[int] | None) -> Columns:
    """Keep these variables only; None keeps all."""
    if variables is None:
        return columns
    cells = {variable: cell for variable, cell in columns.cells.items() if variable in variables}
    return Columns(columns.time_ms, cells, columns.merges)


def rows_with_values(columns: Columns) -> Bools:
    """Tell which rows have at least one value: the others are not shown (wire 1.5)."""
    seen = np.zeros(columns.rows, np.bool_)
    for column in columns.cells.values():
        if column.present is None:
            return np.ones(columns.rows, np.bool_)
        seen |= column.present
    return seen


def same(one: Columns, other: Columns) -> bool:
    """Tell whether two states have the same rows: times, values, what is absent, quality codes.

    However they are held: a part of a block has columns and bitmaps of which only other rows make use.
    """
    one, other = _settled(one, final=True), _settled(other, final=True)
    if not np.array_equal(one.time_ms, other.time_ms) or one.cells.keys() != other.cells.keys():
        return False
    return all(_same_column(column, other.cells[variable]) for variable, column in one.cells.items())


def _same_column(one: Column, other: Column) -> bool:
    if one.column_class is not other.column_class and not (_is_number(one) and _is_number(other)):
        return False  # Numbers may have been widened by rows beside them (design 8.12).
    if (one.present is None) != (other.present is None) or (one.quality is None) != (other.quality is None):
        return False
    if one.present is not None:
        assert other.present is not None
        if not np.array_equal(one.present, other.present):
            return False
        rows = np.flatnonzero(one.present)
        one, other = one.take(rows), other.take(rows)
    if one.quality is not None and not np.array_equal(one.quality, other.quality):  # type: ignore[arg-type]
        return False
    if isinstance(one.values, Texts) and isinstance(other.values, Texts):
        return one.values.to_list() == other.values.to_list()
    return np.array_equal(one.values, other.values)  # type: ignore[arg-type]


def _is_number(column: Column) -> bool:
    return column.column_class in (ColumnClass.FLOAT, ColumnClass.INTEGER)


def _cleared(layers: Sequence[Layer]) -> list[Columns]:
    rows: list[Columns] = []
    for layer in layers:
        if isinstance(layer, Clear):
            rows = [_without(below, layer) for below in rows]
        else:
            rows.append(layer)
    return rows


def _without(columns: Columns, clear: Clear) -> Columns:
    hit = (columns.time_ms >= clear.start_ms) & (columns.time_ms < clear.end_ms)
    return columns.take(np.flatnonzero(~hit)) if hit.any() else columns


def joined(parts: Sequence[Columns]) -> Columns:
    """Put rows end to end, with every variable that any part has."""
    parts = [part for part in parts if part.rows]
    if len(parts) <= 1:
        return parts[0] if parts else EMPTY
    variables = dict.fromkeys(variable for part in parts for variable in part.cells)
    sizes = [part.rows for part in parts]
    merges = None
    if any(part.merges is not None for part in parts):
        merges = _stacked([part.merges for part in parts], sizes, fill=False)
    return Columns(
        np.concatenate([part.time_ms for part in parts]),
        {variable: _joined([part.cells.get(variable) for part in parts], sizes) for variable in variables},
        merges,
    )


def _joined(columns: Sequence[Column | None], sizes: Sequence[int]) -> Column:
    present = None
    if any(column is None or column.present is not None for column in columns):
        present = np.concatenate(
            [
                np.zeros(size, np.bool_)
                if column is None
                else np.ones(size, np.bool_)
                if column.present is None
                else column.present
                for column, size in zip(columns, sizes, strict=True)
            ]
        )
    removed = quality = None
    if any(column is not None and column.removed is not None for column in columns):
        removed = _stacked(
            [None if column is None else column.removed for column in columns], sizes, fill=False
        )
    if any(column is not None and column.quality is not None for column in columns):
        quality = _stacked_ints([None if column is None else column.quality for column in columns], sizes)
    return Column(
        _joined_values([None if column is None else column.values for column in columns], sizes),
        present,
        removed,
        quality,
    )


def _stacked(parts: Sequence[Bools | None], sizes: Sequence[int], *, fill: bool) -> Bools:
    return np.concatenate(
        [np.full(size, fill) if part is None else part for part, size in zip(parts, sizes, strict=True)]
    )


def _stacked_ints(parts: Sequence[Ints | None], sizes: Sequence[int]) -> Ints:
    return np.concatenate(
        [
            np.full(size, NO_QUALITY, "<i8") if part is None else part
            for part, size in zip(parts, sizes, strict=True)
        ]
    )


def _joined_values(parts: Sequence[Values | None], sizes: Sequence[int]) -> Values:
    texts = [part for part in parts if isinstance(part, Texts)]
    if texts:
        return Texts.joined(
            [
                part if isinstance(part, Texts) else Texts(np.zeros(size + 1, "<i8"), np.zeros(0, "u1"))
                for part, size in zip(parts, sizes, strict=True)
            ]
        )
    # INT and LONG widen to DOUBLE where an aspect type was widened (design 8.12): concatenate promotes.
    kind = next(part.dtype for part in parts if part is not None and not isinstance(part, Texts))
    return np.concatenate(
        [np.zeros(size, kind) if part is None else part for part, size in zip(parts, sizes, strict=True)]
    )


def _resolved(columns: Columns, *, final: bool) -> Columns:
    """Leave one row a time, ascending."""
    time_ms = columns.time_ms
    if columns.rows and not (time_ms[1:] > time_ms[:-1]).all():
        order = np.argsort(time_ms, kind="stable")
        ordered = time_ms[order]
        starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
        if len(starts) == len(order):
            columns = columns.take(order)
        elif columns.merges is None:
            columns = columns.take(order[np.concatenate((starts[1:], [len(order)])) - 1])
        else:
            columns = _merged(columns.take(order), starts)
    return _settled(columns, final=final)


def _merged(columns: Columns, starts: Ints) -> Columns:
    """Resolve groups of rows of one time (ascending in order) that begin at `starts`."""
    rows = np.arange(columns.rows)
    assert columns.merges is not None
    last_replace = np.maximum.reduceat(np.where(columns.merges, -1, rows), starts)
    floors = np.maximum(last_replace, starts)
    group_of_row = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, columns.rows)))
    effective = rows >= floors[group_of_row]
    cells = {
        variable: _last_touch(column, effective, rows, starts) for variable, column in columns.cells.items()
    }
    return Columns(columns.time_ms[starts], cells, last_replace < 0)


def _last_touch(column: Column, effective: Bools, rows: Ints, starts: Ints) -> Column:
    """Take each group's newest cell that says anything: a value or a removal."""
    touched = effective
    if column.present is not None:
        said = column.present if column.removed is None else column.present | column.removed
        touched = effective & said
    source = np.maximum.reduceat(np.where(touched, rows, -1), starts)
    found = source >= 0
    taken = column.take(np.maximum(source, 0))
    present = found if taken.present is None else found & taken.present
    removed = None if taken.removed is None else found & taken.removed
    return Column(taken.values, present, removed, taken.quality)


def _settled(columns: Columns, *, final: bool) -> Columns:
    """Drop what says nothing: empty columns, full bitmaps, removals with nothing below."""
    merges = None if final or columns.merges is None or not columns.merges.any() else columns.merges
    cells: dict[int, Column] = {}
    for variable, column in columns.cells.items():
        settled = _settled_column(column, merges)
        if settled is not None:
            cells[variable] = settled
    return Columns(columns.time_ms, cells, merges)


def _settled_column(column: Column, merges: Bools | None) -> Column | None:
    present = None if column.present is None or column.present.all() else column.present
    removed = None
    if column.removed is not None and merges is not None:
        removed = column.removed & merges
        removed = removed if removed.any() else None
    if present is not None and removed is None and not present.any():
        return None
    quality = column.quality
    if quality is not None:
        quality = quality if present is None else np.where(present, quality, NO_QUALITY)
        quality = None if (quality == NO_QUALITY).all() else quality
    if present is column.present and removed is column.removed and quality is column.quality:
        return column
    return Column(column.values, present, removed, quality)
