"""Secrets that a person gives to a command: from a file, else typed unseen; never as an argument."""

from __future__ import annotations

from pathlib import Path

import rich_click as click

from cli.complaints import Complaint

PASSWORD_FILE = click.option(
    "--password-file",
    type=click.Path(dir_okay=False, path_type=Path, allow_dash=True),
    help="File that holds the password, `-`: standard input.",
)


def secret_in(file: Path) -> str:
    """Read a secret out of a file, without the line's end; a Complaint for one that cannot be read."""
    try:
        with click.open_file(str(file), encoding="utf-8") as text:
            secret = str(text.read()).rstrip("\r\n")
    except (OSError, ValueError) as error:
        raise Complaint(f"{file} cannot be read: {error}") from None
    if not secret:
        raise Complaint(f"{file} holds no secret")
    return secret
