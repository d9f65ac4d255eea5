"""What a store of files' bytes is, whichever it is: contents, written once, read in parts, removed.

A content is the body of one request under a random id of its own: it is never changed, so a reader can meet
nothing half and a retry cannot mix with what it repeats. Which contents make a file is told by the catalogue;
a content that no row names is nobody's. Names of files do not come here: a key is a tenant and a random id.

Bodies pass through in blocks; an adapter holds `held_bytes` of one at most. Its driver's errors come out as
`StoreUnavailable`, with the driver's error as the cause. Every adapter passes `storage.files_testing`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncGenerator, AsyncIterable
from typing import NamedTuple

from schemas.files import Content
from schemas.ids import is_hex_id, is_tenant_id
from storage.erasing_port import Counted


class KeptContent(NamedTuple):
    """A content as it lies in the store."""

    content: Content
    written_ms: int
    """When its last byte was written, by the store's clock."""


class FileStore(Counted):
    """Contents of files. Tenant first, always."""

    held_bytes: int
    """How much memory a content takes at most while it is written."""

    @abstractmethod
    async def write(self, tenant: str, content_id: str, body: AsyncIterable[bytes]) -> Content:
        """Store what the body gives under an id that was never used; gives its size in bytes with it.

        On return the content is as durable as the store is. Where the body raises, the caller is cancelled
        or the store fails (StoreUnavailable), nothing of it can be read or stays. A crash of the process may
        leave bytes behind that cannot be read. An empty body is a content of no bytes.
        """

    @abstractmethod
    def read(self, tenant: str, content: Content, start: int, end: int) -> AsyncGenerator[bytes]:
        """Give the bytes [start, end) of a content, 0 ≤ start ≤ end ≤ its size, in blocks that are not empty.

        NotFound where there is no such content (any more), StoreUnavailable where the store fails: both
        before or between blocks, Corrupt where it ends too early.
        """

    @abstractmethod
    async def remove(self, tenant: str, content: Content) -> None:
        """Delete a content; one that is not there is ignored."""

    @abstractmethod
    async def kept(self, tenant: str) -> list[KeptContent]:
        """List every content of a tenant, whether or not a row names it: a walk, not for requests.

        What is being written may be missing, or be shorter than it will be.
        """

    @abstractmethod
    async def erase(self, tenant: str) -> int:
        """Delete all contents of a tenant; gives their bytes. What is written meanwhile may stay."""

    @abstractmethod
    async def close(self) -> None:
        """Release connections and threads; twice is harmless."""


def check_key(tenant: str, content_id: str) -> None:
    """Raise ValueError unless both have the form of ids: then they may be parts of a path or a key."""
    if not (is_tenant_id(tenant) and is_hex_id(content_id)):
        raise ValueError("a content is kept under a tenant's name and 32 hexadecimal digits")


async def in_blocks(body: AsyncIterable[bytes], block_bytes: int) -> AsyncGenerator[bytes]:
    """Give a body in blocks of this size, the last one shorter; none for an empty body."""
    held = bytearray()
    async for piece in body:
        held += piece
        while len(held) >= block_bytes:
            yield bytes(held[:block_bytes])
            del held[:block_bytes]
    if held:
        yield bytes(held)
