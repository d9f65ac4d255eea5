"""Readers, the purger and import jobs of the simulator; the writer has its own file.

An actor's step is a method of the same name; it gives False when it cannot be done now.
Reads take as many steps as a real one takes round trips, so that anything can happen in between.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.model.oracle import Latest
from tests.model.program import Entry, Step, cells_of, import_of
from tests.model.world import STAGED, Block, Delta, Head, Job, base_of, delta_of, lay

if TYPE_CHECKING:
    from tests.model.simulator import Simulator

GRACE = 1
"""Ticks of the clock between a compare-and-set and its purge; a read that saw one pass gives up."""

NOTHING_READ = (-1, -1)


class Pages:
    """The deltas of the slice, read page by page in ascending (last, first)."""

    def __init__(self, simulator: Simulator) -> None:
        """Begin before the first."""
        self.store = simulator.store
        self.seen: list[tuple[tuple[int, int], Delta]] = []
        self.at = NOTHING_READ
        self.ended = False

    def read(self, limit: int) -> bool:
        """Read on; a page that is not full is the last; False after it."""
        if self.ended:
            return False
        page = self.store.page(self.at, limit)
        self.seen += page
        self.at = page[-1][0] if page else self.at
        self.ended = len(page) < limit
        return True

    def read_rest(self) -> None:
        """Read to the end."""
        self.read(len(self.store.deltas) + 1)


class Reader:
    """One read of the slice: tail (if fresh), head, deltas, blocks."""

    def __init__(self, simulator: Simulator, name: str) -> None:
        """Begin with nothing read."""
        self.simulator = simulator
        self.name = name
        self.chain: list[tuple[int, Entry]] | None = None
        self.seen_head: Head | None = None

    def tail(self, step: Step) -> bool:
        """Fetch the unapplied tail: from now on, this read must contain everything acknowledged so far."""
        self.chain, chain = None, self.simulator.stream.chain()
        if any(entry.kind == "undo" for _, entry in chain):
            return False  # Only the writer can tell what comes of it.
        self.chain = chain
        self.low = self.simulator.judge.admitted
        self.started = self.simulator.store.clock
        self.seen_head = None
        return True

    def head(self, step: Step) -> bool:
        """Read the head; a read without the tail must contain what the cursor says."""
        if self.chain is None:
            self.low = self.simulator.store.cursor
            self.started = self.simulator.store.clock
        self.seen_head = self.simulator.store.head
        self.pages = Pages(self.simulator)
        return True

    def page(self, step: Step) -> bool:
        """Read some deltas."""
        return self.seen_head is not None and self.pages.read(step.number(1))

    def answer(self, step: Step) -> bool:
        """Read the rest and show the state; a missing block or a passed deadline is no answer."""
        if self.seen_head is None:
            return False
        store, rules = self.simulator.store, self.simulator.rules
        late = rules.grace and store.clock - self.started >= GRACE
        self.pages.read_rest()
        layers = [(key, delta) for key, delta in self.pages.seen if self._counts(key[0])]
        chain = [((position, position), delta_of(entry)) for position, entry in self.chain or []]
        if rules.tail_order:
            layers = sorted(
                [*layers, *(link for link in chain if self._counts(link[0][0]))], key=lambda at: at[0]
            )
        else:
            layers += chain
        head, self.seen_head, self.chain = self.seen_head, None, None
        if late:
            return True
        try:
            state = base_of(head, store.blocks)
            for _, delta in layers:
                lay(state, delta, store.blocks)
        except KeyError:
            return True
        self.simulator.judge.check_state(f"reader {self.name}", state, self.low)
        return True

    def _counts(self, last: int) -> bool:
        assert self.seen_head is not None
        return last > self.seen_head.sealed or not self.simulator.rules.w_filter


class Asker:
    """A read of the latest values: one call to the stream server, answered from there or not at all."""

    def __init__(self, simulator: Simulator, name: str) -> None:
        """Keep nothing."""
        self.simulator = simulator
        self.name = name

    def latest(self, step: Step) -> bool:
        """Lay the tail over the cache; where that cannot be done the store is read, which `Reader` covers."""
        return self.check(f"reader {self.name}")

    def check(self, who: str) -> bool:
        """Demand the newest values if the stream server can tell them."""
        stream = self.simulator.stream
        entries = [entry for position, entry in stream.chain() if position > stream.cache.position]
        if any(entry.kind == "undo" for entry in entries):
            return False
        content = extended(stream.cache.content, entries, drops=True)
        if content is None:
            return False
        self.simulator.judge.check_latest(who, content)
        return True


def extended(cache: Latest | None, entries: list[Entry], *, drops: bool) -> Latest | None:
    """Carry the newest values on over more entries; None when only the store knows (design 4.12)."""
    if cache is None:
        return None
    latest = dict(cache)
    for entry in entries:
        given = dict(entry.cells)
        if entry.kind not in ("put", "patch"):
            removes = True
        else:
            held = {name for name, (time, _) in latest.items() if time == entry.start}
            kept = {name for name, value in given.items() if value is not None}
            taken = {name for name, value in given.items() if value is None}
            removes = bool(held - kept if entry.kind == "put" else held & taken)
        if removes and drops:
            return None
        for name, value in given.items():
            if value is not None and (name not in latest or latest[name][0] <= entry.start):
                latest[name] = (entry.start, value)
    return latest


class Importer:
    """An import job: stages blocks that only it names, attaches them, finishes."""

    def __init__(self, simulator: Simulator, name: str) -> None:
        """Begin a job."""
        self.simulator = simulator
        self.name = name
        self.job = Job()

    def stage(self, step: Step) -> bool:
        """Write one more row as a block of its own; the job names it before it is written."""
        return self._written(step, merges=False)

    def merge(self, step: Step) -> bool:
        """Write one more part of a record."""
        return self._written(step, merges=True)

    def _written(self, step: Step, *, merges: bool) -> bool:
        if self.job.position or (self.job.blocks and self.job.merges != merges):
            return False
        time, self.job.merges = step.number(0), merges
        block = f"{self.name}{len(self.job.blocks)}"
        row = {name: value for name, value in cells_of(step.arguments[1:]) if value is not None}
        self.job.blocks += (block,)
        self.job.rows[time] = {**(self.job.rows.get(time, {}) if merges else {}), **row}
        self.simulator.store.jobs[self.name] = self.job
        merges = merges and self.simulator.rules.parts_merge
        self.simulator.store.blocks[block] = Block({time: row}, STAGED, merges)
        return True

    def attach(self, step: Step) -> bool:
        """Make the staged blocks an entry of the series; again where the acknowledgement was lost."""
        rows = tuple((time, tuple(row.items())) for time, row in self.job.rows.items())
        entry = import_of(step, rows, self.job.blocks, lost=self.job.lost, merges=self.job.merges)
        if not self.job.blocks or self.job.finished or entry is None:
            return False
        self.job.position = self.simulator.admit(entry)
        return True

    def lose(self, step: Step) -> bool:
        """Let the staged blocks be swept, as happens to a job that is long dead."""
        if not self.job.blocks or self.job.position or self.job.lost:
            return False
        self.job.lost = True
        for name in self.job.blocks:
            del self.simulator.store.blocks[name]
        return True

    def finish(self, step: Step) -> bool:
        """Stop naming the blocks, once the store has the attach."""
        applied = self.simulator.store.cursor >= self.job.position
        if (
            not self.job.position
            or self.job.finished
            or not (applied or not self.simulator.rules.job_until_applied)
        ):
            return False
        self.job.finished = True
        return True


class Undoer:
    """Keeps the head of the moment, so that what comes after it can be undone; lets all of them go."""

    def __init__(self, simulator: Simulator, name: str) -> None:
        """Begin with nothing kept."""
        self.store = simulator.store

    def pin(self, step: Step) -> bool:
        """Keep the head; one that lacks older entries is no good."""
        head = self.store.head
        if any(first <= head.sealed < last for last, first in self.store.deltas):
            return False
        self.store.pins.append((head, base_of(head, self.store.blocks)))
        return True

    def release(self, step: Step) -> bool:
        """Drop every pin: its time is over."""
        kept, self.store.pins = self.store.pins, []
        return bool(kept)


class Purger:
    """Lists blocks, looks who names them (jobs, then deltas, then head), deletes what nobody names."""

    ORDER = ("blocks", "jobs", "deltas", "head")

    def __init__(self, simulator: Simulator, name: str) -> None:
        """Begin with nothing looked at."""
        self.simulator = simulator
        self.looked: dict[str, frozenset[str]] = {}

    def blocks(self, step: Step) -> bool:
        """List the blocks that there are: none that is written later may go."""
        return self._look("blocks", frozenset(self.simulator.store.blocks))

    def jobs(self, step: Step) -> bool:
        """Look at the unfinished jobs."""
        jobs = [job for job in self.simulator.store.jobs.values() if not job.finished]
        return self._look("jobs", frozenset(name for job in jobs for name in job.blocks))

    def deltas(self, step: Step) -> bool:
        """Look at the deltas > W (of the head of this moment: a younger W only names less)."""
        store = self.simulator.store
        unsealed = [delta for (last, _), delta in store.deltas.items() if last > store.head.sealed]
        return self._look("deltas", frozenset(name for delta in unsealed for name in delta.blocks))

    def head(self, step: Step) -> bool:
        """Look at the head, and at those that a read may still hold."""
        store, rules = self.simulator.store, self.simulator.rules
        due = [
            (since, head) for since, head in store.history if not rules.grace or store.clock - since >= GRACE
        ]
        if not due:
            return False
        younger = store.history[store.history.index(due[-1]) :]
        if not self._look("head", frozenset(name for _, head in younger for name in head.blocks.values())):
            return False
        self.task = due[-1][1]
        return True

    def _look(self, what: str, names: frozenset[str]) -> bool:
        if self.simulator.rules.names_in_order and len(self.looked) != self.ORDER.index(what):
            return False
        self.looked[what] = names
        return True

    def drop(self, step: Step) -> bool:
        """Delete the deltas ≤ W of a head that is old enough, and blocks that nobody named."""
        if len(self.looked) < len(self.ORDER):
            return False
        store = self.simulator.store
        counted = self.ORDER[1:] if self.simulator.rules.attach_in_purge else ("head",)
        named = frozenset().union(*(self.looked[what] for what in counted))
        if self.simulator.rules.pin_in_purge:
            named = named.union(*(pinned.blocks.values() for pinned, _ in store.pins))
            named = named.union(*(pin.head.blocks.values() for pin in store.deletes.values() if pin.head))
            if self.simulator.rules.import_pin_keeps_blocks:
                named = named.union(*(pin.attached for pin in store.deletes.values()))
        listed, self.looked = self.looked["blocks"], {}
        for key in [key for key in store.deltas if key[0] <= self.task.sealed]:
            del store.deltas[key]
        for name in listed - named:
            if name in store.blocks and store.blocks[name].built_on < self.task.version:
                del store.blocks[name]
        return True
