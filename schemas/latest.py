"""The latest cache: the newest value of each variable of a series, as the writer last knew it (design 4.12).

Only the writer fills it. It is dropped rather than repaired: by a clear or a removal that touches
a cached time, by a row that replaces one without its value. While it is missing, readers read the store.
"""

from __future__ import annotations

import msgspec
import numpy as np

from schemas.changes import Change, Clear, Upsert
from schemas.columns import NO_QUALITY, Bools, Column, Columns, Texts
from schemas.errors import Corrupt

TEXT_CHARACTERS_MAX = 255
"""Longer strings are not kept in the cache: it lives in the stream server's memory."""

Value = float | int | bool | str


class LatestCell(msgspec.Struct, frozen=True, array_like=True):
    """The newest value of one variable."""

    time_ms: int
    value: Value
    quality: int = NO_QUALITY


class Latest(msgspec.Struct, frozen=True, array_like=True):
    """The newest values of a series as of a position."""

    position: int
    complete: bool
    """True: a variable that is not listed has no value at all; False: an older slice may have one."""
    cells: dict[int, LatestCell] = {}


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Latest)


def encode_latest(latest: Latest) -> bytes:
    """Write a cache."""
    return _encoder.encode(latest)


def decode_latest(body: bytes) -> Latest:
    """Read a cache; Corrupt if it does not decode."""
    try:
        return _decoder.decode(body)
    except msgspec.MsgspecError as broken:
        message = f"a latest cache of {len(body)} bytes does not decode: {broken}"
        raise Corrupt(message) from broken


def latest_of(columns: Columns, position: int, *, complete: bool) -> Latest | None:
    """Make the cache of ascending rows, one a time; None if one of the newest values is too long to keep."""
    cells: dict[int, LatestCell] = {}
    for variable, column in columns.cells.items():
        row = _last_row(column.present, columns.rows)
        if row is None:
            continue
        cell = _cell(columns, column, row)
        if cell is None:
            return None
        cells[variable] = cell
    return Latest(position, complete, cells)


def _last_row(present: Bools | None, rows: int) -> int | None:
    if present is None:
        return rows - 1 if rows else None
    hits = np.flatnonzero(present)
    return int(hits[-1]) if len(hits) else None


def _cell(columns: Columns, column: Column, row: int) -> LatestCell | None:
    """Take one cell; None for a string too long to keep."""
    value: Value
    if isinstance(column.values, Texts):
        start, end = column.values.offsets[row : row + 2].tolist()
        value = column.values.octets[start:end].tobytes().decode()
        if len(value) > TEXT_CHARACTERS_MAX:
            return None
    else:
        value = column.values[row].item()
    quality = NO_QUALITY if column.quality is None else int(column.quality[row])
    return LatestCell(int(columns.time_ms[row]), value, quality)


def advanced(latest: Latest | None, change: Change, position: int) -> Latest | None:
    """Give the cache after one more change (rows folded, ascending); None where it must be dropped."""
    if latest is None:
        return None
    if isinstance(change, Clear):
        hit = any(change.start_ms <= cell.time_ms < change.end_ms for cell in latest.cells.values())
        return None if hit else msgspec.structs.replace(latest, position=position)
    if not isinstance(change, Upsert):
        return None
    return _with_rows(latest, change.columns, position)


def _with_rows(latest: Latest, rows: Columns, position: int) -> Latest | None:
    if not rows.rows:
        return msgspec.structs.replace(latest, position=position)
    newest_ms = max((cell.time_ms for cell in latest.cells.values()), default=None)
    if newest_ms is not None and int(rows.time_ms[0]) <= newest_ms and _takes_away(latest, rows):
        return None
    fresh = latest_of(rows, position, complete=True)
    if fresh is None:
        return None
    cells = dict(latest.cells)
    for variable, cell in fresh.cells.items():
        old = cells.get(variable)
        if old is None and not latest.complete and (newest_ms is None or cell.time_ms < newest_ms):
            continue  # An older slice, or an older row, may have a newer value of it.
        if old is None or cell.time_ms >= old.time_ms:
            cells[variable] = cell
    return Latest(position, latest.complete, cells)


def _takes_away(latest: Latest, rows: Columns) -> bool:
    """Tell whether a row stands at a cached time and does not give that variable a value."""
    for variable, cell in latest.cells.items():
        at = int(np.searchsorted(rows.time_ms, cell.time_ms))
        if at == rows.rows or int(rows.time_ms[at]) != cell.time_ms:
            continue
        column = rows.cells.get(variable)
        gives = column is not None and (column.present is None or bool(column.present[at]))
        removes = column is not None and column.removed is not None and bool(column.removed[at])
        replaces = rows.merges is None or not rows.merges[at]
        if removes or (replaces and not gives):
            return True
    return False
