"""The memory adapter of files: a dict, for tests and as the oracle of the contract.

Keeps every promise of the port but durability.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Callable

from schemas.errors import NotFound
from schemas.files import Content
from storage.files import FileStore, KeptContent, check_key

BLOCK_BYTES = 1_000
"""Small and no power of two, so that tests of readers meet several blocks."""


class MemoryFileStore(FileStore):
    """The contents of one process."""

    held_bytes = 0

    def __init__(self, now_ms: Callable[[], int] = lambda: 0) -> None:
        """Start empty, with a clock that says when contents are written."""
        self.contents: dict[tuple[str, str], bytes] = {}
        self._written_ms: dict[tuple[str, str], int] = {}
        self._now_ms = now_ms

    async def write(self, tenant: str, content_id: str, body: AsyncIterable[bytes]) -> Content:
        """Store what the body gives."""
        check_key(tenant, content_id)
        octets = b"".join([piece async for piece in body])
        self.contents[tenant, content_id] = octets
        self._written_ms[tenant, content_id] = self._now_ms()
        return Content(content_id, len(octets))

    async def read(self, tenant: str, content: Content, start: int, end: int) -> AsyncGenerator[bytes]:
        """Give a part of a content in blocks."""
        octets = self.contents.get((tenant, content.id))
        if octets is None:
            raise NotFound("There is no such content.")
        for at in range(start, end, BLOCK_BYTES):
            yield octets[at : min(at + BLOCK_BYTES, end)]

    async def remove(self, tenant: str, content: Content) -> None:
        """Delete a content."""
        self.contents.pop((tenant, content.id), None)

    async def kept(self, tenant: str) -> list[KeptContent]:
        """List every content of a tenant."""
        return [
            KeptContent(Content(content_id, len(octets)), self._written_ms.get((tenant, content_id), 0))
            for (owner, content_id), octets in self.contents.items()
            if owner == tenant
        ]

    async def erase(self, tenant: str) -> int:
        """Delete all contents of a tenant; gives their bytes."""
        gone = [key for key in self.contents if key[0] == tenant]
        return sum(len(self.contents.pop(key)) for key in gone)

    async def count_left(self, tenant: str) -> dict[str, int]:
        """Count a tenant's contents."""
        return {"contents": sum(owner == tenant for owner, _ in self.contents)}

    async def close(self) -> None:
        """Release nothing; twice is harmless."""
