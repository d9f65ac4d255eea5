"""The memory adapter of files: a dict, for tests and as the oracle of the contract.

Keeps every promise of the port but durability.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable

from schemas.errors import NotFound
from schemas.files import Content
from storage.files import FileStore, check_key

BLOCK_BYTES = 1_000
"""Small and no power of two, so that tests of readers meet several blocks."""


class MemoryFileStore(FileStore):
    """The contents of one process."""

    held_bytes = 0

    def __init__(self) -> None:
        """Start empty."""
        self.contents: dict[tuple[str, str], bytes] = {}

    async def write(self, tenant: str, content_id: str, body: AsyncIterable[bytes]) -> Content:
        """Store what the body gives."""
        check_key(tenant, content_id)
        octets = b"".join([piece async for piece in body])
        self.contents[tenant, content_id] = octets
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

    async def close(self) -> None:
        """Release nothing; twice is harmless."""
