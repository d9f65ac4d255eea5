"""Runs a program on the simulated stream server and store and compares with the oracle after every step."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tests.model.actors import GRACE, Asker, Importer, Purger, Reader, Undoer
from tests.model.oracle import Judge, State, Violation
from tests.model.program import Entry, Step, entry_of, parse, resolved
from tests.model.rules import DESIGN, Rules
from tests.model.world import Store, Stream, base_of, lay
from tests.model.writer import MARKED, Writer

Actor = Writer | Reader | Asker | Importer | Undoer | Purger

WRITER = ("start", "take", "write", "advance", "fill", "report", "seal", "page", "build", "swap", "resolve")

READS = frozenset(
    {"start", "take", "seal", "page", "fill", "tail", "head", "answer", "latest", "jobs", "deltas"}
)
"""Steps that change nothing that another could see."""

DRAIN = """
    Z take 1000
    Z report
    Z write {writes}
    Z advance
    Z report
    Z report
"""
"""Once for each entry that divides what is taken (`writer.MARKED`): each part is stored and reported for
itself. A real writer seals before it stores a delete, and may then report what the newest values are."""

SETTLE = """
    store deliver
    Z start
{drain}
    Z take 1000
    Z report
    Z write {writes}
    Z advance
    S head
    S answer
    S tail
    S head
    S answer
    Z fill
    Z report
    S latest
    Z seal
    Z build
    Z swap
    store deliver
    S head
    S answer
    time pass
    Q blocks
    Q jobs
    Q deltas
    Q head
    Q drop
    S tail
    S head
    S answer
    S latest
"""
"""What a new writer alone must be able to do after any program, and what must then be read."""


def settling(entries: Sequence[Entry]) -> list[Step]:
    """Write out what a new writer does after these entries; a clear is a delta in each slice it touches."""
    marked = sum(entry.kind in MARKED for entry in entries)
    steps = parse(SETTLE.replace("{drain}", DRAIN * marked))
    return [step for step in steps for _ in range(2 * len(entries) if "{writes}" in step.arguments else 1)]


class Simulator:
    """One run: the world, its actors by name, the judge."""

    def __init__(self, rules: Rules = DESIGN) -> None:
        """Begin with an empty world."""
        self.rules = rules
        self.store = Store(rules)
        self.stream = Stream(rules)
        self.judge = Judge()
        self.actors: dict[tuple[str, type], Actor] = {}
        self.asker = Asker(self, "L")

    def step(self, step: Step) -> bool:
        """Take one step, check what everybody could see now; False if it had no effect."""
        done = self.act(step)
        if done and step.action not in READS:
            self.check_slice()
            self.check_latest()
        return done

    def check_slice(self) -> None:
        """Demand that an instant read of the store shows a serial state, not older than the cursor."""
        self.judge.check_state("the slice", self.view(), self.store.cursor)
        for head, rows in self.store.pins:
            if any(name not in self.store.blocks for name in head.blocks.values()):
                message = f"the head pinned at {head.sealed} cannot be read any more; it had {rows}"
                raise Violation(message)

    def check_latest(self) -> None:
        """Demand the newest values, if the stream server can tell them."""
        self.asker.check("anybody")

    def act(self, step: Step) -> bool:
        """Take one step without a look at what others see."""
        if step.actor == "door":
            entry = resolved(entry_of(step), self.stream.entries)
            return entry is not None and self.admit(entry) > 0
        if step.actor == "time":
            self.store.clock += GRACE
            return True
        if step.actor == "store":
            return self.store.deliver()
        if step.actor == "stream":
            return self.stream.trim()
        return bool(getattr(self._actor(step), step.action)(step))

    def _actor(self, step: Step) -> Actor:
        kinds: dict[str, type[Actor]] = {
            "A": Writer, "B": Writer, "C": Writer, "Z": Writer,
            "R": Reader, "F": Reader, "S": Reader,
            "L": Asker,
            "J": Importer, "K": Importer, "M": Importer, "N": Importer,
            "U": Undoer,
            "P": Purger, "Q": Purger,
        }  # fmt: skip
        kind = Asker if step.action == "latest" else kinds[step.actor]
        found = self.actors.get((step.actor, kind))
        if found is None:
            found = self.actors[step.actor, kind] = kind(self, step.actor)
        return found

    def admit(self, entry: Entry) -> int:
        """Append an entry to the stream and tell the judge."""
        self.stream.append(entry)
        return self.judge.admit(entry)

    def view(self) -> State:
        """Give the state of the slice as one instant read of the store would."""
        head = self.store.head
        try:
            state = base_of(head, self.store.blocks)
            for (last, _), delta in sorted(self.store.deltas.items(), key=lambda at: at[0]):
                if last > head.sealed or not self.rules.w_filter:
                    lay(state, delta, self.store.blocks)
        except KeyError as missing:
            message = f"block {missing} is named and missing"
            raise Violation(message) from missing
        return state

    def settle(self) -> None:
        """Let one new writer finish everything, then demand the serial state, from every kind of read."""
        for step in settling(self.judge.entries):
            self.step(step)
        self.judge.check_state("after settling, the slice", self.view(), self.judge.admitted)
        self.judge.check_dead(self.stream.dead)


def run(program: Iterable[Step], rules: Rules = DESIGN) -> str | None:
    """Run a program and settle; the violation in words, None if there is none."""
    simulator = Simulator(rules)
    try:
        for step in program:
            simulator.step(step)
        simulator.settle()
    except Violation as violation:
        return str(violation)
    return None
