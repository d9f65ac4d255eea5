"""`aspectstore read`: records of an aspect as a table, CSV or JSON on stdout."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import msgspec

from cli.complaints import Complaint
from cli.model import find_aspect, find_asset
from client import AspectType, Client, Record, Value

TABLE_ROWS = 50
"""Rows of a table when nobody asks for more: about a screen."""

PAGE_ROWS = 2_000
"""The most that the service gives at once."""

EPOCH = "1969-12-31T23:59:59.999Z"
"""Just before the first record that the service takes."""


def to_text(value: Value) -> str:
    """Write a cell as text; an absent one is empty, a truth value as JSON has it."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def print_csv(records: Iterable[Record], names: Sequence[str]) -> int:
    """Print a header and a line a record, as they come; gives their count."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["_time", *names])
    count = 0
    for record in records:
        writer.writerow([to_text(record.get(name)) for name in ("_time", *names)])
        count += 1
    return count


def print_json(records: Iterable[Record]) -> int:
    """Print one JSON array, a record a line, as they come; gives their count."""
    count = 0
    for record in records:
        print("[" if count == 0 else ",", msgspec.json.encode(record).decode(), sep="\n" if count else "")
        count += 1
    print("]" if count else "[]")
    return count


def print_table(records: Iterable[Record], names: Sequence[str], rows_max: int = TABLE_ROWS) -> int:
    """Print at most `rows_max` records in aligned columns, and say if there are more; gives their count."""
    walk = iter(records)
    shown = list(islice(walk, rows_max))
    for line in table_lines(shown, names):
        print(line)
    if next(walk, None) is not None:
        print(f"… and more: --limit, or --format csv for all (shown: {rows_max})", file=sys.stderr)
    return len(shown)


def table_lines(records: Sequence[Record], names: Sequence[str]) -> Iterator[str]:
    """Lay records out in columns: times to the left, everything else to the right."""
    header = ["_time", *names]
    cells = [[to_text(record.get(name)) for name in header] for record in records]
    widths = [max(map(len, column)) for column in zip(header, *cells, strict=True)]
    yield _line(header, widths)
    yield "  ".join("─" * width for width in widths)
    for row in cells:
        yield _line(row, widths)


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    first = row[0].ljust(widths[0])
    return "  ".join([first, *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))])


@dataclass(slots=True, frozen=True)
class Choices:
    """The options of `read`."""

    start: str | None = None
    end: str | None = None
    select: Sequence[str] = ()
    limit: int | None = None
    form: str = "table"


def run(client: Client, asset_text: str, aspect: str, choices: Choices) -> None:
    """Read an aspect and print it; a Complaint for an asset or aspect that is not there."""
    asset = find_asset(client, asset_text)
    if asset is None:
        raise Complaint(f"no asset {asset_text!r}; give --asset with an id or a name that exists")
    names = choices.select or _all_names(find_aspect(client, asset, aspect))
    most = TABLE_ROWS + 1 if choices.limit is None and choices.form == "table" else choices.limit
    walk = client.read_all(
        asset.asset_id,
        aspect,
        start=choices.start or EPOCH,
        end=choices.end,
        select=choices.select,
        limit=PAGE_ROWS if most is None else min(most, PAGE_ROWS),
    )
    records = walk if most is None else islice(walk, most)
    if choices.form == "csv":
        print_csv(records, names)
    elif choices.form == "json":
        print_json(records)
    else:
        print_table(records, names, choices.limit or TABLE_ROWS)


def _all_names(aspect_type: AspectType) -> list[str]:
    """List the variables, each with its quality code behind it where it has one."""
    return [
        name
        for variable in aspect_type.variables
        for name in ((variable.name, f"{variable.name}_qc") if variable.quality_code else (variable.name,))
    ]
