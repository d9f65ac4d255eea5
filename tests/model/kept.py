"""Heads that a program keeps for an undo, on a real store: what they name must stay as it was."""

from __future__ import annotations

from collections.abc import Sequence

from schemas.errors import Conflict
from storage import purging
from storage.heads import decode_head
from storage.port import Pin, SeriesStore, SliceId
from storage.reader import read_refs
from tests.model.oracle import Violation
from tests.storage.layers import State, serial

UNTIL_MS = 2**60
"""No sweep lets go of it before the program does."""


class Kept:
    """The pins of one run."""

    def __init__(self, store: SeriesStore, slices: Sequence[SliceId]) -> None:
        """Begin with nothing kept."""
        self.store = store
        self.slices = slices
        self.pins: list[tuple[Pin, State]] = []

    async def pin(self) -> bool:
        """Keep the head of each slice that has one which lacks nothing."""
        before = len(self.pins)
        for slice_id in self.slices:
            head = decode_head((await self.store.read_head(slice_id)).body)
            try:
                pin = await purging.pin(self.store, slice_id, head.sealed_through + 1, UNTIL_MS)
            except Conflict:
                continue
            rows = await read_refs(self.store, slice_id, head.blocks, None)
            assert rows is not None
            if pin not in [kept for kept, _ in self.pins]:
                self.pins.append((pin, serial(rows)))
        return len(self.pins) > before

    async def release(self) -> bool:
        """Drop every pin."""
        kept, self.pins = self.pins, []
        for pin, _ in kept:
            await self.store.drop_pin(pin.slice, pin.position)
        return bool(kept)

    async def check(self) -> None:
        """Demand what each pin named."""
        for pin, rows in self.pins:
            found = await read_refs(self.store, pin.slice, decode_head(pin.body).blocks, None)
            if found is None or serial(found) != rows:
                message = f"the head pinned at {pin.position} cannot be read any more"
                raise Violation(message)
