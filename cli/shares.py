"""`aspectstore share`: what the own tenant lets others do with its assets, and what others let it do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import rich_click as click

from cli.accounts import ROLE_WORDS
from cli.complaints import Complaint
from cli.showing import FORMAT, print_list, print_thing

if TYPE_CHECKING:
    from client import Client

ACTIONS = (
    "records.read",
    "records.write",
    "aggregates.read",
    "asset.read",
    "files.read",
    "events.read",
)
COLUMNS = ("id", "giver", "receiver", "assets", "actions", "aspects", "from", "to", "expires", "ended")


@click.group()
def share() -> None:
    """Shares: what your tenant lets others do with its assets, and what others let it do.

    You need the scope aspectstore.sharing.w to give and take back, aspectstore.sharing.r to look.
    """


_RECEIVER = (
    click.option("--tenant", metavar="NAME", help="Who receives it: this tenant; your own one by default."),
    click.option("--subtenant", metavar="ID", help="Of that tenant one subtenant …"),
    click.option("--user", metavar="NAME", help="… or one user or technical user …"),
    click.option("--role", type=click.Choice(list(ROLE_WORDS)), help="… or whoever has a role."),
)


def _with_receiver(command: Any) -> Any:
    for option in reversed(_RECEIVER):
        command = option(command)
    return command


@share.command("add")
@click.option(
    "--asset", "assets", multiple=True, required=True, metavar="ID|NAME", help="What is shared; repeatable."
)
@click.option("--subtree", is_flag=True, help="And everything below these assets, now and later.")
@_with_receiver
@click.option(
    "--action",
    "actions",
    multiple=True,
    required=True,
    type=click.Choice(ACTIONS),
    help="What the receiver may do; repeatable.",
)
@click.option(
    "--aspect", "aspects", multiple=True, metavar="NAME", help="Only these aspects; all by default."
)
@click.option(
    "--from", "start", metavar="TIME", help="Start of the times that are shared, exclusive, RFC 3339."
)
@click.option("--to", "end", metavar="TIME", help="Their end, inclusive; both fall on a quarter of an hour.")
@click.option("--expires", metavar="TIME", help="When the share ends, RFC 3339; it lasts by default.")
@click.option("--note", metavar="TEXT", default="", help="For people of both sides.")
@FORMAT
def add(
    *, assets: tuple[str, ...], actions: tuple[str, ...], form: str, aspects: tuple[str, ...], **given: Any
) -> None:  # fmt: skip
    """Give a share, which holds at once."""
    from cli.target import connect  # noqa: PLC0415
    from client.shares import add_share  # noqa: PLC0415

    receiver = {part: given.pop(part) for part in ("tenant", "subtenant", "user", "role")}
    if receiver["role"] is not None:
        receiver["role"] = ROLE_WORDS[receiver["role"]]
    names = {"start": "from", "end": "to"}
    wanted = {names.get(name, name): value for name, value in given.items() if value is not None}
    wanted |= {"aspects": list(aspects)} if aspects else {}
    wanted |= {
        "receiver": {part: name for part, name in receiver.items() if name is not None},
        "actions": list(actions),
    }
    with connect() as client:
        ids = [_asset_id(client, text) for text in assets]
        print_thing(client.call(add_share({**wanted, "assets": ids})), form)


@share.command("list")
@click.option(
    "--received", is_flag=True, help="What others have given, instead of what your tenant has given."
)
@FORMAT
def list_shares(*, received: bool, form: str) -> None:
    """Print the shares that your tenant has given; ended ones are among them."""
    from cli.target import connect  # noqa: PLC0415
    from client.shares import walk_shares  # noqa: PLC0415

    with connect() as client:
        print_list(walk_shares(client, "received" if received else "given"), COLUMNS, form)


@share.command()
@click.argument("id")
@FORMAT
def show(id: str, form: str) -> None:  # noqa: A002 - its name on the command line
    """Print one share that your tenant has given or received."""
    from cli.target import connect  # noqa: PLC0415
    from client.shares import get_share  # noqa: PLC0415

    with connect() as client:
        print_thing(client.call(get_share(id)), form)


@share.command()
@click.argument("id")
def remove(id: str) -> None:  # noqa: A002 - its name on the command line
    """Take a share back, at once; only its giver may."""
    from cli.target import connect  # noqa: PLC0415
    from client.shares import remove_share  # noqa: PLC0415

    with connect() as client:
        client.call(remove_share(id))
    print(f"{id} is taken back")


def _asset_id(client: Client, text: str) -> str:
    from cli.model import find_asset  # noqa: PLC0415

    asset = find_asset(client, text)
    if asset is None:
        raise Complaint(f"there is no asset {text}")
    return asset.asset_id
