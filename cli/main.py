"""The `aspectstore` command: what it is called with, and nothing of what it does.

Everything heavy is imported inside the command that needs it, so that `--help` and a wrong option answer
at once. What a person can mend is one line on stderr and exit code 2.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from cli import accounts, tenants, tokens
from cli.agents import agents
from cli.audit import audit
from cli.charting import chart
from cli.complaints import Complaint
from cli.dead_letters import dead_letters
from cli.exports import export, exports
from cli.imports import import_, imports, types
from cli.keys import keys
from cli.placing import DATA, STORE, STREAM, placed, settings_of
from cli.sensors import sensors
from cli.shares import share
from runtime.settings import SettingsError

if TYPE_CHECKING:
    from client import Client

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


class _Group(click.RichGroup):
    """Turns complaints into one line and exit code 2."""

    def invoke(self, context: click.Context) -> Any:
        from client.errors import ClientError  # noqa: PLC0415  # without httpx

        try:
            return super().invoke(context)
        except (Complaint, SettingsError, ClientError) as error:
            print(f"aspectstore: {' '.join(str(error).split())}", file=sys.stderr)
            context.exit(2)
        except BrokenPipeError:  # the reader of our output has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            context.exit(0)


@click.group(cls=_Group, context_settings=CONTEXT)
@click.version_option(package_name="aspectstore")
def main() -> None:
    """An open, self-hosted, multi-tenant time-series service for industrial assets."""


_SERVICE_OPTIONS = (
    DATA,
    click.option(
        "--listen", metavar="HOST:PORT", help="Address of the door; a busy port: the next free one."
    ),
    STORE,
    STREAM,
    click.option("--durability", type=click.Choice(["always", "everysec"]), help="What acknowledged means."),
    click.option(
        "--profile", type=click.Choice(["open", "strict"]), help="Limits of a tenant without own ones."
    ),
)


_DOOR_OPTIONS = (
    click.option("--tls-certificate", metavar="FILE", help="PEM file of the door's certificate: HTTPS."),
    click.option("--tls-key", metavar="FILE", help="PEM file of its key, if that lies apart."),
)


_with_service_options = placed(*_SERVICE_OPTIONS)
_with_door_options = placed(*_SERVICE_OPTIONS, *_DOOR_OPTIONS)


@main.command()
@_with_door_options
def serve(**options: Any) -> None:
    """Run everything in the foreground: stream server, doors, writers, job workers.

    Each option is also a variable, such as ASPECTSTORE_DATA, and a line of aspectstore.toml; there are more
    (docs/reference/settings.md). SIGTERM or Ctrl-C ends it in order.
    """
    from cli import serving  # noqa: PLC0415

    serving.serve(settings_of(options))


@main.command()
@_with_door_options
def door(**options: Any) -> None:
    """Run only doors, on a stream server and a store that run elsewhere."""
    from cli import serving  # noqa: PLC0415

    serving.become("cli.door", settings=settings_of(options))


@main.command()
@click.argument("kind", type=click.Choice(["writer", "jobs"]), default="writer")
@_with_service_options
def worker(kind: str, **options: Any) -> None:
    """Run one writer, or one worker for jobs, on a stream server and a store that run elsewhere."""
    from cli import serving  # noqa: PLC0415

    serving.become("workers.main", kind, settings=settings_of(options))


@main.command()
@_with_service_options
def init(**options: Any) -> None:
    """Make the schema, the first tenant and its technical user; harmless where they are there."""
    from cli import store  # noqa: PLC0415

    store.initialise(settings_of(options))


@main.command()
@placed(DATA, STORE)
def verify(**options: Any) -> None:
    """Read every row of the store and print what is damaged, a line each; exit code 1 if anything is.

    It mends nothing, and a running service goes on beside it. Notes on stderr name blocks that nothing uses.
    """
    from cli import verify as command  # noqa: PLC0415

    sys.exit(0 if command.verify(settings_of(options)) else 1)


@main.command()
def status() -> None:
    """Say how a running service is; exit code 1 if it is not well."""
    from cli import serving  # noqa: PLC0415

    with _client() as client:
        sys.exit(0 if serving.print_status(client) else 1)


def _client() -> Client:
    from cli.target import connect  # noqa: PLC0415

    return connect()


@main.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--asset", required=True, metavar="ID|NAME", help="Asset that the records belong to.")
@click.option("--aspect", required=True, metavar="NAME", help="Aspect of the asset that takes them.")
@click.option(
    "--create", is_flag=True, help="Make the asset and its types where they lack; types by the cells."
)
@click.option(
    "--header-line", default=1, show_default=True, type=click.IntRange(1), help="Line of the names."
)
@click.option(
    "--skip", type=click.IntRange(0), help="Lines before the first row; up to the names by default."
)
@click.option("--time", metavar="COLUMN", help="Column of the times; the first one by default.")
@click.option("--time-format", metavar="FORMAT", help="How times are written, such as %d/%m/%Y %H:%M.")
@click.option("--zone", metavar="ZONE", help="Zone of times that name none, such as UTC or Europe/Berlin.")
@click.option(
    "--repeated",
    type=click.Choice(["refuse", "first", "second"]),
    default="refuse",
    show_default=True,
    help="Which of the two hours is meant when clocks go back.",
)
@click.option(
    "--delimiter", metavar="CHARACTER", help="Between cells; found in the line of names by default."
)
@click.option(
    "--decimal",
    type=click.Choice([".", ","]),
    default=".",
    show_default=True,
    help="Decimal mark of numbers.",
)
@click.option("--encoding", default="utf-8", show_default=True, help="Of the text.")
def load(file: Path, asset: str, aspect: str, **choices: Any) -> None:
    """Load a CSV file (plain, .xz or .gz) into an aspect of an asset.

    The server and credentials come from ASPECTSTORE_URL, ASPECTSTORE_CLIENT and ASPECTSTORE_SECRET,
    else from the demo in this folder.
    """
    from cli import load_command  # noqa: PLC0415

    with _client() as client:
        load_command.run(client, file, asset, aspect, load_command.Choices(**choices))


@main.command()
@click.option("--asset", required=True, metavar="ID|NAME", help="Asset to read.")
@click.option("--aspect", required=True, metavar="NAME", help="Aspect of the asset.")
@click.option("--from", "start", metavar="TIME", help="Start, exclusive, RFC 3339; the beginning by default.")
@click.option("--to", "end", metavar="TIME", help="End, inclusive, RFC 3339; the end by default.")
@click.option("--select", metavar="NAMES", default="", help="Variables, separated by commas; all by default.")
@click.option("--limit", type=click.IntRange(1), help="Most records to print; a table shows 50 by default.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "csv", "json"]),
    default="table",
    show_default=True,
    help="How to print: CSV and JSON print every record as it comes.",
)
def read(asset: str, aspect: str, select: str, **choices: Any) -> None:
    """Read the records of an aspect: a table, CSV or JSON on the standard output."""
    from cli import reading  # noqa: PLC0415

    chosen = tuple(name.strip() for name in select.split(",") if name.strip())
    with _client() as client:
        reading.run(client, asset, aspect, reading.Choices(select=chosen, **choices))


@main.command()
@click.option(
    "--listen", metavar="HOST:PORT", default="127.0.0.1:8080", show_default=True, help="Where to serve."
)
def demo(listen: str) -> None:
    """Start a service with a weather mast in it, made anew in .demo/, and show it.

    It serves until Ctrl-C; DEMO_ONCE=1 ends it after the show.
    """
    from cli import demo as command  # noqa: PLC0415

    command.run(Path.cwd(), once=os.environ.get("DEMO_ONCE", "") not in {"", "0"}, listen=listen)


main.add_command(dead_letters)
main.add_command(import_)
main.add_command(imports)
main.add_command(export)
main.add_command(exports)
main.add_command(types)
main.add_command(sensors)
main.add_command(keys)
main.add_command(audit)
main.add_command(agents)
main.add_command(chart)
main.add_command(tenants.tenant)
main.add_command(accounts.user)
main.add_command(accounts.client)
main.add_command(share)
main.add_command(tokens.token)


if __name__ == "__main__":
    main()
