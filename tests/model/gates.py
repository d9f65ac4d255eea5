"""Gates between the product and its stream and store: every call waits until the program lets it through.

A lane is one coroutine of the product (a turn, a seal, a read, a purge) that stops before each call
that its gates name. The wrappers also break a rule where its switch is off, on the test's side only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import msgspec

from schemas.changes import Attach, Upsert
from schemas.errors import OutcomeUnknown
from schemas.ids import SeriesId
from storage.deltas import decode_delta
from storage.heads import decode_head, encode_head
from storage.port import Delta, Head, Pin, SeriesStore, SliceId, Turn
from streams.entries import decode_entry
from streams.port import Applied, Entry
from tests.model.oracle import Violation
from tests.model.rules import Rules

HEADS_MAX = 5
"""Reads of one head in one view: a named block that is still missing then is missing for good."""


class Lane:
    """One coroutine that stops before each gated call."""

    def __init__(self, *gates: str) -> None:
        """Gate these calls."""
        self.gates = frozenset(gates)
        self.parked: str | None = None
        self.limit = 0
        """Entries that a turn may take."""
        self.taken: list[int] = []
        """Positions that the turn took."""
        self._task: asyncio.Task[Any] | None = None
        self._stopped = asyncio.Event()

    @property
    def busy(self) -> bool:
        """Tell whether the coroutine is neither finished nor dropped."""
        return self._task is not None and not self._task.done()

    async def begin(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        """Run a coroutine up to its first gate."""
        self._stopped.clear()
        self._task = asyncio.create_task(self._run(coroutine))
        self._task.add_done_callback(lambda _: self._stopped.set())
        await self._stopped.wait()

    async def _run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        LANE.set(self)
        return await coroutine

    async def stop(self, call: str) -> tuple[str, ...]:
        """Wait here, if the call is gated, for the step that lets it through; gives its arguments."""
        if call not in self.gates:
            return ()
        self.parked = call
        self._go = asyncio.get_running_loop().create_future()
        self._stopped.set()
        arguments: tuple[str, ...] = await self._go
        return arguments

    async def release(self, call: str, arguments: tuple[str, ...] = ()) -> bool:
        """Let a call through, up to the next gate; False if the lane does not wait for it."""
        if not self.busy or self.parked != call:
            return False
        self.parked = None
        self._stopped.clear()
        self._go.set_result(arguments)
        await self._stopped.wait()
        return True

    async def finish(self) -> Any:
        """Let everything through; gives the result."""
        assert self._task is not None
        for _ in range(8 * HEADS_MAX):
            if not await self.release(self.parked or ""):
                break
        if self.busy:
            message = f"a call reads on for ever, it waits for {self.parked}"
            raise Violation(message)
        return self._task.result()

    @property
    def begun(self) -> bool:
        """Tell whether there is a coroutine, finished or not."""
        return self._task is not None

    def result(self) -> Any:
        """Give the result of a finished coroutine; None of a running one."""
        return self._task.result() if self._task is not None and self._task.done() else None

    async def drop(self) -> None:
        """End the coroutine where it is, as a crash would."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._task = None
        self.parked = None


LANE: ContextVar[Lane | None] = ContextVar("LANE", default=None)
"""The lane of the running coroutine; None: nothing is gated."""


async def stop(call: str) -> tuple[str, ...]:
    """Wait at the gate of the running lane."""
    lane = LANE.get()
    return () if lane is None else await lane.stop(call)


@dataclass
class Wrong:
    """What the switched-off rules do instead, shared by the wrappers of one run."""

    rules: Rules
    series: SeriesId
    positions: list[int] = field(default_factory=list)
    """Model position − 1 → position of the stream."""
    delivered: set[int] = field(default_factory=set)
    acknowledged: set[int] = field(default_factory=set)
    lost: list[tuple[SliceId, int, Head]] = field(default_factory=list)
    """Swaps whose answer was lost and which the store has not seen yet."""
    known: dict[int, int] = field(default_factory=dict)
    """Lane of a seal → how far its writer's cursor has come by now."""

    def contiguous(self) -> int:
        """Give the position up to which everything is acknowledged."""
        unknown = [position for position in self.positions if position not in self.acknowledged]
        below = [position for position in self.positions if not unknown or position < unknown[0]]
        return below[-1] if below else 0


