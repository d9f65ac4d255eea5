"""Interleaved writes of many connections end in the state of serial execution in receipt order (design 8.7).

While writers are killed, ended, and stopped beyond lease and grace; and each read that starts after an
acknowledgement contains it (design 4.17). The schedules are seeded and printed.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, monotonic_ns, sleep
from typing import NamedTuple

import pytest

from bench.service import Service
from runtime import valkey_server, wiring
from runtime.settings import Settings
from schemas.ids import AspectId, AssetId, SeriesId, TenantId
from storage.port import SliceId
from tests.conftest import need
from tests.e2e.looking import looking
from tests.e2e.serial import History, Seen, Series, histories, receipt_key
from tests.faults.house import ASPECT, House, say
from tests.faults.load import SERIES, START_MS
from tests.faults.operations import Operation, text_of

WRITER = "workers.main writer"
ASSETS = 2
"""Of each of two tenants: few, so that hundreds of requests meet in one series."""

TIMINGS = {
    "ASPECTSTORE_LEASE_S": "2",
    "ASPECTSTORE_SEAL_GRACE_S": "2",
    "ASPECTSTORE_READ_DEADLINE_S": "1",
    "ASPECTSTORE_SEAL_QUIET_S": "0.1",
    "ASPECTSTORE_TRIM_DELAY_S": "0.5",
    "ASPECTSTORE_JOB_WORKERS": "0",
    "ASPECTSTORE_SHARDS": "8",
}
"""A slice is sealed between any two turns, purged two seconds later, and trimmed sooner than a lease ends."""

BEYOND_S = 4.5
"""Longer than lease and grace together."""


class Extent(NamedTuple):
    """How long it is disturbed, and by what schedule."""

    rounds: int
    seed: int


EXTENTS = [
    pytest.param(Extent(2, 1), id="short"),
    pytest.param(Extent(15, random.SystemRandom().randrange(1 << 31)), id="long", marks=pytest.mark.slow),
]


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[House]:
    """The service as one command starts it: SQLite and its one writer."""
    need("valkey", valkey_server.missing())
    service = Service(tmp_path / "data", variables=TIMINGS)
    with built(tmp_path, service) as house:
        yield house


@pytest.fixture
def clustered(tmp_path: Path, cassandra) -> Iterator[House]:
    """Three writers on one stream server and one Cassandra."""
    need("valkey", valkey_server.missing())
    keyspace = f"test_order_{uuid.uuid4().hex[:8]}"
    store = f"cassandra://{cassandra.host}:{cassandra.port}/{keyspace}"
    service = Service(tmp_path / "data", store=store, variables={**TIMINGS, "ASPECTSTORE_WRITERS": "3"})
    try:
        with built(tmp_path, service) as house:
            yield house
    finally:
        asyncio.run(drop(settings_of(service), keyspace))


@contextmanager
def built(folder: Path, service: Service) -> Iterator[House]:
    """Give a running house, with a load that leaves chains short enough for fresh reads."""
    house = House(folder, service, config={"connections": 12, "pause_ms": 60.0, "answer_s": 60.0})
    house.build(ASSETS)
    service.start(120)
    try:
        yield house
    finally:
        house.resume()
        service.stop()


def settings_of(service: Service) -> Settings:
    """Give what the test needs to open store and catalogue beside the service."""
    return Settings(data=str(service.data), store=service.store)


async def drop(settings: Settings, keyspace: str) -> None:
    """Remove a keyspace."""
    store = await wiring.open_series(settings, writable=False)
    await store.session.execute(f"DROP KEYSPACE IF EXISTS {keyspace}")  # type: ignore[attr-defined]
    await store.close()


# What is done to writers


def test_order_on_sqlite_with_a_writer_killed_and_stopped(embedded: House):
    """MS-29, MS-30: the one writer is killed and replaced, and stopped, which blocks and loses nothing."""
    pauses = []
    dice = random.Random(1)
    with watched(embedded, seed=1) as seen:
        for _ in range(3):
            sleep(dice.uniform(0.2, 1.0))
            embedded.kill_part(WRITER, dice)
            sleep(dice.uniform(0.5, 1.5))
            pauses.append(paused(embedded, dice, 3.0))
    demand_order(embedded, seen, pauses)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_order_on_sqlite_for_minutes(embedded: House):
    """The same for longer, with a schedule of its own."""
    seed = random.SystemRandom().randrange(1 << 31)
    say(f"seed {seed}")
    dice = random.Random(seed)
    pauses = []
    with watched(embedded, seed) as seen:
        for _ in range(20):
            sleep(dice.uniform(0.0, 2.0))
            if dice.random() < 0.5:
                embedded.kill_part(WRITER, dice)
            else:
                pauses.append(paused(embedded, dice, dice.uniform(0.5, BEYOND_S)))
    demand_order(embedded, seen, pauses)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("extent", EXTENTS)
def test_order_on_cassandra_with_writers_handing_over(extent: Extent, clustered: House):
    """MS-29, MS-30: writers end, are killed and stopped beyond lease and grace; the stopped ones go on."""
    say(f"seed {extent.seed}")
    dice = random.Random(extent.seed)
    with watched(clustered, extent.seed) as seen:
        for _ in range(extent.rounds):
            hand_over(clustered, dice)
    demand_order(clustered, seen, [])


def hand_over(house: House, dice: random.Random) -> None:
    """Stop one writer for longer than lease and grace; end or kill another meanwhile, then the third."""
    sleep(dice.uniform(0.2, 0.8))
    stopped, *others = await_writers(house, dice, at_least=2)
    os.kill(stopped, signal.SIGSTOP)
    house.paused.append(stopped)
    sleep(dice.uniform(0.5, 2.5))
    end(others[0], dice)
    sleep(BEYOND_S - 2.0)
    if dice.random() < 0.5:
        end(others[-1], dice)
    house.resume()
    sleep(dice.uniform(0.2, 1.5))


def end(pid: int, dice: random.Random) -> None:
    """Ask a writer to end, or kill it, unless it has ended; the supervisor starts another."""
    number = dice.choice([signal.SIGTERM, signal.SIGKILL])
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def paused(house: House, dice: random.Random, seconds: float) -> tuple[int, int]:
    """Stop the writer; gives when it was stopped and when it went on, in ns."""
    [pid] = await_writers(house, dice, at_least=1)
    os.kill(pid, signal.SIGSTOP)
    house.paused.append(pid)
    began_ns = monotonic_ns()
    sleep(seconds)
    ended_ns = monotonic_ns()
    house.resume()
    return began_ns, ended_ns


def await_writers(house: House, dice: random.Random, at_least: int) -> list[int]:
    """Give the writers' processes in any order; waits until there are so many."""
    deadline = monotonic() + 90
    while len(found := house.pids(WRITER)) < at_least:
        assert monotonic() < deadline, house.said()
        sleep(0.02)
    return dice.sample(found, k=len(found))


