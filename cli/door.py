"""The door process: settings from the environment, ports opened, the application over them, HTTP in front.

`python -m cli.door` is what `aspectstore door` and the supervisor start.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable

from runtime import logs  # first: it keeps structlog lean

# isort: split
import structlog

from api.app import create_app
from api.asgi import Application, Message, Receive, Scope, Send
from api.identity.passwords import Passwords
from api.identity.setup import bootstrap, parse_bootstrap
from api.server import Listening, serve
from runtime import garbage, lifeline, wiring
from runtime.ports import Ports
from runtime.settings import Settings, SettingsError, load
from schemas.errors import Refused, ServiceError

log = structlog.get_logger("door")


class DoorProcess:
    """The application of one process: opens its ports when the server starts it, closes them at its end."""

    def __init__(self, settings: Settings) -> None:
        """Open nothing yet."""
        self._settings = settings
        self._door: Application | None = None

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve one request, or the life of the process."""
        if scope["type"] == "lifespan":
            return self._live(scope, receive, send)
        assert self._door is not None, "the server sends requests after the start only"
        return self._door(scope, receive, send)

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with wiring.opened(self._settings, writes_series=False) as ports:
                await make_first(self._settings, ports)
                self._door = create_app(ports)
                await self._door(scope, receive, _settled(send))
        except ServiceError as error:
            log.exception("door_cannot_start")
            await send({"type": "lifespan.startup.failed", "message": error.message})


def _settled(send: Send) -> Send:
    """Wrap `send` of a lifespan: an application that says that it has started has loaded what it keeps."""

    async def send_on(message: Message) -> None:
        if message["type"] == "lifespan.startup.complete":
            garbage.settle()
        await send(message)

    return send_on


async def make_first(settings: Settings, ports: Ports) -> None:
    """Make the first tenant and technical user where there is none, and print made-up credentials once."""
    wanted = parse_bootstrap(settings.bootstrap) if settings.bootstrap else None
    made = await bootstrap(
        ports.catalog, Passwords(ports.policy.password_memory_kib), ports.clock.now_ms(), wanted
    )
    if made is not None:
        print(
            f"first start: tenant {made.tenant}, client {made.client_id}, secret {made.client_secret}"
            " (shown once; keep it)",
            flush=True,
        )


def application() -> Application:
    """Build the application of one server process, which ends with the one that forked it."""
    lifeline.tie()
    settings = load(os.environ)
    logs.configure(settings.log_level, hidden=settings.secrets)
    return DoorProcess(settings)


def main() -> int:
    """Serve until told to end; 2 for settings that cannot be."""
    try:
        settings = load(os.environ)
        if settings.bootstrap:
            parse_bootstrap(settings.bootstrap)
        wiring.open_stream(settings)
    except (SettingsError, Refused) as error:
        print(f"aspectstore door: {error}", file=sys.stderr)
        return 2
    logs.configure(settings.log_level, hidden=settings.secrets)
    host, port = settings.address
    serve(Listening(host, port, settings.doors), application)
    return 0


if __name__ == "__main__":
    sys.exit(main())
