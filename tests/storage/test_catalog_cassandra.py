"""The Cassandra catalogue keeps the promises of the catalogue port."""

import pytest

from storage.cassandra.catalog import CassandraCatalogStore
from storage.cassandra.session import Address
from storage.catalog_testing import CatalogStoreContract


class TestCassandraCatalog(CatalogStoreContract):
    """The contract over a real server; all tests share a keyspace and use tenants of their own."""

    @pytest.fixture(autouse=True)
    async def _open(self, cassandra):
        self._opened = []
        self._address = Address([cassandra.host], cassandra.port, "catalog_contract")
        self.store = await self.reopen()
        yield
        for store in self._opened:
            await store.close()

    async def reopen(self):
        """Connect once more, as another door does."""
        store = await CassandraCatalogStore.open(self._address)
        self._opened.append(store)
        return store
