"""Columns → the JSON array of records that a read answers with (wire 1.1, design 8.16).

`_time` first, with three digits and `Z`; then each variable in the order of the aspect type, its code
behind it as a string. What a row does not have is left out. The caller has sorted, selected and limited
the rows, and dropped those without any value.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import msgspec
import numpy as np
from msgspec import UNSET

from schemas.aspects import TIME_MEMBER, AspectType, VariableType
from schemas.columns import NO_QUALITY, Column, Columns, Ints, Texts
from schemas.limits import DECODERS_KEPT_MAX
from schemas.queries import Part
from schemas.times import format_times

_encoder = msgspec.json.Encoder()


_ALL = Part(0, values=True, codes=True)


def render_records(columns: Columns, aspect: AspectType, parts: tuple[Part, ...] | None = None) -> bytes:
    """Write the rows as a JSON array.

    `parts` says what to show; None shows everything. Variables that the aspect type no longer has are
    left out; older values of a variable that was widened are written as the type of today (design 8.12).
    """
    if columns.rows == 0:
        return b"[]"
    shown = {part.variable_id: part for part in parts} if parts is not None else None
    names: list[str] = []
    lists: list[list[Any]] = []
    for variable in aspect.variables:
        column = columns.cells.get(variable.id)
        part = _ALL if shown is None else shown.get(variable.id)
        if column is None or part is None:
            continue
        if part.values:
            names.append(variable.name)
            lists.append(_values(column, variable.type))
        if part.codes and column.quality is not None:
            names.append(variable.quality_name)
            lists.append(_codes(column.quality, column))
    row = _row_type(tuple(names))
    return _encoder.encode(list(map(row, format_times(columns.time_ms), *lists)))


@lru_cache(maxsize=DECODERS_KEPT_MAX)
def _row_type(names: tuple[str, ...]) -> Callable[..., object]:
    fields: list[Any] = [("t", str), *((f"m{place}", Any, UNSET) for place in range(len(names)))]
    renamed = {"t": TIME_MEMBER} | {f"m{place}": name for place, name in enumerate(names)}
    row: Callable[..., object] = msgspec.defstruct("Row", fields, rename=renamed, gc=False)
    return row


def _values(column: Column, type_: VariableType) -> list[Any]:
    values = column.values
    written: list[Any]
    if isinstance(values, Texts):
        written = values.to_list()
    elif type_ is VariableType.TIMESTAMP:
        written = format_times(_without_absent(column))
    elif type_ is VariableType.DOUBLE and values.dtype.kind == "i":
        written = values.astype(np.float64).tolist()
    else:
        written = values.tolist()
    if column.present is None:
        return written
    return [value if flag else UNSET for value, flag in zip(written, column.present.tolist(), strict=True)]


def _without_absent(column: Column) -> Ints:
    assert isinstance(column.values, np.ndarray)
    times: Ints = column.values.astype(np.int64)
    # What stands where no value is may be no time at all.
    return times if column.present is None else np.where(column.present, times, 0)


def _codes(quality: Ints, column: Column) -> list[Any]:
    codes = quality.tolist()
    # Few different codes occur, so each is written once.
    texts: dict[int, Any] = {code: str(code) for code in set(codes)}
    texts[NO_QUALITY] = UNSET
    written = [texts[code] for code in codes]
    if column.present is None:
        return written
    return [text if flag else UNSET for text, flag in zip(written, column.present.tolist(), strict=True)]
