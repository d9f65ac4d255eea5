"""The simulated writer: turns, cursor, latest cache, and the seal; several may run at once, paused anywhere.

A writer that is started again has forgotten everything, so `start` in the middle is a crash.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tests.model.actors import extended
from tests.model.oracle import Latest, Violation, latest_of
from tests.model.program import Entry, Step
from tests.model.sealing import Sealing
from tests.model.world import Delta, Pin, base_of, delta_of, fold, lay

if TYPE_CHECKING:
    from tests.model.simulator import Simulator

MARKED = {"clear", "delete", "import", "undo"}
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
        if not taken or (self._marked(taken) and self.stored < self.known):
            return False  # What comes before is stored with its cursor.
        if not self.looked:
            # The cache of a series that has no slice yet is known: it is empty.
            self.looked = True
            self.latest = None if self.simulator.store.listed else {}
        self.turn = taken
        self.unreported += taken
        entries = self.simulator.stream.entries
        self.judged = {position: self._prepare(position) for position in taken}
        if self._is_behind(taken) and self.simulator.rules.cursor_after_look:
            return self.start(step)
        counted = [
            position
            for position in taken
            if entries[position - 1].kind != "other" and not self._is_refused(position)
        ]
        self.simulator.stream.dead |= {position for position in taken if self._is_refused(position)}
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
            waits_for = {"clear": MARKED, "delete": EVERY, "import": EVERY, "undo": EVERY}.get(kind, set())
            if before & waits_for:
                return taken[:at]
            before |= {kind} - {"other"}
        return taken

    def _is_behind(self, taken: list[int]) -> bool:
        """Tell whether another writer has stored what was only just judged: by a later state, maybe."""
        marked = self._marked(taken)
        return bool(marked) and self.simulator.store.cursor >= marked[0]

    def _marked(self, taken: list[int]) -> list[int]:
        entries = self.simulator.stream.entries
        return [position for position in taken if entries[position - 1].kind in MARKED]

    @property
    def sealable(self) -> int:
        """Give the position through which this writer may seal."""
        return self.stored if self.simulator.rules.sealed_behind_cursor else self.known

    def _is_refused(self, position: int) -> bool:
        entry, store = self.simulator.stream.entries[position - 1], self.simulator.store
        if entry.kind == "import" and self.simulator.rules.attached_if_there:
            return any(name not in store.blocks for name in entry.blocks)
        return entry.kind == "undo" and self.judged[position] is None

    def _prepare(self, position: int) -> Delta | None:
        """Keep what a clear or an import changes, or judge an undo: by what is stored before it."""
        entry, store = self.simulator.stream.entries[position - 1], self.simulator.store
        keeps = entry.kind == "delete" or (entry.kind == "import" and not self._is_refused(position))
        if keeps and position not in store.deletes:
            if self.simulator.rules.sealed_before_delete:
                self._seal_now()
            head = store.head
            late = head.sealed >= position or any(head.sealed < at[0] < position for at in store.deltas)
            lacks = late and self.simulator.rules.sealed_before_delete
            kept = None if lacks else head
            store.deletes[position] = Pin(entry.start, entry.end, kept, entry.blocks, entry.kind == "import")
        if entry.kind == "clear" and store.deletes:
            store.deletes.setdefault(position, Pin(entry.start, entry.end, None))
        return self._judged(position, entry) if entry.kind == "undo" else None

    def _seal_now(self) -> None:
        """Seal through everything that this writer knows to be stored."""
        head = self.simulator.store.head
        if self.sealable > head.sealed:
            sealing = Sealing(self, head, self.sealable)
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
        if rules.newer_row_counts and self._is_overlapped(pin, entry.undoes, position):
            return None
        clears = pin.imports and rules.import_undo_clears
        brought = tuple(pin.head.blocks.values())
        return Delta("restore", start=pin.start, end=pin.end, blocks=brought, clears=clears)

    def _is_overlapped(self, pin: Pin, kept_at: int, position: int) -> bool:
        """Tell whether rows are in the range of a pin that its entry did not leave there."""
        store, times = self.simulator.store, range(pin.start, pin.end)
        deltas = [each for each in sorted(store.deltas.items()) if store.head.sealed < each[0][0] < position]
        if not self.simulator.rules.import_compared_by_rows and pin.imports:
            later = [delta for (last, _), delta in deltas if last > kept_at]
            if any(set(delta.rows) & set(times) for delta in later):
                return True
        assert pin.head is not None
        try:
            left = base_of(pin.head, store.blocks) if pin.imports else {}
            lay(left, Delta("attach", blocks=pin.attached), store.blocks)
            present = base_of(store.head, store.blocks)
            for _, delta in deltas:
                lay(present, delta, store.blocks)
        except KeyError as missing:
            message = f"block {missing} is named and missing"
            raise Violation(message) from missing
        return any(present.get(time) != (left.get(time) if pin.imports else None) for time in times)

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
        if self.sealable <= head.sealed:
            return False
        self.sealing = Sealing(self, head, self.sealable)
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
