"""Start and stop `aspectstore serve` as a measurement or a fault test needs it; look at its processes.

Every start gets its own session, so that stopping it also ends what it started.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep

from bench.tenant import Credentials

CREDENTIALS = Credentials("bench", "bench-client", "bench-secret-0123456789")

_ADDRESS = re.compile(r"http://[^\s\"']+:\d+")


class NotReady(Exception):
    """The service ended, or did not say `ready` in time; the message holds what it said instead."""


def free_port() -> int:
    """Find a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(slots=True)
class Service:
    """One `aspectstore serve` with its data directory."""

    data: Path
    store: str = "sqlite"
    durability: str = "always"
    profile: str = "open"
    stream: str = "embedded"
    variables: Mapping[str, str] = field(default_factory=dict)
    """Further environment, for example an `LD_PRELOAD` or a fail point."""
    credentials: Credentials = CREDENTIALS
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Give the address of the door."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def output(self) -> Path:
        """Give the file that holds what the service printed."""
        return self.data.parent / f"{self.data.name}.out"

    def start(self, seconds_max: float = 60) -> None:
        """Start it and wait for its `ready` line; `NotReady` with its last words otherwise."""
        self.data.mkdir(parents=True, exist_ok=True)
        command = [
            *_command(), "serve", "--data", str(self.data), "--listen", f"127.0.0.1:{self.port}",
            "--store", self.store, "--stream", self.stream,
            "--durability", self.durability, "--profile", self.profile,
        ]  # fmt: skip
        environment = {**os.environ, "ASPECTSTORE_BOOTSTRAP": self.credentials.bootstrap, **self.variables}
        begins_at = self.output.stat().st_size if self.output.exists() else 0
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                command, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )
        self._wait_until_ready(begins_at, monotonic() + seconds_max)

    def _wait_until_ready(self, begins_at: int, deadline: float) -> None:
        assert self.process is not None
        while True:
            said = self.output.read_bytes()[begins_at:].decode(errors="replace")
            line = next((line for line in said.splitlines() if re.search(r"\bready\b", line)), None)
            if line is not None:
                named = _ADDRESS.search(line)
                if named is not None:
                    self.port = int(named[0].rsplit(":", 1)[1])
                return
            if self.process.poll() is not None or monotonic() > deadline:
                raise NotReady(f"aspectstore serve on {self.data}:\n{said[-4000:]}")
            sleep(0.05)

    def stop(self, seconds_max: float = 30) -> int:
        """Ask it to end (SIGTERM) and give its exit code; kill its session if it does not."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds_max)
        except subprocess.TimeoutExpired:
            self.kill()
            return -signal.SIGKILL
        finally:
            self.process = None

    def kill(self) -> None:
        """End every process of the session at once (`kill -9`)."""
        if self.process is None:
            return
        for pid in session_members(self.process.pid):
            _signal(pid, signal.SIGKILL)
        self.process.wait()
        self.process = None

    def processes(self, word: str = "") -> dict[int, str]:
        """List its processes (pid → command line) whose command line contains a word."""
        if self.process is None:
            return {}
        members = {pid: command_line(pid) for pid in session_members(self.process.pid)}
        members |= {pid: command_line(pid) for pid in descendants(self.process.pid)}
        return {pid: line for pid, line in members.items() if word in line}

    def resident_bytes(self) -> int:
        """Sum the memory that its processes hold (proportional share of what they share)."""
        return sum(pss_bytes(pid) for pid in self.processes())


def _command() -> list[str]:
    installed = Path(sys.executable).parent / "aspectstore"
    return [str(installed)] if installed.exists() else [sys.executable, "-m", "cli.main"]


def _stat(pid: int) -> list[str]:
    """Give the fields of /proc/PID/stat that follow the name: state, parent, group, session and more."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _table() -> dict[int, list[str]]:
    table = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                table[int(entry.name)] = _stat(int(entry.name))
            except (FileNotFoundError, ProcessLookupError):
                continue
    return table


def session_members(session: int) -> list[int]:
    """List the live processes of a session."""
    return [pid for pid, fields in _table().items() if int(fields[3]) == session and fields[0] != "Z"]


def descendants(ancestor: int) -> list[int]:
    """List the live children of a process, and theirs."""
    table = _table()
    found: list[int] = []
    frontier = {ancestor}
    while frontier:
        frontier = {pid for pid, fields in table.items() if int(fields[1]) in frontier}
        found += [pid for pid in frontier if table[pid][0] != "Z"]
    return found


def command_line(pid: int) -> str:
    """Give the command line of a process; empty when it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def pss_bytes(pid: int) -> int:
    """Give the memory of a process, with its share of what it shares; 0 when it has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def peak_bytes(pid: int) -> int:
    """Give the most memory that a process ever had resident; 0 when it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), 0)


def cpu_seconds(pid: int) -> float:
    """Give the processor time of a process, and of its children that have ended; 0 when it has, too."""
    try:
        own, system, of_children, systems = map(int, _stat(pid)[11:15])
    except OSError:
        return 0.0
    return (own + system + of_children + systems) / os.sysconf("SC_CLK_TCK")


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def directory_bytes(directory: Path) -> int:
    """Sum the blocks that the files under a directory really take."""
    total = 0
    for path in directory.rglob("*"):
        try:
            status = path.lstat()
        except FileNotFoundError:
            continue
        if path.is_file() and not path.is_symlink():
            total += 512 * status.st_blocks
    return total


def scratch(prefix: str = "aspectstore-") -> Path:
    """Make a directory that is the caller's to remove."""
    return Path(tempfile.mkdtemp(prefix=prefix))
