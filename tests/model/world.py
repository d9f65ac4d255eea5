"""The simulated stream server and store of one series: what is durable, and how it answers.

No I/O and no randomness: everything that a real one may do by itself (apply a lost swap later, trim)
is a step of the program. A switch that is a promise of the store (key, compare-and-set, cursor
maximum) or of the stream server (late reports) is looked at here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from tests.model.oracle import Latest, Row
from tests.model.program import TIMES, Entry
from tests.model.rules import Rules

Cells = dict[str, int | None]
Upsert = dict[int, tuple[bool, Cells]]
"""Time → (replaces, cells): what is left of rows after a fold."""

STAGED = -1
"""Built on no head: a block that an import job wrote."""


class Delta(NamedTuple):
    """A folded run of entries, or one clear, attach or undo."""

    kind: str
    """upsert, clear, attach, or restore: an attach of which only the rows from start to end count …"""
    rows: Mapping[int, tuple[bool, Cells]] = MappingProxyType({})
    start: int = 0
    end: int = 0
    blocks: tuple[str, ...] = ()
    clears: bool = False
    """… and where every row from start to end goes first."""


class Block(NamedTuple):
    """An immutable run of rows within one pair of times."""

    rows: dict[int, Row]
    built_on: int
    merges: bool = False
    """True: attached, its rows are merged into those below."""


class Head(NamedTuple):
    """What the slice consists of; each block holds one pair of times (0 and 1, 2 and 3)."""

    version: int = 0
    sealed: int = 0
    """W."""
    blocks: Mapping[int, str] = MappingProxyType({})
    """Pair → block."""


class Pin(NamedTuple):
    """What is kept for the undo of a delete or an import."""

    start: int
    end: int
    head: Head | None
    """None: nothing, but that there was a clear."""
    attached: tuple[str, ...] = ()
    """The blocks of an import …"""
    imports: bool = False
    """… which it is of."""


class Swap(NamedTuple):
    """A compare-and-set whose answer was lost."""

    built_on: int
    head: Head


@dataclass(slots=True)
class Job:
    """What an import job has said of itself."""

    blocks: tuple[str, ...] = ()
    rows: dict[int, Row] = field(default_factory=dict)
    position: int = 0
    """Of its last attach entry; 0 before that."""
    lost: bool = False
    finished: bool = False
    merges: bool = False


class Cache(NamedTuple):
    """The latest record of design 4.12; content None: dropped."""

    position: int = 0
    content: Latest | None = None


class Store:
    """Deltas, blocks, head, cursor, jobs; swaps on their way; the moments at which heads were replaced."""

    def __init__(self, rules: Rules) -> None:
        """Begin empty."""
        self.rules = rules
        self.deltas: dict[tuple[int, int], Delta] = {}
        self.listed = False
        """Whether the slice has its row: it gets one before its first delta with rows (design 4.8)."""
        self.blocks: dict[str, Block] = {}
        self.head = Head()
        self.history: list[tuple[int, Head]] = [(0, Head())]
        self.cursor = 0
        self.pins: list[tuple[Head, dict[int, Row]]] = []
        """Heads that can be gone back to, with their rows at that time."""
        self.deletes: dict[int, Pin] = {}
        """By position of a delete or an import, or of a clear after one: what was there before it."""
        self.jobs: dict[str, Job] = {}
        self.lost: list[Swap] = []
        self.clock = 0

    def write_delta(self, first: int, last: int, delta: Delta) -> None:
        """Store a delta under its key."""
        self.listed = self.listed or delta.kind != "clear"
        self.deltas[last, first if self.rules.key else 0] = delta

    def page(self, after: tuple[int, int], limit: int) -> list[tuple[tuple[int, int], Delta]]:
        """Read the next deltas in ascending (last, first)."""
        keys = sorted(key for key in self.deltas if key > after)[:limit]
        return [(key, self.deltas[key]) for key in keys]

    def swap(self, built_on: int, head: Head) -> bool:
        """Replace the head if it is still the one built on."""
        if self.head.version != built_on and self.rules.compare_and_set:
            return False
        self.head = head
        self.history.append((self.clock, head))
        return True

    def deliver(self) -> bool:
        """Let the oldest lost swap arrive."""
        if not self.lost:
            return False
        swap = self.lost.pop(0)
        self.swap(swap.built_on, swap.head)
        return True

    def write_cursor(self, position: int) -> None:
        """Store the cursor; a lower one loses."""
        self.cursor = max(self.cursor, position) if self.rules.cursor_maximum else position


class Stream:
    """One shard: entries with the chain of the series through them, the marks, the latest cache."""

    def __init__(self, rules: Rules) -> None:
        """Begin empty."""
        self.rules = rules
        self.entries: list[Entry] = []
        self.previous: list[int] = []
        self.newest = 0
        """`tail`: the series' newest position, 0 when it was applied and dropped."""
        self.last_of_series = 0
        self.applied = 0
        self.trimmed = 0
        self.cache = Cache()
        self.delivered: set[int] = set()
        self.acknowledged: set[int] = set()
        self.dead: set[int] = set()
        """Positions of entries that were set aside."""

    def append(self, entry: Entry) -> int:
        """Give an entry its position and chain it to the series' previous one."""
        self.entries.append(entry)
        self.previous.append(self.last_of_series)
        if entry.kind != "other":
            self.newest = self.last_of_series = len(self.entries)
        return len(self.entries)

    def chain(self) -> list[tuple[int, Entry]]:
        """Follow the series from its tail back to applied; ascending."""
        found: list[tuple[int, Entry]] = []
        position = self.newest
        while position > self.applied:
            found.append((position, self.entries[position - 1]))
            position = self.previous[position - 1]
        return found[::-1]

    def report(self, position: int, cache: Latest | None, *, keep: bool) -> None:
        """Raise applied, drop the tail ≤ it, take a newer latest cache: one atomic call."""
        late = position < self.applied
        self.applied = max(self.applied, position)
        if self.newest <= self.applied:
            self.newest = 0
        if not keep and position > self.cache.position and not (late and self.rules.late_report_ignored):
            self.cache = Cache(position if cache is not None else 0, cache)

    def trim(self) -> bool:
        """Remove applied entries."""
        if self.trimmed == self.applied:
            return False
        self.trimmed = self.applied
        return True


