"""The Cassandra adapter under the contract of the port, and what only a cluster can show."""

import asyncio
import os
import random
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import cassandra as driver
import pytest
import pytest_asyncio
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile, NoHostAvailable
from cassandra.policies import RoundRobinPolicy

from schemas.errors import OutcomeUnknown, StoreUnavailable
from storage.cassandra import migrate
from storage.cassandra.series import BODY_PAGE_ROWS, MUTATION_ROWS, CassandraSeriesStore
from storage.cassandra.session import PROTOCOL_VERSION, Address, translated
from storage.port import Delta, Head, SliceId, Turn
from storage.slices import WIDTH_MS
from storage.testing import SeriesBackDoor, SeriesStoreContract
from storage.testing.rows import a_delta, a_shard, a_slice

KEYSPACE = f"test_series_{os.getpid()}"


def plain_cluster(address: Address) -> Cluster:
    """Open the driver without our session."""
    profile = ExecutionProfile(load_balancing_policy=RoundRobinPolicy(), request_timeout=30)
    return Cluster(
        list(address.hosts),
        port=address.port,
        protocol_version=PROTOCOL_VERSION,
        execution_profiles={EXEC_PROFILE_DEFAULT: profile},
    )


@pytest.fixture(scope="module")
def address(cassandra: Any) -> Iterator[Address]:
    """A keyspace of this module, dropped at its end."""
    address = Address([cassandra.host], cassandra.port, KEYSPACE)
    yield address
    with plain_cluster(address) as cluster:
        session = cluster.connect()
        for keyspace in (KEYSPACE, f"{KEYSPACE}_twice"):
            session.execute(f"DROP KEYSPACE IF EXISTS {keyspace}")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def store(address: Address) -> AsyncIterator[CassandraSeriesStore]:
    """One store for the module; each test has series and shards of its own."""
    store = await CassandraSeriesStore.open(address)
    yield store
    await store.close()


class CassandraBackDoor(SeriesBackDoor):
    """A session of the driver's own, at consistency ALL."""

    def __init__(self, address: Address) -> None:
        self.cluster = plain_cluster(address)
        self.session = self.cluster.connect(address.keyspace)

    def put_delta(self, delta: Delta) -> None:
        self.session.execute(
            "INSERT INTO deltas (tenant, asset, aspect, slice, last, first, body) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s) USING TIMESTAMP %s",
            (*delta.slice.series, delta.slice.start_ms, delta.last, delta.first, delta.body, delta.last),
        )

    def deltas(self, slice_id: SliceId) -> list[Delta]:
        rows = self.session.execute(
            "SELECT first, last, body FROM deltas "
            "WHERE tenant = %s AND asset = %s AND aspect = %s AND slice = %s",
            (*slice_id.series, slice_id.start_ms),
        )
        return [Delta(slice_id, *row) for row in rows]

    def blocks(self, slice_id: SliceId, part: int) -> dict[tuple[bytes, int], bytes]:
        rows = self.session.execute(
            "SELECT block_id, variable, body FROM blocks WHERE tenant = %s AND asset = %s AND aspect = %s "
            "AND slice = %s AND part = %s",
            (*slice_id.series, slice_id.start_ms, part),
        )
        return {(row.block_id, row.variable): row.body for row in rows}

    def cursor(self, shard: int) -> int | None:
        row = self.session.execute("SELECT applied FROM cursors WHERE shard = %s", (shard,)).one()
        return row.applied if row else None


@pytest.fixture(scope="module")
def door(store: CassandraSeriesStore) -> Iterator[CassandraBackDoor]:
    """The back door, opened once."""
    door = CassandraBackDoor(store.session.address)
    yield door
    door.cluster.shutdown()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lost(store: CassandraSeriesStore) -> AsyncIterator[CassandraSeriesStore]:
    """A store that had connections once."""
    lost = await CassandraSeriesStore.open(store.session.address)
    lost.session.cluster.shutdown()
    yield lost
    await lost.close()


@pytest.mark.asyncio(loop_scope="module")
class TestCassandraSeries(SeriesStoreContract):
    """Every promise of the port, in a keyspace."""

    @pytest.fixture
    def back_door(self, door: CassandraBackDoor) -> CassandraBackDoor:
        return door

    @pytest.fixture
    def broken(self, lost: CassandraSeriesStore) -> CassandraSeriesStore:
        """The lost store, opened again in its own eyes: a test may have closed it."""
        lost.session._closed = False
        return lost


