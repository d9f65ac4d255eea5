"""How fast bodies become checked columns: workload A of design 10, one core, no network."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable

import numpy as np

from schemas.aspects import AspectType, Variable, VariableType, with_ids
from schemas.limits import OPEN
from schemas.records import validate_records
from schemas.times import format_times

START_MS = 1_790_000_000_000


def workload_aspect() -> AspectType:
    """Make the aspect type of workload A."""
    types = {
        "temperature": "DOUBLE",
        "pressure": "DOUBLE",
        "rpm": "LONG",
        "running": "BOOLEAN",
        "setpoint": "INT",
    }
    variables = tuple(Variable(name=name, type=VariableType(type_)) for name, type_ in types.items())
    aspect = AspectType(id="bench.A", tenant="bench", name="A", category="dynamic", variables=variables)
    return with_ids(aspect)


def workload_records(rows: int, *, asset: int = 0) -> list[dict[str, object]]:
    """Draw the first records of an asset of workload A."""
    g = np.random.default_rng(1000 + asset)
    times = format_times(START_MS + 1000 * np.arange(rows) + g.integers(0, 4, rows))
    columns = {
        "temperature": np.round(20 + np.cumsum(g.normal(0, 0.05, rows)), 2).tolist(),
        "pressure": np.round(101325 + g.normal(0, 20, rows), 1).tolist(),
        "rpm": np.maximum(0, 1500 + np.cumsum(g.integers(-3, 4, rows))).tolist(),
        "running": (g.random(rows) > 0.01).tolist(),
        "setpoint": np.repeat(g.integers(18, 25, rows // 500 + 1), 500)[:rows].tolist(),
    }
    return [
        {"_time": at, **dict(zip(columns, values, strict=True))}
        for at, *values in zip(times, *columns.values(), strict=True)
    ]


def best_us(work: Callable[[], object], turns: int, rounds: int = 15) -> float:
    """Time `work`: the best of some rounds, in µs of processor a call."""
    work()
    best = float("inf")
    for _ in range(rounds):
        began = time.process_time()
        for _ in range(turns):
            work()
        best = min(best, (time.process_time() - began) / turns)
    return best * 1e6


def main(rows: int = 1000) -> None:
    """Print one line a question."""
    aspect = workload_aspect()
    records = workload_records(rows)
    as_text = [
        {name: value if name == "_time" else json.dumps(value) for name, value in r.items()} for r in records
    ]
    gaps = [
        {name: value for name, value in r.items() if name != ("rpm", "running")[i % 2]}
        for i, r in enumerate(records)
    ]
    for label, sent, turns in (
        ("1,000 records", records, 40),
        ("1,000 records, every value a string", as_text, 10),
        ("1,000 records with gaps", gaps, 20),
        ("10 records", records[:10], 500),
        ("1 record", records[:1], 2000),
    ):
        body = json.dumps(sent, separators=(",", ":")).encode()

        def validate(body: bytes = body) -> None:
            columns, problems = validate_records(aspect, body, now_ms=START_MS + rows * 1000, profile=OPEN)
            assert columns is not None, problems

        us = best_us(validate, turns)
        print(f"{label:40} {us:9.1f} µs   {len(sent) / us:6.2f} M records/s")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
