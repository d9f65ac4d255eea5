"""Parts of a supervisor, and new doors for old ones (R18).

A round of renewal never waits: whoever takes its steps looks after every other part in between (R1).
"""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass


@dataclass(slots=True)
class Part:
    """One child process that is kept running."""

    name: str
    command: Sequence[str]
    listener: socket.socket | None = None
    """What a door accepts from."""
    process: subprocess.Popen[bytes] | None = None
    started_s: float = 0.0
    pause_s: float = 0.0
    due_s: float = 0.0

    def running(self) -> bool:
        """Tell whether the child lives."""
        return self.process is not None and self.process.poll() is None

    def tell_to_end(self) -> None:
        """Ask the child to finish what is under way and end."""
        if self.process is not None and self.running():
            self.process.send_signal(signal.SIGTERM)
            self.process.send_signal(signal.SIGCONT)  # a paused process does not see SIGTERM

    def kill(self) -> None:
        """End the child now, if it has not ended."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()


class Renewal:
    """One round: each door is started anew beside itself, and ends once the new one accepts requests.

    Until then the door is kept running like any other part. A new one that does not come up ends the round,
    and the old one serves on.
    """

    def __init__(
        self, doors: Iterable[Part], start: Callable[[Part, int], None], *, ready_s: float, drain_s: float
    ) -> None:
        """Take the doors, how to start one that says on a pipe that it accepts, and the time for each."""
        self._waiting = deque(doors)
        self._start = start
        self._ready_s, self._drain_s = ready_s, drain_s
        self._door: Part | None = None
        self._deadline_s = 0.0
        self.beside: Part | None = None
        """The new process until it accepts requests, then the old one until it has ended."""
        self.pipe: int | None = None
        """Readable once the new door accepts requests, or has ended."""
        self.failed = ""
        """The door of which no new one came up."""

    def step(self) -> bool:
        """Go on as far as it goes without waiting; False when the round is over."""
        while self._advance():
            pass
        return self.beside is not None

    def give_up(self) -> list[Part]:
        """Go no further; gives what runs beside the doors, for the caller to end."""
        self._close()
        return [] if self.beside is None else [self.beside]

    def _advance(self) -> bool:
        if self.pipe is not None:
            return self._took_over(self.pipe)
        if self.beside is not None:
            return self._has_ended(self.beside)
        if not self._waiting:
            return False
        self._begin(self._waiting.popleft())
        return True

    def _begin(self, door: Part) -> None:
        self._door, self.beside = door, Part(door.name, door.command, door.listener)
        self.pipe, theirs = os.pipe()
        try:
            self._start(self.beside, theirs)
        finally:
            os.close(theirs)
        self._deadline_s = time.monotonic() + self._ready_s

    def _took_over(self, pipe: int) -> bool:
        """Look whether the new door accepts, or never will; what is not needed any more is told to end."""
        heard = select.select([pipe], [], [], 0)[0]
        if not heard and time.monotonic() < self._deadline_s:
            return False
        door, beside = self._door, self.beside
        assert door is not None
        assert beside is not None
        if heard and os.read(pipe, 1):
            door.process, beside.process = beside.process, door.process
            door.started_s, door.pause_s = beside.started_s, 0.0
        else:
            self.failed = door.name
            self._waiting.clear()
        self._close()
        beside.tell_to_end()
        self._deadline_s = time.monotonic() + self._drain_s
        return True

    def _has_ended(self, beside: Part) -> bool:
        if beside.running() and time.monotonic() < self._deadline_s:
            return False
        beside.kill()
        self.beside = None
        return True

    def _close(self) -> None:
        if self.pipe is not None:
            os.close(self.pipe)
            self.pipe = None