@pytest.mark.asyncio(loop_scope="module")
class TestTimestamps:
    """Which write wins is decided by positions, not by clocks (design 4.16)."""

    async def test_a_delta_carries_its_last_position(
        self, store: CassandraSeriesStore, door: CassandraBackDoor
    ) -> None:
        """The write timestamp of a delta is its last position, of a cursor its value."""
        slice_id, shard = a_slice(), a_shard()
        await store.write_turn(Turn((), [a_delta(slice_id, 77, 70)], {shard: 78}))

        times = door.session.execute(
            "SELECT writetime(body) FROM deltas "
            "WHERE tenant = %s AND asset = %s AND aspect = %s AND slice = %s",
            (*slice_id.series, 0),
        )
        cursor = door.session.execute("SELECT writetime(applied) FROM cursors WHERE shard = %s", (shard,))

        assert times.one()[0] == 77
        assert cursor.one()[0] == 78

    async def test_a_purge_hides_what_comes_late(self, store: CassandraSeriesStore) -> None:
        """A delta at or before the purged position stays purged, however late it is written again."""
        slice_id = a_slice()
        await store.write_turn(Turn((), [a_delta(slice_id, 5), a_delta(slice_id, 6)]))
        await store.purge_deltas(slice_id, 5)

        await store.write_turn(Turn((), [a_delta(slice_id, 5), a_delta(slice_id, 4)]))

        assert await store.read_deltas(slice_id, 0) == [a_delta(slice_id, 6)]

    async def test_the_deltas_of_a_slice_are_written_in_order(self, store: CassandraSeriesStore) -> None:
        """Whoever reads during a long turn sees a beginning of it, never a later part alone (design 4.5)."""
        slice_id = a_slice()
        deltas = [a_delta(slice_id, n) for n in range(1, 40 * MUTATION_ROWS)]
        writing = asyncio.create_task(store.write_turn(Turn((slice_id,), deltas)))

        seen = []
        while not writing.done():
            seen.append([delta.last for delta in await store.read_deltas(slice_id, 0)])
        await writing

        for positions in seen:
            assert positions == list(range(1, len(positions) + 1))
        assert await store.read_deltas(slice_id, 0) == deltas


@pytest.mark.asyncio(loop_scope="module")
class TestTurn:
    """What a turn does when the cluster refuses a part of it."""

    async def test_the_cursor_waits_for_every_delta(self, store: CassandraSeriesStore) -> None:
        """A delta that cannot be stored keeps the cursor where it was (design 3.6)."""
        slice_id, shard = a_slice(), a_shard()
        too_large = a_delta(slice_id, 2, body=random.Random(1).randbytes(17 * 1024 * 1024))

        with pytest.raises(StoreUnavailable):
            await store.write_turn(Turn((slice_id,), [a_delta(slice_id, 1), too_large], {shard: 2}))

        assert await store.read_cursor(shard) == 0
        assert await store.read_slices(slice_id.series) == {0: WIDTH_MS}

    async def test_more_than_the_window_is_stored(self, store: CassandraSeriesStore) -> None:
        """A turn of more requests and bytes than may be under way is stored all the same."""
        slices = [a_slice() for _ in range(1_500)]
        body = bytes(30_000)

        await store.write_turn(Turn((), [a_delta(slice_id, 1, body=body) for slice_id in slices]))

        assert len((await store.read_deltas(slices[-1], 0))[0].body) == len(body)
        assert store.session.window.requests == 0
        assert store.session.window.bytes == 0

    async def test_a_page_of_large_bodies_is_bounded(self, store: CassandraSeriesStore) -> None:
        """Reading bodies asks for few rows a page: the server builds a page on its heap."""
        assert store.session._prepared["read_deltas"].fetch_size == BODY_PAGE_ROWS
        assert store.session._prepared["read_blocks"].fetch_size == BODY_PAGE_ROWS


@pytest.mark.asyncio(loop_scope="module")
class TestCrossTalk:
    """Answers never cross, whatever is given up on the way (stack finding 12)."""

    async def test_answers_given_up_in_time_never_reach_another(
        self, store: CassandraSeriesStore, address: Address
    ) -> None:
        """The driver gives requests up by the hundred; every answer that comes is the right one."""
        slices = [a_slice() for _ in range(60)]
        body = random.Random(3).randbytes(20_000)
        await store.write_turn(
            Turn((), [a_delta(slice_id, 1, body=slice_id.series.text.encode() + body) for slice_id in slices])
        )
        hasty = await CassandraSeriesStore.open(address)
        for profile in hasty.session.cluster.profile_manager.profiles.values():
            profile.request_timeout = 0.02
        asked = [slices[n % len(slices)] for n in range(1_200)]

        answers = await asyncio.gather(
            *(hasty.read_deltas(slice_id, 0) for slice_id in asked), return_exceptions=True
        )
        await hasty.close()

        given_up = 0
        for slice_id, answer in zip(asked, answers, strict=True):
            if isinstance(answer, BaseException):
                assert isinstance(answer, StoreUnavailable)
                given_up += 1
            else:
                assert [slice_id.series.text.encode() + body] == [delta.body for delta in answer]
        assert given_up > 0


