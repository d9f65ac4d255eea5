"""Series stores for fixtures that name them by their parameter."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from storage.cassandra.series import CassandraSeriesStore
from storage.cassandra.session import Address
from storage.memory import MemorySeriesStore
from storage.port import SeriesStore
from storage.sqlite.series import SqliteSeriesStore


@contextlib.asynccontextmanager
async def opened_store(request: pytest.FixtureRequest, folder: Path) -> AsyncIterator[SeriesStore]:
    """Open the store `request.param` names: `memory`, `sqlite` or `cassandra`, empty.

    In Cassandra it is a keyspace of the test's module and process, dropped at the end.
    """
    if request.param == "memory":
        yield MemorySeriesStore()
        return
    if request.param == "sqlite":
        file = await SqliteSeriesStore.open(folder / "series.db")
        yield file
        await file.close()
        return
    server: Any = request.getfixturevalue("cassandra")
    keyspace = f"{request.module.__name__.rpartition('.')[2]}_{os.getpid()}"
    kept = await CassandraSeriesStore.open(Address([server.host], server.port, keyspace))
    yield kept
    kept.session.cluster.connect().execute(f"DROP KEYSPACE {keyspace}", timeout=60)
    await kept.close()
