"""A load generator that leaves the cores to what it measures: one thread, epoll, bytes made beforehand.

Each connection is a closed loop: it sends its next request when the answer to the last one is complete.
Speaks just enough HTTP/1.1 for that: keep-alive, Content-Length, chunked answers.
"""

from __future__ import annotations

import select
import socket
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from time import perf_counter_ns

Clock = Callable[[], int]

_QUICK = b"HTTP/1.1 204"
_END = b"\r\n\r\n"


SILENT_S_MAX = 60.0
"""A server that says nothing on any connection for so long will not answer."""


class BrokenAnswer(Exception):
    """The other side closed the connection, said nothing for too long, or wrote what is no HTTP answer."""


@dataclass(slots=True)
class Outcome:
    """What came back: counts by status, and the time that each answer took, in the order of its plan."""

    seconds: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    by_plan: list[list[int]] = field(default_factory=list)
    """How long each answer took, in ns, a list a plan."""
    answers: list[tuple[int, bytes, bytes]] = field(default_factory=list)
    """(status, head, body) of every answer if they were to be kept, else of the first refusals."""

    @property
    def done(self) -> int:
        """Count the 2xx answers."""
        return sum(count for status, count in self.statuses.items() if 200 <= status < 300)

    @property
    def refused(self) -> int:
        """Count the answers that are not 2xx."""
        return sum(self.statuses.values()) - self.done

    @property
    def latencies_ns(self) -> list[int]:
        """Give the latencies of all plans."""
        return list(chain.from_iterable(self.by_plan))

    def quantile_ms(self, share: float) -> float:
        """Give the latency below which `share` of the answers came."""
        ordered = sorted(self.latencies_ns)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] / 1e6


class Connection:
    """One keep-alive connection and the requests that it has still to send."""

    __slots__ = ("buffer", "latencies_ns", "requests", "sent_ns", "socket", "unsent")

    def __init__(self, address: tuple[str, int], requests: Iterator[bytes]) -> None:
        self.socket = socket.create_connection(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        self.socket.setblocking(False)
        self.requests = requests
        self.buffer = b""
        self.latencies_ns: list[int] = []
        self.sent_ns = 0
        self.unsent: memoryview | None = None

    def send_next(self) -> bool:
        """Send the next request; False when there is none left."""
        request = next(self.requests, None)
        if request is None:
            return False
        self.send(request)
        return True

    def send(self, request: bytes) -> None:
        """Begin to send a request; `unsent` is what the socket has not taken yet."""
        self.sent_ns = perf_counter_ns()
        self.unsent = memoryview(request)
        self.flush()

    def flush(self) -> None:
        """Send what the socket takes of the rest."""
        if self.unsent is None:
            return
        try:
            sent = self.socket.send(self.unsent)
        except BlockingIOError:
            return
        self.unsent = self.unsent[sent:] if sent < len(self.unsent) else None

    def receive(self) -> tuple[int, bytes, bytes] | None:
        """Read on; the answer (status, head, body) once it is complete, else None."""
        try:
            data = self.socket.recv(1 << 18)
        except BlockingIOError:
            return None
        if not data:
            raise BrokenAnswer("the server closed the connection")
        if self.buffer:
            data = self.buffer + data
        if data.startswith(_QUICK) and data.endswith(_END):
            self.buffer = b""
            return 204, data, b""
        answer = parse_answer(data)
        self.buffer = b"" if answer else data
        return answer


def parse_answer(data: bytes) -> tuple[int, bytes, bytes] | None:
    """Split a complete answer into status, head and body; None while bytes are missing."""
    end = data.find(_END)
    if end < 0:
        return None
    head, rest = data[:end], data[end + 4 :]
    status = int(head[9:12])
    fields = head.lower()
    if status in {204, 304}:
        return status, head, b""
    if b"transfer-encoding: chunked" in fields:
        body = _unchunked(rest)
        return None if body is None else (status, head, body)
    at = fields.find(b"content-length:")
    length = int(fields[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
    return None if len(rest) < length else (status, head, rest[:length])


def _unchunked(rest: bytes) -> bytes | None:
    """Join the chunks; None while the last one is missing. Looks at the end first: answers may be long."""
    if not rest.endswith(b"0\r\n\r\n"):
        return None
    parts: list[bytes] = []
    at = 0
    while (end := rest.find(b"\r\n", at)) >= 0:
        size = int(rest[at:end].split(b";")[0], 16)
        if size == 0:
            return b"".join(parts)
        at = end + 2 + size + 2
        if at > len(rest):
            return None
        parts.append(rest[end + 2 : at - 2])
    return None


def drive(
    address: tuple[str, int],
    plans: Iterable[Iterable[bytes]],
    *,
    seconds_max: float | None = None,
    keep: bool = False,
) -> Outcome:
    """Send every plan over a connection of its own; stop early after `seconds_max`.

    After that time nothing new is sent, but answers that are under way are waited for and counted.
    With `keep`, all answers are in the outcome, else the first ten that were refused.
    """
    connections = [Connection(address, iter(plan)) for plan in plans]
    try:
        return _loop(connections, seconds_max, keep=keep)
    finally:
        for connection in connections:
            connection.socket.close()


def _loop(connections: list[Connection], seconds_max: float | None, *, keep: bool) -> Outcome:
    outcome = Outcome(by_plan=[connection.latencies_ns for connection in connections])
    poll = select.epoll()
    by_number = {connection.socket.fileno(): connection for connection in connections}
    began = perf_counter_ns()
    deadline = began + int(1e9 * seconds_max) if seconds_max is not None else 1 << 62
    live = 0
    for number, connection in by_number.items():
        if connection.send_next():
            poll.register(number, _events(connection))
            live += 1
    while live:
        ready = poll.poll(SILENT_S_MAX)
        if not ready:
            raise BrokenAnswer(f"no answer for {SILENT_S_MAX:.0f} s")
        for number, event in ready:
            connection = by_number[number]
            if event & select.EPOLLOUT:
                connection.flush()
                poll.modify(number, _events(connection))
            if not event & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR):
                continue
            answer = connection.receive()
            if answer is None:
                continue
            now = perf_counter_ns()
            connection.latencies_ns.append(now - connection.sent_ns)
            _count(outcome, answer, keep=keep)
            if now >= deadline or not connection.send_next():
                poll.unregister(number)
                live -= 1
            elif connection.unsent is not None:
                poll.modify(number, _events(connection))
    outcome.seconds = (perf_counter_ns() - began) / 1e9
    poll.close()
    return outcome


def _events(connection: Connection) -> int:
    return select.EPOLLIN | (select.EPOLLOUT if connection.unsent is not None else 0)


def _count(outcome: Outcome, answer: tuple[int, bytes, bytes], *, keep: bool) -> None:
    status = answer[0]
    outcome.statuses[status] += 1
    if keep or (status >= 300 and len(outcome.answers) < 10):
        outcome.answers.append(answer)


def request_bytes(
    method: str,
    path: str,
    host: str,
    token: str | None = None,
    body: bytes | None = None,
    *,
    headers: str = "",
) -> bytes:
    """Write one request; `headers` are further lines, each ended by CRLF."""
    lines = f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n{headers}"
    if token is not None:
        lines += f"Authorization: Bearer {token}\r\n"
    if body is not None:
        lines += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return lines.encode() + b"\r\n" + (body or b"")
