"""`aspectstore chart`: one variable of an aspect as a line in the terminal."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

import rich_click as click

if TYPE_CHECKING:
    from collections.abc import Sequence

    from client import Record

VALUES_MAX: Final = 100_000
"""Of a chart, which shows some 128 side by side: so many are read within seconds."""


@click.command()
@click.option("--asset", required=True, metavar="ID|NAME", help="Asset to read.")
@click.option("--aspect", required=True, metavar="NAME", help="Aspect of the asset.")
@click.option("--variable", required=True, metavar="NAME", help="Variable to draw: numbers or truth values.")
@click.option("--from", "start", metavar="TIME", help="Start, exclusive, RFC 3339; the beginning by default.")
@click.option("--to", "end", metavar="TIME", help="End, inclusive, RFC 3339; the end by default.")
def chart(*, asset: str, aspect: str, variable: str, start: str | None, end: str | None) -> None:
    """Draw a variable as a line: value beside value in the order of their times, the first 100,000."""
    from cli.complaints import Complaint  # noqa: PLC0415
    from cli.model import find_asset  # noqa: PLC0415
    from cli.reading import EPOCH, PAGE_ROWS  # noqa: PLC0415
    from cli.target import connect  # noqa: PLC0415

    with connect() as client:
        found = find_asset(client, asset)
        if found is None:
            raise Complaint(f"no asset {asset!r}; give --asset with an id or a name that exists")
        walk = client.read_all(
            found.asset_id, aspect, start=start or EPOCH, end=end, select=[variable], limit=PAGE_ROWS
        )
        records = [record for record in islice(walk, VALUES_MAX) if record.get(variable) is not None]
    for line in lines(records, variable):
        print(line)


def lines(records: Sequence[Record], variable: str) -> list[str]:
    """Lay out a chart with its first and last time; a Complaint where there is nothing to draw."""
    from cli.complaints import Complaint  # noqa: PLC0415
    from cli.plot import plot  # noqa: PLC0415

    values = [record[variable] for record in records]
    numbers = [float(value) for value in values if isinstance(value, int | float)]
    if len(numbers) < len(values):
        raise Complaint(f"{variable} has no numbers; `aspectstore read` shows what it has")
    if len(numbers) < 2:
        raise Complaint(f"{len(numbers)} values of {variable} there; a line needs two")
    first, last = (str(records[place]["_time"]) for place in (0, -1))
    return [*plot(numbers), f"{len(numbers)} values of {variable}, {first} to {last}"]
