"""The door process: settings from the environment, ports opened, the application over them, HTTP in front.

`python -m cli.door` is what `aspectstore door` and the supervisor start; `--socket` and `--ready` are the
supervisor's: a socket that listens already, and a pipe that gets one byte once requests are accepted.
"""

from __future__ import annotations

import os
import socket
import sys

from runtime import logs  # first: it keeps structlog lean

# isort: split
import rich_click as click
import structlog

from api.app import create_app
from api.http.tls import Certificate
from api.identity.passwords import Passwords
from api.identity.setup import bootstrap, parse_bootstrap
from api.server import run, serve
from runtime import garbage, wiring
from runtime.places import listen
from runtime.ports import Ports
from runtime.settings import Settings, SettingsError, load
from schemas.errors import Refused, ServiceError

log = structlog.get_logger("door")


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


async def _serve(
    settings: Settings, listener: socket.socket, ready: int | None, certificate: Certificate | None
) -> None:
    def begun() -> None:
        garbage.settle()
        if ready is not None:
            os.write(ready, b".")
            os.close(ready)

    async with wiring.opened(settings, writes_series=False) as ports:
        await make_first(settings, ports)
        async with create_app(ports).running() as door:
            await serve(door, listener, begun, settings.drain_s, certificate)


@click.command()
@click.option("--socket", "listening", type=int)
@click.option("--ready", type=int)
def main(listening: int | None, ready: int | None) -> None:
    """Serve until told to end; 2 for settings that cannot be."""
    try:
        settings = load(os.environ)
        if settings.bootstrap:
            parse_bootstrap(settings.bootstrap)
        wiring.open_stream(settings)
        certificate = Certificate.of(settings)
    except (SettingsError, Refused) as error:
        print(f"aspectstore door: {error}", file=sys.stderr)
        sys.exit(2)
    logs.configure(settings.log_level, hidden=settings.secrets)
    listener = listen(*settings.address) if listening is None else socket.socket(fileno=listening)
    try:
        run(_serve(settings, listener, ready, certificate))
    except ServiceError:
        log.exception("door_cannot_start")
        sys.exit(1)


if __name__ == "__main__":
    main()
