"""Compares what the service shows with the serial execution of what it acknowledged.

    lost          acknowledged, and its effect is missing
    phantom       shown, and never sent, or sent and refused, or reported as lost
    duplicate     an older effect came back over a newer one, or a read repeats a row
    wrong         a value under another time, variable or asset than it was sent for
    cross_tenant  a value of another tenant
    stale         a read that began after an acknowledgement does not contain it (design 4.17)
    torn          a read shows one slice at two positions at once (design 4.15)

An operation without an answer may have happened or not; its cells are checked against both.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tests.faults.operations import (
    ACKNOWLEDGED,
    LOST,
    UNKNOWN,
    VARIABLES,
    Operation,
    Read,
    Value,
)

Series = tuple[str, str]
"""(tenant, asset)."""

Rows = list[tuple[int, dict[str, Value]]]

COUNTERS = ("lost", "phantom", "duplicate", "wrong", "cross_tenant", "stale", "torn")


@dataclass(slots=True)
class Account:
    """The counters, how much was checked, and examples of what was found."""

    counts: Counter[str] = field(default_factory=Counter)
    acknowledged: int = 0
    refused: int = 0
    unknown: int = 0
    reported_lost: int = 0
    cells: int = 0
    reads: int = 0
    exempt_reads: int = 0
    examples: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def found(self, counter: str, example: str) -> None:
        """Count one finding and keep the first ten of its kind."""
        self.counts[counter] += 1
        if len(self.examples[counter]) < 10:
            self.examples[counter].append(example)

    @property
    def clean(self) -> bool:
        """Tell whether nothing was found."""
        return not +self.counts

    def __str__(self) -> str:
        """Write the counters and the examples."""
        outcomes = f"{self.acknowledged} acknowledged, {self.refused} refused, {self.unknown} without answer"
        checked = f"{self.cells} cells and {self.reads} reads checked ({self.exempt_reads} named exceptions)"
        lines = [
            f"{outcomes}, {self.reported_lost} reported lost; {checked}",
            ", ".join(f"{name} {self.counts[name]}" for name in COUNTERS),
        ]
        lines += [f"  {name}: {example}" for name, some in self.examples.items() for example in some]
        return "\n".join(lines)


@dataclass(slots=True)
class _Cell:
    """Everything that touched one variable at one time."""

    known: list[tuple[int, Operation, Value]] = field(default_factory=list)
    """(position, operation, what it leaves), ascending."""
    unknown: list[tuple[Operation, Value]] = field(default_factory=list)

    @property
    def final(self) -> tuple[Operation | None, Value]:
        return self.known[-1][1:] if self.known else (None, None)

    @property
    def changed_last(self) -> bool:
        """Tell whether the last operation left something else than it found."""
        before = self.known[-2][2] if len(self.known) > 1 else None
        return bool(self.known) and self.known[-1][2] != before


class Ledger:
    """All operations of a run, in receipt order, by cell."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        """Sort the operations into cells."""
        self._operations = list(operations)
        self._cells: dict[Series, dict[tuple[int, str], _Cell]] = defaultdict(dict)
        self._origin: dict[tuple[str, Value], tuple[Operation, int]] = {}
        times: dict[Series, set[int]] = defaultdict(set)
        for operation in self._operations:
            times[operation.tenant, operation.asset].update(operation.rows)
            for time_ms, row in operation.rows.items():
                for variable, value in row.items():
                    if value is not None:
                        self._origin[variable, value] = operation, time_ms
        acknowledged = [op for op in self._operations if op.outcome == ACKNOWLEDGED]
        self._position = {op.number: op.place[2] for op in acknowledged}
        for operation in sorted(acknowledged, key=lambda op: self._position[op.number]):
            self._lay(operation, times[operation.tenant, operation.asset])
        for operation in self._operations:
            if operation.outcome == UNKNOWN:
                self._lay(operation, times[operation.tenant, operation.asset])

    def _lay(self, operation: Operation, times: set[int]) -> None:
        cells = self._cells[operation.tenant, operation.asset]
        touched = operation.rows if operation.kind != "delete" else times
        for time_ms in touched:
            for variable in VARIABLES:
                touches, value = operation.effect(time_ms, variable)
                if not touches:
                    continue
                cell = cells.setdefault((time_ms, variable), _Cell())
                if operation.outcome == ACKNOWLEDGED:
                    cell.known.append((self._position[operation.number], operation, value))
                else:
                    cell.unknown.append((operation, value))

    @property
    def series(self) -> list[Series]:
        """List the series that any operation names."""
        return sorted({(op.tenant, op.asset) for op in self._operations})

    def account(self, final: Mapping[Series, Rows], reads: Iterable[Read] = ()) -> Account:
        """Compare the full read-back of each series, and every read under load."""
        account = Account()
        outcomes = Counter(op.outcome for op in self._operations)
        account.acknowledged, account.unknown = outcomes[ACKNOWLEDGED], outcomes[UNKNOWN]
        account.refused, account.reported_lost = outcomes["refused"], outcomes[LOST]
        for series in self.series:
            self._check_final(account, series, final.get(series, []))
        for read in reads:
            self._check_read(account, read)
        return account

    # The state in the end

    def _check_final(self, account: Account, series: Series, rows: Rows) -> None:
        observed = _observed(account, series, rows)
        visible: Counter[int] = Counter()
        older: list[tuple[Operation, str]] = []
        cells = self._cells[series]
        for key in sorted({*cells, *observed}):
            account.cells += 1
            cell, value = cells.get(key, _Cell()), observed.get(key)
            last, expected = cell.final
            if value == expected or any(value == other for _, other in cell.unknown):
                if last is not None and value == expected and cell.changed_last:
                    visible[last.number] += 1
                continue
            where = f"{series} {key}: {value!r} instead of {expected!r}"
            kind = self._blame(series, key, value)
            if kind == "older" and last is not None:
                older.append((last, where))
            else:
                account.found("lost" if kind == "absent" else kind, where)
        for last, where in older:
            # An operation that shows elsewhere was applied: then the older effect came back over it.
            account.found("duplicate" if visible[last.number] else "lost", where)

    def _blame(self, series: Series, key: tuple[int, str], value: Value) -> str:
        """Say what a value that should not be there is."""
        time_ms, variable = key
        if value is None:
            return "absent"
        operation, meant_ms = self._origin.get((variable, value), (None, 0))
        if operation is None:
            known = any((other, value) in self._origin for other in VARIABLES)
            return "wrong" if known else "phantom"
        if operation.tenant != series[0]:
            return "cross_tenant"
        if operation.asset != series[1] or meant_ms != time_ms:
            return "wrong"
        return "older" if operation.outcome == ACKNOWLEDGED else "phantom"

    # Reads under load

    def _check_read(self, account: Account, read: Read) -> None:
        if not 200 <= read.status < 300:
            return
        account.reads += 1
        series = (read.tenant, read.asset)
        observed = _observed(account, series, read.rows)
        for key, value in observed.items():
            if self._blame(series, key, value) == "cross_tenant":
                account.found("cross_tenant", f"{series} {key}: a read shows {value!r}")
        if read.exempt:
            account.exempt_reads += 1
            return
        newest_begin, oldest_end = 0, 1 << 62
        certain = True
        for key, cell in self._cells[series].items():
            if not read.begin_ms < key[0] <= read.end_ms:
                continue
            value = observed.get(key)
            certain = certain and not cell.unknown
            if not _allowed(cell, value, read):
                account.found("stale", f"{series} {key}: {value!r} at {read.sent_ns} ns")
            begin, end = _shown_between(cell, value)
            newest_begin, oldest_end = max(newest_begin, begin), min(oldest_end, end)
        if certain and newest_begin >= oldest_end:
            account.found(
                "torn", f"{series}: a row of position {newest_begin} beside one of before {oldest_end}"
            )


def _observed(account: Account, series: Series, rows: Rows) -> dict[tuple[int, str], Value]:
    observed: dict[tuple[int, str], Value] = {}
    seen: set[int] = set()
    for time_ms, values in rows:
        if time_ms in seen:
            account.found("duplicate", f"{series}: two rows of {time_ms}")
        seen.add(time_ms)
        observed.update({(time_ms, variable): value for variable, value in values.items()})
    return observed


def _allowed(cell: _Cell, value: Value, read: Read) -> bool:
    """Tell whether a read may show this: the last acknowledged before it began, or anything later."""
    if any(value == other for operation, other in cell.unknown if operation.sent_ns < read.answered_ns):
        return True
    for _, operation, left in reversed(cell.known):
        if operation.sent_ns < read.answered_ns and value == left:
            return True
        if operation.answered_ns < read.sent_ns:
            return False
    return value is None


def _shown_between(cell: _Cell, value: Value) -> tuple[int, int]:
    """Give the positions [begin, end) between which a cell showed this value; all for an absent one."""
    if value is None:
        return 0, 1 << 62
    for i, (position, _, left) in enumerate(cell.known):
        if left == value:
            return position, cell.known[i + 1][0] if i + 1 < len(cell.known) else 1 << 62
    return 0, 1 << 62
