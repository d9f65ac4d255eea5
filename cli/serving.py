"""`serve`, `door`, `worker`, `init` and `status`: the commands that run a service or look at one."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping

from cli.complaints import Complaint
from client import Client
from runtime import wiring
from runtime.places import CannotServe
from runtime.settings import Settings
from runtime.supervisor import Supervisor, module
from schemas.errors import ServiceError


def serve(settings: Settings) -> None:
    """Run everything in the foreground until SIGTERM or Ctrl-C."""
    try:
        Supervisor(settings, lambda line: print(line, flush=True), writers_ready).run()
    except CannotServe as error:
        raise Complaint(str(error)) from None


def writers_ready(settings: Settings) -> bool:
    """Tell whether every shard takes records: a writer has proved it on this very stream server."""
    return asyncio.run(_proved(settings))


async def _proved(settings: Settings) -> bool:
    stream = wiring.open_stream(settings)
    try:
        for shard in range(settings.shards):
            state = await stream.read_state(shard)
            if state.proved != state.run_id:
                return False
    except ServiceError:
        return False
    finally:
        await stream.close()
    return True


def become(name: str, *arguments: str, settings: Settings) -> None:
    """Turn this process into one part of a service; it does not return."""
    environ: Mapping[str, str] = {**os.environ, **settings.to_environ()}
    command = module(name, *arguments)
    os.execvpe(command[0], command, environ)  # noqa: S606  # our own interpreter and modules


def initialise(settings: Settings) -> None:
    """Make schema, first tenant and first credentials; harmless where they are there already."""
    from cli.door import make_first  # noqa: PLC0415  # loads the application

    async def make() -> None:
        async with wiring.opened(settings.changed(stream="unix:///nowhere"), writes_series=True) as ports:
            await make_first(settings, ports)

    try:
        asyncio.run(make())
    except ServiceError as error:
        raise Complaint(error.message) from None
    print("the store is ready")


def print_status(client: Client) -> bool:
    """Print the service's word on itself and its parts; False if something is down."""
    answer = client.health()
    print(f"{client.url}: {answer.status}")
    for name, state in sorted(answer.parts.items()):
        print(f"  {name}: {state}")
    return answer.status == "UP"
