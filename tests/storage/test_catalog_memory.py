"""The memory catalogue keeps the promises of the catalogue port."""

import pytest

from storage.catalog_testing import CatalogStoreContract
from storage.memory_catalog import MemoryCatalogStore


class TestMemoryCatalog(CatalogStoreContract):
    """The contract over dicts; opening again gives the same object, as nothing outlives the process."""

    @pytest.fixture(autouse=True)
    def _open(self):
        self.store = MemoryCatalogStore()

    async def reopen(self):
        """Give the same store: its lifetime is the process."""
        return self.store
