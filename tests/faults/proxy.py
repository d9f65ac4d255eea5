"""A TCP proxy between two parts of the service, with faults that can be switched while it runs.

It also moves a server to another address behind the clients' backs: that is what a failover is.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Faults:
    """What the proxy does to the bytes that pass."""

    latency_s: float = 0.0
    blackhole: bool = False
    """Swallow everything; connections stay open."""
    mute: bool = False
    """Hold back what the target answers: all that is asked of it is done, and nobody learns of it."""
    mute_at: bytes = b""
    """Become mute when this passes on its way to the target."""
    reset_share: float = 0.0
    """How many of the pieces end in a reset of their connection."""


@dataclass
class Proxy:
    """One listening port in front of one target that may change."""

    target: tuple[str, int]
    faults: Faults = field(default_factory=Faults)
    port: int = 0
    seed: int = 1
    passed: int = 0
    """Pieces that went through, both ways."""

    def __post_init__(self) -> None:
        """Prepare; `running` starts."""
        self._random = random.Random(self.seed)
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    def retarget(self, target: tuple[str, int]) -> None:
        """Send new connections elsewhere and break the present ones."""
        self.target = target
        self.break_connections()

    def break_connections(self) -> None:
        """Reset every connection."""
        assert self._loop is not None

        def abort() -> None:
            for writer in list(self._writers):
                writer.transport.abort()

        self._loop.call_soon_threadsafe(abort)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass one connection on, both ways."""
        try:
            there_reader, there_writer = await asyncio.open_connection(*self.target)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, there_writer}
        await asyncio.gather(self._pass(reader, there_writer), self._pass(there_reader, writer, back=True))
        self._writers -= {writer, there_writer}

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, back: bool = False
    ) -> None:
        try:
            while piece := await reader.read(1 << 16):
                if self.faults.latency_s:
                    await asyncio.sleep(self.faults.latency_s)
                if self._random.random() < self.faults.reset_share:
                    break
                while self.faults.blackhole or (back and self.faults.mute):
                    await asyncio.sleep(0.05)
                if not back and self.faults.mute_at and self.faults.mute_at in piece:
                    self.faults.mute = True
                self.passed += 1
                writer.write(piece)
                await writer.drain()
        except (OSError, asyncio.CancelledError):
            pass
        writer.transport.abort()


@contextmanager
def running(proxy: Proxy) -> Iterator[Proxy]:
    """Serve in a thread of its own until the block ends."""
    loop = asyncio.new_event_loop()
    proxy._loop = loop
    server = loop.run_until_complete(asyncio.start_server(proxy.serve, "127.0.0.1", proxy.port))
    proxy.port = server.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.faults.blackhole = proxy.faults.mute = False
        asyncio.run_coroutine_threadsafe(_close(server, proxy), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _close(server: asyncio.Server, proxy: Proxy) -> None:
    server.close()
    for writer in list(proxy._writers):
        writer.transport.abort()
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    await asyncio.wait(tasks, timeout=5) if tasks else None