class GatedStore:
    """A series store behind gates; calls that no program interleaves go straight through."""

    def __init__(self, inner: Any, wrong: Wrong) -> None:
        """Stand before a store."""
        self.inner = inner
        self.wrong = wrong
        self.heads_left = 10**9

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    read_outset = SeriesStore.read_outset
    read_state = SeriesStore.read_state
    """Made of the reads below, so that others come in between."""

    async def write_turn(self, turn: Turn) -> None:
        """Store slices and what belongs to other series, then delta by delta, then the cursor."""
        ours = [delta for delta in turn.deltas if delta.slice.series == self.wrong.series]
        others = [delta for delta in turn.deltas if delta.slice.series != self.wrong.series]
        await self.inner.write_turn(Turn(turn.slices, others))
        for delta in ours if self.wrong.rules.order else ours[::-1]:
            await stop("write")
            await self._write_delta(delta)
        while arguments := await stop("advance"):
            await self._write_cursors(
                {shard: self._part(arguments[0], end) for shard, end in turn.cursors.items()}
            )
        await self._write_cursors(turn.cursors)

    async def _write_delta(self, delta: Delta) -> None:
        if not self.wrong.rules.key:
            stored = self.inner.deltas.get(delta.slice, [])
            self.inner.deltas[delta.slice] = [other for other in stored if other.last != delta.last]
            delta = msgspec.structs.replace(delta, first=0)
        await self.inner.write_turn(Turn(deltas=[delta]))

    def _part(self, position: str, end: int) -> int:
        return min(end, self.wrong.positions[min(int(position), len(self.wrong.positions)) - 1])

    async def _write_cursors(self, cursors: Mapping[int, int]) -> None:
        if not self.wrong.rules.cursor:
            lane = LANE.get()
            self.wrong.acknowledged |= set(lane.taken if lane else ())
            cursors = dict.fromkeys(cursors, self.wrong.contiguous())
        if not self.wrong.rules.cursor_maximum:
            self.inner.cursors.update(cursors)
        await self.inner.write_turn(Turn(cursors=cursors))

    async def read_head(self, slice_id: SliceId, *, serial: bool = False) -> Head:
        """Read a head; the product asks for a serial one where nothing may come in between."""
        if not serial:
            await stop("head")
            self.heads_left -= 1
            if self.heads_left < 0:
                message = "a block is named and missing"
                raise Violation(message)
        head: Head = await self.inner.read_head(slice_id, serial=serial)
        lane = LANE.get()
        purging = lane is not None and "purge" in lane.gates
        if self.wrong.rules.w_filter or purging or not head.body:
            return head
        return Head(head.version, encode_head(_through(head, 0)))

    async def read_deltas(self, slice_id: SliceId, after: int) -> list[Delta]:
        """Read deltas in one go: paging is the adapter's own matter."""
        await stop("page")
        deltas: list[Delta] = await self.inner.read_deltas(slice_id, after)
        lane = LANE.get()
        if lane is not None and "purge" in lane.gates and not self.wrong.rules.attach_in_purge:
            return [delta for delta in deltas if not isinstance(decode_delta(delta.body), Attach)]
        return deltas

    async def read_cursor(self, shard: int) -> int:
        """Read a cursor; within a turn, that is to see whether another writer has gone on."""
        lane = LANE.get()
        if lane is not None and "write" in lane.gates and not self.wrong.rules.cursor_after_look:
            return 0
        cursor: int = await self.inner.read_cursor(shard)
        return cursor

    async def read_pins(self, slice_id: SliceId) -> list[Pin]:
        """Read pins."""
        return await self.inner.read_pins(slice_id) if self.wrong.rules.pin_in_purge else []

    async def read_blocks(self, *arguments: Any) -> Any:
        """Read blocks."""
        await stop("blocks")
        return await self.inner.read_blocks(*arguments)

    async def swap_head(self, slice_id: SliceId, built_on: int, head: Head) -> bool:
        """Swap a head; `late`: it is on its way, and no answer comes back."""
        arguments = await stop("swap")
        rules = self.wrong.rules
        if not rules.w_before_reading:
            head = Head(head.version, encode_head(_through(head, self.wrong.known[id(LANE.get())])))
        if arguments == ("late",):
            self.wrong.lost.append((slice_id, built_on, head))
            if rules.delayed_compare_and_set:
                raise OutcomeUnknown("the answer of a swap is lost")
            return False
        return await self.deliver(slice_id, built_on, head)

    async def deliver(self, slice_id: SliceId, built_on: int, head: Head) -> bool:
        """Let a swap reach the store."""
        if not self.wrong.rules.compare_and_set:
            built_on = (await self.inner.read_head(slice_id)).version
            head = Head(built_on + 1, head.body)
        swapped: bool = await self.inner.swap_head(slice_id, built_on, head)
        return swapped


def _through(head: Head, sealed_through: int) -> Any:
    content = decode_head(head.body)
    return type(content)(sealed_through, content.blocks)


class GatedStream:
    """A record stream that gives a turn as many entries as its step says, and gives everybody the lease."""

    def __init__(self, inner: Any, wrong: Wrong) -> None:
        """Stand before a stream."""
        self.inner = inner
        self.wrong = wrong

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    async def acquire_lease(self, shard: int, owner: str, ttl_ms: int) -> bool:
        """Let several hold it: a paused writer believes that it still does."""
        return True

    async def join(self, owner: str, ttl_ms: int) -> list[str]:
        """Let each believe that it is alone."""
        return [owner]

    async def read(
        self, after: Mapping[int, int], *, bytes_max: int, wait_ms: int = 0
    ) -> dict[int, list[Entry]]:
        """Give the turn its entries."""
        lane = LANE.get()
        if lane is None:
            found: dict[int, list[Entry]] = await self.inner.read(after, bytes_max=bytes_max)
            return found
        rules = self.wrong.rules
        entries = (await self.inner.read(after if rules.cursor else {0: 0}, bytes_max=bytes_max)).get(0, [])
        if not rules.cursor:
            fresh = [entry for entry in entries if entry.position not in self.wrong.delivered]
            entries = fresh or [entry for entry in entries if entry.position not in self.wrong.acknowledged]
        entries = entries[: lane.limit]
        lane.taken = [entry.position for entry in entries]
        self.wrong.delivered |= set(lane.taken)
        if not rules.cut:
            entries = sorted(entries, key=lambda entry: isinstance(decode_entry(entry.body).content, Upsert))
        return {0: entries} if entries else {}

    async def report_applied(self, shard: int, applied: Applied) -> bool:
        """Tell the readers how far the store is."""
        await stop("report")
        held = self.inner.shard(shard)
        late = applied.position < (held.applied or 0)
        told: bool = await self.inner.report_applied(shard, applied)
        if late and not self.wrong.rules.late_report_ignored:
            given = {series: content for series, content in applied.latest.items() if content is not None}
            held.latest = {**given, **held.latest}
        return told
