"""Measures how many bytes a value takes on disk, once everything is sealed, merged and purged (design 10).

What a log still holds (commit log, append-only file, write-ahead log) is shown beside it: it is bounded and
does not grow with the data.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bench import ingest
from bench.systems import System


@dataclass(slots=True, frozen=True)
class BytesAValue:
    """Bytes a value, in the files of the data and in the logs."""

    stored: float
    logs: float


def measure(system: System, directory: Path, series: int, records: int, batch: int = 1_000) -> BytesAValue:
    """Start the system anew, load one round of workload A, let it settle, look at its files."""
    system = system.settling()
    system.start(directory)
    try:
        system.prepare(series)
        load = ingest.Load(system, series, records, batch)
        ingest.measure(load)
        disk = system.disk()
    finally:
        system.stop()
    return BytesAValue(disk.stored / load.values, disk.logs / load.values)
