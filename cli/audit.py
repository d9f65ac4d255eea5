"""`aspectstore audit`: the audit log as a table, JSON lines or CSV on stdout, the newest line first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING

import rich_click as click

if TYPE_CHECKING:
    from client import Client
    from client.audit import AuditLine

TABLE_LINES = 50
"""Lines of a table when nobody asks for more: about a screen."""

ROW = "{:24} {:>6} {:26} {:20} {}"
HEADS = ("time", "status", "action", "subject", "things")


@click.command()
@click.option("--from", "start", metavar="TIME", help="Start, exclusive, RFC 3339; the beginning by default.")
@click.option("--to", "end", metavar="TIME", help="End, inclusive, RFC 3339; the end by default.")
@click.option("--action", metavar="ACTION", help="An action, such as asset.move, or a thing, such as asset.")
@click.option("--subject", metavar="NAME", help="A user or a client.")
@click.option("--thing", metavar="ID", help="An id in the path, or of what was made.")
@click.option("--limit", type=click.IntRange(1), help="Most lines to print; a table shows 50 by default.")
@click.option("--platform", is_flag=True, help="The platform's own log, for those who manage the tenants.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "jsonl", "csv"]),
    default="table",
    show_default=True,
    help="How to print: JSON lines and CSV print every line as it comes.",
)
def audit(*, limit: int | None, platform: bool, form: str, **wanted: str | None) -> None:
    """Read the audit log: who did what to which id, by which token, and what came of it."""
    from cli.target import connect  # noqa: PLC0415

    names = {"start": "from", "end": "to"}
    asked = {names.get(name, name): value for name, value in wanted.items() if value is not None}
    most = TABLE_LINES if limit is None and form == "table" else limit
    with connect() as client:
        lines = _lines(client, asked, most, platform=platform)
        {"table": _print_table, "jsonl": _print_json, "csv": _print_csv}[form](lines)


def _lines(
    client: Client, wanted: Mapping[str, str], most: int | None, *, platform: bool
) -> Iterator[AuditLine]:
    from client.audit import PAGE_LINES, audit_page  # noqa: PLC0415

    def walk() -> Iterator[AuditLine]:
        cursor = None
        while True:
            size = PAGE_LINES if most is None else min(most, PAGE_LINES)
            page = client.call(audit_page(wanted, cursor, limit=size, platform=platform))
            yield from page.lines
            cursor = page.next
            if cursor is None:
                return

    return walk() if most is None else islice(walk(), most)


def _print_table(lines: Iterable[AuditLine]) -> None:
    print(ROW.format(*HEADS))
    for line in lines:
        status = "?" if line.status is None else str(line.status)
        shown = {**line.things, **({"created": line.created} if line.created else {}), **line.parameters}
        things = " ".join(f"{name}={value}" for name, value in shown.items())
        # What came over the wire must not move a terminal's cursor.
        print(_plain(ROW.format(line.time, status, line.action, line.subject, things).rstrip()))


def _plain(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _print_json(lines: Iterable[AuditLine]) -> None:
    import msgspec  # noqa: PLC0415

    for line in lines:
        print(msgspec.json.encode(line).decode())


def _print_csv(lines: Iterable[AuditLine]) -> None:
    import msgspec  # noqa: PLC0415

    from client.audit import AuditLine as Line  # noqa: PLC0415
    from schemas.audit import csv_line  # noqa: PLC0415

    print(csv_line(Line.__struct_encode_fields__).decode(), end="")
    for line in lines:
        print(csv_line(msgspec.structs.astuple(line)).decode(), end="")
