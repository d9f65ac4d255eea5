"""Serial execution in receipt order, and whether a read shows one of its states.

A read must equal the state after some prefix of the order that holds everything acknowledged before the read
began and nothing sent after it ended (design 4.17, 8.7). Receipts are read with the service's own code.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from api.series.service import RECEIPT_KEY_ID, RECEIPT_KEY_KIND
from runtime import wiring
from runtime.settings import Settings
from schemas.ids import CORE
from schemas.receipts import decode_receipt
from tests.faults.operations import ACKNOWLEDGED, VARIABLES, Operation, Value

Row = dict[str, Value]
State = dict[int, Row]
Series = tuple[str, str]
"""(tenant, asset)."""


def receipt_key(settings: Settings) -> bytes:
    """Read the key of receipts from the catalogue."""

    async def read() -> bytes:
        catalog = await wiring.open_catalog(settings)
        try:
            document = await catalog.get(CORE, RECEIPT_KEY_KIND, RECEIPT_KEY_ID)
        finally:
            await catalog.close()
        assert document is not None
        return bytes.fromhex(document.body.decode())

    return asyncio.run(read())


@dataclass(slots=True)
class Seen:
    """One read and what it showed."""

    series: Series
    way: str
    """`range`, `newest` or `latest`."""
    sent_ns: int
    answered_ns: int
    rows: State
    begin_ms: int = 0
    end_ms: int = 1 << 62
    position: int | None = None
    """`Read-Position`, where the answer may lack what stands behind it."""


@dataclass(slots=True)
class History:
    """The operations of one series in receipt order, and the state after each prefix."""

    operations: list[Operation] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    states: list[State] = field(default_factory=lambda: [{}])

    def add(self, position: int, operation: Operation) -> None:
        """Execute the next operation."""
        assert not self.positions or position > self.positions[-1], "two receipts of one place"
        self.operations.append(operation)
        self.positions.append(position)
        self.states.append(_after(self.states[-1], operation))

    @property
    def final(self) -> State:
        """Give the state after everything, without rows that have no value."""
        return _visible(self.states[-1])

    def prefixes(self, seen: Seen) -> range:
        """Give the lengths of the prefixes whose state a read may show."""
        if seen.position is None:
            before = [op for op in self.operations if op.answered_ns < seen.sent_ns]
            low = self.operations.index(before[-1]) + 1 if before else 0
        else:
            low = bisect_left(self.positions, seen.position + 1)
        after = (at for at, op in enumerate(self.operations) if op.sent_ns > seen.answered_ns)
        return range(low, max(low, next(after, len(self.operations))) + 1)

    def shows(self, seen: Seen) -> bool:
        """Tell whether a read shows the state of an allowed prefix."""
        view = VIEWS[seen.way]
        return any(view(self.states[length], seen) == seen.rows for length in self.prefixes(seen))


def histories(operations: Iterable[Operation], key: bytes) -> dict[Series, History]:
    """Execute what was acknowledged, one after the other, in the order of the receipts."""
    placed = []
    for operation in operations:
        assert operation.outcome == ACKNOWLEDGED, operation
        places = decode_receipt(operation.receipt, operation.tenant, key)
        placed.append((places[-1].position, operation))
    found: dict[Series, History] = {}
    for position, operation in sorted(placed, key=lambda each: each[0]):
        found.setdefault((operation.tenant, operation.asset), History()).add(position, operation)
    return found


def _after(state: State, operation: Operation) -> State:
    after = dict(state)
    if operation.kind == "delete":
        return {at: row for at, row in after.items() if not operation.begin_ms < at <= operation.end_ms}
    for time_ms, given in operation.rows.items():
        before = after.get(time_ms, {}) if operation.kind == "patch" else {}
        after[time_ms] = {name: value for name, value in {**before, **given}.items() if value is not None}
    return after


def _visible(state: State) -> State:
    return {time_ms: row for time_ms, row in state.items() if row}


def _range(state: State, seen: Seen) -> State:
    return {at: row for at, row in _visible(state).items() if seen.begin_ms < at <= seen.end_ms}


def _newest(state: State, _seen: Seen) -> State:
    shown = _visible(state)
    return {max(shown): shown[max(shown)]} if shown else {}


def _latest(state: State, _seen: Seen) -> State:
    found: State = {}
    for name in VARIABLES:
        times = [time_ms for time_ms, row in state.items() if name in row]
        if times:
            found.setdefault(max(times), {})[name] = state[max(times)][name]
    return found


VIEWS: dict[str, Callable[[State, Seen], State]] = {"range": _range, "newest": _newest, "latest": _latest}
