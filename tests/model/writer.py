"""The simulated writer: turns, cursor, latest cache, and the seal; several may run at once, paused anywhere.

A writer that is started again has forgotten everything, so `start` in the middle is a crash.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tests.model.actors import Pages, extended
from tests.model.oracle import Latest, Violation, latest_of
from tests.model.program import Entry, Step
from tests.model.world import Block, Delta, Head, Pin, Swap, base_of, delta_of, fold, lay

if TYPE_CHECKING:
    from tests.model.simulator import Simulator

PAIR = 2
"""Times that one block holds, so that a seal rewrites some blocks and keeps others."""


MARKED = {"clear", "delete", "undo"}
EVERY = MARKED | {"put", "patch", "attach"}
"""Kinds of entries of the series."""


class Queued(NamedTuple):
    """A delta that a turn has folded and not yet stored."""

    first: int
    last: int
    delta: Delta


class Writer:
    """One writer of the shard."""

    def __init__(self, simulator: Simulator, name: str) -> None:
        """Come up without having read anything."""
        self.simulator = simulator
        self.name = name
        self.running = False
        self.made = 0

    def start(self, step: Step) -> bool:
        """Read the cursor; refuse where the stream has trimmed more than the store has applied."""
        store, stream = self.simulator.store, self.simulator.stream
        if stream.trimmed > store.cursor:
            message = f"writer {self.name} refuses to start: trimmed {stream.trimmed}, applied {store.cursor}"
            raise Violation(message)
        self.running = True
        self.known = self.stored = self.read = store.cursor
        if stream.applied < store.cursor and self.simulator.rules.takeover_drops_caches:
            stream.report(store.cursor, None, keep=False)
        self.queue: list[Queued] = []
        self.turn: list[int] = []
        self.unreported: list[int] = []
        self.latest: Latest | None = None
        self.filled = False
        self.looked = False
        self.sealing: Sealing | None = None
        return True

    def take(self, step: Step) -> bool:
        """Read the next entries of the shard and fold them, cut at clears and attaches."""
        if not self.running or self.queue:
            return False
        if self.simulator.stream.trimmed > self.read and self.simulator.rules.trim_restarts:
            return self.start(step)
        taken = self._step_of(self._next(step.number(1)))
        if not taken:
            return False
        if not self.looked:
            # The cache of a series that has no slice yet is known: it is empty.
            self.looked = True
            self.latest = None if self.simulator.store.listed else {}
        self.turn = taken
        self.unreported += taken
        entries = self.simulator.stream.entries
        self.judged = {position: self._prepare(position) for position in taken}
        counted = [
            position
            for position in taken
            if entries[position - 1].kind != "other"
            and (entries[position - 1].kind != "undo" or self.judged[position] is not None)
        ]
        self.queue = self._cut(counted)
        if not self.queue:
            self._stored_all()
        return True

    def _step_of(self, taken: list[int]) -> list[int]:
        """Cut what was taken before a delete or an undo that has anything of the series before it.

        A clear that cannot be undone only waits for those that can.
        """
        entries = self.simulator.stream.entries
        before: set[str] = set()
        for at, position in enumerate(taken):
            kind = entries[position - 1].kind
            waits_for = {"clear": MARKED, "delete": EVERY, "undo": EVERY}.get(kind, set())
            if before & waits_for:
                return taken[:at]
            before |= {kind} - {"other"}
        return taken

    def _prepare(self, position: int) -> Delta | None:
        """Keep what a clear is going to take, or judge an undo: by what is stored before it."""
        entry, store = self.simulator.stream.entries[position - 1], self.simulator.store
        if entry.kind == "delete" and position not in store.deletes:
            if self.simulator.rules.sealed_before_delete:
                self._seal_now()
            head = store.head
            late = head.sealed >= position or any(head.sealed < at[0] < position for at in store.deltas)
            lacks = late and self.simulator.rules.sealed_before_delete
            store.deletes[position] = Pin(entry.start, entry.end, None if lacks else head)
        if entry.kind == "clear" and store.deletes:
            store.deletes.setdefault(position, Pin(entry.start, entry.end, None))
        return self._judged(position, entry) if entry.kind == "undo" else None

    def _seal_now(self) -> None:
        """Seal through everything that this writer knows to be stored."""
        head = self.simulator.store.head
        if self.known > head.sealed:
            sealing = Sealing(self, head, self.known)
            if sealing.build(self.known):
                sealing.swap(late=False)

    def _judged(self, position: int, entry: Entry) -> Delta | None:
        store, rules = self.simulator.store, self.simulator.rules
        pin = store.deletes.get(entry.undoes)
        if pin is None or pin.head is None:
            return None
        times = set(range(entry.start, entry.end))
        between = [each for at, each in store.deletes.items() if entry.undoes < at < position]
        if rules.newer_delete_counts and any(times & set(range(each.start, each.end)) for each in between):
            return None
        state = base_of(store.head, store.blocks)
        for (last, _), delta in sorted(store.deltas.items(), key=lambda at: at[0]):
            if store.head.sealed < last < position:
                lay(state, delta, store.blocks)
        if rules.newer_row_counts and times & set(state):
            return None
        return Delta("restore", start=pin.start, end=pin.end, blocks=tuple(pin.head.blocks.values()))

    def _next(self, count: int) -> list[int]:
        stream = self.simulator.stream
        if self.simulator.rules.cursor:
            start = max(self.read, stream.trimmed)
            return list(range(start + 1, min(start + count, len(stream.entries)) + 1))
        positions = range(stream.trimmed + 1, len(stream.entries) + 1)
        fresh = [position for position in positions if position not in stream.delivered]
        pending = [position for position in positions if position not in stream.acknowledged]
        taken = (fresh or pending)[:count]
        stream.delivered |= set(taken)
        return taken

    def _cut(self, positions: list[int]) -> list[Queued]:
        entries = self.simulator.stream.entries
        alone = {position for position in positions if entries[position - 1].kind not in ("put", "patch")}
        runs: list[list[int]] = []
        if self.simulator.rules.cut:
            for position in positions:
                if position in alone or not runs or runs[-1][-1] in alone:
                    runs.append([])
                runs[-1].append(position)
        else:
            rows = [position for position in positions if position not in alone]
            runs = [[position] for position in positions if position in alone] + ([rows] if rows else [])
        return [
            Queued(
                run[0],
                run[-1],
                self.judged[run[0]] or self._folded([entries[position - 1] for position in run]),
            )
            for run in runs
        ]

    def _folded(self, entries: list[Entry]) -> Delta:
        return Delta("upsert", fold(entries)) if len(entries) > 1 else delta_of(entries[0])

    def write(self, step: Step) -> bool:
        """Store the next delta of the turn."""
        if not self.running or not self.queue:
            return False
        first, last, delta = self.queue.pop(0 if self.simulator.rules.order else -1)
        self.simulator.store.write_delta(first, last, delta)
        if not self.queue:
            self._stored_all()
        return True

    def _stored_all(self) -> None:
        self.read = self.turn[-1]
        self.known = max(self.known, self.read)

    def advance(self, step: Step) -> bool:
        """Store the cursor: any position up to which this writer has stored everything."""
        position = step.number(self.known if self.running else 0)
        if not self.running or self.queue or not self.stored < position <= self.known:
            return False
        stream = self.simulator.stream
        if not self.simulator.rules.cursor:
            stream.acknowledged |= {taken for taken in self.turn if taken <= position}
            unknown = set(range(1, len(stream.entries) + 2)) - stream.acknowledged
            position = min(unknown) - 1
        self.stored = position
        self.simulator.store.write_cursor(position)
        return True

    def fill(self, step: Step) -> bool:
        """Read the newest values from the store: at least those of `known`."""
        if not self.running or self.queue or self.unreported or self.latest is not None:
            return False
        self.latest, self.filled = latest_of(self.simulator.view()), True
        return True

    def report(self, step: Step) -> bool:
        """Raise applied to the cursor that this writer stored, and bring the latest cache along."""
        if not self.running or self.queue:
            return False
        entries = self.simulator.stream.entries
        told = [position for position in self.unreported if position <= self.stored]
        self.unreported = self.unreported[len(told) :]
        ours = [entries[position - 1] for position in told if entries[position - 1].kind != "other"]
        self.latest = extended(self.latest, ours, drops=self.simulator.rules.latest_removal)
        self.simulator.stream.report(self.stored, self.latest, keep=not ours and not self.filled)
        self.filled = False
        return True

    def seal(self, step: Step) -> bool:
        """Fix W and read the head."""
        if not self.running or self.sealing:
            return False
        head = self.simulator.store.head
        if self.known <= head.sealed:
            return False
        self.sealing = Sealing(self, head, self.known)
        return True

    def page(self, step: Step) -> bool:
        """Read some deltas for the seal."""
        return self._in_seal("read") and self.sealing is not None and self.sealing.pages.read(step.number(1))

    def build(self, step: Step) -> bool:
        """Read the other deltas, write the blocks."""
        if not self._in_seal("read"):
            return False
        assert self.sealing is not None
        if not self.sealing.build(self.known):
            self.sealing = None
        return True

    def swap(self, step: Step) -> bool:
        """Swap the head for the built one; `late`: no answer comes back."""
        if not self._in_seal("built"):
            return False
        assert self.sealing is not None
        if self.sealing.swap(late=step.arguments == ("late",)):
            self.sealing = None
        return True

    def resolve(self, step: Step) -> bool:
        """Look at the head after a swap without an answer."""
        if not self._in_seal("built"):
            return False
        assert self.sealing is not None
        if self.sealing.unknown and self.sealing.resolve():
            self.sealing = None
            return True
        return False

    def _in_seal(self, phase: str) -> bool:
        return self.running and self.sealing is not None and self.sealing.phase == phase

    def name_block(self) -> str:
        """Give a block id that nobody else gives."""
        self.made += 1
        return f"{self.name.lower()}{self.made}"


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
