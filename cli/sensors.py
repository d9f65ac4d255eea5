"""`aspectstore sensors`: what variables measure, where and with what, whatever they are called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import rich_click as click

from cli.complaints import Complaint
from cli.showing import FORMAT, print_list

COLUMNS = ("asset", "aspect", "variable", "quantity", "statistic", "unit", "heightM", "orientationDeg")

_WORDS = {"height": "heightM", "height_from": "heightFromM", "height_to": "heightToM"}
_WORDS |= {"orientation": "orientationDeg"}


@click.group()
def sensors() -> None:
    """Metadata of sensors: quantity, statistic, height, orientation and instrument of variables."""


@sensors.command("list")
@click.option("--asset", metavar="ID|NAME", help="Of this asset only.")
@click.option("--aspect", metavar="NAME", help="Of aspects of this name.")
@click.option("--quantity", metavar="WORD", help="wind_speed, air_temperature …")
@click.option("--statistic", metavar="WORD", help="avg, sd, min, max …")
@click.option("--serial", metavar="TEXT", help="Serial number of the instrument.")
@click.option("--height", metavar="M", type=float, help="Exactly so high.")
@click.option("--height-from", metavar="M", type=float, help="So high at least.")
@click.option("--height-to", metavar="M", type=float, help="So high at most.")
@click.option("--orientation", metavar="DEG", type=float, help="Where the boom points.")
@click.option("--at", metavar="TIME", help="Valid at this instant, RFC 3339.")
@FORMAT
def list_(asset: str | None, form: str, **options: Any) -> None:
    """Print the sensors that are meant; what is left out selects all."""
    from cli.import_command import asset_of  # noqa: PLC0415
    from cli.target import connect  # noqa: PLC0415
    from client.sensors import select_sensors  # noqa: PLC0415

    wanted = {_WORDS.get(name, name): str(value) for name, value in options.items() if value is not None}
    with connect() as client:
        if asset is not None:
            wanted["asset"] = asset_of(client, asset)
        found = client.call(select_sensors(wanted))
    print_list(found, COLUMNS, form)


@sensors.command()
@click.argument("document", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--asset", metavar="ID|NAME", required=True, help="The mast.")
@click.option("--aspect", metavar="NAME", required=True, help="Whose variables the columns are.")
@click.option("--zone", metavar="ZONE", default="UTC", show_default=True, help="Of dates without one.")
def load(document: Path, asset: str, aspect: str, zone: str) -> None:
    """Take in the sensors of an aspect from DOCUMENT, of the IEA Wind Task 43 data model.

    They take the place of what was known of the aspect; the same again changes nothing.
    """
    from cli.import_command import asset_of  # noqa: PLC0415
    from cli.target import connect  # noqa: PLC0415
    from client.sensors import load_sensors  # noqa: PLC0415

    octets = document.read_bytes()
    if not octets:
        raise Complaint(f"{document} is empty")
    with connect() as client:
        found = client.call(load_sensors(asset_of(client, asset), aspect, octets, zone))
    mine = [each.variable for each in found if each.aspect == aspect]
    print(f"{document}: {len(mine)} sensors of {len(set(mine))} variables")
