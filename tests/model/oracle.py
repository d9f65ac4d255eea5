"""What must come out: entries applied one after the other to a plain dict, and the judge who compares.

Shares no code with the simulator or with the storage functions, so that neither can agree with itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from tests.model.program import TIMES, Entry

Row = dict[str, int]
State = dict[int, Row]
Latest = dict[str, tuple[int, int]]
"""Variable → (time, value) of its newest value."""


class Violation(AssertionError):
    """A program ended in, or showed, something that serial execution in position order never gives."""


def applied(state: State, entry: Entry) -> State:
    """Give the state after one more entry."""
    after = {time: dict(row) for time, row in state.items()}
    if entry.kind == "put":
        after[entry.start] = {name: value for name, value in entry.cells if value is not None}
    elif entry.kind == "patch":
        row = after.setdefault(entry.start, {})
        for name, value in entry.cells:
            if value is None:
                row.pop(name, None)
            else:
                row[name] = value
    elif entry.kind in ("clear", "delete"):
        for time in range(entry.start, entry.end):
            after.pop(time, None)
    elif entry.kind in ("attach", "import", "undo"):
        for time in range(entry.start, entry.end) if entry.brings else ():
            after.pop(time, None)
        for time, cells in entry.rows:
            after[time] = {**(after.get(time, {}) if entry.merges else {}), **dict(cells)}
    return after


def touched(entry: Entry) -> set[int]:
    """Give the times that an entry writes, deletes or brings back; of an import, those between as well."""
    if entry.kind in ("put", "patch"):
        return {entry.start}
    if entry.kind in ("clear", "delete") or (entry.kind == "import" and entry.rows):
        return set(range(entry.start, entry.end))
    return {time for time, _ in entry.rows}


def undone(entry: Entry, entries: Sequence[Entry], states: Sequence[State]) -> Entry:
    """Give an undo with the rows that it brings back: none once something newer touches their range.

    The rows that an import left may have been written once more: what counts is whether there are others.
    """
    times = range(entry.start, entry.end)
    of, between = entries[entry.undoes - 1], entries[entry.undoes :]
    newer = {each.kind for each in between if touched(each) & set(times)}
    before, left = states[entry.undoes - 1 : entry.undoes + 1]
    if of.kind == "delete":
        refused = bool(newer)
    else:
        changed = _part(left, times) != _part(states[-1], times)
        refused = not of.rows or bool(newer & {"clear", "delete", "import"}) or changed
    if refused:
        return entry
    rows = tuple((time, tuple(before[time].items())) for time in times if time in before)
    return entry._replace(rows=rows, brings=True)


def latest_of(state: State) -> Latest:
    """Give the newest value of each variable that has one."""
    return {name: (time, value) for time in sorted(state) for name, value in state[time].items()}


def _part(state: State, times: Sequence[int]) -> State:
    return {time: row for time, row in state.items() if time in times}


class Judge:
    """Knows every admitted entry and the serial state after each."""

    def __init__(self, *, empty_rows: bool = True, slices: Sequence[Sequence[int]] = (range(TIMES),)) -> None:
        """Begin with no entry and the empty state.

        A real read does not show rows without a value; what is atomic is each slice, named by its times.
        """
        self._empty_rows = empty_rows
        self._slices = slices
        self.states: list[State] = [{}]
        self.entries: list[Entry] = []

    @property
    def admitted(self) -> int:
        """Give the newest position."""
        return len(self.entries)

    def admit(self, entry: Entry) -> int:
        """Take note of an acknowledged entry; its position."""
        if entry.kind == "undo":
            entry = undone(entry, self.entries, self.states)
        self.entries.append(entry)
        self.states.append(applied(self.states[-1], entry))
        return self.admitted

    def shown(self, low: int, high: int) -> list[State]:
        """Give the serial states of positions low … high, as a read shows them."""
        states = self.states[low : high + 1]
        if self._empty_rows:
            return states
        return [{time: row for time, row in state.items() if row} for state in states]

    def check_state(self, who: str, state: State, low: int, high: int | None = None) -> None:
        """Demand the serial state of one position in low … high, whole: a read is atomic (design 4.15)."""
        high = self.admitted if high is None else high
        allowed = self.shown(low, high)
        for times in self._slices:
            if _part(state, times) not in [_part(serial, times) for serial in allowed]:
                message = f"{who} sees {state}; serial states {low} … {high}: {allowed}"
                raise Violation(message)

    def check_dead(self, dead: AbstractSet[int]) -> None:
        """Demand that what did something was not set aside, and that imports without their blocks were."""
        for position, entry in enumerate(self.entries, 1):
            did = self.states[position] != self.states[position - 1]
            lacks = entry.kind == "import" and not entry.rows
            if (did and position in dead) or (lacks and position not in dead):
                message = (
                    f"the fate of entry {position}, {entry.kind}, is wrong; set aside are {sorted(dead)}"
                )
                raise Violation(message)

    def check_latest(self, who: str, latest: Latest, *, complete: bool = True) -> None:
        """Demand the newest values after the newest entry: acknowledged is readable (design 4.17)."""
        expected = latest_of(self.states[-1])
        if not complete:
            expected = {name: found for name, found in expected.items() if name in latest}
        if latest != expected:
            message = (
                f"{who} sees the latest values {latest}; after {self.admitted} entries they are {expected}"
            )
            raise Violation(message)
