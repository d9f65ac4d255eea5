"""Files' bytes in a folder of this machine: `<tenant>/<two digits>/<content id>` (embedded mode).

A content is written to a file in `.incoming/`, synced, and renamed into its place, whose folder is synced
too: whoever can read it reads all of it, also after a power cut. What a crash leaves lies in `.incoming/` and
is removed by the first write after a later start. Several processes may share the folder.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import threading
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

from schemas.durations import DAY_MS
from schemas.errors import Corrupt, NotFound, StoreUnavailable
from schemas.files import Content
from schemas.limits import KB, MB
from storage.files import FileStore, KeptContent, check_key, in_blocks

T = TypeVar("T")

WRITE_BYTES = MB
"""A block on its way to the disk: one step of a thread takes about a millisecond."""

READ_BYTES = 256 * KB
"""A block on its way to a client, who may be slow to take it."""

THREADS = 8
"""Syncs wait for the disk, and readers must not wait for all of them."""

ERASE_TRIES = 3

INCOMING = ".incoming"
"""No tenant can be called so."""

INCOMING_AGE_MS = DAY_MS
"""No request lasts so long: what is older in `.incoming/` was left by a crash."""


class DiskFileStore(FileStore):
    """Contents below one folder."""

    held_bytes = 2 * WRITE_BYTES

    def __init__(self, folder: Path, now_ms: Callable[[], int]) -> None:
        """Take a folder, which is made at the first write, and a clock."""
        self._folder = folder
        self._now_ms = now_ms
        self._prepared = False
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="files")

    async def write(self, tenant: str, content_id: str, body: AsyncIterable[bytes]) -> Content:
        """Store what the body gives: written, synced, renamed, the folder synced."""
        incoming = _Incoming(self._folder / INCOMING / content_id, self._place(tenant, content_id))
        try:
            if not self._prepared:
                await self._run(lambda: _prepare(self._folder / INCOMING, self._now_ms()))
                self._prepared = True
            await self._run(incoming.begin)
            async with contextlib.aclosing(in_blocks(body, WRITE_BYTES)) as blocks:
                async for block in blocks:
                    await self._run(partial(incoming.add, block))
            await self._run(incoming.finish)
        except BaseException:
            await asyncio.shield(self._run(incoming.discard))
            raise
        return Content(content_id, incoming.size)

    async def read(self, tenant: str, content: Content, start: int, end: int) -> AsyncGenerator[bytes]:
        """Give a part of a content; a reader that has begun goes on although the content is removed."""
        place = self._place(tenant, content.id)
        descriptor = await self._run(lambda: _open(place))
        try:
            while start < end:
                wanted = min(READ_BYTES, end - start)
                block = await self._run(partial(os.pread, descriptor, wanted, start))
                if not block:
                    raise Corrupt(f"content {content.id} of {tenant} is shorter than {content.size} bytes")
                yield block
                start += len(block)
        finally:
            os.close(descriptor)

    async def remove(self, tenant: str, content: Content) -> None:
        """Delete a content; its folder stays."""
        place = self._place(tenant, content.id)
        await self._run(lambda: place.unlink(missing_ok=True))

    async def kept(self, tenant: str) -> list[KeptContent]:
        """List every content of a tenant by walking its folder."""
        return await self._run(lambda: list(_walk(self._folder_of(tenant))))

    async def erase(self, tenant: str) -> int:
        """Delete the tenant's folder; gives the bytes of its contents."""
        return await self._run(lambda: _erase(self._folder_of(tenant)))

    async def count_left(self, tenant: str) -> dict[str, int]:
        """Count files and folders of the tenant's name."""
        folder = self._folder_of(tenant)
        return {"files": await self._run(lambda: sum(1 for _ in folder.rglob("*")) + folder.exists())}

    async def close(self) -> None:
        """End the threads; twice is harmless."""
        await asyncio.to_thread(self._pool.shutdown)

    def _folder_of(self, tenant: str) -> Path:
        check_key(tenant, "0" * 32)
        return self._folder / tenant

    def _place(self, tenant: str, content_id: str) -> Path:
        check_key(tenant, content_id)
        return self._folder / tenant / content_id[:2] / content_id

    async def _run(self, job: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, job)
        except OSError as error:
            raise StoreUnavailable(f"the folder of files failed: {error.strerror or error}") from error


class _Incoming:
    """A content on its way to its place; steps that overlap, after a cancellation, take turns."""

    def __init__(self, path: Path, place: Path) -> None:
        self.size = 0
        self._path = path
        self._place = place
        self._descriptor = -1
        self._turn = threading.Lock()

    def begin(self) -> None:
        with self._turn:
            self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)

    def add(self, block: bytes) -> None:
        with self._turn:
            rest = memoryview(block)
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
            self.size += len(block)

    def finish(self) -> None:
        with self._turn:
            os.fsync(self._descriptor)
            self._close()
            _make_folder(self._place.parent)
            self._path.rename(self._place)
            _sync_folder(self._place.parent)

    def discard(self) -> None:
        """Leave nothing, also where the last step was done and nobody heard of it."""
        with self._turn:
            self._close()
            self._path.unlink(missing_ok=True)
            self._place.unlink(missing_ok=True)

    def _close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _prepare(incoming: Path, now_ms: int) -> None:
    """Make the folder of what is on its way, and remove what crashes have left there."""
    _make_folder(incoming)
    for left in incoming.iterdir():
        with contextlib.suppress(FileNotFoundError):  # another process prepares as well
            if left.stat().st_mtime * 1_000 < now_ms - INCOMING_AGE_MS:
                left.unlink()


def _walk(folder: Path) -> Iterator[KeptContent]:
    """Find the contents below a tenant's folder; one that goes meanwhile is left out."""
    for place in folder.glob("??/*"):
        with contextlib.suppress(FileNotFoundError):
            found = place.stat()
            yield KeptContent(Content(place.name, found.st_size), int(found.st_mtime * 1_000))


def _erase(folder: Path) -> int:
    """Remove a folder with all in it; once more where something came in meanwhile."""
    size = sum(kept.content.size for kept in _walk(folder))
    for _ in range(ERASE_TRIES):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            break
    if folder.parent.is_dir():
        _sync_folder(folder.parent)
    return size


def _open(place: Path) -> int:
    try:
        return os.open(place, os.O_RDONLY)
    except FileNotFoundError:
        raise NotFound("There is no such content.") from None


def _make_folder(folder: Path) -> None:
    """Make a folder and those above it; each new one is entered durably into the one above."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
