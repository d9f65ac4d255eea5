"""How fast bodies become checked columns, and columns bodies again: workload A, one core, no network.

Run as `python -m bench.validation`. Processor time is counted, so that a busy machine counts less.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from functools import partial

from bench.workload import START_MS, VARIABLES, draw
from schemas.aspects import AspectType, Variable, VariableType, with_ids
from schemas.columns import Columns
from schemas.durations import DAY_MS
from schemas.policies import OPEN
from schemas.records import validate_records
from schemas.render import render_records

ASPECT = with_ids(
    AspectType(
        id="bench.A",
        tenant="bench",
        name="A",
        category="dynamic",
        variables=tuple(Variable(name=name, type=VariableType(type_)) for name, type_, _ in VARIABLES),
    )
)


def validate(body: bytes) -> Columns:
    """Check a body of workload A, which must be in order."""
    columns, problems = validate_records(ASPECT, body, now_ms=START_MS + DAY_MS, profile=OPEN)
    assert columns is not None, problems
    return columns


def cases(rows: int) -> Iterator[tuple[str, list[dict[str, object]]]]:
    """Give the bodies that are compared."""
    records = draw(0, rows).records()
    yield f"{rows} records", records
    yield f"{rows} records, every value a string", [_as_text(record) for record in records]
    yield (
        f"{rows} records, one value missing in each",
        [_with_gap(n, record) for n, record in enumerate(records)],
    )
    yield "10 records", records[:10]
    yield "1 record", records[:1]


def _as_text(record: dict[str, object]) -> dict[str, object]:
    return {name: value if name == "_time" else json.dumps(value) for name, value in record.items()}


def _with_gap(number: int, record: dict[str, object]) -> dict[str, object]:
    missing = VARIABLES[number % len(VARIABLES)][0]
    return {name: value for name, value in record.items() if name != missing}


def best_us(work: Callable[[], object], seconds: float = 0.5) -> float:
    """Time `work` for about so long: the best call, in µs of processor time."""
    work()
    best, until = float("inf"), time.process_time() + seconds
    while time.process_time() < until:
        began = time.process_time()
        for _ in range(10):
            work()
        best = min(best, (time.process_time() - began) / 10)
    return best * 1e6


def main(rows: int = 1_000, seconds: float = 0.5) -> None:
    """Print one line a case."""
    for label, records in cases(rows):
        body = json.dumps(records, separators=(",", ":")).encode()
        _print(f"in:  {label}", len(records), best_us(partial(validate, body), seconds))
    columns = validate(json.dumps(draw(0, 2 * rows).records()).encode())
    _print(
        f"out: {columns.rows} records",
        columns.rows,
        best_us(lambda: render_records(columns, ASPECT), seconds),
    )


def _print(label: str, records: int, us: float) -> None:
    print(f"{label:45} {us:9.1f} µs   {records / us:6.2f} M records/s")


if __name__ == "__main__":
    main()
