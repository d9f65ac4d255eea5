"""The SQLite adapter under the contract of the port, and what only a file can show."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import apsw
import pytest

from schemas.errors import OutcomeUnknown, StoreUnavailable
from storage.port import BlockRow, Delta, Head, SliceId, Turn
from storage.slices import WIDTH_MS
from storage.sqlite.connection import CHECKPOINT_PAGES, Database
from storage.sqlite.series import PIECE_BYTES, SCHEMA, STATEMENTS, SqliteSeriesStore
from storage.testing import SeriesBackDoor, SeriesStoreContract
from storage.testing.rows import a_delta, a_shard, a_slice

PAGE_BYTES = 16_384


class SqliteBackDoor(SeriesBackDoor):
    """A connection of its own to the same file."""

    def __init__(self, path: Path) -> None:
        self.connection = apsw.Connection(str(path))
        self.connection.set_busy_timeout(5_000)

    def put_delta(self, delta: Delta) -> None:
        key = (*delta.slice.series, delta.slice.start_ms)
        self.connection.execute(
            "INSERT OR IGNORE INTO slices (tenant, asset, aspect, start_ms) VALUES (?, ?, ?, ?)", key
        )
        self.connection.execute(
            "INSERT INTO deltas VALUES (?, ?, ?, ?)", (self.slice(key), delta.last, delta.first, delta.body)
        )

    def deltas(self, slice_id: SliceId) -> list[Delta]:
        number = self.slice((*slice_id.series, slice_id.start_ms))
        rows = self.connection.execute("SELECT first, last, body FROM deltas WHERE slice = ?", (number,))
        return [Delta(slice_id, *row) for row in rows]

    def blocks(self, slice_id: SliceId, part: int) -> dict[tuple[bytes, int], bytes]:
        number = self.slice((*slice_id.series, slice_id.start_ms))
        rows = self.connection.execute(
            "SELECT block_id, variable, body FROM blocks WHERE slice = ? AND part = ?", (number, part)
        )
        return {(block_id, variable): body for block_id, variable, body in rows}

    def cursor(self, shard: int) -> int | None:
        applied: int | None = self.connection.execute(
            "SELECT applied FROM cursors WHERE shard = ?", (shard,)
        ).get
        return applied

    def slice(self, key: tuple[str, str, str, int]) -> int | None:
        number: int | None = self.connection.execute(
            "SELECT id FROM slices WHERE tenant = ? AND asset = ? AND aspect = ? AND start_ms = ?", key
        ).get
        return number


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteSeriesStore]:
    store = await SqliteSeriesStore.open(tmp_path / "made" / "series.db")
    yield store
    await store.close()


def pragma(connection: apsw.Connection, name: str) -> object:
    return connection.execute(f"PRAGMA {name}").get


class TestSqliteSeries(SeriesStoreContract):
    """Every promise of the port, in a file."""

    @pytest.fixture
    def back_door(self, store: SqliteSeriesStore) -> Iterator[SqliteBackDoor]:
        door = SqliteBackDoor(store.database.path)
        yield door
        door.connection.close()

    @pytest.fixture
    async def broken(self, tmp_path: Path) -> AsyncIterator[SqliteSeriesStore]:
        store = await SqliteSeriesStore.open(tmp_path / "broken.db")
        for connection in (*store.database.readers, store.database.writer):
            assert connection is not None
            connection.close()
        yield store
        await store.close()


class TestFile:
    """How the file is opened (design 4, SQLite)."""

    async def test_a_commit_is_on_the_disk_when_it_returns(self, store: SqliteSeriesStore) -> None:
        """The log is synced at each commit, pages are 16 KB, and no commit runs a checkpoint."""
        writer = store.database.writer
        assert writer is not None

        assert pragma(writer, "synchronous") == 2
        assert pragma(writer, "journal_mode") == "wal"
        assert pragma(writer, "page_size") == PAGE_BYTES
        assert pragma(writer, "wal_autocheckpoint") == 0

    async def test_the_control_does_without_the_sync(self, tmp_path: Path) -> None:
        """A store that is opened not durable says so to SQLite: the control of the kill tests."""
        control = await SqliteSeriesStore.open(tmp_path / "control.db", durable=False)
        assert control.database.writer is not None

        assert pragma(control.database.writer, "synchronous") == 0
        await control.close()

    async def test_what_was_stored_is_there_after_opening_again(self, store: SqliteSeriesStore) -> None:
        """Closing and opening loses nothing and repeats no step of the schema."""
        slice_id = a_slice()
        await store.write_turn(Turn((slice_id,), [a_delta(slice_id, 1)], {1: 1}))
        await store.close()

        again = await SqliteSeriesStore.open(store.database.path)

        assert await again.read_deltas(slice_id, 0) == [a_delta(slice_id, 1)]
        await again.close()

    async def test_a_file_of_a_newer_program_is_refused(self, store: SqliteSeriesStore) -> None:
        """A schema that this program does not know is not guessed at."""
        assert store.database.writer is not None
        store.database.writer.execute("PRAGMA user_version = 99")
        await store.close()

        with pytest.raises(StoreUnavailable, match="newer"):
            await SqliteSeriesStore.open(store.database.path)

    async def test_a_file_of_the_release_before_is_brought_up(self, tmp_path: Path) -> None:
        """What it holds stays, and the table of what is erased is there (design 4.16)."""
        path = tmp_path / "older.db"
        older = await Database.open(path, SCHEMA[:3])
        slice_id = a_slice()
        key = (*slice_id.series, slice_id.start_ms)
        await older.write(lambda connection: connection.execute(STATEMENTS["list_slice"], (*key, None)))
        await older.close()

        store = await SqliteSeriesStore.open(path)

        assert await store.read_slices(slice_id.series) == {0: WIDTH_MS}
        assert await store.read_erased(1) == {}
        await store.close()

    async def test_what_is_no_database_is_refused(self, tmp_path: Path) -> None:
        """A file of other content is left alone, with one clear error."""
        path = tmp_path / "letter.txt"
        path.write_text("Dear reader,\n" * 100)

        with pytest.raises(StoreUnavailable, match="letter"):
            await SqliteSeriesStore.open(path)

    async def test_many_processes_may_make_the_file_at_once(self, tmp_path: Path) -> None:
        """Door and writer start together: one makes the tables, none fails."""
        program = (
            "import asyncio, sys, pathlib\n"
            "from storage.sqlite.series import SqliteSeriesStore\n"
            "async def main():\n"
            "    store = await SqliteSeriesStore.open(pathlib.Path(sys.argv[1]))\n"
            "    await store.close()\n"
            "asyncio.run(main())\n"
        )
        command = [sys.executable, "-c", program, str(tmp_path / "series.db")]
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}

        processes = [subprocess.Popen(command, env=env) for _ in range(4)]

        assert [0] * 4 == [process.wait(60) for process in processes]

    async def test_a_read_only_view_sees_commits_and_refuses_writes(self, store: SqliteSeriesStore) -> None:
        """The door reads the file of the writer's process and cannot write it."""
        slice_id = a_slice()
        view = await SqliteSeriesStore.open(store.database.path, writable=False)

        await store.write_turn(Turn((slice_id,), [a_delta(slice_id, 1)]))

        assert await view.read_deltas(slice_id, 0) == [a_delta(slice_id, 1)]
        assert await view.read_head(slice_id, serial=True) == Head(0, b"")
        with pytest.raises(StoreUnavailable, match="reading only"):
            await view.write_turn(Turn())
        await view.close()

    async def test_readers_cannot_write(self, store: SqliteSeriesStore) -> None:
        """A reading connection refuses a writing statement, whoever runs it."""
        with pytest.raises(StoreUnavailable):
            await store.database.read(lambda connection: connection.execute("DELETE FROM deltas").fetchall())

    async def test_reads_of_a_slice_use_the_key(self, store: SqliteSeriesStore) -> None:
        """No statement of the adapter scans a table."""
        for name, text in STATEMENTS.items():
            count = max((n for n in range(1, 10) if f"?{n}" in text), default=0)

            def plan(connection: apsw.Connection, text: str = text, count: int = count) -> list[str]:
                rows = connection.execute(f"EXPLAIN QUERY PLAN {text}", (None,) * count)
                return [row[3] for row in rows]

            steps = await store.database.read(plan)
            assert not [step for step in steps if step.startswith("SCAN")], name


