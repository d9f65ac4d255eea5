"""One SQLite file as an asyncio program needs it: a writing thread, reading threads, a checkpointing thread.

Knows no table. Series and catalogue each open their own `Database` with their own schema.

Writing: jobs queue up while a commit waits for the disk, and the next commit takes all of them (group
commit). If one of them fails they are repeated one by one, so that a bad job fails alone.
Reading: a job fetches, ends its statement and returns plain values; decoding happens elsewhere, because
an open reader keeps the write-ahead log from being reset (it grew to 1.3 GB with one; design 4, SQLite).
Checkpoints: PASSIVE by a thread of their own as the log grows, TRUNCATE above WAL_BYTES_MAX.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Generic, TypeVar

import apsw

from schemas.errors import OutcomeUnknown, StoreUnavailable
from storage.statements import texts

T = TypeVar("T")
Job = Callable[[apsw.Connection], T]

READERS = 2
"""Reading threads a process; a read holds the GIL only while it builds rows."""

BUSY_MS = 5_000
"""How long a lock of another process is waited for; a paused writer is the one case where it lasts longer."""

CHECKPOINT_BUSY_MS = 500
"""How long TRUNCATE waits for readers, holding up the writer: twice the longest read."""

GROUP_JOBS_MAX = 128
"""Jobs a commit; bounds how much is repeated when one of them fails."""

CHECKPOINT_PAGES = 1_024
"""Pages of new log after which a checkpoint starts: 16 MB."""

WAL_PAGES_MAX = 16_384
"""Pages of log after which writers wait for a TRUNCATE: 256 MB."""

STATEMENTS = texts("storage.sqlite", "connection.sql")


class _Write(Generic[T]):
    """A job on its way to the writing thread and back."""

    def __init__(self, job: Job[T], *, swap: bool) -> None:
        self.job = job
        self.swap = swap
        self.value: T | None = None
        self.error: Exception | None = None

    def result(self) -> T:
        if self.error is not None:
            raise self.error
        return self.value  # type: ignore[return-value]  # set by the writing thread, unless it set an error


class Database:
    """An open SQLite file. Made by `open`; every method raises StoreUnavailable once it is closed."""

    def __init__(
        self, path: Path, writer: apsw.Connection | None, readers: Sequence[apsw.Connection]
    ) -> None:
        self.path = path
        self.writer = writer
        self.readers = tuple(readers)
        self._waiting: deque[_Write[object]] = deque()
        self._writing = ThreadPoolExecutor(1, thread_name_prefix=f"write-{path.name}")
        self._reading = ThreadPoolExecutor(len(readers), thread_name_prefix=f"read-{path.name}")
        self._idle: queue.SimpleQueue[apsw.Connection] = queue.SimpleQueue()
        for reader in readers:
            self._idle.put(reader)
        self._checkpointer = Checkpointer(path, writer) if writer is not None else None
        self._closed = False

    @classmethod
    async def open(
        cls,
        path: Path,
        schema: Sequence[str],
        *,
        writable: bool = True,
        durable: bool = True,
        readers: int = READERS,
    ) -> Database:
        """Open a file, making or upgrading it; several processes may do so at once.

        `schema` is the list of steps, step n setting `user_version` to n + 1. `writable` False gives no
        writing connection (the door's view of `series.db`). `durable` False is for control tests.
        """

        def connect() -> Database:
            path.parent.mkdir(parents=True, exist_ok=True)
            writer = _open_writer(path, schema, durable=durable)
            opened = [_open_reader(path) for _ in range(readers)]
            if not writable:
                writer.close()
            return cls(path, writer if writable else None, opened)

        with translated(path):
            return await asyncio.to_thread(connect)

    @property
    def writable(self) -> bool:
        """Tell whether this process may write the file."""
        return self.writer is not None

    async def read(self, job: Job[T]) -> T:
        """Run a job on a reading thread; it sees every commit that was acknowledged before."""
        self._require_open()
        return await asyncio.get_running_loop().run_in_executor(self._reading, self._read, job)

    async def write(self, job: Job[T], *, swap: bool = False) -> T:
        """Run a job in a write transaction and return after its commit is on the disk.

        A job may run twice (the first time undone), so it only touches the database. With `swap`, a
        failing commit raises OutcomeUnknown: the log may hold it all the same.
        """
        self._require_open()
        if self.writer is None:
            raise StoreUnavailable(f"{self.path.name} is open for reading only")
        pending = _Write(job, swap=swap)
        self._waiting.append(pending)  # type: ignore[arg-type]  # a queue of jobs of any type
        loop = asyncio.get_running_loop()
        # Shielded: a caller that goes away must not leave its job behind for a much later commit.
        await asyncio.shield(loop.run_in_executor(self._writing, self._commit_waiting))
        return pending.result()

    async def close(self) -> None:
        """Finish what is under way, then close every connection; twice is harmless."""
        if not self._closed:
            self._closed = True
            await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._writing.shutdown()
        self._reading.shutdown()
        if self._checkpointer is not None:
            self._checkpointer.stop()
        for connection in (*self.readers, self.writer):
            if connection is not None:
                connection.close()

    def _require_open(self) -> None:
        if self._closed:
            raise StoreUnavailable(f"{self.path.name} is closed")

    def _read(self, job: Job[T]) -> T:
        connection = self._idle.get()
        try:
            with translated(self.path):
                return job(connection)
        finally:
            self._idle.put(connection)

    def _commit_waiting(self) -> None:
        """Take the jobs that wait, commit them together; on any failure, one by one."""
        jobs = [self._waiting.popleft() for _ in range(min(len(self._waiting), GROUP_JOBS_MAX))]
        if not jobs:
            return  # an earlier call took ours along
        assert self._checkpointer is not None
        with self._checkpointer.gate:
            self._commit_jobs(jobs)

    def _commit_jobs(self, jobs: Sequence[_Write[object]]) -> None:
        if not self._commit(jobs) and len(jobs) > 1:
            for job in jobs:
                job.error = None
                self._commit([job])

    def _commit(self, jobs: Sequence[_Write[object]]) -> bool:
        """Commit jobs together; False if one of them failed, so that the others deserve another try."""
        assert self.writer is not None
        step = "begin"
        try:
            with translated(self.path):
                self.writer.execute(STATEMENTS["begin"])
                step = "jobs"
                for job in jobs:
                    job.value = job.job(self.writer)
                step = "commit"
                self.writer.execute(STATEMENTS["commit"])
        except Exception as error:  # noqa: BLE001  # carried over to the callers, who raise it
            with suppress(
                apsw.Error
            ):  # some errors have undone it already; a closed connection has nothing to undo
                self.writer.execute(STATEMENTS["rollback"])
            for job in jobs:
                job.error = _unknown(error) if job.swap and step == "commit" else error
        return step != "jobs"


class Checkpointer:
    """The thread that moves the log into the file, so that no commit has to."""

    def __init__(self, path: Path, writer: apsw.Connection) -> None:
        self._connection = apsw.Connection(str(path))
        self._connection.set_busy_timeout(CHECKPOINT_BUSY_MS)
        _run(self._connection, "tune_writer")
        self._pages = 0
        self._moved = 0
        self.gate = threading.Lock()
        """Held by a commit and by a TRUNCATE: SQLite's own waiting would starve the latter under load."""
        self._wake = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name=f"checkpoint-{path.name}", daemon=True)
        writer.set_wal_hook(self._committed)
        self._thread.start()

    def stop(self) -> None:
        """End the thread after the checkpoint that runs, and close its connection."""
        self._stopping = True
        self._wake.set()
        self._thread.join()
        self._connection.close()

    def _committed(self, _connection: apsw.Connection, _schema: str, pages: int) -> int:
        if pages < self._pages:
            self._moved = 0  # the log began anew
        self._pages = pages
        if pages - self._moved >= CHECKPOINT_PAGES or pages >= WAL_PAGES_MAX:
            self._wake.set()
        return apsw.SQLITE_OK

    def _run(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            if self._stopping:
                return
            # Readers in the way, a full disk: the next commit wakes us again, and sees errors of its own.
            with suppress(apsw.Error):
                self._checkpoint()

    def _checkpoint(self) -> None:
        _, self._moved = self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        if self._pages >= WAL_PAGES_MAX:
            with self.gate:
                self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn an error of the driver into StoreUnavailable with the driver's error as the cause."""
    try:
        yield
    except apsw.Error as error:
        raise StoreUnavailable(f"{path.name}: {type(error).__name__}: {error}") from error


def _unknown(error: Exception) -> OutcomeUnknown:
    unknown = OutcomeUnknown(f"the commit failed and may stand all the same: {error}")
    unknown.__cause__ = error.__cause__ or error
    return unknown


def _open_writer(path: Path, schema: Sequence[str], *, durable: bool) -> apsw.Connection:
    connection = apsw.Connection(str(path))
    connection.set_busy_timeout(BUSY_MS)
    _run(connection, "create", "durable" if durable else "not_durable", "tune_writer")
    try:
        if read_version(connection) != len(schema):  # a file that is up to date needs no lock
            connection.execute(STATEMENTS["begin"])
            _upgrade(connection, path, schema)
            connection.execute(STATEMENTS["commit"])
    except BaseException:
        connection.close()
        raise
    return connection


def _upgrade(connection: apsw.Connection, path: Path, schema: Sequence[str]) -> None:
    """Run the steps that the file has not seen; refuse a file that has seen more."""
    version = read_version(connection)
    if version > len(schema):
        raise StoreUnavailable(
            f"{path} has schema {version}, this program knows {len(schema)}: install the newer program"
        )
    for step in schema[version:]:
        connection.execute(step)
    assert read_version(connection) == len(schema), "a step must set user_version to its own number"


def read_version(connection: apsw.Connection) -> int:
    """Tell how many steps of its schema a file has seen."""
    return int(connection.execute(STATEMENTS["read_version"]).get)


def _open_reader(path: Path) -> apsw.Connection:
    connection = apsw.Connection(str(path))
    connection.set_busy_timeout(BUSY_MS)
    _run(connection, "tune_reader")
    return connection


def _run(connection: apsw.Connection, *names: str) -> None:
    """Run statements to their end; a cursor stops after the first statement that answers with a row."""
    for name in names:
        connection.execute(STATEMENTS[name]).fetchall()