def fold(entries: list[Entry]) -> Upsert:
    """Fold rows that replace or merge into one row a time with the same effect."""
    rows: Upsert = {}
    for entry in entries:
        replaces, cells = rows.get(entry.start, (False, {}))
        if entry.kind == "put":
            rows[entry.start] = (True, dict(entry.cells))
        else:
            rows[entry.start] = (replaces, {**cells, **dict(entry.cells)})
    return rows


def delta_of(entry: Entry) -> Delta:
    """Give one entry as a delta of its own."""
    if entry.kind in ("clear", "delete"):
        return Delta("clear", start=entry.start, end=entry.end)
    if entry.kind in ("attach", "import"):
        return Delta("attach", blocks=entry.blocks)
    return Delta("upsert", fold([entry]))


def lay(state: dict[int, Row], delta: Delta, blocks: dict[str, Block]) -> None:
    """Lay a delta over a state, in place; KeyError names a block that is missing."""
    if delta.kind == "clear" or delta.clears:
        for time in range(delta.start, delta.end):
            state.pop(time, None)
    times = range(delta.start, delta.end) if delta.kind == "restore" else range(TIMES)
    for name in delta.blocks:
        for time, row in blocks[name].rows.items():
            if time in times:
                state[time] = {**(state.get(time, {}) if blocks[name].merges else {}), **row}
    for time, (replaces, cells) in delta.rows.items():
        row = {} if replaces else state.setdefault(time, {})
        for variable, value in cells.items():
            if value is None:
                row.pop(variable, None)
            else:
                row[variable] = value
        state[time] = row


def base_of(head: Head, blocks: dict[str, Block]) -> dict[int, Row]:
    """Give the rows of a head's blocks; KeyError names a block that is missing."""
    return {time: dict(row) for name in head.blocks.values() for time, row in blocks[name].rows.items()}
