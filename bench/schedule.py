"""An open loop: each device sends when its time has come, however long others wait (stack.md S14).

Latency counts from the moment at which a request was due, so that a service that stalls is charged for
every request that it held up, not for the one that was under way. A device sends one request at a time.
"""

from __future__ import annotations

import heapq
import select
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from time import perf_counter_ns
from typing import Self

from bench.generator import SILENT_S_MAX, BrokenAnswer, Connection

Due = tuple[float, bytes]
"""When a request is to be sent, in seconds since the beginning, and its bytes."""

Answer = tuple[int, bytes, bytes]
"""Status, head and body."""

KEPT_REFUSALS = 10


@dataclass(slots=True)
class Answers:
    """What came back to the devices of one group."""

    statuses: Counter[int] = field(default_factory=Counter)
    latencies_ns: list[int] = field(default_factory=list)
    """Of the 2xx answers, from due to done."""
    refusals: list[Answer] = field(default_factory=list)
    """The first that were not 2xx."""

    @property
    def done(self) -> int:
        """Count the 2xx answers."""
        return len(self.latencies_ns)

    def quantile_ms(self, share: float) -> float:
        """Give the latency below which `share` of the answers came; 0 without any."""
        ordered = sorted(self.latencies_ns)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] / 1e6 if ordered else 0.0

    def take(self, answer: Answer, took_ns: int) -> None:
        """Count an answer."""
        self.statuses[answer[0]] += 1
        if 200 <= answer[0] < 300:
            self.latencies_ns.append(took_ns)
        elif len(self.refusals) < KEPT_REFUSALS:
            self.refusals.append(answer)


@dataclass(slots=True)
class Device:
    """One client with a connection of its own."""

    group: str
    requests: Iterator[Due]
    heard: Callable[[Answer], None] | None = None
    """Told each answer, before the next request is taken."""


class Talk:
    """Requests that depend on answers: a generator that yields each request and is sent its answer."""

    def __init__(self, talk: Generator[Due, Answer, None]) -> None:
        """Take a generator that has not begun."""
        self._talk = talk
        self._answer: Answer | None = None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Due:
        return next(self._talk) if self._answer is None else self._talk.send(self._answer)

    def heard(self, answer: Answer) -> None:
        """Keep the answer to the last request."""
        self._answer = answer

    def as_device(self, group: str) -> Device:
        """Give the client that has this talk."""
        return Device(group, self, self.heard)


class _Sender:
    """A device on the wire, and the request that it sends next or waits for."""

    __slots__ = ("answers", "connection", "due_ns", "heard", "is_under_way", "request", "requests")

    def __init__(self, device: Device, answers: Answers) -> None:
        self.connection: Connection | None = None
        """Since its first request: a service waits some seconds only for what a connection brings."""
        self.requests = device.requests
        self.heard = device.heard
        self.answers = answers
        self.due_ns = 0
        self.is_under_way = False
        self.request = b""

    def plan(self) -> bool:
        """Look at the next request; False if there is none."""
        due = next(self.requests, None)
        if due is None:
            return False
        self.due_ns, self.request = int(due[0] * 1e9), due[1]
        return True


def drive_on_time(address: tuple[str, int], devices: Sequence[Device]) -> dict[str, Answers]:
    """Send every device's requests at their times; gives what came back, by group.

    Ends when every answer is there. Raises BrokenAnswer if the service says nothing for a minute.
    """
    found = {device.group: Answers() for device in devices}
    senders: list[_Sender] = []
    try:
        senders.extend(_Sender(device, found[device.group]) for device in devices)
        _Loop(address, senders).run()
    finally:
        for sender in senders:
            if sender.connection is not None:
                sender.connection.socket.close()
    return found


class _Loop:
    """The one thread that sends and receives."""

    def __init__(self, address: tuple[str, int], senders: Sequence[_Sender]) -> None:
        self._address = address
        self._poll = select.epoll()
        self._senders = senders
        self._by_number: dict[int, int] = {}
        """The place of a sender, by the number of its socket."""
        self._waiting = [(sender.due_ns, place) for place, sender in enumerate(senders) if sender.plan()]
        heapq.heapify(self._waiting)
        self._under_way = 0
        self._began_ns = 0

    def run(self) -> None:
        """Send until nothing is left to send or to wait for."""
        self._began_ns = heard_ns = perf_counter_ns()
        try:
            while self._waiting or self._under_way:
                ready = self._poll.poll(self._patience_s())
                now_ns = perf_counter_ns()
                if ready:
                    heard_ns = now_ns
                elif self._under_way and now_ns > heard_ns + SILENT_S_MAX * 1e9:
                    raise BrokenAnswer(f"no answer for {SILENT_S_MAX:.0f} s")
                for number, event in ready:
                    self._serve(number, event)
                self._send_due()
        finally:
            self._poll.close()

    def _patience_s(self) -> float:
        if not self._waiting:
            return SILENT_S_MAX
        left_ns = self._waiting[0][0] - (perf_counter_ns() - self._began_ns)
        return min(max(left_ns / 1e9, 0.0), SILENT_S_MAX)

    def _send_due(self) -> None:
        now_ns = perf_counter_ns() - self._began_ns
        while self._waiting and self._waiting[0][0] <= now_ns:
            _, place = heapq.heappop(self._waiting)
            sender = self._senders[place]
            connection = sender.connection or self._connected(place)
            connection.send(sender.request)
            sender.is_under_way = True
            self._under_way += 1
            if connection.unsent is not None:
                self._poll.modify(connection.socket, select.EPOLLIN | select.EPOLLOUT)

    def _connected(self, place: int) -> Connection:
        connection = self._senders[place].connection = Connection(self._address, iter(()))
        self._by_number[connection.socket.fileno()] = place
        self._poll.register(connection.socket, select.EPOLLIN)
        return connection

    def _serve(self, number: int, event: int) -> None:
        place = self._by_number[number]
        sender = self._senders[place]
        connection = sender.connection
        assert connection is not None
        if event & select.EPOLLOUT:
            connection.flush()
            if connection.unsent is None:
                self._poll.modify(number, select.EPOLLIN)
        if not event & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR):
            return
        try:
            answer = connection.receive()
        except (BrokenAnswer, ConnectionError):
            if sender.is_under_way:
                raise
            # A service may hang up between requests, as one does after a refusal.
            connection.socket.close()
            sender.connection = None
            return
        if answer is None:
            return
        sender.answers.take(answer, perf_counter_ns() - self._began_ns - sender.due_ns)
        if sender.heard is not None:
            sender.heard(answer)
        sender.is_under_way = False
        self._under_way -= 1
        if sender.plan():
            heapq.heappush(self._waiting, (sender.due_ns, place))
