"""Power cuts for processes that run under the preload shim (`shim/rollback.c`, where the rules are told).

cut = PowerCut(side, roots)
server.start(env=cut.environment)      ... load ...      server.kill()
cut.roll_back()                        what was not synced is gone; the server may start again
"""

import ctypes
import os
import shutil
import struct
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent / "shim" / "rollback.c"

_PATH_BYTES = 448
_UNDO = struct.Struct("<QQQ")
_HEAD = struct.Struct(f"<8s3Q2Q2QII{_PATH_BYTES}s")
_OP = struct.Struct(f"<II2Q{_PATH_BYTES}s{_PATH_BYTES}s")
_DIRS = struct.Struct("<8s3Q")
_DIRS_HEAD_BYTES = _DIRS.size + 40 + 4096
"""The counts, a lock of the C library's size on Linux, and padding."""


@dataclass(slots=True)
class Undone:
    """What a power cut took away."""

    writes: int = 0
    octets: int = 0
    """Bytes behind the old end of a file, or put back over newer ones."""
    pages: int = 0
    """Mapped pages that were newer than their last sync."""
    entries: int = 0
    """Creations, renames and removals of files."""

    @property
    def anything(self) -> bool:
        """Tell whether there was something to lose."""
        return bool(self.writes or self.pages or self.entries)


def missing() -> str | None:
    """Name what lacks for power cuts; None when all is there."""
    if os.uname().sysname != "Linux":
        return "the preload shim needs Linux"
    if shutil.which("gcc") is None:
        return "no gcc found to compile the preload shim: install gcc"
    return None


def require() -> None:
    """Skip the test where power cuts cannot be made; fail it in CI."""
    reason = missing()
    if reason is None:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@cache
def library(folder: Path) -> Path:
    """Compile the shim into a folder, once."""
    target = folder / "librollback.so"
    options = ["-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    subprocess.run(["gcc", *options, "-o", target, SOURCE, "-ldl", "-lpthread"], check=True)
    return target


class PowerCut:
    """A journal of everything unsynced below some roots, and the cut that takes it away."""

    def __init__(self, side: Path, roots: Iterable[Path], compiled: Path) -> None:
        """Keep journals in `side`: outside of the roots, on their file system."""
        self.side = side
        self.roots = [root.resolve() for root in roots]
        self._compiled = compiled
        self._renew()

    @property
    def environment(self) -> dict[str, str]:
        """Give what a process must be started with."""
        roots = ":".join(str(root) for root in self.roots)
        return {
            "LD_PRELOAD": str(library(self._compiled)),
            "ROLLBACK_ROOTS": roots,
            "ROLLBACK_DIR": str(self.side),
        }

    def roll_back(self) -> Undone:
        """Undo all that no dead process has synced; call it when every process of the roots is dead."""
        undone = Undone()
        files = {inode: path for root in [*self.roots, self.side / "graves"] for inode, path in _inodes(root)}
        for head in sorted(self.side.glob("*.head")):
            if head.name != "dirs.head":
                _undo_file(head, files, undone)
        _undo_entries(self.side, undone)
        self._renew()
        return undone

    def _renew(self) -> None:
        shutil.rmtree(self.side, ignore_errors=True)
        (self.side / "graves").mkdir(parents=True)


def _inodes(root: Path) -> Iterator[tuple[tuple[int, int], Path]]:
    for path in root.rglob("*"):
        if path.is_file() and not path.is_symlink():
            status = path.stat()
            yield (status.st_dev, status.st_ino), path


def _undo_file(head: Path, files: dict[tuple[int, int], Path], undone: Undone) -> None:
    fields = _HEAD.unpack_from(head.read_bytes())
    magic, end, cleared, base, map_begin, map_end, dev, ino, dead, _, _ = fields
    path = files.get((dev, ino))
    if magic != b"ROLLFIL1" or dead or path is None:
        return
    before = path.stat()
    with path.open("r+b", buffering=0) as file:
        for offset, size, old in reversed(
            list(_records(head.with_suffix(".undo"), cleared - base, end - base))
        ):
            undone.writes += 1
            undone.octets += max(0, os.fstat(file.fileno()).st_size - size) + len(old)
            file.truncate(size)
            os.pwrite(file.fileno(), old, offset)
        if map_end > map_begin:
            undone.pages += _restore_pages(file.fileno(), head.with_suffix(".map"), map_begin, map_end)
    # A cut writes nothing, so it leaves no new time: Cassandra's transaction logs compare them.
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def _records(journal: Path, begin: int, end: int) -> Iterator[tuple[int, int, bytes]]:
    """Give (offset, size of the file before, old bytes) in the order of writing."""
    octets = journal.read_bytes()[begin:end]
    at = 0
    while at < len(octets):
        offset, length, size = _UNDO.unpack_from(octets, at)
        at += _UNDO.size
        yield offset, size, octets[at : at + length]
        at += length


def _restore_pages(number: int, kept: Path, begin: int, end: int) -> int:
    restored = 0
    end = min(end, os.fstat(number).st_size)
    with kept.open("rb") as snapshot:
        for at in range(begin, end, 1 << 20):
            length = min(1 << 20, end - at)
            old = os.pread(snapshot.fileno(), length, at)
            old += bytes(length - len(old))
            if old == os.pread(number, length, at):
                continue
            new = os.pread(number, length, at)
            restored += sum(old[i : i + 4096] != new[i : i + 4096] for i in range(0, length, 4096))
            os.pwrite(number, old, at)
    return restored


def _undo_entries(side: Path, undone: Undone) -> None:
    journal = side / "dirs.head"
    if not journal.exists():
        return
    with journal.open("rb") as file:
        magic, count, _, _ = _DIRS.unpack(file.read(_DIRS.size))
        assert magic == b"ROLLDIR1"
        file.seek(_dirs_head_bytes())
        octets = file.read(count * _OP.size)
    for at in range((count - 1) * _OP.size, -1, -_OP.size):
        kind, grave, dev, ino, old, new = _OP.unpack_from(octets, at)
        if kind:
            there = side / "graves" / str(grave) if grave else None
            _undo_entry(chr(kind), (dev, ino), _path(old), _path(new), there)
            undone.entries += 1


def _undo_entry(kind: str, inode: tuple[int, int], old: Path, new: Path, grave: Path | None) -> None:
    if kind == "u":
        if grave is not None and not old.exists():
            os.link(grave, old)
        return
    if _inode(new) == inode:
        if kind == "c":
            new.unlink()
            return
        new.rename(old)
    if kind == "r" and grave is not None and not new.exists():
        os.link(grave, new)


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


def _path(octets: bytes) -> Path:
    return Path(os.fsdecode(octets.split(b"\0", 1)[0]))


def _dirs_head_bytes() -> int:
    """Where the operations begin: the C compiler aligns them to eight bytes."""
    alignment = ctypes.sizeof(ctypes.c_uint64)
    return -(-_DIRS_HEAD_BYTES // alignment) * alignment
