"""Programs of the storage model: one step a line, `actor action arguments`; an interleaving is data.

    door put 0 x=1 y=2      a row that replaces: absent variables are gone
    door patch 0 x=5 y=-    a row that merges: absent variables stay, `-` takes one away
    door clear 0 3          rows with 0 ≤ time < 3 are deleted, for good
    door delete 0 3         … so that it can be undone: the slice is sealed and pinned before
    door undo 1             the newest delete or import (2: the one before) is undone, unless overlapped
    door other              an entry of another series of the shard
    J stage 2 x=9           import job J writes a block that only J names
    J merge 2 x=9           … whose row is a part of a record: in a job that stages no whole ones
    J attach · J finish     the job's blocks become an entry (or another one) · the job stops naming them
    J attach kept           … one that can be undone: blocks are looked for, and the slice is pinned before
    J lose                  the blocks of a job that has no entry yet are swept, as if it were long dead
    A start                 a writer comes up (or comes back with nothing in memory)
    A take 3                it reads the next entries and folds them into deltas
    A write                 it stores the next of those deltas
    A advance [2]           it stores the cursor (of all it stored, or of a part)
    A fill                  it reads the newest values out of the store, for the latest cache
    A report                it tells the stream server: applied, latest cache
    A seal · A page 2       it fixes W and reads the head · it reads two more deltas of the slice
    A build                 it reads the other deltas and writes blocks
    A swap [late]           it swaps the head (late: the answer is lost, the swap may apply later)
    A resolve               it looks whether its lost swap was applied
    R tail · R head         a reader fetches the unapplied tail (optional) · then the head
    R page 2 · R answer     it reads two deltas · it reads the rest and answers
    L latest                a reader asks for the newest value of each variable
    U pin · U release       the head of the moment is kept for an undo · all that were kept may go
    P blocks · P jobs · P deltas · P head   the purger lists blocks · and looks who names them
    P drop                  it deletes the deltas ≤ W and the blocks that nobody named
    store deliver           the oldest lost swap reaches the store now
    stream trim             applied entries leave the stream
    time pass               the grace goes by

A step that cannot be done now has no effect, so any part of a program is a program and it can be
shrunk by leaving steps out. The simulator and the real storage functions run the same programs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

TIMES = 4
"""Rows have the times 0 … 3 …"""

VARIABLES = ("x", "y")
"""… and these variables, integers or None."""


class Step(NamedTuple):
    """One step of one actor."""

    actor: str
    action: str
    arguments: tuple[str, ...] = ()

    def __str__(self) -> str:
        return " ".join((self.actor, self.action, *self.arguments))

    def number(self, default: int) -> int:
        """Read the first argument as a count, a time or a position."""
        return int(self.arguments[0]) if self.arguments else default


def parse(text: str) -> list[Step]:
    """Read a program; blank lines and `# …` are for people."""
    lines = (line.split("#")[0].split() for line in text.splitlines())
    return [Step(words[0], words[1], tuple(words[2:])) for words in lines if words]


def written(program: Iterable[Step]) -> str:
    """Write a program, one step a line."""
    return "\n".join(str(step) for step in program)


Rows = tuple[tuple[int, tuple[tuple[str, int], ...]], ...]
"""Times with their variables and values."""


class Entry(NamedTuple):
    """What an admitted entry does to the series of the model."""

    kind: str
    """put, patch, clear, delete (a clear that can be undone), undo, attach, import (an attach that can be
    undone) or other."""
    start: int = 0
    """Time of the row, or begin of the range that is cleared, imported or to be brought back."""
    end: int = 0
    """End of that range (not in it)."""
    cells: tuple[tuple[str, int | None], ...] = ()
    """Variables of a put or patch; None takes the value away."""
    blocks: tuple[str, ...] = ()
    """Blocks of an attach …"""
    rows: Rows = ()
    """… and the rows in them, for the oracle; none where the blocks of an import are gone."""
    undoes: int = 0
    """Of an undo: the position of the delete or import; before it is admitted, which of the newest ones."""
    brings: bool = False
    """Of an undo, for the oracle: it comes to something, its range gets the rows and nothing else."""
    merges: bool = False
    """Of an attach: its rows are parts of records."""


def cells_of(words: Iterable[str]) -> tuple[tuple[str, int | None], ...]:
    """Read `x=1 y=-`."""
    pairs = (word.split("=") for word in words)
    return tuple((name, None if value == "-" else int(value)) for name, value in pairs)


def entry_of(step: Step) -> Entry:
    """Read what a step of the door admits."""
    if step.action in ("clear", "delete"):
        return Entry(step.action, int(step.arguments[0]), int(step.arguments[1]))
    if step.action == "undo":
        return Entry("undo", undoes=step.number(1))
    if step.action == "other":
        return Entry("other")
    return Entry(step.action, int(step.arguments[0]), cells=cells_of(step.arguments[1:]))


def import_of(
    step: Step, rows: Rows, blocks: tuple[str, ...] = (), *, lost: bool = False, merges: bool = False
) -> Entry | None:
    """Give what a job appends; None for lost blocks in what cannot be undone: nobody would look for them."""
    if step.arguments != ("kept",):
        return None if lost else Entry("attach", blocks=blocks, rows=rows, merges=merges)
    times = sorted(time for time, _ in rows) or [0]
    kept = () if lost else rows
    return Entry("import", times[0], times[-1] + 1, blocks=blocks, rows=kept, merges=merges)


def resolved(entry: Entry, entries: Sequence[Entry]) -> Entry | None:
    """Say which delete or import an undo is of; None where there are not so many."""
    if entry.kind != "undo":
        return entry
    kept = [(at, found) for at, found in enumerate(entries, 1) if found.kind in ("delete", "import")]
    if len(kept) < entry.undoes:
        return None
    position, found = kept[-entry.undoes]
    return Entry("undo", found.start, found.end, undoes=position)
