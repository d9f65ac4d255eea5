"""`aspectstore import --watch`: files that come into a folder are imported, each once and whole.

Nobody says when a file is complete. It is taken once its size and its time of change have stayed the same for
a while, nothing on this machine has it open for writing (as far as the system tells), and its name is not one
that programs use until they rename it. What was sent is what was hashed, or nothing is imported.

What was imported is remembered by name and content in the folder itself, so a restart repeats nothing. A
crash between an import and its line repeats a file, which the service then knows by its content (SM-10).
"""

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from cli.complaints import Complaint
from cli.import_command import Choices, asset_of, created, import_one
from cli.target import connect
from client import (
    ApiError,
    CannotConnect,
    Conflict,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    UnreadableAnswer,
)

MEMORY: Final = ".aspectstore-imported"
"""In the watched folder; a line of JSON for each file that was done with."""

_TEMPORARY: Final = (
    ".tmp", ".temp", ".part", ".partial", ".filepart", ".crdownload", ".download", ".swp", ".lock", "~",
)  # fmt: skip
_PROCESSES: Final = Path("/proc")
_WRITES: Final = os.O_WRONLY | os.O_RDWR
_PASSING: Final = (CannotConnect, UnreadableAnswer, Unavailable, TooManyRequests, Conflict, Unauthorized)
"""What may be otherwise at the next look; anything else is the file's, or the file type's, own fault."""


class Stamp(NamedTuple):
    """What changes when a file is written, without reading it."""

    size: int
    mtime_ns: int
    inode: int
    device: int


class Done(msgspec.Struct, frozen=True):
    """A file that was done with."""

    name: str
    sha256: str
    outcome: str


@dataclass(slots=True)
class _Seen:
    """A file as it was at the last looks."""

    stamp: Stamp
    since_s: float


@dataclass(slots=True)
class Watched:
    """A folder, and what of it was done with."""

    folder: Path
    settle_s: float
    is_written: Callable[[Stamp], bool]
    """Tells whether somebody has a file open for writing."""
    _seen: dict[str, _Seen] = field(default_factory=dict)
    _done: set[tuple[str, str]] = field(default_factory=set)
    """(name, sha256)."""
    _settled: dict[str, Stamp] = field(default_factory=dict)
    """Files that need not be hashed again while they stay as they are."""

    def remember(self) -> None:
        """Read what was done with before; a line that a crash has cut counts for nothing."""
        try:
            lines = (self.folder / MEMORY).read_bytes().splitlines()
        except FileNotFoundError:
            return
        for line in lines:
            try:
                done = msgspec.json.decode(line, type=Done)
            except msgspec.DecodeError:
                continue
            self._done.add((done.name, done.sha256))

    def ready(self, now_s: float) -> Iterator[Path]:
        """Give the files that are complete as far as can be seen, and were not done with, by name."""
        found = dict(_files(self.folder))
        self._seen = {name: seen for name, seen in self._seen.items() if name in found}
        for name, stamp in sorted(found.items()):
            seen = self._seen.get(name)
            if seen is None or seen.stamp != stamp:
                self._seen[name] = _Seen(stamp, now_s)
            elif now_s >= seen.since_s + self.settle_s and self._settled.get(name) != stamp:
                if self.is_written(stamp):
                    seen.since_s = now_s
                elif not self._is_known(name, stamp):
                    yield self.folder / name

    def waits(self) -> bool:
        """Tell whether there are files that were not done with."""
        return any(self._settled.get(name) != stamp for name, stamp in _files(self.folder))

    def _is_known(self, name: str, stamp: Stamp) -> bool:
        try:
            known = (name, digest_of(self.folder / name)) in self._done
        except OSError as error:
            self._settled[name] = stamp  # Until it changes, if it is still there.
            _say(self.folder / name, f"cannot be read: {error.strerror}")
            return True
        if known:
            self._settled[name] = stamp
        return known

    def done(self, path: Path, digest: str, outcome: str) -> None:
        """Write down that a file was done with, and what came of it."""
        line = msgspec.json.encode(Done(path.name, digest, outcome)) + b"\n"
        with (self.folder / MEMORY).open("ab") as memory:
            memory.write(line)
            memory.flush()
            os.fsync(memory.fileno())
        self._done.add((path.name, digest))

    def changed(self, path: Path) -> None:
        """Let a file settle once more."""
        self._seen.pop(path.name, None)


def _files(folder: Path) -> Iterator[tuple[str, Stamp]]:
    """Walk the plain files of a folder whose names are not those of unfinished ones."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if is_temporary(entry.name):
                continue
            try:
                if entry.is_file(follow_symlinks=False):
                    told = entry.stat(follow_symlinks=False)
                    yield entry.name, Stamp(told.st_size, told.st_mtime_ns, told.st_ino, told.st_dev)
            except OSError:
                continue  # It was renamed or removed meanwhile.


def is_temporary(name: str) -> bool:
    """Tell whether programs call a file so until it is complete."""
    return name.startswith((".", "~")) or name.lower().endswith(_TEMPORARY)


def digest_of(path: Path) -> str:
    """Give the sha256 of a file."""
    with path.open("rb") as read:
        return hashlib.file_digest(read, "sha256").hexdigest()


def is_written(stamp: Stamp, processes: Path = _PROCESSES) -> bool:
    """Tell whether a process of this machine that we may look at has a file open for writing.

    False where the system does not say (no `/proc`, or a process of somebody else).
    """
    for held in processes.glob("[0-9]*/fd/*"):
        try:
            told = held.stat()
            if (told.st_ino, told.st_dev) != (stamp.inode, stamp.device):
                continue
            lines = (held.parent.parent / "fdinfo" / held.name).read_text("ascii").splitlines()
        except OSError:
            continue
        flags = next((int(line.split()[1], 8) for line in lines if line.startswith("flags:")), 0)
        if flags & _WRITES:
            return True
    return False


def run(folder: Path, choices: Choices, settle_s: float, *, once: bool) -> None:
    """Watch a folder until interrupted, or (once) until nothing of it is left to be done."""
    with connect() as client:
        choices = created(client, choices)
        asset_id = asset_of(client, choices.asset)
        watched = Watched(folder, settle_s, is_written)
        watched.remember()
        watch(
            watched,
            lambda path: import_one(client, asset_id, path, choices).state,
            now=time.monotonic,
            pause=time.sleep,
            once=once,
        )


def watch(
    watched: Watched,
    import_file: Callable[[Path], str],
    *,
    now: Callable[[], float],
    pause: Callable[[float], None],
    once: bool,
) -> None:
    """Import what is ready, look again after a part of the time in which files settle."""
    while True:
        for path in watched.ready(now()):
            _take(watched, path, import_file)
        if once and not watched.waits():
            return
        pause(watched.settle_s / 4)


def _take(watched: Watched, path: Path, import_file: Callable[[Path], str]) -> None:
    """Import one file; what is wrong with it, or with the service, is told in a line."""
    try:
        digest = digest_of(path)
        try:
            outcome = import_file(path)
        except _PASSING as error:
            _say(path, f"{error}; it is tried again")
            return
        except ApiError as error:
            outcome = "refused"
            _say(path, f"refused: {error}")
        if digest_of(path) != digest:
            watched.changed(path)  # What was taken was whole then; what it has become is another version.
        watched.done(path, digest, outcome)
    except (OSError, Complaint) as error:
        watched.changed(path)
        _say(path, f"{error}; it is looked at again")


def _say(path: Path, words: str) -> None:
    print(f"{path}: {' '.join(words.split())}", file=sys.stderr, flush=True)