class TestGroupCommit:
    """Turns that wait are committed together."""

    async def test_turns_that_wait_share_a_commit(self, store: SqliteSeriesStore) -> None:
        """While one commit runs, all that come meanwhile go into the next one."""
        commits = []
        assert store.database.writer is not None

        def count() -> bool:
            commits.append(1)
            return False

        store.database.writer.set_commit_hook(count)

        await asyncio.gather(*(store.write_turn(Turn(cursors={a_shard(): 1})) for _ in range(100)))

        assert 1 <= len(commits) <= 10

    async def test_a_bad_job_fails_alone(self, store: SqliteSeriesStore) -> None:
        """A turn that SQLite refuses does not take those committed beside it along."""
        good, bad = a_slice(), a_slice()
        turns = [Turn((), [a_delta(good, n)]) for n in range(1, 20)]
        turns.insert(7, Turn((), [Delta(bad, 1, 1, None)]))  # type: ignore[arg-type]

        outcomes = await asyncio.gather(*(store.write_turn(turn) for turn in turns), return_exceptions=True)

        assert [7] == [n for n, outcome in enumerate(outcomes) if isinstance(outcome, StoreUnavailable)]
        assert len(await store.read_deltas(good, 0)) == 19

    async def test_a_turn_is_stored_whole_or_not_at_all(self, store: SqliteSeriesStore) -> None:
        """If one delta fails, neither the others nor the cursor of its turn are stored."""
        slice_id, shard = a_slice(), a_shard()
        broken = Delta(slice_id, 2, 2, None)  # type: ignore[arg-type]
        bad = Turn((slice_id,), [a_delta(slice_id, 1), broken], {shard: 2})

        with pytest.raises(StoreUnavailable):
            await store.write_turn(bad)

        assert await store.read_deltas(slice_id, 0) == []
        assert await store.read_slices(slice_id.series) == {}
        assert await store.read_cursor(shard) == 0

    async def test_a_swap_whose_commit_fails_is_unknown(self, store: SqliteSeriesStore) -> None:
        """The log may hold a commit that reported an error, so the sealer must not be told 'refused'."""
        assert store.database.writer is not None
        store.database.writer.set_commit_hook(lambda: True)  # every commit becomes a rollback

        with pytest.raises(OutcomeUnknown):
            await store.swap_head(a_slice(), 0, Head(1, b""))
        with pytest.raises(StoreUnavailable):
            await store.write_turn(Turn(cursors={1: 1}))

    async def test_a_cancelled_turn_is_not_left_for_later(self, store: SqliteSeriesStore) -> None:
        """A caller that goes away leaves no job behind that some much later commit would take along."""
        shard = a_shard()
        task = asyncio.create_task(store.write_turn(Turn(cursors={shard: 5})))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        await store.read_head(a_slice(), serial=True)

        assert await store.read_cursor(shard) == 5


