"""What one service holds alone on a machine: a port and a data folder."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import time
from pathlib import Path

PORTS_TRIED = 100
BACKLOG = 2_048
"""Connections that wait to be accepted: all clients of a door, while it is started again."""
STREAM_NAME = "stream.address"
LOCK_NAME = "serve.lock"
LOCK_WAIT_S = 10.0
"""The parts of a killed supervisor are on their way out."""
POLL_S = 0.02


class CannotServe(Exception):
    """Something that serving needs is missing or taken; one line that says what to do."""


def find_port(host: str, port: int) -> int:
    """Find a free port, the given one or the next; 0: any.

    Doors share their port, so a second service could slip in beside a first one unnoticed; a probe that
    does not share tells.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for candidate in range(port, min(port + PORTS_TRIED, 1 << 16)) if port else (0,):
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, candidate))
                probe.listen()
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    continue
                raise CannotServe(
                    f"cannot listen on {host}:{candidate}: {error.strerror or error}; choose with --listen"
                ) from None
            return int(probe.getsockname()[1])
    raise CannotServe(f"no free port on {host} from {port} to {port + PORTS_TRIED - 1}; choose with --listen")


def listen(host: str, port: int) -> socket.socket:
    """Listen on a port that others may share: the kernel deals new connections out among them."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind((host, port))
    listener.listen(BACKLOG)
    return listener


def lock_folder(folder: Path) -> int:
    """Take the data folder for this process tree alone; gives the open lock, for every child to inherit."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise CannotServe(f"the data folder {folder} cannot be used: {error.strerror}; give --data") from None
    deadline = time.monotonic() + LOCK_WAIT_S
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            owner = os.pread(lock, 20, 0).decode("ascii", "replace").strip()
            if _lives(owner) or time.monotonic() > deadline:
                os.close(lock)
                raise CannotServe(
                    f"the data folder {folder} is in use by process {owner}; stop it or give another --data"
                ) from None
            time.sleep(POLL_S)
        else:
            os.ftruncate(lock, 0)
            os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
            return lock


def _lives(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True


def note_stream(folder: Path, url: str) -> None:
    """Leave word where the private stream server listens, for commands on the same machine."""
    path = folder / STREAM_NAME
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(url + "\n", "utf-8")


def stream_of(folder: Path) -> str | None:
    """Give the address of the private stream server of a service on this folder; None where there is none."""
    try:
        return (folder / STREAM_NAME).read_text("utf-8").strip() or None
    except OSError:
        return None
