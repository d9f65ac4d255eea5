"""The HTTP server under the door: the one place that names it and its limits.

uvicorn, with httptools and uvloop. Measured beside granian with the same door on two cores, in alternating
runs (decision 0019): parsing on the loop's own thread saves two handovers between threads for each request.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import resource
import signal
import socket
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, cast

import uvicorn
import uvloop

from api.connection import CONNECTIONS_MAX, HEAD_READ_S, Connection
from api.door import Door
from api.http.tls import Certificate
from runtime.places import BACKLOG

KEEP_ALIVE_S = 75
"""An idle connection is kept for longer than devices that send once a minute pause."""
CUT_OFF_SHARE = 0.9
"""Of the time to drain: what has no answer by then is cut off; the rest is for closing everything else."""
LOOK_TICKS = 10
"""The server's ticks between two looks at connections: about a second."""
DESCRIPTORS_KEPT = 128
"""File descriptors for everything but clients: stores, stream server, listeners, the loop."""


async def serve(
    door: Door,
    listener: socket.socket,
    begun: Callable[[], None],
    drain_s: float,
    certificate: Certificate | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT, then finish what is under way; `begun` is called once it accepts.

    With a certificate it speaks TLS, and SIGHUP has the certificate looked at anew, as every second does.
    """
    await Server(door, drain_s, begun, certificate).serve([listener])


class Server(uvicorn.Server):
    """The server, ended by signals without being killed by them afterwards, as the library's is."""

    def __init__(
        self,
        door: Door,
        drain_s: float,
        begun: Callable[[], None] = lambda: None,
        certificate: Certificate | None = None,
    ) -> None:
        """Serve nothing yet."""
        super().__init__(_config(door, drain_s))
        self._door = door
        self._begun = begun
        self._certificate = certificate

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept connections on these sockets, and say so."""
        loop = asyncio.get_running_loop()
        tls: dict[str, Any] = {}
        if self._certificate is not None:
            tls = {"ssl": self._certificate.context, "ssl_handshake_timeout": HEAD_READ_S}
        self.servers = [
            await loop.create_server(self._connection, sock=listener, backlog=BACKLOG, **tls)
            for listener in sockets or ()
        ]
        self.started = True
        self._begun()

    def _connection(self) -> asyncio.Protocol:
        made: Any = self.config.http_protocol_class
        return cast(
            "asyncio.Protocol", made(config=self.config, server_state=self.server_state, app_state={})
        )

    async def on_tick(self, counter: int) -> bool:
        """Look at the connections; True when it is time to end."""
        if counter % LOOK_TICKS == 0:
            now_s = asyncio.get_running_loop().time()
            for connection in list(self.server_state.connections):
                assert isinstance(connection, Connection)
                connection.look(now_s)
            self._look_at_certificate()
        return await super().on_tick(counter)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Let SIGTERM and SIGINT end the server, and SIGHUP have its certificate looked at."""
        loop = asyncio.get_running_loop()
        handlers = {signal.SIGTERM: self._end, signal.SIGINT: self._end}
        if self._certificate is not None:
            handlers[signal.SIGHUP] = self._look_at_certificate
        for number, handler in handlers.items():
            loop.add_signal_handler(number, handler)
        try:
            yield
        finally:
            for number in handlers:
                loop.remove_signal_handler(number)

    def _look_at_certificate(self) -> None:
        if self._certificate is not None:
            self._certificate.refresh()

    def _end(self) -> None:
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let what is under way end; streams of events would go on for ever."""
        self._door.services.feeds.end()
        await super().shutdown(sockets)


def room() -> int:
    """Raise the limit of file descriptors as far as it helps; give how many connections it has room for.

    Without room for a connection the door could neither refuse it nor open a file of the store.
    """
    wanted = CONNECTIONS_MAX + DESCRIPTORS_KEPT
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted and soft != resource.RLIM_INFINITY:
        soft = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return CONNECTIONS_MAX if soft >= wanted or soft < 0 else max(1, soft - DESCRIPTORS_KEPT)


def _config(door: Door, drain_s: float) -> uvicorn.Config:
    return uvicorn.Config(
        door,
        http=functools.partial(Connection, door, room()),  # type: ignore[arg-type]  # it is only called
        ws="none",
        lifespan="off",
        log_config=None,  # what the server logs goes the way of every other log
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        interface="asgi3",
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=CUT_OFF_SHARE * drain_s,  # type: ignore[arg-type]  # it is only waited for
    )


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine on the loop that the server is fast on."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main)
