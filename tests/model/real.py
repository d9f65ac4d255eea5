"""Programs on the real writer, reader, sealing and purge, over any series store and the memory stream."""

from __future__ import annotations

import asyncio
import itertools
from bisect import bisect_right
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, cast

import msgspec

from api.reading.tails import FreshTail, fetch_tail
from runtime.clock import ManualClock
from schemas.changes import Attach, Change, Clear, Undo, Upsert
from schemas.columns import Columns
from schemas.errors import Conflict, Unavailable
from schemas.ids import AspectId, AssetId, SeriesId, TenantId
from storage import blocks, purging, sealing
from storage.heads import encode_refs
from storage.port import SeriesStore, SliceId
from storage.reader import read_series
from storage.slices import WIDTH_MS, slice_start
from storage.spans import EVERYTHING, Placed
from streams.entries import SeriesEntry, encode_entry
from streams.memory import MemoryRecordStream
from streams.port import Admission, Admitted
from tests.model.broken import patches
from tests.model.gates import HEADS_MAX, GatedStore, GatedStream, Lane, Wrong
from tests.model.kept import Kept
from tests.model.oracle import Judge, Latest, State, Violation
from tests.model.program import TIMES, VARIABLES, Entry, Step, cells_of, entry_of, import_of, resolved
from tests.model.rules import DESIGN, NAMES, Rules
from tests.model.simulator import READS
from tests.model.staging import Staging, row_of
from workers import takeover
from workers.sealer import Sealer, SealRules
from workers.writer import Writer, WriterRules

GRACE_S = 60.0
UNDO_S = 7 * 86_400
BASE_MS = 1_767_225_600_000
SHARD = 0
WRITE_STEPS = {"write": "write", "advance": "advance", "report": "report"}
_numbers = itertools.count(1)

SWITCHES = frozenset(NAMES) - {
    "names_in_order", "job_until_applied", "trim_restarts", "sealed_behind_cursor"
}  # fmt: skip
"""Rules that can be switched off here."""


class Hand:
    """One actor: a writer with its turn and its seal, or a reader."""

    def __init__(self) -> None:
        """Begin idle."""
        self.turn = Lane("write", "advance", "report")
        self.seal = Lane("head", "page", "swap")
        self.read = Lane("head", "page", "blocks")
        self.writer: Writer | None = None
        self.tail: FreshTail | None = None
        self.low = 0

    async def drop(self) -> None:
        """Crash."""
        for lane in (self.turn, self.seal, self.read):
            await lane.drop()


