"""The writer keeps the order and loses nothing, on every store and stream (MS-29, MS-30, design 3.6, 4)."""

from __future__ import annotations

import random
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from runtime.clock import ManualClock
from runtime.valkey_server import ValkeyServer
from schemas.changes import Undo
from schemas.ids import AspectId, AssetId, SeriesId, TenantId
from storage.cassandra.series import CassandraSeriesStore
from storage.cassandra.session import Address
from storage.memory import MemorySeriesStore
from storage.port import SeriesStore
from storage.sqlite.series import SqliteSeriesStore
from streams.memory import MemoryRecordStream
from streams.port import RecordStream
from streams.valkey import ValkeyRecordStream
from streams.valkey.connection import Address as StreamAddress
from streams.valkey.connection import Link, pack
from tests.storage.layers import serial
from tests.workers.mixes import (
    ASPECT,
    BOTH,
    NEWEST,
    latest_of,
    newest_of,
    random_change,
    random_undo,
)
from tests.workers.world import EVERYTHING, START_MS, World, step

KEYSPACE = "test_workers"


class Setting(NamedTuple):
    """Which adapters, and how many seeds they get: real servers take longer and find less."""

    store: str
    stream: str
    seeds: int


SETTINGS = [
    Setting("memory", "memory", 30),
    Setting("sqlite", "memory", 4),
    Setting("memory", "valkey", 4),
    Setting("sqlite", "valkey", 2),
    Setting("cassandra", "memory", 2),
    Setting("cassandra", "valkey", 2),
]
RUNS = [
    pytest.param(setting, seed, id=f"{setting.store}-{setting.stream}-{seed}")
    for setting in SETTINGS
    for seed in range(setting.seeds)
]


@pytest.fixture(scope="module")
def emptied(valkey: ValkeyServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    """A server of our own, because each world begins with an empty one."""
    with ValkeyServer(tmp_path_factory.mktemp("valkey")) as started:
        yield started


@pytest.fixture
async def build(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Callable[[Setting], Any]]:
    """Make worlds over any adapters; everything is closed at the end."""
    async with AsyncExitStack() as stack:

        async def built(setting: Setting) -> World:
            clock = ManualClock(START_MS)
            store = await _store(setting.store, request, tmp_path)
            stack.push_async_callback(store.close)
            stream = await _stream(setting.stream, request, clock)
            stack.push_async_callback(stream.close)
            return World(stream, store, clock)

        yield built


async def _store(name: str, request: pytest.FixtureRequest, folder: Path) -> SeriesStore:
    if name == "memory":
        return MemorySeriesStore()
    if name == "sqlite":
        return await SqliteSeriesStore.open(folder / "series.db")
    server = request.getfixturevalue("cassandra")
    return await CassandraSeriesStore.open(Address([server.host], server.port, KEYSPACE))


async def _stream(name: str, request: pytest.FixtureRequest, clock: ManualClock) -> RecordStream:
    if name == "memory":
        return MemoryRecordStream(lambda: clock.now_ms() * 1000)
    url = request.getfixturevalue("emptied").url
    link = Link(StreamAddress.parse(url), [], 5.0)
    await (await link.connection()).ask([pack("FLUSHALL")])
    link.drop()
    return ValkeyRecordStream(url)


def fresh_series() -> list[SeriesId]:
    """Name two series that no other test, and no earlier run, has."""
    asset = AssetId(secrets.token_hex(16))
    return [SeriesId(TenantId(tenant), asset, AspectId("b" * 32)) for tenant in ("acme", "other")]


@pytest.mark.parametrize(("setting", "seed"), RUNS)
async def test_any_mix_of_writes_reads_as_serial_execution(setting, seed, build):
    """PUT, PATCH, DELETE and undo in any mix, read at any moment, equal serial execution in receipt order.

    Two writers take turns without telling each other: what one of them believes to hold, the other
    has by now, and both store what they find.
    """
    dice = random.Random(seed)
    world = await build(setting)
    several = fresh_series()
    writers = [world.writer("w1"), world.writer("w2")]
    await step(writers[0])
    for number in range(60 if setting.seeds > 10 else 30):
        series = dice.choice(several)
        undo = random_undo(dice, world.acknowledged.get(series, []))
        await world.write(series, undo or random_change(dice, number))
        if dice.random() < 0.4:
            await step(writers[dice.random() < 0.2])
        world.clock.advance(dice.choice([1, 500, 6000]))
        for series in several:
            await check(world, series)


async def check(world: World, series: SeriesId) -> None:
    """Compare every way to read a series with serial execution, unless an undo waits (design 4.17)."""
    expected = world.expected(series)
    if (await world.reading.rows(series, EVERYTHING)).behind is not None:
        assert any(isinstance(change, Undo) for _, change in world.acknowledged[series])
        return

    assert expected == await world.read(series)
    assert newest_of(expected) == serial([(await world.reading.newest(series, NEWEST)).columns])
    assert latest_of(expected) == serial([(await world.reading.latest(series, ASPECT, BOTH)).columns])
