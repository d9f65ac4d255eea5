"""`aspectstore export` and `exports`: what they are called with; `cli.export_command` does it."""

from __future__ import annotations

from typing import Any

import rich_click as click

from cli.export_options import FROM, OUTPUT, SELECTION
from cli.export_schedules import fetch, schedule, schedules, unschedule
from cli.placing import placed
from cli.showing import FORMAT, print_list

COLUMNS = ("id", "state", "submitted", "rows", "size", "name", "until", "message")


class _DefaultGroup(click.RichGroup):
    """Takes what is no command of it for what is to be exported."""

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        if not args or args[0] not in {*self.commands, *context.help_option_names}:
            args = ["series", *args]
        return super().parse_args(context, args)


@click.group(cls=_DefaultGroup)
def export() -> None:
    """Export series into files: `aspectstore export --asset ASSET`, once or regularly."""


@export.command()
@placed(*SELECTION, FROM)
@click.option("--to", "end", metavar="TIME", help="End, inclusive, RFC 3339; now by default.")
@click.option("--if-changed", is_flag=True, help="Make nothing where the newest export of the same holds.")
@click.option("--resume", metavar="EXPORT", help="Fetch this export instead of asking for a new one.")
@OUTPUT
def series(assets: tuple[str, ...], **options: Any) -> None:
    """Wait until files are made, fetch them, and check what came; this is what `aspectstore export` does.

    A fetch that was broken off is gone on with where it ended: by the same command with --resume.
    """
    from cli import export_command  # noqa: PLC0415

    export_command.run(export_command.Choices(assets=assets, **options))


export.add_command(schedule)
export.add_command(schedules)
export.add_command(unschedule)
export.add_command(fetch)


@click.command()
@FORMAT
def exports(form: str) -> None:
    """Print the tenant's exports of the last weeks, the newest first."""
    from cli.export_command import line_of  # noqa: PLC0415
    from cli.target import connect  # noqa: PLC0415
    from client.exports import walk_exports  # noqa: PLC0415

    with connect() as client:
        print_list((line_of(each) for each in walk_exports(client)), COLUMNS, form)