class watched:
    """Load and look for the time of the block; gives what was seen of newest and latest values."""

    def __init__(self, house: House, seed: int) -> None:
        """Draw the load from the seed."""
        house.seed = seed
        self._loaded = house.loaded()
        self._looking = looking(house, seed)

    def __enter__(self) -> list[Seen]:
        """Begin."""
        self._loaded.__enter__()
        sleep(1.5)  # until the load's process runs
        return self._looking.__enter__()

    def __exit__(self, *raised) -> None:
        """End the readers, then the load."""
        try:
            self._looking.__exit__(*raised)
        finally:
            self._loaded.__exit__(*raised)


# What must be so in the end


def demand_order(house: House, seen: list[Seen], pauses: list[tuple[int, int]]) -> None:
    """Compare every read with serial execution, and the end with it twice: before and after all seals."""
    operations, reads = house.operations()
    refused = [op for op in operations if op.outcome != "acknowledged"]
    assert not refused, f"{refused[:3]}\n{house.said()}"
    key = receipt_key(settings_of(house.service))
    found = histories(operations, key)
    assert min(len(history.operations) for history in found.values()) > 100, sizes(found)
    ranges = [
        Seen((read.tenant, read.asset), "range", read.sent_ns, read.answered_ns, dict(read.rows),
             read.begin_ms, read.end_ms)
        for read in reads if read.status == 200 and not read.exempt
    ]  # fmt: skip
    demand_fresh([*ranges, *seen], found)
    for began_ns, ended_ns in pauses:
        demand_fresh_during(ranges, found, began_ns, ended_ns)
    finals = {series: history.final for series, history in found.items()}
    assert finals == shown(house)
    asyncio.run(all_sealed_and_purged(house, operations))
    assert finals == shown(house)
    ways = {way: sum(each.way == way for each in (*ranges, *seen)) for way in ("range", "newest", "latest")}
    exempt = sum(read.exempt for read in reads), sum(each.position is not None for each in seen)
    say(f"{sizes(found)} requests a series; reads {ways}, of them with Read-Position {exempt}")