class TestCheckpoints:
    """The log is moved into the file beside the commits."""

    async def test_the_log_does_not_grow_without_end(
        self, store: SqliteSeriesStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Past its bound the log is emptied, though nobody stops writing."""
        monkeypatch.setattr("storage.sqlite.connection.WAL_PAGES_MAX", 2 * CHECKPOINT_PAGES)
        log = store.database.path.with_name("series.db-wal")
        body = bytes(1024 * 1024)
        sizes = []

        for n in range(1, 120):
            await store.write_turn(Turn((), [a_delta(a_slice(), n, body=body)]))
            sizes.append(log.stat().st_size)

        assert max(sizes) < 80 * len(body)
        assert store.database.path.stat().st_size > 50 * len(body)

    async def test_every_step_of_the_schema_is_run_once(self, tmp_path: Path) -> None:
        """A file of step n gets the steps after n, in order, and keeps its rows."""
        path = tmp_path / "steps.db"
        first = "CREATE TABLE a (x INTEGER); INSERT INTO a VALUES (1); PRAGMA user_version = 1"
        second = "INSERT INTO a VALUES (2); PRAGMA user_version = 2"
        await (await Database.open(path, [first])).close()

        for _ in range(2):
            database = await Database.open(path, [first, second])
            rows = await database.read(lambda connection: connection.execute("SELECT x FROM a").fetchall())
            assert rows == [(1,), (2,)]
            await database.close()

    async def test_a_file_of_the_first_release_is_brought_up_to_date(self, tmp_path: Path) -> None:
        """Slices of a file that knew no widths are as wide as the first plan version says (design 4.8)."""
        path = tmp_path / "old.db"
        old = await Database.open(path, SCHEMA[:1])
        key = ("tenant_a", "a" * 32, "b" * 32, 900_000)
        insert = "INSERT INTO slices (tenant, asset, aspect, start_ms, listed) VALUES (?, ?, ?, ?, 1)"
        await old.write(lambda connection: connection.execute(insert, key).fetchall())
        await old.close()

        store = await SqliteSeriesStore.open(path)

        [series] = await store.list_series()
        assert {900_000: WIDTH_MS} == await store.read_slices(series)
        await store.close()

    async def test_bodies_of_older_files_stay_whole(self, tmp_path: Path) -> None:
        """A block that was stored before bodies were cut is read as it is, and dropped."""
        path = tmp_path / "old.db"
        old = await Database.open(path, SCHEMA[:2])
        where = a_slice()
        body = os.urandom(3 * PIECE_BYTES)
        slices = "INSERT INTO slices (id, tenant, asset, aspect, start_ms) VALUES (7, ?, ?, ?, ?)"
        blocks = "INSERT INTO blocks (slice, part, variable, block_id, body) VALUES (7, 0, 1, ?, ?)"

        def lay(connection: apsw.Connection) -> None:
            connection.execute(slices, (*where.series, where.start_ms))
            connection.execute(blocks, (bytes(16), body))

        await old.write(lay)
        await old.close()
        store = await SqliteSeriesStore.open(path)

        assert {(bytes(16), 1): body} == await store.read_blocks(where, 0, [1], [bytes(16)])
        await store.drop_blocks(where, 0, [bytes(16)])
        assert {} == await store.list_blocks(where, 0)
        await store.close()

    @pytest.mark.parametrize("size", [0, 1, -1, PIECE_BYTES, 7 * PIECE_BYTES + 5])
    async def test_long_bodies_lie_in_pieces(self, store: SqliteSeriesStore, size: int) -> None:
        """A body of any length comes back, a repeat changes nothing, and dropping leaves no piece behind."""
        where = a_slice()
        row = BlockRow(where, 0, 1, bytes(16), os.urandom(PIECE_BYTES + size))
        for _ in range(2):
            await store.write_blocks([row])

        assert {(bytes(16), 1): row.body} == await store.read_blocks(where, 0, [1], [bytes(16)])
        await store.drop_blocks(where, 0, [bytes(16)])
        count = "SELECT count(*) FROM pieces"
        assert 0 == await store.database.read(lambda connection: connection.execute(count).get)

    async def test_blocks_leave_little_of_a_page_empty(self, store: SqliteSeriesStore) -> None:
        """Bodies as blocks of workload A have them take at most a fifth more on the disk (design 10)."""
        sizes = (1_900, 2_600, 5_700, 12_350, 3_650, 220, 130)
        stored = 0
        for number in range(60):
            bodies = [os.urandom(size) for size in sizes]
            stored += sum(sizes)
            name = number.to_bytes(16, "big")
            await store.write_blocks(
                [BlockRow(a_slice(), 0, variable, name, body) for variable, body in enumerate(bodies)]
            )
        pages = "SELECT sum(pgsize) FROM dbstat WHERE name LIKE '%blocks%' OR name LIKE '%pieces%'"

        taken = await store.database.read(lambda connection: connection.execute(pages).get)
        assert taken < 1.2 * stored

    def test_the_schema_numbers_itself(self) -> None:
        """Each step ends by saying which step it was."""
        for number, step in enumerate(SCHEMA, 1):
            assert step.rstrip().endswith(f"PRAGMA user_version = {number};")


class TestOtherWriter:
    """A second process that holds the write lock."""

    async def test_a_stopped_writer_blocks_and_loses_nothing(self, store: SqliteSeriesStore) -> None:
        """While another process holds the lock, turns fail together after one wait, and reads go on."""
        slice_id = a_slice()
        await store.write_turn(Turn((slice_id,), [a_delta(slice_id, 1)]))
        assert store.database.writer is not None
        store.database.writer.set_busy_timeout(50)
        other = apsw.Connection(str(store.database.path))
        other.execute("BEGIN IMMEDIATE")
        turns = [Turn((), [a_delta(slice_id, n)]) for n in range(2, 40)]

        outcomes = await asyncio.gather(*(store.write_turn(turn) for turn in turns), return_exceptions=True)
        read = await store.read_deltas(slice_id, 0)
        other.close()
        await asyncio.gather(*(store.write_turn(turn) for turn in turns))

        assert {StoreUnavailable} == {type(outcome) for outcome in outcomes}
        assert read == [a_delta(slice_id, 1)]
        assert len(await store.read_deltas(slice_id, 0)) == 39
