"""The HTTP server in front of the application: the one place that names it and its limits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from granian.constants import HTTPModes, Interfaces, Loops, RuntimeModes
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server import Server

from api.asgi import Application

HEADER_READ_MS = 15_000
"""A request line and its headers must arrive within it; a body has its own deadline in the application."""
HEADER_BYTES_MAX = 65_536
BACKLOG = 2_048
"""Connections that wait to be accepted."""
BACKPRESSURE = 1_024
"""Connections that one process holds; well above its live keep-alive ones (granian#789)."""
KILL_AFTER_S = 30
"""A process that has not finished its requests by then is killed."""


@dataclass(slots=True, frozen=True)
class Listening:
    """Where to listen, with how many processes."""

    host: str
    port: int
    processes: int


def serve(listening: Listening, load: Callable[[], Application]) -> None:
    """Serve until SIGTERM or SIGINT, then finish the requests under way; `load` runs in each process.

    The processes share the port. One that ends by itself is replaced; if it ends again at once, so does this.
    """
    server: Any = Server(
        "aspectstore",
        address=listening.host,
        port=listening.port,
        interface=Interfaces.ASGI,
        workers=listening.processes,
        runtime_mode=RuntimeModes.st,
        loop=Loops.uvloop,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=HEADER_READ_MS, max_buffer_size=HEADER_BYTES_MAX),
        websockets=False,
        backlog=BACKLOG,
        backpressure=BACKPRESSURE,
        respawn_failed_workers=True,
        workers_kill_timeout=KILL_AFTER_S,
        log_level=LogLevels.warning,
        log_dictconfig={"handlers": {}, "formatters": {}, "loggers": {"_granian": {"propagate": True}}},
    )
    server.serve(target_loader=load, wrap_loader=False)
