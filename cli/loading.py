"""`aspectstore load`: a file of records into an aspect, through the public interface.

Two passes: the first judges every cell, so that nothing is sent of a file that cannot be read to its end;
the second sends records in bodies of at most `BODY_BYTES_MAX`, several at once. Requests take effect in the
order of their receipts, and a later row must win over an earlier one of the same time: so a body whose
times overlap those of one on its way waits for it.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import tzinfo

import msgspec

from cli.complaints import Complaint
from cli.file_times import Repeated, TimeReader, TimeScout
from cli.inference import Kind, is_boolean, kind_of, to_values, variable_names
from cli.model import Column, Place
from cli.progress import Progress
from cli.tables import Chunk, Table
from client import ApiError, BadRequest, Client, ClientError, Record, Unavailable

BODY_BYTES_MAX = 1_000_000
"""A single PUT takes 1,048,576 bytes; the rest is room."""
IN_FLIGHT = 4
"""Requests on their way at once: enough to keep a door busy while the next body is made."""


@dataclass(slots=True, frozen=True)
class TimeChoice:
    """How the time column is read, as far as the caller says."""

    column: str | None = None
    """None: the first column."""
    format: str | None = None
    """A strptime format; None: found over the whole file."""
    zone: tzinfo | None = None
    repeated: Repeated = "refuse"


@dataclass(slots=True)
class Survey:
    """What the first pass found."""

    columns: list[Column]
    time_index: int
    reader: TimeReader
    rows: int


@dataclass(slots=True)
class Batch:
    """Encoded records of one request."""

    parts: list[bytes] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    """Line in the file of each record, so that a refusal can name it."""
    size: int = 2
    first: str = "~"
    last: str = ""

    def add(self, part: bytes, line: int, time: str) -> None:
        """Take one more record."""
        self.parts.append(part)
        self.lines.append(line)
        self.size += len(part) + 1
        self.first, self.last = min(self.first, time), max(self.last, time)

    def overlaps(self, other: Batch) -> bool:
        """Tell whether both may hold records of the same time."""
        return self.first <= other.last and other.first <= self.last


@dataclass(slots=True, frozen=True)
class Loaded:
    """What a load did."""

    records: int
    values: int
    empty: int
    """Rows without any value: nothing to store."""
    seconds: float


def survey(table: Table, choice: TimeChoice) -> Survey:
    """Judge every cell of a file: the kind of each column, the writing of times, the number of rows."""
    time_index = _time_index(table, choice)
    scout = TimeScout(choice.format, choice.zone, choice.repeated)
    kinds = [Kind.NOTHING] * len(table.names)
    booleans = [True] * len(table.names)
    rows = 0
    for chunk in table.chunks():
        rows += len(chunk.lines)
        for index, cells in enumerate(chunk.columns):
            if index == time_index:
                scout.judge(str(table.path), chunk.lines, cells)
            else:
                kinds[index] = max(kinds[index], kind_of(cells))
                booleans[index] = booleans[index] and is_boolean(cells)
    if not rows:
        raise Complaint(f"{table.path} holds no rows; check --header-line and --skip")
    names = variable_names([name for index, name in enumerate(table.names) if index != time_index])
    names.insert(time_index, "_time")
    columns = [Column(*four) for four in zip(names, kinds, table.names, booleans, strict=True)]
    return Survey(columns, time_index, scout.found(str(table.path)), rows)


def _time_index(table: Table, choice: TimeChoice) -> int:
    if choice.column is None:
        return 0
    if choice.column not in table.names:
        raise Complaint(f"{table.path} has no column {choice.column!r}; it has: {', '.join(table.names)}")
    return table.names.index(choice.column)


def batches(table: Table, found: Survey, place: Place) -> Iterator[tuple[Batch, int, int]]:
    """Cut the file into request bodies; beside each, its count of values and of rows without any."""
    batch, values, empty = Batch(), 0, 0
    for chunk in table.chunks():
        for line, time, record in _records(chunk, found, place):
            if len(record) == 1:
                empty += 1
                continue
            part = msgspec.json.encode(record)
            if batch.size + len(part) > BODY_BYTES_MAX and batch.parts:
                yield batch, values, empty
                batch, values, empty = Batch(), 0, 0
            batch.add(part, line, time)
            values += len(record) - 1
    if batch.parts or empty:
        yield batch, values, empty


def _records(chunk: Chunk, found: Survey, place: Place) -> Iterator[tuple[int, str, Record]]:
    times = [found.reader.read(cell) for cell in chunk.columns[found.time_index]]
    names = list(place.data_types)
    indexes = [index for index in range(len(found.columns)) if index != found.time_index]
    columns = [
        to_values(place.data_types[found.columns[index].name], chunk.columns[index]) for index in indexes
    ]
    for line, time, *cells in zip(chunk.lines, times, *columns, strict=True):
        record: Record = {"_time": time}
        record.update((name, cell) for name, cell in zip(names, cells, strict=True) if cell is not None)
        yield line, time, record


class _Sender:
    """Sends bodies, several at once, never two that overlap in time."""

    def __init__(self, client: Client, table: Table, place: Place, progress: Progress) -> None:
        self._client, self._table, self._place, self._progress = client, table, place, progress
        self._flying: dict[Future[str], Batch] = {}
        self._receipts: deque[str] = deque(maxlen=IN_FLIGHT)

    def send(self, pool: ThreadPoolExecutor, batch: Batch) -> None:
        while len(self._flying) >= IN_FLIGHT or any(batch.overlaps(other) for other in self._flying.values()):
            self.land()
        self._flying[pool.submit(self._put, batch)] = batch

    def land(self) -> None:
        """Wait until at least one request is answered; raise what it met."""
        done, _ = wait(self._flying, return_when=FIRST_COMPLETED)
        for future in done:
            batch = self._flying.pop(future)
            self._receipts.append(future.result())
            self._progress.advance(len(batch.parts))

    def finish(self) -> None:
        """Wait for every answer, and until the records can be read.

        One order holds for a whole series, so the last receipts cover all. A store that lags is no
        failure: what is acknowledged is kept.
        """
        while self._flying:
            self.land()
        for receipt in self._receipts:
            with suppress(Unavailable):
                self._client.read(self._place.asset.asset_id, self._place.aspect, after=receipt)

    def _put(self, batch: Batch) -> str:
        body = b"[" + b",".join(batch.parts) + b"]"
        try:
            written = self._client.put_encoded(self._place.asset.asset_id, self._place.aspect, body)
        except BadRequest as error:
            raise Complaint(f"{self._table.path}{_line_of(error, batch)}: {error}") from None
        return written.receipt


def _line_of(error: ApiError, batch: Batch) -> str:
    """Name the line of the file that a refusal points at."""
    match = re.match(r"/(\d+)", error.problems[0].pointer)
    index = int(match[1]) if match else len(batch.lines)
    return f", line {batch.lines[index]}" if index < len(batch.lines) else ""


def load(client: Client, table: Table, found: Survey, place: Place) -> Loaded:
    """Send a surveyed file; a Complaint or ClientError says what stopped it and how much was stored."""
    values = empty = 0
    with Progress("load", found.rows, "records") as progress, ThreadPoolExecutor(IN_FLIGHT) as pool:
        sender = _Sender(client, table, place, progress)
        try:
            for batch, batch_values, batch_empty in batches(table, found, place):
                values, empty = values + batch_values, empty + batch_empty
                progress.advance(batch_empty)
                if batch.parts:
                    sender.send(pool, batch)
            sender.finish()
        except (Complaint, ClientError) as error:
            pool.shutdown(wait=True, cancel_futures=True)
            raise Complaint(f"{error}; {progress.done:,} records were stored before") from None
        return Loaded(progress.done - empty, values, empty, progress.seconds)
