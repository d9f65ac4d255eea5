"""The memory store of events keeps the promises of its port."""

import pytest

from storage.memory_events import MemoryEventStore
from storage.testing.events import EventStoreContract


class TestMemoryEvents(EventStoreContract):
    """The contract over dicts; opening again gives the same object, as nothing outlives the process."""

    @pytest.fixture(autouse=True)
    def _open(self):
        self.store = MemoryEventStore()

    async def reopen(self):
        """Give the same store: its lifetime is the process."""
        return self.store
