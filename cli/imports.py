"""`aspectstore import`, `imports` and `types`: what they are called with; `cli.import_command` does it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import rich_click as click

from cli.complaints import Complaint
from cli.showing import FORMAT, print_list

COLUMNS = ("id", "state", "submitted", "rows", "stored", "duplicates", "refused", "message")

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


class _DefaultGroup(click.RichGroup):
    """Takes what is no command of it for files to import."""

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in {*self.commands, *context.help_option_names}:
            args = ["files", *args]
        return super().parse_args(context, args)


@click.group("import", cls=_DefaultGroup)
def import_() -> None:
    """Import logger files by their type: `aspectstore import FILE… --type TYPE --asset ASSET`."""


@import_.command("files")
@click.argument("files", type=FILE, nargs=-1)
@click.option("--type", "type_", metavar="NAME", required=True, help="File type, or preset.")
@click.option("--asset", metavar="ID|NAME", required=True, help="Whose files they are, and whose rows.")
@click.option("--aspect", metavar="NAME", default="", help="Where the file type leaves it open.")
@click.option(
    "--new-columns",
    type=click.Choice(["refuse", "quarantine", "extend"]),
    help="What becomes of columns that no rule places, if not what the file type says.",
)
@click.option(
    "--create", is_flag=True, help="Make the asset where there is none, with an aspect that the files extend."
)
@click.option("--again", is_flag=True, help="Import them even if the same was imported before.")
@click.option("--replaces", metavar="JOB", default="", help="The import of an earlier version.")
@click.option("--key", metavar="NAME", default="", help="Name of the key of encrypted archives.")
@click.option("--refused", type=click.Path(path_type=Path), help="Write the refused rows here, as CSV.")
@click.option("--watch", type=FOLDER, help="Import what comes into this folder, until interrupted.")
@click.option("--settle", "settle_s", type=click.FloatRange(0.1, 86_400), default=10.0, show_default=True,
              help="Seconds for which a watched file must stay as it is.")  # fmt: skip
@click.option("--once", is_flag=True, help="With --watch: end when all that is there is imported.")
def import_files(
    files: tuple[Path, ...], watch: Path | None, settle_s: float, *, once: bool, **options: Any
) -> None:
    """Import FILES, packed or not, a job each; this is what `aspectstore import FILE…` does.

    Exit code 1 if a job failed; refused rows are told and fail nothing. With --watch each file of a folder is
    imported once nobody writes it any more, and again when it has changed; a bad one is told and left alone.
    What was imported stands in `.aspectstore-imported` there, so that a restart repeats nothing.
    """
    from cli import import_command  # noqa: PLC0415

    choices = import_command.Choices(**options)
    if bool(files) == (watch is not None):
        raise Complaint("give files, or a folder to --watch")
    if watch is None:
        import_command.run(files, choices)
        return
    from cli import watching  # noqa: PLC0415

    watching.run(watch, choices, settle_s, once=once)


@import_.command()
@click.argument("job")
def undo(job: str) -> None:
    """Put every series of an import back as it was before; refused once anything newer lies there."""
    from cli.target import connect  # noqa: PLC0415
    from client.imports import undo_import  # noqa: PLC0415

    with connect() as client:
        client.call(undo_import(job))
    print(f"{job} is being undone")


@import_.command()
@click.argument("job")
@click.option("--type", "type_", metavar="NAME", default="", help="Another file type; the same by default.")
def replay(job: str, type_: str) -> None:
    """Read the rows that an import refused again, after its file type, or the aspect, was mended.

    Rows that are refused once more stand in a new report. Exit code 1 if the job failed.
    """
    from cli import import_command  # noqa: PLC0415

    import_command.replay(job, type_)


@click.command()
@FORMAT
def imports(form: str) -> None:
    """Print the tenant's imports of the last weeks, the newest first."""
    from cli.import_command import line_of  # noqa: PLC0415
    from cli.target import connect  # noqa: PLC0415
    from client.imports import walk_jobs  # noqa: PLC0415

    with connect() as client:
        print_list((line_of(job) for job in walk_jobs(client) if job.kind == "import"), COLUMNS, form)


@click.group()
def types() -> None:
    """File types of logger files: how they are read (docs/reference/file-types.md)."""


@types.command()
@click.argument("declared", type=FILE)
def add(declared: Path) -> None:
    """Store a file type that is DECLARED in TOML or JSON."""
    from cli.import_command import read_declared  # noqa: PLC0415
    from cli.target import connect  # noqa: PLC0415
    from client.imports import create_file_type  # noqa: PLC0415

    with connect() as client:
        client.call(create_file_type(read_declared(declared)))
    print(f"{declared} is stored")


@types.command()
@click.argument("file", type=FILE)
@click.option("--type", "type_", metavar="NAME", default="", help="File type, or preset; or …")
@click.option("--declared", type=FILE, help="… one that is not stored: a file of TOML or JSON.")
def preview(file: Path, type_: str, declared: Path | None) -> None:
    """Say what reading the beginning of FILE gives; nothing is stored. Exit code 1 if it cannot be read."""
    from cli import import_command  # noqa: PLC0415

    import_command.print_preview(file, type_, declared)
