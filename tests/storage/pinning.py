"""Pins as the tests ask for them: of a slice that is sealed as far as it must be, or not at all."""

from __future__ import annotations

from schemas.changes import END_MS, NO_TIME_MS
from schemas.errors import Conflict
from storage.port import Pin, SeriesStore, SliceId
from storage.undoing import Cleared, keep


async def pin(
    store: SeriesStore,
    slice_id: SliceId,
    position: int,
    until_ms: int,
    span: tuple[int, int] = (NO_TIME_MS, END_MS),
) -> Pin:
    """Pin a slice as it is before a position; Conflict if it would have to be sealed for that."""

    async def seal(unsealed: SliceId) -> None:
        raise Conflict(unsealed.text)

    await keep(store, slice_id, Cleared(position, *span, until_ms), seal)
    return next(kept for kept in await store.read_pins(slice_id) if kept.position == position)
