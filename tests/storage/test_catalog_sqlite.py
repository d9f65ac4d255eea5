"""The SQLite catalogue keeps the promises of the catalogue port."""

import pytest

from storage.catalog_testing import CatalogStoreContract
from storage.sqlite.catalog import SqliteCatalogStore


class TestSqliteCatalog(CatalogStoreContract):
    """The contract over a file."""

    @pytest.fixture(autouse=True)
    async def _open(self, tmp_path):
        self._opened = []
        self._path = tmp_path / "catalog.db"
        self.store = await self.reopen()
        yield
        for store in self._opened:
            await store.close()

    async def reopen(self):
        """Open the file once more, as another door does."""
        store = await SqliteCatalogStore.open(self._path)
        self._opened.append(store)
        return store
