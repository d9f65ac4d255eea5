"""What the stream server promises of tenants that are erased: for the queue of records and that of jobs."""

from __future__ import annotations

from abc import ABC, abstractmethod


class Forgets(ABC):
    """What is kept beside the order can be forgotten, and what is left be counted (design 4.16)."""

    @abstractmethod
    async def forget(self, tenant: str) -> None:
        """Forget all that is kept for a tenant: caches, keys, buckets, budgets, jobs and their results.

        But for entries that wait, which only their writer may take, and dead letters, which it settles.
        Whatever names a tenant first in its own name is the tenant's. Harmless to repeat.
        """

    @abstractmethod
    async def count_left(self, tenant: str) -> dict[str, int]:
        """Count everything on the server that names a tenant, by place; it changes nothing.

        Every key, field, member and entry is looked at, known to this program or not.
        """
