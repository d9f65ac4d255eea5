"""`aspectstore user` and `aspectstore client`: users and technical users of the caller's tenant."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import rich_click as click

from api.identity.roles import ROLES
from cli.complaints import Complaint
from cli.resetting import add_reset
from cli.secret_files import PASSWORD_FILE, secret_in
from cli.showing import FORMAT, print_list, print_thing

if TYPE_CHECKING:
    from client.accounts import Kind
    from client.calls import Call

T = TypeVar("T")

ROLE_WORDS = {role.replace(" ", "-"): role for role in ROLES}
"""Roles as a shell takes them without quotes."""


@click.group()
def user() -> None:
    """Users of your tenant: people and devices with a name and a password.

    You need the scope aspectstore.accounts.w, and give no account more than you may do yourself.
    """


@click.group()
def client() -> None:
    """Technical users of your tenant: programs with an id and a secret.

    You need the scope aspectstore.accounts.w, and give no account more than you may do yourself.
    """


_MAY = (
    click.option("--role", type=click.Choice(list(ROLE_WORDS)), help="What it may do: a role …"),
    click.option("--scope", "scopes", multiple=True, metavar="SCOPE", help="… or single scopes."),
    click.option("--description", metavar="TEXT", help="What it is for."),
)


def _with_rights(command: Any) -> Any:
    for option in reversed(_MAY):
        command = option(command)
    return command


def _given(role: str | None, scopes: tuple[str, ...], description: str | None) -> dict[str, Any]:
    found: dict[str, Any] = {} if role is None else {"role": ROLE_WORDS[role]}
    found |= {"scopes": list(scopes)} if scopes else {}
    return found if description is None else {**found, "description": description}


def _do(call: Call[T]) -> T:
    from cli.target import connect  # noqa: PLC0415

    with connect() as connected:
        return connected.call(call)


# What both have.


def _add_common(group: click.Group, kind: Kind, noun: str, label: str) -> None:
    """Add the commands that users and technical users share."""
    columns = (label, "role", "suspended", "created", "description")

    @group.command("list", help=f"Print the {noun}s of the tenant.")
    @FORMAT
    def list_all(form: str) -> None:
        from cli.target import connect  # noqa: PLC0415
        from client.accounts import walk_accounts  # noqa: PLC0415

        with connect() as connected:
            print_list(walk_accounts(connected, kind), columns, form)

    @group.command(help=f"Print one {noun} and what it may do.")
    @click.argument("name")
    @FORMAT
    def show(name: str, form: str) -> None:
        from client.accounts import get_account  # noqa: PLC0415

        print_thing(_do(get_account(kind, name)), form)

    @group.command("set", help=f"Change what a {noun} may do, which holds at once, or what is said of it.")
    @click.argument("name")
    @_with_rights
    @FORMAT
    def set_(
        name: str, role: str | None, scopes: tuple[str, ...], description: str | None, form: str
    ) -> None:
        from client.accounts import change_account  # noqa: PLC0415

        given = _given(role, scopes, description)
        if not given:
            raise Complaint("give what is to change: --role, --scope or --description")
        print_thing(_do(change_account(kind, name, given)), form)

    _add_act(group, kind, "suspend", f"Shut a {noun} out, at once and with every token that it has.")
    _add_act(group, kind, "resume", f"Let a suspended {noun} in again.")

    @group.command(help=f"Delete a {noun} with every token that it has.")
    @click.argument("name")
    @click.confirmation_option(prompt="Delete it for good?", help="Do not ask.")
    def delete(name: str) -> None:
        from client.accounts import delete_account  # noqa: PLC0415

        _do(delete_account(kind, name))
        print(f"{name} is deleted")


def _add_act(group: click.Group, kind: Kind, act: Any, words: str) -> None:
    @group.command(act, help=words)
    @click.argument("name")
    @FORMAT
    def do_it(name: str, form: str) -> None:
        from client.accounts import act_on_account  # noqa: PLC0415

        print_thing(_do(act_on_account(kind, name, act)), form)


_add_common(user, "users", "user", "name")
_add_common(client, "clients", "technical user", "id")
add_reset(user, "user", "NAME")
add_reset(client, "client", "ID")


# What each has of its own.


@user.command("create")
@click.argument("name", required=False)
@_with_rights
@PASSWORD_FILE
@FORMAT
def create_user(
    *,
    name: str | None,
    role: str | None,
    scopes: tuple[str, ...],
    description: str | None,
    password_file: Path | None,
    form: str,
) -> None:
    """Make a user; without NAME, or without a password, one is made up and printed, once."""
    from client.accounts import create_account  # noqa: PLC0415

    given = _given(role, scopes, description) | ({} if name is None else {"name": name})
    if password_file is not None:
        given["password"] = secret_in(password_file)
    print_thing(_do(create_account("users", given)), form)


@user.command("rotate")
@click.argument("name")
@PASSWORD_FILE
@FORMAT
def rotate_user(name: str, password_file: Path | None, form: str) -> None:
    """Give a user a new password; without one it is made up and printed, once. Refresh tokens end."""
    from client.accounts import rotate_account  # noqa: PLC0415

    given = {} if password_file is None else {"password": secret_in(password_file)}
    print_thing(_do(rotate_account("users", name, given)), form)


@client.command("create")
@click.argument("id", required=False)
@_with_rights
@click.option("--grant", "grants", multiple=True, metavar="GRANT", help="How it gets tokens.")
@click.option("--redirect-uri", "redirects", multiple=True, metavar="URL", help="Where the login page leads.")
@click.option("--public", is_flag=True, help="A program that cannot keep a secret: its users log in.")
@FORMAT
def create_client(
    *,
    id: str | None,  # noqa: A002 - its name on the command line
    role: str | None,
    scopes: tuple[str, ...],
    description: str | None,
    grants: tuple[str, ...],
    redirects: tuple[str, ...],
    public: bool,
    form: str,
) -> None:
    """Make a technical user and print its secret, once; without ID one is made up."""
    from client.accounts import create_account  # noqa: PLC0415

    given = _given(role, scopes, description) | ({} if id is None else {"id": id})
    given |= {"grants": list(grants)} if grants else {}
    given |= {"redirectUris": list(redirects), "public": public}
    print_thing(_do(create_account("clients", given)), form)


@client.command("rotate")
@click.argument("id")
@click.option(
    "--grace", type=click.IntRange(0), default=0, show_default=True, metavar="SECONDS",
    help="How long the old secret stays good, too.",
)  # fmt: skip
@FORMAT
def rotate_client(id: str, grace: int, form: str) -> None:  # noqa: A002 - its name on the command line
    """Give a technical user a new secret and print it, once."""
    from client.accounts import rotate_account  # noqa: PLC0415

    print_thing(_do(rotate_account("clients", id, {"graceSeconds": grace})), form)
