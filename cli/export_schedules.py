"""Commands under `aspectstore export` about exports that are made regularly (SM-31)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import rich_click as click

from cli.complaints import Complaint
from cli.export_options import FROM, OUTPUT, SELECTION
from cli.placing import placed
from cli.showing import FORMAT, print_list

COLUMNS = ("name", "every", "at", "timezone", "last", "next", "due", "state", "job", "reason")
EVERY = ("1h", "2h", "3h", "4h", "6h", "8h", "12h", "1d", "1w")
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@click.command()
@click.argument("name")
@placed(*SELECTION, FROM)
@click.option("--every", type=click.Choice(EVERY), required=True, help="How often.")
@click.option("--at", metavar="HH:MM", help="A time of day at which one is due; 00:00 by default.")
@click.option("--on", type=click.Choice(DAYS), help="With --every 1w; monday by default.")
@click.option("--zone", metavar="ZONE", help="Whose clocks --at means; as --timezone by default.")
@click.option("--last", metavar="SPAN", help="How far each goes back: 12h, 7d, 4w.")
@click.option("--keep", type=click.IntRange(1), help="How many downloads are kept; 3 by default.")
@click.option("--always", is_flag=True, help="Make one each time, even if nothing has changed.")
@click.option("--paused", is_flag=True, help="Make none until it is stored again without this.")
def schedule(name: str, assets: tuple[str, ...], **options: Any) -> None:
    """Make an export regularly under NAME; one of this name is replaced.

    Exports have what you may read when they are due.
    """
    from cli import export_command  # noqa: PLC0415
    from cli.target import connect  # noqa: PLC0415
    from client.errors import NotFound  # noqa: PLC0415
    from client.export_schedules import get_export_schedule, put_export_schedule  # noqa: PLC0415

    own = ("every", "at", "on", "zone", "last", "keep", "paused")
    words = {name: options.pop(name) for name in own}
    always = options.pop("always")
    choices = export_command.Choices(assets=assets, **options)
    export_command.demand_assets(choices)
    export = {**choices.asked, "name": name, **({"ifChanged": False} if always else {})}
    words["timezone"] = words.pop("zone")
    asked = {"export": export, **{word: value for word, value in words.items() if value}}
    with connect() as client:
        try:
            etag = client.call(get_export_schedule(name)).etag
        except NotFound:
            etag = None
        stored = client.call(put_export_schedule(name, asked, etag))
    print(f"{name}: next {stored.next}" if stored.next else f"{name}: paused")


@click.command()
@FORMAT
def schedules(form: str) -> None:
    """Print the tenant's schedules, when each is due next, and what came of it last."""
    from cli.export_command import schedule_line  # noqa: PLC0415
    from cli.target import connect  # noqa: PLC0415
    from client.export_schedules import list_export_schedules  # noqa: PLC0415

    with connect() as client:
        found = client.call(list_export_schedules())
    print_list(map(schedule_line, found), COLUMNS, form)


@click.command()
@click.argument("name")
def unschedule(name: str) -> None:
    """Make the export NAME no longer; those that were made stay as long as they are kept."""
    from cli.target import connect  # noqa: PLC0415
    from client.export_schedules import delete_export_schedule, get_export_schedule  # noqa: PLC0415

    with connect() as client:
        client.call(delete_export_schedule(name, client.call(get_export_schedule(name)).etag))
    print(f"{name} is made no longer")


@click.command()
@click.argument("name")
@OUTPUT
def fetch(name: str, output: Path | None) -> None:
    """Fetch the last export of the schedule NAME; what is there already is not fetched again."""
    from cli import export_command  # noqa: PLC0415
    from cli.target import connect  # noqa: PLC0415
    from client.export_schedules import get_export_schedule  # noqa: PLC0415

    with connect() as client:
        run = client.call(get_export_schedule(name)).run
    if run is None or not run.job:
        raise Complaint(f"{name} has no export yet" if run is None else f"{name}: {run.reason}")
    export_command.run(export_command.Choices(resume=run.job, output=output))