class RealEngine:
    """One run."""

    def __init__(self, store: SeriesStore, rules: Rules = DESIGN, slices: int = 1) -> None:
        """Use a store that may hold other runs' series; `open` before the first step.

        With two slices the later half of the times lies in the second one.
        """
        number = next(_numbers)
        self.series = SeriesId(TenantId("model"), AssetId(f"{number:032x}"), AspectId("a" * 32))
        self.other = SeriesId(TenantId("model"), AssetId(f"{number:032x}"), AspectId("b" * 32))
        first = slice_start(self.series, BASE_MS)
        self.slices = [SliceId(self.series, first + number * WIDTH_MS) for number in range(slices)]
        self.times_ms = [
            first + 1000 * (time + 1) + (WIDTH_MS if slices == 2 and time >= TIMES // 2 else 0)
            for time in range(TIMES)
        ]
        self.rules = rules
        self.wrong = Wrong(rules, self.series)
        self.clock = ManualClock(BASE_MS)
        self.inner = store
        self.stream = MemoryRecordStream(lambda: self.clock.now_ms() * 1000)
        self.store = GatedStore(store, self.wrong)
        half = TIMES // slices
        self.judge = Judge(empty_rows=False, slices=[range(half), range(half, TIMES)])
        self.hands: dict[str, Hand] = {}
        self.purging = Lane("head", "page", "purge")
        self.orphans: list[tuple[float, sealing.Sealed]] = []
        self.jobs: dict[str, Staging] = {}
        self.kept = Kept(store, self.slices)
        self.patches = ExitStack()
        self._ids = itertools.count(number * 1_000_000)

    async def open(self) -> RealEngine:
        """Open the shard for admission and break what is switched off."""
        for patch in patches(self.rules):
            self.patches.enter_context(patch)
        assert await takeover.take_over(self.stream, self.inner, SHARD) is not None
        return self

    async def close(self) -> None:
        """Stop every actor."""
        for hand in self.hands.values():
            await hand.drop()
        await self.purging.drop()
        self.patches.close()

    @property
    def admitted(self) -> int:
        """Give the number of entries so far."""
        return self.judge.admitted

    @property
    def entries(self) -> Sequence[Entry]:
        """Give the entries so far."""
        return self.judge.entries

    # -- judging -------------------------------------------------------------------------------

    async def step(self, step: Step) -> bool:
        """Take one step, judge what everybody could see now; False if it had no effect."""
        done = await self._take(step)
        if done and step.action not in READS:
            self.judge.check_state("the slice", await self._view(), await self._applied())
            await self._check_latest("anybody")
            await self.kept.check()
        return done

    async def settled(self) -> None:
        """Demand the serial state of the newest position."""
        self.judge.check_state("after settling, the slice", await self._view(), self.admitted)
        dead = await self.stream.dead_letters(SHARD)
        self.judge.check_dead({self.wrong.positions.index(each.position) + 1 for each in dead})

    async def _view(self) -> State:
        store = GatedStore(self.inner, self.wrong)
        store.heads_left = HEADS_MAX
        return self._state(await read_series(cast("SeriesStore", store), self.series, EVERYTHING))

    async def _applied(self) -> int:
        """Count the entries up to the stored cursor."""
        return bisect_right(self.wrong.positions, await self.inner.read_cursor(SHARD))

    async def _check_latest(self, who: str) -> bool:
        tail = await fetch_tail(self.stream, SHARD, self.series)
        if tail.latest is None:
            return False
        cells: Latest = {}
        for variable, cell in tail.latest.cells.items():
            cells[VARIABLES[variable - 1]] = (self.times_ms.index(cell.time_ms), int(cell.value))
        self.judge.check_latest(who, cells, complete=tail.latest.complete)
        return True

    # -- steps ---------------------------------------------------------------------------------

    async def _take(self, step: Step) -> bool:
        if step.actor == "door":
            entry = resolved(entry_of(step), self.judge.entries)
            return entry is not None and await self._admit(entry, self._change(entry))
        if step.actor == "time":
            self.clock.advance(int(GRACE_S * 1000) + 1000)
            return _pass_time()
        if step.actor == "stream":
            await self.stream.trim(SHARD, 2**53)
            return True
        if step.actor == "store":
            return bool(self.wrong.lost) and [await self.store.deliver(*self.wrong.lost.pop(0))] != []
        if step.actor in "JKMN":
            return await self._import(self.jobs.setdefault(step.actor, Staging()), step)
        if step.actor == "U":
            return bool(await getattr(self.kept, step.action)())
        if step.actor in "PQ":
            return await self._purge(step)
        if step.action == "latest":
            return await self._check_latest(f"reader {step.actor}")
        hand = self.hands.setdefault(step.actor, Hand())
        return await (self._read if step.actor in "RFS" else self._write)(hand, step)

    async def _admit(self, entry: Entry, change: Change | Undo) -> bool:
        series = self.other if entry.kind == "other" else self.series
        body = encode_entry(SeriesEntry(series, 1, change))
        [answer] = await self.stream.append([Admission(SHARD, series, body)])
        assert isinstance(answer, Admitted), answer
        self.wrong.positions.append(answer.position)
        self.judge.admit(entry)
        return True

    async def _write(self, hand: Hand, step: Step) -> bool:
        if step.action == "start":
            return await self._start(hand, step.actor)
        if hand.writer is None:
            return False
        if step.action == "take":
            if hand.turn.busy:
                return False
            await self._hold(hand.writer, step.actor)  # After an error, or where it found another's work.
            hand.turn.limit = step.number(1)
            return await self._flowing(hand, hand.turn.begin(hand.writer.turn(_stopped())), hand.turn)
        if step.action in WRITE_STEPS:
            released = await self._flowing(hand, hand.turn.release(step.action, step.arguments), hand.turn)
            self.wrong.known[id(hand.seal)] = hand.writer._cursors.get(SHARD, 0)
            return released
        return await self._seal(hand, step)

    async def _start(self, hand: Hand, owner: str) -> bool:
        await hand.drop()
        rules = WriterRules(owner, 1, seal=SealRules(GRACE_S, GRACE_S))
        stream, store = GatedStream(self.stream, self.wrong), cast("SeriesStore", self.store)
        hand.writer = Writer(cast("Any", stream), store, self.clock, rules, self._new_id)
        if not self.rules.grace:
            hand.writer._sealer = Sealer(store, SealRules(0.0, GRACE_S), self._new_id)
        await self._hold(hand.writer, owner)
        self.wrong.known[id(hand.seal)] = hand.writer._cursors.get(SHARD, 0)
        return True

    async def _hold(self, writer: Writer, owner: str) -> None:
        """Let a writer take the shard over, if it does not hold it."""
        try:
            await writer.keep_leases()
        except Conflict as refused:
            message = f"writer {owner} refuses to start: {refused.message}"
            raise Violation(message) from refused

    async def _flowing(self, hand: Hand, moved: Any, lane: Lane) -> bool:
        """Move a lane on; a writer that fails believes nothing any more."""
        done = await moved
        assert hand.writer is not None
        try:
            return lane.result() != 0 if done is None else bool(done)
        except Unavailable:
            hand.writer._let_go(set(hand.writer._held))
            return True

    async def _seal(self, hand: Hand, step: Step) -> bool:
        lane, writer = hand.seal, hand.writer
        assert writer is not None
        if step.action == "seal":
            if lane.busy or SHARD not in writer._cursors:
                return False
            self.slices.reverse()  # Each slice in its turn.
            await lane.begin(writer._seal(self.slices[0], SHARD))
            return await self._flowing(hand, lane.release("head"), lane)
        if step.action == "build":
            return lane.parked == "page" and await self._flowing(hand, lane.release("page"), lane)
        if step.action == "page":
            return False  # The port reads the deltas in one call: `build` lets it through.
        return step.action == "swap" and await self._flowing(hand, lane.release("swap", step.arguments), lane)

    async def _read(self, hand: Hand, step: Step) -> bool:
        if step.action == "tail":
            await hand.read.drop()
            hand.low, tail = self.admitted, await fetch_tail(self.stream, SHARD, self.series)
            # Without blocks that the tail names, a read gives up in time, and no sooner.
            hand.tail = tail if tail.complete and not self._lacks_blocks(tail) else None
            return hand.tail is not None
        if step.action == "head":
            await hand.read.drop()
            hand.low = hand.low if hand.tail else await self._applied()
            tail = () if hand.tail is None else self._chain(hand.tail.changes)
            store = cast("SeriesStore", self.store)
            await hand.read.begin(read_series(store, self.series, EVERYTHING, tail))
            await hand.read.release("head")
            return True
        if step.action == "page":
            return await hand.read.release("page")
        if not hand.read.begun:
            return False
        hand.tail = None
        try:
            state = self._state(await hand.read.finish())
        except Unavailable:
            return True
        finally:
            await hand.read.drop()
        self.judge.check_state(f"reader {step.actor}", state, hand.low)
        return True

    def _lacks_blocks(self, tail: FreshTail) -> bool:
        entries = (self.entries[self.wrong.positions.index(each.last)] for each in tail.changes)
        return any(entry.kind == "import" and not entry.rows for entry in entries)

    def _chain(self, changes: Any) -> list[Placed]:
        if self.rules.tail_order:
            return list(changes)
        return [Placed(2**62 + at, 2**62 + at, placed.change) for at, placed in enumerate(changes)]

    async def _import(self, hand: Staging, step: Step) -> bool:
        if step.action in ("stage", "merge"):
            return await self._stage(hand, step)
        entry = import_of(step, tuple(hand.rows.items()), lost=hand.lost, merges=hand.merges)
        if step.action == "attach" and entry is not None and hand.refs and not hand.finished:
            undo_s = UNDO_S if entry.kind == "import" else 0
            await self._admit(entry, Attach(encode_refs(tuple(hand.refs)), undo_s=undo_s))
            hand.position = self.admitted
            return True
        if step.action == "lose" and hand.refs and not hand.position and not hand.lost:
            await hand.lose(self.inner, self.series)
            return True
        if step.action == "finish" and hand.position:
            hand.finished = await self._applied() >= hand.position
            return hand.finished
        return False

    async def _stage(self, hand: Staging, step: Step) -> bool:
        merges = step.action == "merge"
        if hand.position or (hand.refs and hand.merges != merges):
            return False
        time, cells = step.number(0), cells_of(step.arguments[1:])
        slice_id = SliceId(self.series, slice_start(self.series, self.times_ms[time]))
        place = blocks.Place(slice_id, 0, blocks.STAGED * self.rules.attach_in_purge)
        kind = "patch" if merges and self.rules.parts_merge else "put"
        ref, stored = blocks.encode_block(place, self._new_id(), row_of(kind, self.times_ms[time], cells), 0)
        hand.note(msgspec.structs.replace(ref, slice_start_ms=slice_id.start_ms), time, cells, merges=merges)
        await self.inner.write_blocks(stored)
        return True

    async def _purge(self, step: Step) -> bool:
        if step.action == "blocks":
            grace_s = GRACE_S if self.rules.grace else 0.0
            for slice_id in self.slices:
                orphans = await purging.find_orphans(self.inner, slice_id)
                self.orphans.append((self.clock.monotonic_s() + grace_s, orphans))
            return True
        if step.action in ("head", "drop") and not self.purging.busy:
            await self.purging.begin(self._purge_due())
        if step.action == "drop":
            await self.purging.finish()
            return True
        return await self.purging.release({"head": "head", "deltas": "page"}.get(step.action, ""))

    async def _purge_due(self) -> None:
        jobs = [job for job in self.jobs.values() if not job.finished and self.rules.attach_in_purge]
        kept = frozenset(ref.block_id for job in jobs for ref in job.refs)
        queues = [hand.writer._sealer._purges for hand in self.hands.values() if hand.writer]
        for queue in (*queues, self.orphans):
            due = [each for each in queue if each[0] <= self.clock.monotonic_s()]
            for each in due:
                queue.remove(each)
                await purging.purge(cast("SeriesStore", self.store), each[1], kept)

    # -- rows ----------------------------------------------------------------------------------

    def _new_id(self) -> bytes:
        return next(self._ids).to_bytes(16, "big")

    def _change(self, entry: Entry) -> Change | Undo:
        if entry.kind in ("clear", "delete"):
            undo_s = UNDO_S if entry.kind == "delete" else 0
            return Clear(self.times_ms[entry.start], self.times_ms[entry.end - 1] + 1, undo_s)
        if entry.kind == "undo":
            position = self.wrong.positions[entry.undoes - 1]
            return Undo(position, self.times_ms[entry.start], self.times_ms[entry.end - 1] + 1)
        cells = (("x", 1),) if entry.kind == "other" else entry.cells
        return Upsert(row_of(entry.kind, self.times_ms[entry.start], cells))

    def _state(self, columns: Columns) -> State:
        state: State = {}
        for row, time_ms in enumerate(columns.time_ms.tolist()):
            cells = state[self.times_ms.index(time_ms)] = {}
            for variable, column in sorted(columns.cells.items()):
                if column.present is None or column.present[row]:
                    cells[VARIABLES[variable - 1]] = int(cast("Any", column.values)[row])
        return state


def _stopped() -> asyncio.Event:
    stop = asyncio.Event()
    stop.set()
    return stop


def _pass_time() -> bool:
    """Let reads that are under way miss their deadline: the loop's clock jumps."""
    loop: Any = asyncio.get_running_loop()
    if not hasattr(loop, "passed_s"):
        loop.passed_s, machine_time = 0.0, loop.time
        loop.time = lambda: machine_time() + loop.passed_s
    loop.passed_s += GRACE_S
    return True
