"""`serve`, `door`, `worker` and `status`: the commands that run a service or look at one.

What is imported here delays the start of everything, so it is little.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from cli.complaints import Complaint
from runtime.places import CannotServe
from runtime.settings import Settings
from runtime.supervisor import Supervisor, module

if TYPE_CHECKING:
    from client import Client


def serve(settings: Settings) -> None:
    """Run everything in the foreground until SIGTERM or Ctrl-C."""
    try:
        Supervisor(settings, lambda line: print(line, flush=True), _writers_ready).run()
    except CannotServe as error:
        raise Complaint(str(error)) from None


def _writers_ready(settings: Settings) -> bool:
    from cli import store  # noqa: PLC0415  # asked when the parts are starting already

    return store.writers_ready(settings)


def become(name: str, *arguments: str, settings: Settings) -> None:
    """Turn this process into one part of a service; it does not return."""
    environ: Mapping[str, str] = {**os.environ, **settings.to_environ()}
    command = module(name, *arguments)
    os.execvpe(command[0], command, environ)  # noqa: S606  # our own interpreter and modules


def print_status(client: Client) -> bool:
    """Print the service's word on itself and its parts; False if something is down."""
    answer = client.health()
    print(f"{client.url}: {answer.status}")
    for name, state in sorted(answer.parts.items()):
        print(f"  {name}: {state}")
    return answer.status == "UP"
