"""How commands of the operator say where things are: options, read as every other setting is."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import rich_click as click

if TYPE_CHECKING:
    from runtime.settings import Settings

Decorator = Callable[[Any], Any]

DATA = click.option("--data", metavar="DIR", help="Folder of everything that the embedded parts keep.")
STORE = click.option("--store", metavar="STORE", help="sqlite, or cassandra://HOST:PORT/KEYSPACE.")
STREAM = click.option("--stream", metavar="STREAM", help="embedded, or redis://HOST:PORT, or unix:///PATH.")


def placed(*options: Decorator) -> Decorator:
    """Give a command these options, in this order."""

    def decorate(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def settings_of(options: dict[str, Any]) -> Settings:
    """Read the settings; an option that was given wins."""
    from runtime.settings import load  # noqa: PLC0415

    return load(os.environ, options)
