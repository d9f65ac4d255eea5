"""What a client did: operations with values that tell where they come from, and the journal that keeps them.

Every value is a hash of (operation, row, variable), so that a value found in a read names the operation,
the time, the asset and the tenant that it belongs to, whatever went wrong on the way.
"""

from __future__ import annotations

import base64
import os
import struct
import threading
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

VARIABLES = ("count", "level", "note")
"""LONG, DOUBLE, STRING."""

VARIABLE_TYPES = (("count", "LONG", None), ("level", "DOUBLE", None), ("note", "STRING", None))

Value = int | float | str | None

SENT, ACKNOWLEDGED, REFUSED, UNKNOWN, LOST = "sent", "acknowledged", "refused", "unknown", "lost"


class Operation(msgspec.Struct):
    """One change of one asset as a client sent it, and what came back."""

    number: int
    """Unique in a run, over all processes of the load."""
    tenant: str
    asset: str
    kind: str
    """`put`, `patch` or `delete`."""
    rows: dict[int, dict[str, Value]] = {}
    """By time in ms; None removes (PATCH only)."""
    begin_ms: int = 0
    end_ms: int = 0
    """DELETE: (begin, end]."""
    sent_ns: int = 0
    answered_ns: int = 0
    outcome: str = SENT
    receipt: str = ""
    status: int = 0

    @property
    def place(self) -> tuple[int, int, int]:
        """Give (shard, incarnation, position); only an acknowledged operation has one."""
        return read_place(self.receipt)

    def effect(self, time_ms: int, variable: str) -> tuple[bool, Value]:
        """Tell whether the operation touches a cell, and what it leaves there."""
        if self.kind == "delete":
            return self.begin_ms < time_ms <= self.end_ms, None
        row = self.rows.get(time_ms)
        if row is None or (self.kind == "patch" and variable not in row):
            return False, None
        return True, row.get(variable)


def value_of(number: int, row: int, variable: str) -> Value:
    """Give the value that an operation writes: unique in a run, exact in its type."""
    mixed = _mixed(((number << 8) + row) * 4 + VARIABLES.index(variable))
    if variable == "count":
        return mixed >> 2
    if variable == "level":
        return float(mixed >> 12)
    return f"{mixed:016x}"


def _mixed(number: int) -> int:
    """Finish as splitmix64 does: 64 bits that differ for different numbers."""
    mask = (1 << 64) - 1
    number = (number + 0x9E3779B97F4A7C15) & mask
    number = ((number ^ (number >> 30)) * 0xBF58476D1CE4E5B9) & mask
    number = ((number ^ (number >> 27)) * 0x94D049BB133111EB) & mask
    return number ^ (number >> 31)


def read_place(receipt: str) -> tuple[int, int, int]:
    """Read where an operation stands in the order, from a receipt of the service or of the fake.

    Receipts are opaque for clients; a test may look inside. A receipt of several entries gives the last one.
    """
    if "." in receipt:
        shard, incarnation, position = receipt.split(".")
        return int(shard), int(incarnation), int(position)
    octets = base64.urlsafe_b64decode(receipt + "=" * (-len(receipt) % 4))
    places = list(struct.iter_unpack("<HIQ", octets[1:-16]))
    shard, incarnation, position = places[-1]
    return int(shard), int(incarnation), int(position)


class Read(msgspec.Struct):
    """One read of a range (begin, end] under load."""

    tenant: str
    asset: str
    begin_ms: int
    end_ms: int
    sent_ns: int
    answered_ns: int
    status: int
    exempt: bool
    """It carried `Read-Position`: a named exception of design 4.17."""
    rows: list[tuple[int, dict[str, Value]]]


class Journal:
    """A file of a load process's own: what it sent, and what was acknowledged, synced to disk."""

    def __init__(self, path: Path) -> None:
        """Open the file for appending."""
        self._number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._waiting: list[bytes] = []
        self._lock = threading.Lock()  # a thread syncs while the loop goes on noting

    def note(self, item: Operation | Read) -> None:
        """Keep an operation (again, when its outcome is known) or a read; durable after `sync`."""
        kind = b"o" if isinstance(item, Operation) else b"r"
        line = kind + msgspec.json.encode(item)
        with self._lock:
            self._waiting.append(line)

    def sync(self) -> None:
        """Write and sync what was noted."""
        with self._lock:
            lines, self._waiting = self._waiting, []
        if lines:
            os.write(self._number, b"\n".join(lines) + b"\n")
            os.fdatasync(self._number)

    def close(self) -> None:
        """Sync and close."""
        self.sync()
        os.close(self._number)


def load_journals(paths: Iterable[Path]) -> tuple[list[Operation], list[Read]]:
    """Read what all load processes left; the last word on each operation counts."""
    operations: dict[int, Operation] = {}
    reads: list[Read] = []
    for path in paths:
        for kind, line in _lines(path):
            if kind == "r":
                reads.append(msgspec.json.decode(line, type=Read))
            else:
                operation = msgspec.json.decode(line, type=Operation)
                operations[operation.number] = operation
    for operation in operations.values():
        if operation.outcome == SENT:
            operation.outcome = UNKNOWN
    return list(operations.values()), reads


def _lines(path: Path) -> Iterator[tuple[str, bytes]]:
    with path.open("rb") as file:
        for line in file:
            yield chr(line[0]), line[1:]


def answered_rows(answer: Any) -> list[tuple[int, dict[str, Value]]]:
    """Turn the records of a read into (time in ms, values)."""
    return [
        (parse_ms(record["_time"]), {name: value for name, value in record.items() if name != "_time"})
        for record in answer
    ]


def parse_ms(text: str) -> int:
    """Read `YYYY-MM-DDTHH:MM:SS.mmmZ`."""
    return round(msgspec.convert(text, type=datetime).timestamp() * 1000)


def text_of(time_ms: int) -> str:
    """Write `YYYY-MM-DDTHH:MM:SS.mmmZ`."""
    return (
        datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{time_ms % 1000:03}Z"
    )
