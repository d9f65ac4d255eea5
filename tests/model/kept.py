"""Heads that a program keeps for an undo, on a real store: what they name must stay as it was."""

from __future__ import annotations

from collections.abc import Sequence

from storage.heads import decode_head
from storage.pins import Pinned, blocks_of, encode_pin
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
            head = await self.store.read_head(slice_id)
            content = decode_head(head.body)
            unsealed = await self.store.read_deltas(slice_id, content.sealed_through)
            if any(delta.first <= content.sealed_through for delta in unsealed):
                continue
            # Not at the position of an entry: those are the writer's.
            pin = Pin(slice_id, -content.sealed_through, UNTIL_MS, encode_pin(Pinned(0, 0, head.body)))
            await self.store.write_pin(pin)
            rows = await read_refs(self.store, slice_id, content.blocks, None)
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
            found = await read_refs(self.store, pin.slice, blocks_of(pin), None)
            if found is None or serial(found) != rows:
                message = f"the head pinned at {pin.position} cannot be read any more"
                raise Violation(message)
