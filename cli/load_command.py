"""The steps of `aspectstore load`: options to choices, survey, place, load, and what is said of them."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from cli.complaints import Complaint
from cli.file_times import Repeated, parse_zone
from cli.inference import DATA_TYPES
from cli.loading import TimeChoice, load, survey
from cli.model import Column, find_place
from cli.tables import Layout, Table
from client import Client


@dataclass(slots=True, frozen=True)
class Choices:
    """The options of `load` that say how a file is read."""

    create: bool = False
    header_line: int = 1
    skip: int | None = None
    time: str | None = None
    time_format: str | None = None
    zone: str | None = None
    repeated: Repeated = "refuse"
    delimiter: str | None = None
    encoding: str = "utf-8"
    decimal: str = "."


def run(client: Client, file: Path, asset: str, aspect: str, choices: Choices) -> None:
    """Load a file and say on stdout what was stored where."""
    if choices.delimiter is not None and len(choices.delimiter) != 1:
        raise Complaint("--delimiter is one character, such as ; (a tab: --delimiter $'\\t')")
    layout = Layout(choices.header_line, choices.skip, choices.delimiter, choices.encoding, choices.decimal)
    zone = None if choices.zone is None else parse_zone(choices.zone)
    table = Table(file, layout)
    found = survey(table, TimeChoice(choices.time, choices.time_format, zone, choices.repeated))
    columns = [column for index, column in enumerate(found.columns) if index != found.time_index]
    if not columns:
        raise Complaint(f"{file} has no column beside the time; check --delimiter")
    place = find_place(client, asset, aspect, columns, create=choices.create)
    _say_names(columns)
    done = load(client, table, found, place)
    rate = done.values / max(done.seconds, 0.001)
    print(
        f"stored {done.records:,} records, {done.values:,} values"
        f" in {done.seconds:.1f} s ({rate:,.0f} values/s)"
        f" in aspect {aspect!r} of asset {place.asset.name!r} ({place.asset.asset_id})"
    )
    if done.empty:
        print(f"left out {done.empty:,} rows without any value")


def _say_names(columns: list[Column]) -> None:
    for column in columns:
        if column.name != column.title:
            line = f"column {column.title!r} is variable {column.name} ({DATA_TYPES[column.kind]})"
            print(line, file=sys.stderr)
