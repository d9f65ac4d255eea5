"""The port of what is measured: this service and its peers, each asked the same questions in its dialect.

A system is a server on 127.0.0.1 that speaks HTTP. The load generator drives it with bytes that its adapter
made beforehand; what the adapter decides is only how a body is written and how a question is asked.
A series is a number: the records of machine number n of workload A.
"""

from __future__ import annotations

import http.client
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, sleep

from bench.generator import drive, request_bytes
from bench.service import descendants, directory_bytes, pss_bytes
from bench.tenant import Refused
from bench.workload import Machine, Template
from runtime.server_process import ServerProcess

VARIABLES_AGGREGATED = ("temperature", "pressure", "rpm", "setpoint")
"""The dialect aggregates numbers only, so no system is asked for more."""


@dataclass(slots=True, frozen=True)
class Scale:
    """How much of the workload a system can be given without a run of hours."""

    series_max: int = 100_000
    rounds_max: int = 50
    """Bodies of so many rounds stand in memory before the clock starts."""
    paced_by_visible: bool = False
    """Acknowledges far ahead of what it shows, so that the length of a run follows from the latter."""


@dataclass(slots=True, frozen=True)
class Disk:
    """Bytes on disk: in the files of the data, and in logs, preallocated or free pages beside them."""

    stored: int
    logs: int


class System(ABC):
    """One measured system, started on a directory of the run."""

    name: str
    durability: str
    """What an acknowledgement promises, in words."""
    settings: str = ""
    """What differs from its defaults."""
    scale = Scale()
    steady_s: float = 8.0
    """Files whose size has been the same for so long count as settled."""

    @abstractmethod
    def lacking(self) -> str | None:
        """Name what is not on this machine, and what installs it; None when the system can be started."""

    @abstractmethod
    def start(self, directory: Path) -> None:
        """Start on an empty directory and return once it answers."""

    @abstractmethod
    def stop(self) -> None:
        """End every process of it; a second call does nothing."""

    @property
    @abstractmethod
    def address(self) -> tuple[str, int]:
        """Where it listens."""

    @abstractmethod
    def pids(self) -> Sequence[int]:
        """List its processes, a store of its own included."""

    @abstractmethod
    def prepare(self, series: int) -> None:
        """Make it ready to take series 0 … `series` − 1: types, tables, tokens. Called again to raise it."""

    @abstractmethod
    def template(self, series: int, machine: Machine) -> Template:
        """Write records of one series as a body."""

    @abstractmethod
    def single(self, series: int, time_ms: int) -> bytes:
        """Write one record of five values (`Single.of`) as a body."""

    @abstractmethod
    def write(self, series: int, body: bytes) -> bytes:
        """Give the request that stores a body."""

    @abstractmethod
    def latest(self, series: int, newest_ms: int) -> bytes:
        """Ask for the newest record; a system that must be told where to look may use `newest_ms`."""

    @abstractmethod
    def raw(self, series: int, begin_ms: int, end_ms: int, rows: int) -> bytes:
        """Ask for the records in (begin, end], at most `rows`."""

    @abstractmethod
    def hourly(self, series: int, begin_ms: int, end_ms: int) -> bytes:
        """Ask for seven functions of each number and hour in (begin, end], both whole hours."""

    def counts(self, series: Sequence[int], begin_ms: int, end_ms: int) -> list[tuple[bytes, Sequence[int]]]:
        """Ask how many records each hour of these series holds, as cheaply as the system can.

        Gives requests, each with the series that its answer counts.
        """
        return [(self.hourly(number, begin_ms, end_ms), [number]) for number in series]

    @abstractmethod
    def counted(self, answer: bytes) -> int:
        """Sum the records that an answer to `hourly` or to `counts` counts."""

    @abstractmethod
    def returned(self, answer: bytes) -> int:
        """Count the records in an answer to `raw` or `latest`."""

    @abstractmethod
    def disk(self) -> Disk:
        """Let it merge what it would merge in time, stop it, and look at its files."""

    def settling(self) -> System:
        """Give the same system, set to seal, merge and purge soon: `disk` waits for the end of that."""
        return self

    def rest(self) -> None:  # noqa: B027  # most have nothing to wait for
        """Wait until what a load has left to do in the background is done, where that can be asked for."""

    def remark(self) -> str:
        """Give what a reader of its figures should see beside them; empty for nothing."""
        return ""

    def backlog_bytes(self) -> float | None:
        """Give the bytes that are acknowledged and not stored; None where it does not say."""
        return None

    def resident_bytes(self) -> int:
        """Sum the memory of its processes (proportional share of what they share)."""
        return sum(pss_bytes(pid) for pid in self.pids())

    def ask(self, requests: Sequence[bytes]) -> list[bytes]:
        """Send requests one after the other; gives the bodies, `Refused` for anything but 2xx."""
        outcome = drive(self.address, [requests], keep=True)
        for status, _, body in outcome.answers:
            if not 200 <= status < 300:
                raise Refused(f"{self.name}: {status} {body[:500]!r}")
        return [body for _, _, body in outcome.answers]

    def request(self, method: str, path: str, body: bytes | None = None, headers: str = "") -> bytes:
        """Write one request to this system."""
        host = "{}:{}".format(*self.address)
        return request_bytes(method, path, host, None, body, headers=headers)


class Peer(System):
    """A system of somebody else: one server process, with a port that was free."""

    server: PeerProcess | None = None

    @property
    def address(self) -> tuple[str, int]:
        assert self.server is not None
        return ("127.0.0.1", self.server.port)

    def stop(self) -> None:
        if self.server is not None:
            self.server.stop()

    def pids(self) -> Sequence[int]:
        if self.server is None or not self.server.running():
            return []
        return [self.server.pid, *descendants(self.server.pid)]

    def disk(self) -> Disk:
        assert self.server is not None
        directory = self.server.data_dir
        settled(lambda: directory_bytes(directory), self.steady_s)
        self.stop()
        return Disk(directory_bytes(directory), 0)


class PeerProcess(ServerProcess):
    """The process of a peer: a command line, a port and a path that answers 2xx once it serves."""

    def __init__(self, name: str, directory: Path, port: int, line: Sequence[str], alive: str) -> None:
        super().__init__(name, directory, start_seconds=90.0)
        self.port = port
        self.line = line
        self.alive = alive

    def command(self) -> Sequence[str]:
        """Return the command line."""
        return self.line

    def answers(self) -> bool:
        """Ask the path that says whether it serves."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        try:
            connection.request("GET", self.alive)
            return 200 <= connection.getresponse().status < 300
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


def settled(look: Callable[[], int], steady_s: float, seconds_max: float = 180.0) -> int:
    """Wait until the size has been the same for `steady_s`, or the time is over; gives the last size."""
    deadline = perf_counter() + seconds_max
    size, since = look(), perf_counter()
    while perf_counter() < deadline and perf_counter() - since < steady_s:
        sleep(0.25)
        now = look()
        if now != size:
            size, since = now, perf_counter()
    return size
