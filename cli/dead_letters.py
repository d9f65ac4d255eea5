"""`aspectstore dead-letters`: what it is called with; `cli.letters` does it."""

from __future__ import annotations

from typing import Any

import rich_click as click

from cli.complaints import Complaint
from cli.placing import DATA, STORE, STREAM, placed, settings_of


@click.group("dead-letters")
def dead_letters() -> None:
    """Entries that were acknowledged and could not be applied: list, replay, discard.

    For the operator on the machine: it speaks to the stream server and sees every tenant's.
    """


_placed = placed(DATA, STREAM)
_noted = placed(DATA, STORE, STREAM)
"""The store has the audit log."""


@dead_letters.command("list")
@_placed
@click.option("--tenant", metavar="NAME", help="Only this tenant's; `-`: those of which nobody knows.")
def list_letters(tenant: str | None, **options: Any) -> None:
    """Print place, time of acknowledgement, tenant, asset, size and reason of each."""
    from cli import letters  # noqa: PLC0415

    letters.print_letters(settings_of(options), tenant)


@dead_letters.command()
@_noted
@click.option("--tenant", metavar="NAME", help="Only this tenant's.")
@click.option("--shard", type=click.IntRange(0), help="Only those of one shard.")
@click.argument("positions", type=click.IntRange(1), nargs=-1)
def replay(tenant: str | None, shard: int | None, positions: tuple[int, ...], **options: Any) -> None:
    """Append them anew, after everything that came since: all, or POSITIONS of a shard."""
    if positions and shard is None:
        raise Complaint("positions count within a shard: give --shard, too")
    from cli import letters  # noqa: PLC0415
    from schemas.jobs import ReplayDeadLetters  # noqa: PLC0415

    letters.replay(settings_of(options), ReplayDeadLetters(shard, positions, tenant))


@dead_letters.command()
@_noted
@click.argument("shard", type=click.IntRange(0))
@click.argument("positions", type=click.IntRange(1), nargs=-1, required=True)
def discard(shard: int, positions: tuple[int, ...], **options: Any) -> None:
    """Give POSITIONS of a SHARD up for good; their receipts say so."""
    from cli import letters  # noqa: PLC0415

    letters.discard(settings_of(options), shard, positions)