def demand_fresh(seen: list[Seen], found: dict[Series, History]) -> None:
    """Every read shows the state of a prefix that holds what was acknowledged before it."""
    wrong = [each for each in seen if not found[each.series].shows(each)]
    assert not wrong, f"{len(wrong)} of {len(seen)} reads, such as {explained(wrong[0], found)}"


def explained(seen: Seen, found: dict[Series, History]) -> str:
    """Say what a read showed, and what it may have shown."""
    history = found[seen.series]
    prefixes = history.prefixes(seen)
    shortest = history.states[prefixes[0]]
    return f"{seen}\nprefixes {prefixes} of {len(history.operations)}; the shortest has {shortest}"


def demand_fresh_during(
    reads: list[Seen], found: dict[Series, History], began_ns: int, ended_ns: int
) -> None:
    """While the writer was stopped reads went on, and contained what was acknowledged during the stop."""
    inside = [read for read in reads if began_ns < read.sent_ns and read.answered_ns < ended_ns]
    with_news = [read for read in inside if acknowledged_between(found[read.series], began_ns, read.sent_ns)]
    assert len(with_news) > 10, (len(inside), len(reads))


def acknowledged_between(history: History, began_ns: int, ended_ns: int) -> bool:
    """Tell whether anything was sent and acknowledged in this time."""
    return any(began_ns < op.sent_ns and op.answered_ns < ended_ns for op in history.operations)


def shown(house: House) -> dict[Series, dict[int, dict[str, object]]]:
    """Read every series whole."""
    return {series: dict(rows) for series, rows in house.read_back().items()}


def sizes(found: dict[Series, History]) -> list[int]:
    """Count the requests of each series."""
    return [len(history.operations) for history in found.values()]


async def all_sealed_and_purged(house: House, operations: list[Operation]) -> None:
    """Touch every series without changing it, so that it is sealed whoever wrote it; wait for the purges."""
    between = f"?from={text_of(START_MS + 100)}&to={text_of(START_MS + 200)}"
    for name, assets in house.assets.items():
        with house.tenant(name) as tenant:
            for asset in assets:
                tenant.ask("DELETE", f"{SERIES}/{asset}/{ASPECT}{between}")
    store = await wiring.open_series(settings_of(house.service), writable=False)
    try:
        # A slice that was quiet between rounds counts as slow, and is left for twice as long as that was.
        deadline = monotonic() + 240
        series = [
            SeriesId(TenantId(name), AssetId(asset), AspectId(f"{1:032x}"))
            for name, assets in house.assets.items()
            for asset in assets
        ]
        slices = [SliceId(each, start) for each in series for start in await store.read_slices(each)]
        assert len(slices) >= len(series)
        while left := [found for found in slices if await store.read_deltas(found, 0)]:
            assert monotonic() < deadline, f"not purged: {left}\n{house.said()}"
            await asyncio.sleep(0.2)
        assert all([(await store.read_head(found)).version > 0 for found in slices])
    finally:
        await store.close()
