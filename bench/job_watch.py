"""What the measurements of jobs have in common: files sent, and what the processes of a job use."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter, sleep
from typing import Protocol

from bench.service import cpu_seconds, descendants, peak_bytes
from client import Client
from client import imports as calls

JOB = "job"
PART_BYTES = 8 * 2**20
LOOK_S, WATCH_S = 0.05, 0.2
GONE_S = 10.0
"""Within which the process of a job that has ended is gone."""


class Used(Protocol):
    """What a measurement notes of processes."""

    used_s: dict[str, float]
    """Processor time by part of the service."""
    peak_bytes: int
    """Most of a process that did a job."""


@contextmanager
def watched(jobs: Sequence[int], parts: Mapping[str, Sequence[int]], found: Used) -> Iterator[None]:
    """Note what the parts of a service use while the body runs, and the most memory of a job.

    `jobs` are the processes that start one for each job.
    """
    ended = threading.Event()
    resting, seen = _below(jobs), set[int]()

    def watch() -> None:
        while not ended.wait(WATCH_S):
            seen.update(_below(jobs) - resting)
            found.peak_bytes = max(found.peak_bytes, *map(peak_bytes, seen), 0)

    before = {part: sum(map(cpu_seconds, pids)) for part, pids in parts.items()}
    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
    deadline = perf_counter() + GONE_S
    while any(Path(f"/proc/{pid}").exists() for pid in seen) and perf_counter() < deadline:
        sleep(LOOK_S)  # The time of a process is its parent's once it is gone.
    found.used_s = {part: sum(map(cpu_seconds, pids)) - before[part] for part, pids in parts.items()}


def _below(pids: Iterable[int]) -> set[int]:
    return {below for pid in pids for below in descendants(pid)}


def send(client: Client, asset: str, path: Path) -> None:
    """Put a file among those of an asset, in parts where it is large."""
    size = path.stat().st_size
    with path.open("rb") as file:
        if size <= PART_BYTES:
            client.call(calls.put_file(asset, path.name, file.read()))
            return
        client.call(calls.start_upload(asset, path.name))
        for number in range(1, -(-size // PART_BYTES) + 1):
            last = number * PART_BYTES >= size
            client.call(calls.put_part(asset, path.name, number, file.read(PART_BYTES), last=last))
