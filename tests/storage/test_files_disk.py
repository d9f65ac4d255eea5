"""The folder adapter of files keeps the promises of its port, and is durable the way that it says."""

import asyncio
import os
import secrets
import stat
import subprocess
import sys

import pytest

from schemas.durations import DAY_MS
from schemas.errors import Corrupt, NotFound, StoreUnavailable
from schemas.files import Content
from schemas.limits import MB
from storage import disk_files
from storage.disk_files import INCOMING, DiskFileStore
from storage.files_testing import FileStoreContract, body, octets, whole
from tests.conftest import ROOT

NOW_MS = 1_767_225_600_000


@pytest.fixture
async def store(tmp_path):
    """An open store."""
    opened = DiskFileStore(tmp_path / "files", lambda: NOW_MS)
    yield opened
    await opened.close()


class TestDiskFiles(FileStoreContract):
    """The contract over a folder."""

    @pytest.fixture(autouse=True)
    async def _open(self, tmp_path):
        self._folder = tmp_path / "files"
        self.store = DiskFileStore(self._folder, lambda: NOW_MS)
        (tmp_path / "broken").write_bytes(b"no folder")
        self.broken = DiskFileStore(tmp_path / "broken" / "files", lambda: NOW_MS)
        yield
        await self.store.close()
        await self.broken.close()

    def left(self, tenant):
        """Count the files of a tenant, and all that are on their way."""
        places = (self._folder / tenant, self._folder / INCOMING)
        return sum(1 for place in places for path in place.rglob("*") if path.is_file())


async def test_a_content_is_synced_before_it_has_its_name_and_its_folder_after(store, monkeypatch):
    """The bytes are on the disk before they can be read, and the name is before the write is over (R16)."""
    await store.write("acme", secrets.token_hex(16), body(b"the first one makes the folders"))
    steps, fsync, rename = [], os.fsync, os.rename

    def synced(descriptor):
        steps.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        fsync(descriptor)

    def renamed(source, target, **given):
        steps.append("rename")
        rename(source, target, **given)

    monkeypatch.setattr(disk_files.os, "fsync", synced)
    monkeypatch.setattr(os, "rename", renamed)

    await store.write("acme", secrets.token_hex(16), body(b"x"))

    at = steps.index("rename")
    assert ("file", "folder") == (steps[0], steps[-1])
    assert 0 < at < len(steps) - 1


async def test_a_sync_that_fails_is_no_success(store, monkeypatch, tmp_path):
    """An error of the disk is told, and nothing is left that could be read (R16)."""

    def failing(descriptor):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(disk_files.os, "fsync", failing)

    with pytest.raises(StoreUnavailable, match="Input/output error"):
        await store.write("acme", secrets.token_hex(16), body(b"x"))

    assert [] == [path for path in (tmp_path / "files").rglob("*") if path.is_file()]


async def test_a_full_disk_is_told(store, monkeypatch, tmp_path):
    """A disk without room refuses the body, and gives the room back that it took (R15)."""
    written = []

    def full(descriptor, block):
        if written:
            raise OSError(28, "No space left on device")
        written.append(len(block))
        return len(block)

    monkeypatch.setattr(disk_files.os, "write", full)

    with pytest.raises(StoreUnavailable, match="No space left"):
        await store.write("acme", secrets.token_hex(16), body(octets(3 * MB)))

    assert [] == [path for path in (tmp_path / "files").rglob("*") if path.is_file()]


async def test_what_a_crash_left_is_removed_after_a_day(tmp_path):
    """Bytes that were on their way have no name; a later process removes them, one beside it does not."""
    left = tmp_path / "files" / INCOMING / secrets.token_hex(16)
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    os.utime(left, (NOW_MS / 1_000, NOW_MS / 1_000))

    for later_ms, there in ((DAY_MS, True), (DAY_MS + 1, False)):
        started = DiskFileStore(tmp_path / "files", lambda later_ms=later_ms: NOW_MS + later_ms)
        await started.write("acme", secrets.token_hex(16), body(b"x"))
        await started.close()
        assert there == left.exists()


async def test_contents_outlive_the_store(store, tmp_path):
    """Another process, or a later one, reads what was written."""
    content = await store.write("acme", secrets.token_hex(16), body(octets(3 * MB)))

    again = DiskFileStore(tmp_path / "files", lambda: NOW_MS)

    assert octets(3 * MB) == await whole(again, "acme", content)
    await again.close()


async def test_a_reader_that_has_begun_goes_on(store):
    """A content that is removed under a reader is read to its end."""
    content = await store.write("acme", secrets.token_hex(16), body(octets(MB)))
    blocks = store.read("acme", content, 0, MB)
    first = await anext(blocks)

    await store.remove("acme", content)

    assert octets(MB) == b"".join([first, *[block async for block in blocks]])


async def test_a_content_that_is_too_short_is_corrupt(store):
    """Bytes that should be there and are not are no end of a file (S16)."""
    content = await store.write("acme", secrets.token_hex(16), body(b"12345"))

    with pytest.raises(Corrupt, match="shorter"):
        await whole(store, "acme", Content(content.id, 6))


async def test_only_the_owner_may_look_into_the_folder(store, tmp_path):
    """Folders and files are closed to other users of the machine."""
    await store.write("acme", secrets.token_hex(16), body(b"x"))

    modes = [path.stat().st_mode & 0o077 for path in (tmp_path / "files").rglob("*")]
    assert {0} == set(modes)


async def test_a_cancelled_last_step_leaves_nothing(store, monkeypatch, tmp_path):
    """Also a write that is given up while its file gets its name is undone."""
    loop, begun, gate = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
    finish = disk_files._Incoming.finish

    def slow(self):
        loop.call_soon_threadsafe(begun.set)
        asyncio.run_coroutine_threadsafe(gate.wait(), loop).result()
        finish(self)

    monkeypatch.setattr(disk_files._Incoming, "finish", slow)
    task = asyncio.create_task(store.write("acme", secrets.token_hex(16), body(b"x")))
    await begun.wait()

    task.cancel()
    gate.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    await store.close()

    assert [] == [path for path in (tmp_path / "files").rglob("*") if path.is_file()]


WRITER = """
import asyncio, sys
from pathlib import Path
from storage.disk_files import DiskFileStore

async def body():
    yield b"x" * 3_000_000
    print("two blocks are written", flush=True)
    await asyncio.Event().wait()

store = DiskFileStore(Path(sys.argv[1]), lambda: 0)
asyncio.run(store.write("acme", "0" * 32, body()))
"""


async def test_a_kill_leaves_no_half_file(store, tmp_path):
    """A process that is killed while a body comes leaves nothing that can be read (R1)."""
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path / "files")], stdout=subprocess.PIPE, cwd=ROOT
    )
    try:
        assert writer.stdout.readline().startswith(b"two blocks")
    finally:
        writer.kill()
        writer.communicate()

    found = [path for path in (tmp_path / "files").rglob("*") if path.is_file()]

    assert [tmp_path / "files" / INCOMING / ("0" * 32)] == found
    with pytest.raises(NotFound):
        await whole(store, "acme", Content("0" * 32, 3_000_000))
