"""The seal of a simulated writer: from reading the head to the answer of the swap."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.model.actors import Pages
from tests.model.world import Block, Delta, Head, Swap, base_of, lay

if TYPE_CHECKING:
    from tests.model.writer import Writer

PAIR = 2
"""Times that one block holds, so that a seal rewrites some blocks and keeps others."""


class Sealing:
    """One seal of one writer, from reading the head to the answer of the swap."""

    def __init__(self, writer: Writer, head: Head, through: int) -> None:
        """Build on a head, through W."""
        self.writer = writer
        self.simulator = writer.simulator
        self.old = head
        self.through = through
        self.pages = Pages(writer.simulator)
        self.phase = "read"
        self.unknown = False

    def build(self, known: int) -> bool:
        """Write blocks for what was sealed; False where a block is missing: somebody else was faster."""
        store, rules = self.simulator.store, self.simulator.rules
        self.pages.read_rest()
        through = self.through if rules.w_before_reading else known
        deltas = [
            delta
            for (last, _), delta in self.pages.seen
            if last <= through and (last > self.old.sealed or not rules.w_filter)
        ]
        try:
            state = base_of(self.old, store.blocks)
            touched = {pair for delta in deltas for pair in self._pairs(delta)}
            for delta in deltas:
                lay(state, delta, store.blocks)
        except KeyError:
            return False
        blocks = {pair: name for pair, name in self.old.blocks.items() if pair not in touched}
        self.own: list[str] = []
        for pair in sorted(touched):
            rows = {time: row for time, row in state.items() if time // PAIR == pair}
            if rows:
                blocks[pair] = self._attached(pair, deltas) or self._written(rows)
        self.new = Head(self.old.version + 1, through, blocks)
        self.phase = "built"
        return True

    def _pairs(self, delta: Delta) -> set[int]:
        times = set(delta.rows) | set(range(delta.start, delta.end))
        times |= {time for name in delta.blocks for time in self.simulator.store.blocks[name].rows}
        return {time // PAIR for time in times}

    def _attached(self, pair: int, deltas: list[Delta]) -> str | None:
        """Name a staged block as it is where nothing else ever was in its pair."""
        touching = [delta for delta in deltas if pair in self._pairs(delta)]
        if pair in self.old.blocks or len(touching) != 1 or len(touching[0].blocks) != 1:
            return None
        if touching[0].kind != "attach":
            return None
        return touching[0].blocks[0]

    def _written(self, rows: dict[int, dict[str, int]]) -> str:
        name = self.writer.name_block()
        self.simulator.store.blocks[name] = Block(rows, self.old.version)
        self.own.append(name)
        return name

    def swap(self, *, late: bool) -> bool:
        """Compare and set; True when the seal is over."""
        store = self.simulator.store
        if late:
            store.lost.append(Swap(self.old.version, self.new))
            self.unknown = True
            return False
        if not store.swap(self.old.version, self.new):
            self._drop_unnamed()
        return True

    def _drop_unnamed(self) -> None:
        """Drop own blocks unless the head names them.

        After a swap without an answer they stay: it may have won for a moment, and somebody pinned it. The
        purger takes what nothing names.
        """
        store = self.simulator.store
        if self.unknown and self.simulator.rules.delayed_compare_and_set:
            return
        named = set(store.head.blocks.values())
        if not self.simulator.rules.delayed_compare_and_set and store.head.version != self.new.version:
            named = set()
        for name in set(self.own) - named:
            store.blocks.pop(name, None)

    def resolve(self) -> bool:
        """Decide a swap without an answer; only a version above tells, before that it must be repeated."""
        if (
            self.simulator.store.head.version <= self.old.version
            and self.simulator.rules.delayed_compare_and_set
        ):
            return False
        self._drop_unnamed()
        return True
