"""The memory store of the audit log keeps the promises of its port."""

import pytest

from storage.memory_audit import MemoryAuditStore
from storage.testing.audit import AuditStoreContract


class TestMemoryAudit(AuditStoreContract):
    """The contract over a dict; opening again gives the same object, as nothing outlives the process."""

    @pytest.fixture(autouse=True)
    def _open(self):
        self.store = MemoryAuditStore()

    async def reopen(self):
        """Give the same store: its lifetime is the process."""
        return self.store
