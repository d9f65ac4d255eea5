"""A scheduler that decides which call of which process goes on next: every await is a place to be paused.

Stream and store stand behind proxies that wait for the scheduler before and after each call, lose
answers, and let what was lost take effect later. A process is a name in a context variable: what a writer
starts belongs to it. Everything is drawn from one seed, and the clock moves only here.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

from runtime.clock import ManualClock
from schemas.errors import OutcomeUnknown, StoreUnavailable, StreamUnavailable
from storage.port import Delta, SliceId, Turn

PROCESS: ContextVar[str] = ContextVar("PROCESS", default="")
"""Who runs; empty: the test itself, which is never paused."""

SETTLE_TURNS = 12
"""Turns of the event loop after which everything released has come to its next pause."""

SWAPS = frozenset({"swap_head", "swap_shard"})
LATE = frozenset({*SWAPS, "write_turn", "write_blocks", "purge_deltas", "report_applied", "trim"})
"""Calls that may take effect after their caller was told that they failed."""


@dataclass(slots=True, eq=False)
class _Paused:
    process: str
    task: asyncio.Task[Any] | None
    due_s: float
    go: asyncio.Future[None]


@dataclass
class Scheduler:
    """Draws who goes on."""

    dice: random.Random
    clock: ManualClock
    failing: float = 0.0
    """Share of the calls that fail."""
    sticking: float = 0.0
    """Share of the steps in which the call that went on last goes on again, if it can: long strides."""
    stopped: set[str] = field(default_factory=set)
    """Processes that do not go on (SIGSTOP; for ever: SIGKILL)."""
    steps: int = 0
    failures: int = 0
    _closed: bool = False
    _last: asyncio.Task[Any] | None = None
    _paused: list[_Paused] = field(default_factory=list)
    _tasks: list[asyncio.Task[Any]] = field(default_factory=list)

    async def pause(self, seconds: float = 0.0) -> None:
        """Wait until the scheduler lets us go on, not before the time has passed."""
        process = PROCESS.get()
        if not process:
            return
        if self._closed:
            raise asyncio.CancelledError
        due_s = self.clock.monotonic_s() + seconds
        task = asyncio.current_task()
        waiting = _Paused(process, task, due_s, asyncio.get_running_loop().create_future())
        self._paused.append(waiting)
        await waiting.go

    def start(self, process: str, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run a coroutine as a part of a process."""

        async def named() -> Any:
            PROCESS.set(process)
            return await work

        task = asyncio.create_task(named())
        self._tasks.append(task)
        return task

    async def step(self) -> bool:
        """Let one paused call go on; move the clock where nobody could; False if everything has ended."""
        self.steps += 1
        self._paused = [each for each in self._paused if not each.go.done()]
        alive = [each for each in self._paused if each.process not in self.stopped]
        if not alive:
            await self._settle()
            return bool([each for each in self._paused if each.process not in self.stopped])
        now_s = self.clock.monotonic_s()
        ready = [each for each in alive if each.due_s <= now_s]
        if not ready:
            self.clock.advance(int((min(each.due_s for each in alive) - now_s) * 1000) + 1)
            return True
        same = [each for each in ready if each.task is self._last]
        chosen = same[0] if same and self.dice.random() < self.sticking else self.dice.choice(ready)
        self._last = chosen.task
        self._paused.remove(chosen)
        chosen.go.set_result(None)
        await self._settle()
        return True

    @staticmethod
    async def _settle() -> None:
        for _ in range(SETTLE_TURNS):
            await asyncio.sleep(0)

    async def close(self) -> None:
        """End every task where it is."""
        self._closed = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def fails(self) -> bool:
        """Draw whether a call fails."""
        failed = self.dice.random() < self.failing
        self.failures += failed
        return failed


class Slow:
    """A stream or store whose every call waits for the scheduler, and fails now and then."""

    def __init__(self, inner: Any, scheduler: Scheduler, error: type[Exception]) -> None:
        """Stand before an adapter; its calls fail with `error`."""
        self._inner = inner
        self._scheduler = scheduler
        self._error = error

    def __getattr__(self, name: str) -> Any:
        async def call(*arguments: Any, **options: Any) -> Any:
            return await self._call(name, *arguments, **options)

        return call

    async def _call(self, name: str, *arguments: Any, **options: Any) -> Any:
        scheduler = self._scheduler
        await scheduler.pause()
        act = getattr(self._inner, name)
        if PROCESS.get() and scheduler.fails():
            error = OutcomeUnknown if name in SWAPS else self._error
            kind = scheduler.dice.choice(["never", "done", "late"])
            if kind == "done":
                await act(*arguments, **options)
            elif kind == "late" and name in LATE:
                scheduler.start("late", self._later(act, *arguments, **options))
            await scheduler.pause()
            raise error(f"{name}: no answer")
        answer = await act(*arguments, **options)
        await scheduler.pause()
        return answer

    async def _later(self, act: Any, *arguments: Any, **options: Any) -> None:
        await self._scheduler.pause(self._scheduler.dice.choice([0.0, 0.5, 5.0]))
        await act(*arguments, **options)


class SlowStore(Slow):
    """A store that writes the parts of a turn one by one, as far as it comes."""

    def __init__(self, inner: Any, scheduler: Scheduler) -> None:
        """Stand before a store."""
        super().__init__(inner, scheduler, StoreUnavailable)

    async def write_turn(self, turn: Turn) -> None:
        """Store slices, then deltas (in order in each slice), then each cursor."""
        await self._call("write_turn", Turn(slices=turn.slices))
        lanes: dict[SliceId, list[Delta]] = {}
        for delta in turn.deltas:
            lanes.setdefault(delta.slice, []).append(delta)
        while lanes:
            chosen = self._scheduler.dice.choice(list(lanes))
            await self._call("write_turn", Turn(deltas=[lanes[chosen].pop(0)]))
            lanes = {found: rest for found, rest in lanes.items() if rest}
        for shard, position in turn.cursors.items():
            await self._call("write_turn", Turn(cursors={shard: position}))


class SlowStream(Slow):
    """A stream whose waiting happens in the scheduler's time."""

    def __init__(self, inner: Any, scheduler: Scheduler) -> None:
        """Stand before a stream."""
        super().__init__(inner, scheduler, StreamUnavailable)

    async def read(self, after: Any, *, bytes_max: int, wait_ms: int = 0) -> Any:
        """Read on; sleep first where nothing is there."""
        found = await self._call("read", after, bytes_max=bytes_max)
        if found or not wait_ms:
            return found
        await self._scheduler.pause(wait_ms / 1000)
        return await self._call("read", after, bytes_max=bytes_max)


@asynccontextmanager
async def scheduled(scheduler: Scheduler) -> AsyncIterator[Scheduler]:
    """Let writers sleep in the scheduler's time for the time of the block; end what still runs."""

    async def sleep(stop: asyncio.Event, seconds: float) -> None:
        await scheduler.pause(0.0 if stop.is_set() else seconds)

    with mock.patch("workers.writer._sleep", sleep):
        try:
            yield scheduler
        finally:
            await scheduler.close()
