"""Options that commands about exports share: what is exported, from when on, and where it goes."""

from __future__ import annotations

from pathlib import Path

import rich_click as click

FORMATS = ("csv", "tsv", "parquet", "arrow", "json", "line-protocol", "tinyflux", "tinyflux-compact")

SELECTION = (
    click.option(
        "--asset", "assets", metavar="ID|NAME", multiple=True, help="Which assets, or a pattern with *."
    ),
    click.option("--aspect", "aspects", metavar="NAME", multiple=True, help="Which aspects; all by default."),
    click.option("--variable", "variables", metavar="NAME", multiple=True, help="Which variables."),
    click.option("--quantity", metavar="NAME", help="Only what sensors measure of this, such as wind_speed."),
    click.option("--height", type=float, metavar="METRES", help="Only of sensors at this height."),
    click.option(
        "--format", "form", type=click.Choice(FORMATS), default="csv", show_default=True, help="Of files."
    ),
    click.option("--layout", type=click.Choice(["wide", "narrow"]), default="wide", show_default=True,
                 help="A column a variable, or a row a reading."),
    click.option("--files", type=click.Choice(["series", "asset", "quantity", "one"]), default="series",
                 show_default=True, help="What goes into one file."),
    click.option("--bare", is_flag=True, help="The one file as it is, without an archive."),
    click.option("--interval", metavar="INTERVAL", help="Aggregates of 10minute, hour, … for readings."),
    click.option("--function", "functions", metavar="NAME", multiple=True,
                 help="Of an interval: average, which is the default, minvalue, maxvalue, sd …."),
    click.option("--codes", is_flag=True, help="With a column of quality codes beside each variable."),
    click.option(
        "--timezone", metavar="ZONE", help="Of times in csv and tsv: Europe/Berlin; UTC by default."
    ),
    click.option(
        "--time-format", metavar="FORMAT", help="Of times in csv and tsv: iso8601, '%d/%m/%Y %H:%M' …."
    ),
)  # fmt: skip
FROM = click.option(
    "--from", "start", metavar="TIME", help="Start, exclusive, RFC 3339; the beginning by default."
)
OUTPUT = click.option(
    "--output", "-o", type=click.Path(path_type=Path), help="File to write; its own name by default."
)
