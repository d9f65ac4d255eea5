"""An open loop: each device sends when its time has come, however long others wait (stack.md S14).

Latency counts from the moment at which a request was due, so that a service that stalls is charged for
every request that it held up, not for the one that was under way. A device sends one request at a time.
"""

from __future__ import annotations

import heapq
import select
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from time import perf_counter_ns

from bench.generator import SILENT_S_MAX, BrokenAnswer, Connection

Due = tuple[float, bytes]
"""When a request is to be sent, in seconds since the beginning, and its bytes."""

KEPT_REFUSALS = 10


@dataclass(slots=True)
class Answers:
    """What came back to the devices of one group."""

    statuses: Counter[int] = field(default_factory=Counter)
    latencies_ns: list[int] = field(default_factory=list)
    """Of the 2xx answers, from due to done."""
    refusals: list[tuple[int, bytes, bytes]] = field(default_factory=list)
    """The first (status, head, body) that were not 2xx."""

    @property
    def done(self) -> int:
        """Count the 2xx answers."""
        return len(self.latencies_ns)

    def quantile_ms(self, share: float) -> float:
        """Give the latency below which `share` of the answers came; 0 without any."""
        ordered = sorted(self.latencies_ns)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] / 1e6 if ordered else 0.0

    def take(self, answer: tuple[int, bytes, bytes], took_ns: int) -> None:
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


class _Sender:
    """A device on the wire, and the request that it sends next or waits for."""

    __slots__ = ("answers", "connection", "due_ns", "request", "requests")

    def __init__(self, address: tuple[str, int], device: Device, answers: Answers) -> None:
        self.connection = Connection(address, iter(()))
        self.requests = device.requests
        self.answers = answers
        self.due_ns = 0
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
        senders.extend(_Sender(address, device, found[device.group]) for device in devices)
        _Loop(senders).run()
    finally:
        for sender in senders:
            sender.connection.socket.close()
    return found


class _Loop:
    """The one thread that sends and receives."""

    def __init__(self, senders: Sequence[_Sender]) -> None:
        self._poll = select.epoll()
        self._by_number = {sender.connection.socket.fileno(): sender for sender in senders}
        self._waiting = [
            (sender.due_ns, number) for number, sender in self._by_number.items() if sender.plan()
        ]
        heapq.heapify(self._waiting)
        self._under_way = 0
        self._began_ns = 0

    def run(self) -> None:
        """Send until nothing is left to send or to wait for."""
        for number in self._by_number:
            self._poll.register(number, select.EPOLLIN)
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
            _, number = heapq.heappop(self._waiting)
            sender = self._by_number[number]
            sender.connection.send(sender.request)
            self._under_way += 1
            if sender.connection.unsent is not None:
                self._poll.modify(number, select.EPOLLIN | select.EPOLLOUT)

    def _serve(self, number: int, event: int) -> None:
        sender = self._by_number[number]
        if event & select.EPOLLOUT:
            sender.connection.flush()
            if sender.connection.unsent is None:
                self._poll.modify(number, select.EPOLLIN)
        if not event & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR):
            return
        answer = sender.connection.receive()
        if answer is None:
            return
        sender.answers.take(answer, perf_counter_ns() - self._began_ns - sender.due_ns)
        self._under_way -= 1
        if sender.plan():
            heapq.heappush(self._waiting, (sender.due_ns, number))
