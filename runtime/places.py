"""What one service holds alone on a machine: a port and a data folder, with the files that are its own."""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import socket
import time
from contextlib import suppress
from pathlib import Path

from schemas.errors import Corrupt

PORTS_TRIED = 100
BACKLOG = 2_048
"""Connections that wait to be accepted: all clients of a door, while it is started again."""
STREAM_NAME = "stream.address"
LOCK_NAME = "serve.lock"
SECRETS_NAME = "secrets.key"
SECRETS_BYTES = 32
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


def secrets_key_of(folder: Path) -> bytes:
    """Give the key of stored secrets that lies in a data folder, made by whichever process is first.

    Corrupt, naming the file, if something else stands in it.
    """
    path = folder / SECRETS_NAME
    if not path.exists():
        fresh = path.with_suffix(f".{os.getpid()}")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(SECRETS_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):  # Another process was first: its key is ours.
            os.link(fresh, path)
        fresh.unlink()
    with suppress(ValueError):
        key = bytes.fromhex(path.read_text("utf-8").strip())
        if len(key) == SECRETS_BYTES:
            return key
    raise Corrupt(f"{path} does not hold {2 * SECRETS_BYTES} hexadecimal digits; put the key back.")
