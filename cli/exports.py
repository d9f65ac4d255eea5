"""`aspectstore export` and `exports`: what they are called with; `cli.export_command` does it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import rich_click as click

from cli.showing import FORMAT, print_list

COLUMNS = ("id", "state", "submitted", "rows", "size", "name", "until", "message")
FORMATS = ("csv", "tsv", "parquet", "arrow", "json", "line-protocol", "tinyflux", "tinyflux-compact")


@click.command()
@click.option(
    "--asset", "assets", metavar="ID|NAME", multiple=True, help="Which assets, or a pattern with *."
)
@click.option("--aspect", "aspects", metavar="NAME", multiple=True, help="Which aspects; all by default.")
@click.option("--variable", "variables", metavar="NAME", multiple=True, help="Which variables.")
@click.option("--quantity", metavar="NAME", help="Only what sensors measure of this, such as wind_speed.")
@click.option("--height", type=float, metavar="METRES", help="Only of sensors at this height.")
@click.option("--from", "start", metavar="TIME", help="Start, exclusive, RFC 3339; the beginning by default.")
@click.option("--to", "end", metavar="TIME", help="End, inclusive, RFC 3339; now by default.")
@click.option(
    "--format", "form", type=click.Choice(FORMATS), default="csv", show_default=True, help="Of files."
)
@click.option("--layout", type=click.Choice(["wide", "narrow"]), default="wide", show_default=True,
              help="A column a variable, or a row a reading.")  # fmt: skip
@click.option("--files", type=click.Choice(["series", "asset", "quantity", "one"]), default="series",
              show_default=True, help="What goes into one file.")  # fmt: skip
@click.option("--bare", is_flag=True, help="The one file as it is, without an archive.")
@click.option("--interval", metavar="INTERVAL", help="Aggregates of 10minute, hour, … for readings.")
@click.option("--function", "functions", metavar="NAME", multiple=True,
              help="Of an interval: average, which is the default, minvalue, maxvalue, sd ….")  # fmt: skip
@click.option("--codes", is_flag=True, help="With a column of quality codes beside each variable.")
@click.option("--timezone", metavar="ZONE", help="Of times in csv and tsv: Europe/Berlin; UTC by default.")
@click.option("--time-format", metavar="FORMAT", help="Of times in csv and tsv: iso8601, '%d/%m/%Y %H:%M' ….")
@click.option("--if-changed", is_flag=True, help="Make nothing where the newest export of the same holds.")
@click.option("--resume", metavar="EXPORT", help="Fetch this export instead of asking for a new one.")
@click.option(
    "--output", "-o", type=click.Path(path_type=Path), help="File to write; its own name by default."
)
def export(assets: tuple[str, ...], **options: Any) -> None:
    """Export series into files: waits until they are made, fetches them, and checks what came.

    A fetch that was broken off is gone on with where it ended: by the same command with --resume.
    """
    from cli import export_command  # noqa: PLC0415

    export_command.run(export_command.Choices(assets=assets, **options))


@click.command()
@FORMAT
def exports(form: str) -> None:
    """Print the tenant's exports of the last weeks, the newest first."""
    from cli.export_command import line_of  # noqa: PLC0415
    from cli.target import connect  # noqa: PLC0415
    from client.exports import walk_exports  # noqa: PLC0415

    with connect() as client:
        print_list((line_of(each) for each in walk_exports(client)), COLUMNS, form)
