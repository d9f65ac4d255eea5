"""`aspectstore tenant erase` and `proof`: a tenant to its end, and what shows that nothing is left of it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import rich_click as click

from cli.complaints import Complaint
from cli.showing import FORMAT, print_thing

if TYPE_CHECKING:
    from client.erasures import Erasure

PLACE = "{:28} {:>12} {:>12}"


@click.command()
@click.argument("name")
@click.option(
    "--confirm", metavar="NAME", prompt="What is erased does not come back. Write the name once more",
    help="The name once more; asked for if it is not given.",
)  # fmt: skip
@FORMAT
def erase(name: str, confirm: str, form: str) -> None:
    """Erase a suspended tenant with all that it has, for good; `proof` tells how far that is."""
    if confirm != name:
        raise Complaint(f"the name to confirm is {name}, not {confirm}: nothing was erased")
    from cli.target import connect  # noqa: PLC0415
    from client.erasures import erase_tenant  # noqa: PLC0415

    with connect() as client:
        _show(client.call(erase_tenant(name)), form)


@click.command()
@click.argument("name")
@FORMAT
def proof(name: str, form: str) -> None:
    """Print what was there of an erased tenant and what is left, place by place.

    Exit code 1 as long as it is not proved that nothing is; that takes two hours at the least, or as
    `erase_again_s` says.
    """
    from cli.target import connect  # noqa: PLC0415
    from client.erasures import find_erasure  # noqa: PLC0415

    with connect() as client:
        found = client.call(find_erasure(name)).erasures
    if not found:
        raise Complaint(f"nobody has asked for {name} to be erased")
    _show(found[0], form)
    sys.exit(0 if found[0].state == "PROVED" else 1)


def _show(erasure: Erasure, form: str) -> None:
    if form == "json":
        print_thing(erasure, form)
        return
    print(f"{erasure.tenant}: {erasure.state}, {erasure.shards_done} of {erasure.shards} shards")
    print(PLACE.format("place", "before", "left"))
    for place in sorted(erasure.before.keys() | erasure.left.keys()):
        left = erasure.left.get(place, "?")
        print(PLACE.format(place, erasure.before.get(place, 0), left))
    told = {"erased": erasure.erased_at, "proved": erasure.proved_at, "receipt": erasure.receipt}
    for name, text in told.items():
        if text:
            print(f"{name}: {text}")
