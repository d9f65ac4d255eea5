"""The contract suite of the file store, shipped with its port.

Not named `Test…`, so that pytest collects only the adapters' subclasses. An adapter gives `store` (empty or
not: every test uses contents of its own), `broken` (one whose place is gone) and `left`, which counts what is
kept for a tenant without asking the store.
"""

from __future__ import annotations

import asyncio
import secrets
from abc import abstractmethod
from collections.abc import AsyncGenerator

import pytest

from schemas.errors import NotFound, StoreUnavailable
from schemas.files import Content
from schemas.limits import MB
from storage.files import FileStore

SIZES = (1, 7, 65_536, MB, 4 * MB, 4 * MB + 1, 9 * MB + 3)
"""Around the blocks and pieces of all adapters."""


def octets(size: int) -> bytes:
    """Give bytes of which no two thousand are alike, the same for the same size."""
    return b"".join(b"%015d\n" % at for at in range(-(-size // 16)))[:size]


async def body(*pieces: bytes) -> AsyncGenerator[bytes]:
    """Give a body in these pieces."""
    for piece in pieces:
        await asyncio.sleep(0)
        yield piece


async def whole(store: FileStore, tenant: str, content: Content) -> bytes:
    """Read all of a content."""
    return await part(store, tenant, content, 0, content.size)


async def part(store: FileStore, tenant: str, content: Content, start: int, end: int) -> bytes:
    """Read a part of a content; no block is empty."""
    blocks = [block async for block in store.read(tenant, content, start, end)]
    assert all(blocks)
    return b"".join(blocks)


class FileStoreContract:
    """What every file store promises (wire 8)."""

    store: FileStore
    broken: FileStore

    @abstractmethod
    def left(self, tenant: str) -> int:
        """Count what is kept for a tenant, unfinished things included."""

    @pytest.mark.parametrize("size", SIZES)
    async def test_what_is_written_is_read(self, size: int) -> None:
        """A content is what its body was, whatever its size and in however many pieces it came."""
        sent = octets(size)
        pieces = [sent[at : at + 70_001] for at in range(0, size, 70_001)]

        content = await self.store.write("acme", secrets.token_hex(16), body(*pieces))

        assert size == content.size
        assert sent == await whole(self.store, "acme", content)

    async def test_a_part_is_read_alone(self) -> None:
        """Any range of a content can be read, over the borders of blocks and pieces too."""
        sent = octets(9 * MB)
        content = await self.store.write("acme", secrets.token_hex(16), body(sent))

        for start, end in ((0, 1), (9 * MB - 1, 9 * MB), (4 * MB - 1, 4 * MB + 1), (5, 5 * MB), (7, 7)):
            assert sent[start:end] == await part(self.store, "acme", content, start, end)

    async def test_an_empty_body_is_a_content_of_nothing(self) -> None:
        """It has no bytes, and can be removed as every other one."""
        content = await self.store.write("acme", secrets.token_hex(16), body(b""))

        assert content.size == 0
        await self.store.remove("acme", content)

    async def test_what_is_removed_is_gone(self) -> None:
        """A content can be removed once and again, and is not found afterwards; nothing of it is kept."""
        content = await self.store.write("gone", secrets.token_hex(16), body(octets(9 * MB)))
        assert self.left("gone") > 0

        await self.store.remove("gone", content)
        await self.store.remove("gone", content)

        assert self.left("gone") == 0
        with pytest.raises(NotFound):
            await whole(self.store, "gone", content)

    async def test_a_tenant_reads_and_removes_its_own_only(self) -> None:
        """The same id under another tenant is another content (S1)."""
        content = await self.store.write("acme", secrets.token_hex(16), body(b"mine"))

        with pytest.raises(NotFound):
            await whole(self.store, "other", content)
        await self.store.remove("other", content)

        assert await whole(self.store, "acme", content) == b"mine"

    @pytest.mark.parametrize("before", [0, 100, 9 * MB])
    async def test_a_body_that_fails_leaves_nothing(self, before: int) -> None:
        """What the body raises comes through, and nothing of what came before it is kept."""

        async def failing() -> AsyncGenerator[bytes]:
            yield octets(before)
            raise ConnectionResetError("gone")

        content_id = secrets.token_hex(16)
        with pytest.raises(ConnectionResetError):
            await self.store.write("fails", content_id, failing())

        assert self.left("fails") == 0
        with pytest.raises(NotFound):
            await whole(self.store, "fails", Content(content_id, before or 1))

    async def test_a_cancelled_write_leaves_nothing(self) -> None:
        """A caller who gives up leaves nothing behind."""
        waits = asyncio.Event()

        async def waiting() -> AsyncGenerator[bytes]:
            yield octets(5 * MB)
            waits.set()
            await asyncio.Event().wait()

        task = asyncio.create_task(self.store.write("leaves", secrets.token_hex(16), waiting()))
        await waits.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        assert self.left("leaves") == 0

    async def test_side_by_side(self) -> None:
        """Bodies that come at the same time do not mix."""
        sent = [octets(MB + number) + b"%d" % number for number in range(6)]

        contents = await asyncio.gather(
            *(self.store.write("acme", secrets.token_hex(16), body(each[:99], each[99:])) for each in sent)
        )

        read = await asyncio.gather(*(whole(self.store, "acme", content) for content in contents))
        assert sent == read

    @pytest.mark.parametrize(
        ("tenant", "content_id"),
        [("acme", "../../etc/passwd"), ("acme", "A" * 32), ("acme", ""), ("..", "0" * 32), ("", "0" * 32)],
    )
    async def test_only_ids_are_keys(self, tenant: str, content_id: str) -> None:
        """Nothing that could be a path is taken for a key (S9)."""
        with pytest.raises(ValueError, match="hexadecimal"):
            await self.store.write(tenant, content_id, body(b"x"))

    async def test_a_store_that_fails_says_so(self) -> None:
        """Its driver's errors come out as one of ours, with the driver's as the cause."""
        with pytest.raises(StoreUnavailable) as failed:
            await self.broken.write("acme", secrets.token_hex(16), body(b"x"))

        assert failed.value.__cause__ is not None

    async def test_closing_twice_is_harmless(self) -> None:
        """A second close does nothing."""
        await self.broken.close()
        await self.broken.close()

    async def test_contents_are_listed_with_their_sizes(self) -> None:
        """All of a tenant, whatever their size, and no other's (design 4.16)."""
        tenant = f"t{secrets.token_hex(3)}"
        sizes = {secrets.token_hex(16): size for size in (1, MB, 4 * MB + 1)}
        for content_id, size in sizes.items():
            await self.store.write(tenant, content_id, body(octets(size)))
        await self.store.write(f"{tenant}2", secrets.token_hex(16), body(b"other"))

        kept = await self.store.kept(tenant)

        assert sizes == {each.content.id: each.content.size for each in kept}
        assert await self.store.kept("nobody") == []

    async def test_a_tenants_contents_are_erased(self) -> None:
        """Nothing of it stays in any place; a tenant whose name begins alike keeps what it has."""
        gone = f"t{secrets.token_hex(2)}"
        stays = f"{gone}x"
        for tenant in (gone, gone, stays):
            await self.store.write(tenant, secrets.token_hex(16), body(octets(5 * MB)))
        before = await self.store.count_left(stays)

        assert await self.store.erase(gone) == 10 * MB
        assert await self.store.erase(gone) == 0

        assert self.left(gone) == 0
        assert {0} == set((await self.store.count_left(gone)).values())
        assert before == await self.store.count_left(stays)
        assert min(before.values()) > 0
