"""`aspectstore token`: get an access token for another program, or look at one."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

import rich_click as click

from cli.complaints import Complaint
from cli.secret_files import PASSWORD_FILE, secret_in
from cli.showing import FORMAT, print_thing


@click.group()
def token() -> None:
    """Access tokens: get one for another program, or look at one."""


@token.command("get")
@click.option("--user", metavar="NAME", help="Log this user in, through the technical user of the command.")
@PASSWORD_FILE
@click.option("--scope", "scopes", multiple=True, metavar="SCOPE", help="No more than these scopes.")
@click.option("--export", is_flag=True, help="Print a line for the shell that sets TOKEN.")
def get_token(user: str | None, password_file: Path | None, scopes: tuple[str, ...], *, export: bool) -> None:
    """Print an access token of the technical user of ASPECTSTORE_CLIENT, or of a user.

    The password is typed unseen where no file holds it. curl takes it as
    -H "Authorization: Bearer $(aspectstore token get)".
    """
    from cli.target import connect, find_target  # noqa: PLC0415
    from client.calls import fetch_token  # noqa: PLC0415

    target = find_target(os.environ, Path.cwd())
    form = {"scope": " ".join(scopes)} if scopes else {}
    if user is not None:
        form |= {"grant_type": "password", "username": user, "password": _password(user, password_file)}
    with connect() as client:
        granted = client.call(fetch_token(target.client, target.secret, **form))
    print(f"export TOKEN={shlex.quote(granted.access_token)}" if export else granted.access_token)
    print(f"it ends in {granted.expires_in:.0f} seconds", file=sys.stderr)


@token.command("check")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path, allow_dash=True), default="-")
@FORMAT
def check_token(file: Path, form: str) -> None:
    """Print what a token of your tenant says, if it holds: from a FILE, or from the standard input."""
    from cli.target import connect  # noqa: PLC0415
    from client.accounts import check_token as check  # noqa: PLC0415
    from client.errors import Forbidden  # noqa: PLC0415

    with connect() as client:
        try:
            claims = client.call(check(secret_in(file)))
        except Forbidden as error:
            raise Complaint(f"the token does not hold, or is another tenant's: {error.message}") from None
    print_thing(claims, form)


def _password(user: str, file: Path | None) -> str:
    if file is not None:
        return secret_in(file)
    password: str = click.prompt(f"Password of {user}", hide_input=True, err=True)
    return password