class TestErrors:
    """What an error of the driver means for the caller."""

    @pytest.mark.parametrize(
        ("error", "expected"),
        [
            (driver.OperationTimedOut(), OutcomeUnknown),
            (driver.WriteTimeout("late", write_type=driver.WriteType.CAS), OutcomeUnknown),
            (driver.WriteFailure("failed", write_type=driver.WriteType.CAS), OutcomeUnknown),
            (driver.Unavailable("too few"), StoreUnavailable),
            (driver.InvalidRequest("no such table"), StoreUnavailable),
            (NoHostAvailable("none", {}), StoreUnavailable),
        ],
        ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
    )
    def test_a_swap_is_unknown_unless_it_was_surely_not_applied(
        self, error: Exception, expected: type[Exception]
    ) -> None:
        """A timed-out compare-and-set is often applied later, a refused one never (design 4.6)."""
        ours = translated(error, conditional=True)

        assert type(ours) is expected
        assert ours.__cause__ is error
        assert type(translated(error, conditional=False)) is StoreUnavailable

    async def test_nobody_answers(self, address: Address) -> None:
        """A wrong address is one clear error."""
        with pytest.raises(StoreUnavailable, match="no Cassandra answers"):
            await CassandraSeriesStore.open(Address(["127.0.0.1"], 1, KEYSPACE))


@pytest.mark.asyncio(loop_scope="module")
class TestMigrations:
    """How a keyspace comes to the present schema."""

    async def test_many_processes_may_start_at_once(self, address: Address) -> None:
        """Two that open the same new keyspace both get it whole, and each file is noted once."""
        keyspace = f"{KEYSPACE}_twice"
        new = Address(address.hosts, address.port, keyspace)

        stores = await asyncio.gather(*(CassandraSeriesStore.open(new) for _ in range(2)))

        noted: dict[str, str] = dict(await stores[0].session.rows("read_migrations"))
        assert noted == {name: migrate.checksum(text) for name, text in migrate.schema_files().items()}
        assert await stores[1].read_cursor(1) == 0
        for store in stores:
            await store.close()

    async def test_a_changed_schema_file_is_refused(
        self, store: CassandraSeriesStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A released file is never changed: a keyspace made with other text is not touched."""
        files = migrate.schema_files()
        name = next(iter(files))
        monkeypatch.setattr(migrate, "schema_files", lambda: {**files, name: files[name] + "-- more\n"})

        with pytest.raises(StoreUnavailable, match=f"{name} was changed"):
            await CassandraSeriesStore.open(store.session.address)

    async def test_a_keyspace_of_a_newer_program_is_refused(
        self, store: CassandraSeriesStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A program that has not all schema files that were applied does not touch the keyspace (R19)."""
        files = migrate.schema_files()
        *older, newest = files
        monkeypatch.setattr(migrate, "schema_files", lambda: {name: files[name] for name in older})

        with pytest.raises(StoreUnavailable, match=f"has schema {newest}, this program knows {older[-1]}"):
            await CassandraSeriesStore.open(store.session.address)

    async def test_a_keyspace_name_is_checked(self, address: Address) -> None:
        """A name that would need quoting is refused before it reaches a statement."""
        with pytest.raises(StoreUnavailable, match="cannot name a keyspace"):
            await CassandraSeriesStore.open(Address(address.hosts, address.port, "x; DROP"))


@pytest.mark.asyncio(loop_scope="module")
class TestDurability:
    """Nothing is promised that the cluster does not keep (design 4, promise)."""

    async def test_a_durable_cluster_is_accepted(self, store: CassandraSeriesStore) -> None:
        """Commit log `batch` or `group`: an acknowledged write is on the disk."""
        await store.check_durability()

    async def test_a_periodic_commit_log_is_refused(
        self, store: CassandraSeriesStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A node that acknowledges before its disk has it is refused, with what to do."""

        async def answer(*_: object, **__: object) -> list[tuple[str, str]]:
            return [("commitlog_sync", "periodic")]

        monkeypatch.setattr(store.session, "execute", answer)

        with pytest.raises(StoreUnavailable, match=r"commitlog_sync: periodic.*everysec"):
            await store.check_durability()


@pytest.mark.slow
async def test_a_real_periodic_commit_log_is_refused(cassandra_factory: Callable[..., Any]) -> None:
    """The question is put to the server's own settings table."""
    server = cassandra_factory(commitlog_sync="periodic")
    store = await CassandraSeriesStore.open(Address([server.host], server.port, KEYSPACE))

    with pytest.raises(StoreUnavailable, match="periodic"):
        await store.check_durability()

    await store.close()


@pytest.mark.slow
async def test_a_killed_server_comes_back(cassandra_factory: Callable[..., Any]) -> None:
    """While the server is gone every call is refused in time; when it is back the same store serves again."""
    server = cassandra_factory(commitlog_sync="batch")
    store = await CassandraSeriesStore.open(Address([server.host], server.port, KEYSPACE))
    slice_id = a_slice()
    await store.write_turn(Turn((slice_id,), [a_delta(slice_id, 1)]))

    server.kill()
    with pytest.raises(StoreUnavailable):
        await store.write_turn(Turn((), [a_delta(slice_id, 2)]))
    with pytest.raises((StoreUnavailable, OutcomeUnknown)):
        await store.swap_head(slice_id, 0, Head(1, b""))
    server.start()
    async with asyncio.timeout(60):
        while True:
            try:
                read = await store.read_deltas(slice_id, 0)
                break
            except StoreUnavailable:
                await asyncio.sleep(0.2)

    assert a_delta(slice_id, 1) in read
    await store.close()
