"""Rules of retention in the catalogue (design 4.13)."""

from __future__ import annotations

import asyncio

import pytest

from schemas.errors import StoreUnavailable
from schemas.retention import KEEP_ALL, Rule
from storage.memory_catalog import MemoryCatalogStore
from storage.retention_rules import KIND, read_rule, settle_rule
from storage.sqlite.catalog import SqliteCatalogStore


@pytest.fixture(params=["memory", "sqlite"])
async def catalog(request, tmp_path):
    """An empty catalogue."""
    if request.param == "memory":
        yield MemoryCatalogStore()
        return
    store = await SqliteCatalogStore.open(tmp_path / "catalog.db")
    yield store
    await store.close()


async def test_a_rule_is_stored_when_it_changes(catalog):
    """Who asks for what holds changes nothing; keeping everything from the first needs no document."""
    assert KEEP_ALL == await settle_rule(catalog, "acme", 0, 5)
    assert await catalog.get("acme", KIND, KIND) is None

    assert Rule(10, 5) == await settle_rule(catalog, "acme", 10, 5)
    assert Rule(10, 5) == await settle_rule(catalog, "acme", 10, 9) == await read_rule(catalog, "acme")
    assert 0 == (await catalog.get("acme", KIND, KIND)).version
    assert KEEP_ALL == await read_rule(catalog, "other")


async def test_doors_that_start_together_make_one_rule(catalog):
    """The first one makes it, the others find it."""
    found = await asyncio.gather(*(settle_rule(catalog, "acme", 10, now_ms) for now_ms in range(4)))

    assert 1 == len(set(found))
    assert found[0] == await read_rule(catalog, "acme")


async def test_a_rule_that_others_change_all_the_time_is_an_outage():
    """A door that cannot tell what holds does not start, and may be started again."""

    class Contended(MemoryCatalogStore):
        async def create(self, *_arguments):
            return None

    with pytest.raises(StoreUnavailable):
        await settle_rule(Contended(), "acme", 10, 5)
