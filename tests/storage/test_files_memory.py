"""The memory adapter of files keeps the promises of its port; what it cannot lose it cannot fail to keep."""

import pytest

from schemas.errors import StoreUnavailable
from storage.files_testing import FileStoreContract
from storage.memory_files import MemoryFileStore


class Broken(MemoryFileStore):
    """A store whose memory is gone."""

    async def write(self, tenant, content_id, body):
        """Fail."""
        raise StoreUnavailable("it is gone") from OSError("gone")


class TestMemoryFiles(FileStoreContract):
    """The contract over a dict."""

    @pytest.fixture(autouse=True)
    def _open(self):
        self.store, self.broken = MemoryFileStore(), Broken()

    def left(self, tenant):
        """Count the contents of a tenant."""
        return sum(1 for owner, _ in self.store.contents if owner == tenant)
