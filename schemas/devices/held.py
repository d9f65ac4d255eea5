"""What series have already where a replay would write: a replay adds, and writes over nothing. Pure.

A cell is a value with its quality code. One that is the same already is no obstacle: writing it again changes
nothing, so that a replay which died half way is repeated without effect.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from schemas.columns import NO_QUALITY, Bools, Columns, Ints, Texts

Held: TypeAlias = Mapping[int, Columns]
"""What series have at the times of a payload, by their place among the routes: rows ascending."""

NOTHING_HELD: Final[Held] = {}


class Spared(NamedTuple):
    """Values that are not written because their cells have others."""

    left_out: Bools
    """All values of such a cell …"""
    refused: Bools
    """… and of these the last one, which would have counted."""


def spare(
    held: Columns,
    variable_id: int,
    times_ms: Ints,
    values: NDArray[np.generic] | Sequence[str],
    quality: Ints | None,
) -> Spared:
    """Hold values of one variable against its cells; of several of one time the last one counts."""
    refused = np.zeros(len(times_ms), np.bool_)
    column = held.cells.get(variable_id)
    if column is None or not held.rows:
        return Spared(refused, refused)
    _, from_end = np.unique(times_ms[::-1], return_index=True)
    last = len(times_ms) - 1 - from_end
    at = np.minimum(np.searchsorted(held.time_ms, times_ms[last]), held.rows - 1)
    is_held: Bools = held.time_ms[at] == times_ms[last]
    if column.present is not None:
        is_held = is_held & column.present[at]
    if isinstance(column.values, Texts):
        texts = column.values.to_list()
        pairs = zip(at.tolist(), last.tolist(), strict=True)
        same: Bools = np.array([texts[there] == values[here] for there, here in pairs], np.bool_)
    else:
        same = column.values[at] == np.asarray(values)[last]
    code = NO_QUALITY if column.quality is None else column.quality[at]
    same = same & (code == (NO_QUALITY if quality is None else quality[last]))
    refused[last[is_held & ~same]] = True
    return Spared(np.isin(times_ms, times_ms[refused]), refused)
