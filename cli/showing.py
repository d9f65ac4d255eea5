"""How the commands of administrators print things: a table, one thing line by line, or JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec
import rich_click as click

FORMAT = click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="How to print.",
)

ONCE = frozenset({"secret", "password"})
"""What is shown this once."""


def print_list(things: Iterable[msgspec.Struct], columns: Sequence[str], form: str) -> None:
    """Print things in aligned columns under their names, or a JSON array of all their members."""
    rows = [_plain(thing) for thing in things]
    if form == "json":
        print(msgspec.json.format(msgspec.json.encode(rows)).decode())
        return
    cells = [list(columns), *([_text(row.get(column)) for column in columns] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def print_thing(thing: msgspec.Struct, form: str) -> None:
    """Print the members of one thing that say something; a secret says that it is shown once."""
    members = _plain(thing)
    if form == "json":
        print(msgspec.json.format(msgspec.json.encode(members)).decode())
        return
    for name, value in members.items():
        if value not in (None, "", [], False):
            print(f"{name}: {_text(value)}{' (shown once; keep it)' if name in ONCE else ''}")


def option_of(text: str | None, read: Callable[[str], Any] = str) -> Any:
    """Read an option whose `-` stands for null: what the installation says."""
    return None if text == "-" else read(text or "")


def _plain(thing: msgspec.Struct) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(thing)
    return plain


def _text(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(map(str, value))
    if isinstance(value, dict):
        return " ".join(f"{name}={part}" for name, part in value.items() if part is not None)
    if isinstance(value, bool):
        return "yes" if value else ""
    return "" if value is None else str(value)
