"""Files' bytes in a store that speaks S3: `<prefix><tenant>/<content id>/<piece>`.

A content is cut into pieces, each one whole object: a request that fails is repeated by the library, none is
ever half, and nothing hidden stays behind, as parts of S3's own uploads do. The size of a content says how
many pieces it has.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from obstore.exceptions import BaseError
from obstore.store import S3Store

from schemas.errors import Corrupt, NotFound, StoreUnavailable
from schemas.files import Content
from schemas.limits import MB
from storage.files import FileStore, KeptContent, check_key, in_blocks

if TYPE_CHECKING:
    from obstore.store import S3Config

T = TypeVar("T")

PIECE_BYTES = 4 * MB
"""Never changed: the piece of a byte is worked out from it. Sent in one request, and held while it lasts."""

READ_BYTES = MB
"""A block on its way to a client, who may be slow to take it."""

PIECE_DEPTH = 2
"""Slashes in the key of a piece."""

ERASE_OBJECTS = 1_000
"""Deleted side by side, as the library does it."""

TIMEOUT = timedelta(seconds=30)
"""Of one request."""

RETRY_FOR = timedelta(seconds=20)
"""So long the library repeats a request; then the caller is told to come again."""


@dataclass(slots=True, frozen=True)
class S3Address:
    """Where a bucket is and who we are there."""

    bucket: str
    prefix: str = ""
    """Empty, or ends with a slash."""
    endpoint: str = ""
    """URL of the service; empty: Amazon's own."""
    region: str = "us-east-1"
    key_id: str = ""
    """Empty: the surroundings say who we are (role of the machine, `AWS_…` variables)."""
    secret: str = ""


class S3FileStore(FileStore):
    """Contents in one bucket."""

    held_bytes = 2 * PIECE_BYTES

    def __init__(self, store: S3Store) -> None:
        """Take the library's store."""
        self._store = store

    @classmethod
    def open(cls, address: S3Address) -> S3FileStore:
        """Name the bucket; it is met at the first call."""
        config: S3Config = {
            "region": address.region,
            "virtual_hosted_style_request": not address.endpoint,
            "disable_bulk_delete": True,  # not every service knows it
        }
        if address.endpoint:
            config["endpoint"] = address.endpoint
        if address.key_id:
            config["access_key_id"] = address.key_id
            config["secret_access_key"] = address.secret
        store = S3Store(
            address.bucket,
            prefix=address.prefix or None,
            config=config,
            client_options={"allow_http": address.endpoint.startswith("http://"), "timeout": TIMEOUT},
            retry_config={"retry_timeout": RETRY_FOR},
        )
        return cls(store)

    async def write(self, tenant: str, content_id: str, body: AsyncIterable[bytes]) -> Content:
        """Store what the body gives, a piece a request."""
        check_key(tenant, content_id)
        sent = Content(content_id, 0)
        try:
            async with contextlib.aclosing(in_blocks(body, PIECE_BYTES)) as pieces:
                async for piece in pieces:
                    key = _key(tenant, content_id, sent.size // PIECE_BYTES)
                    sent = Content(content_id, sent.size + len(piece))
                    await _answered(self._store.put_async(key, piece, use_multipart=False))
        except NotFound as error:
            raise StoreUnavailable("there is no such bucket") from error
        except BaseException:
            with contextlib.suppress(StoreUnavailable):  # What it failed with before says more.
                await asyncio.shield(self.remove(tenant, sent))
            raise
        return sent

    async def read(self, tenant: str, content: Content, start: int, end: int) -> AsyncGenerator[bytes]:
        """Give a part of a content, a block a request."""
        check_key(tenant, content.id)
        while start < end:
            piece, at = divmod(start, PIECE_BYTES)
            wanted = min(READ_BYTES, PIECE_BYTES - at, end - start)
            key = _key(tenant, content.id, piece)
            block = bytes(await _answered(self._store.get_range_async(key, start=at, length=wanted)))
            if len(block) != wanted:
                raise Corrupt(f"content {content.id} of {tenant} is shorter than {content.size} bytes")
            yield block
            start += wanted

    async def remove(self, tenant: str, content: Content) -> None:
        """Delete the pieces of a content."""
        check_key(tenant, content.id)
        pieces = range(-(-content.size // PIECE_BYTES))
        with contextlib.suppress(NotFound):
            await _answered(self._store.delete_async([_key(tenant, content.id, piece) for piece in pieces]))

    async def kept(self, tenant: str) -> list[KeptContent]:
        """List every content of a tenant, its pieces added up; its time is that of the youngest."""
        found: dict[str, KeptContent] = {}
        for path, size, written_ms in await self._listed(tenant):
            name = path.split("/")[1]
            before = found.get(name, KeptContent(Content(name, 0), 0))
            whole = Content(name, before.content.size + size)
            found[name] = KeptContent(whole, max(before.written_ms, written_ms))
        return list(found.values())

    async def erase(self, tenant: str) -> int:
        """Delete every object below the tenant's name; gives their bytes."""
        listed = await self._listed(tenant)
        for first in range(0, len(listed), ERASE_OBJECTS):
            paths = [path for path, _, _ in listed[first : first + ERASE_OBJECTS]]
            with contextlib.suppress(NotFound):
                await _answered(self._store.delete_async(paths))
        return sum(size for _, size, _ in listed)

    async def count_left(self, tenant: str) -> dict[str, int]:
        """Count the objects below the tenant's name."""
        return {"objects": len(await self._listed(tenant))}

    async def _listed(self, tenant: str) -> list[tuple[str, int, int]]:
        """List pieces of a tenant: path, size, and when it was written; no folders, as some services list."""
        check_key(tenant, "0" * 32)
        listed = await _answered(self._store.list(tenant).collect_async())
        return [
            (entry["path"], entry["size"], int(entry["last_modified"].timestamp() * 1_000))
            for entry in listed
            if entry["path"].count("/") == PIECE_DEPTH
        ]

    async def close(self) -> None:
        """Release nothing: the library keeps no connection that must be ended."""


def _key(tenant: str, content_id: str, piece: int) -> str:
    return f"{tenant}/{content_id}/{piece:05d}"


async def _answered(call: Awaitable[T]) -> T:
    """Await a call of the library and translate its errors."""
    try:
        return await call
    except FileNotFoundError:
        raise NotFound("There is no such content.") from None
    except BaseError as error:
        raise StoreUnavailable("the store of files did not answer, or refused") from error
