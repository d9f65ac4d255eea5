"""The reference pages of settings, commands and scopes, and the example of variables, from the code itself.

`python -m cli.reference` writes them; a test compares what is committed with what would be written.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import click

from api.identity.roles import ROLES
from api.identity.scopes import ALL_SCOPES
from api.routing import Need, needs
from cli.main import main
from runtime import settings

ROOT = Path(__file__).resolve().parent.parent


def settings_page() -> str:
    """Write the page of settings."""
    lines = [
        "# Settings",
        "",
        "Option > variable > line of `aspectstore.toml` > default.",
        "The file is that of the present folder, or the one that `ASPECTSTORE_CONFIG` names.",
        "A name that nobody knows is an error.",
        "A secret may be given as a file: `ASPECTSTORE_<NAME>_FILE`, or `<name>_file` in `aspectstore.toml`.",
        "",
        "| setting | variable | unit | default | meaning |",
        "|---|---|---|---|---|",
    ]
    for name, unit, default, sentence in settings.describe():
        secret = " **Secret.**" if settings.is_secret(name) else ""
        shown = f"`{default}`" if default else ""
        variable = f"`{settings.PREFIX}{name.upper()}`"
        lines.append(f"| `{name}` | {variable} | {unit} | {shown} | {_cell(sentence)}{secret} |")
    return "\n".join([*lines, "", *_CLIENT_LINES, ""])


_CLIENT_LINES = (
    "## Variables of the commands that talk to a server",
    "",
    "`load`, `read`, `chart`, `status`, `audit`, `tenant`, `user`, `client`, `share` and `token` take these.",
    "Without `ASPECTSTORE_URL` they use the demo in the present folder (`.demo/credentials.json`).",
    "",
    "| variable | meaning |",
    "|---|---|",
    "| `ASPECTSTORE_URL` | Address of the server, such as `http://127.0.0.1:8080`. |",
    "| `ASPECTSTORE_CLIENT` | Client id of a technical user. |",
    "| `ASPECTSTORE_SECRET` | Its secret; or `ASPECTSTORE_SECRET_FILE`, a file that holds it. |",
)


def commands_page() -> str:
    """Write the page of commands."""
    lines = [
        "# The `aspectstore` command",
        "",
        "What a person can mend is one line on the standard error and exit code 2.",
        "Settings that have no option are [variables](settings.md).",
    ]
    for path, command in _commands("aspectstore", main):
        with click.Context(command, info_name=path) as context:
            pieces = " ".join(command.collect_usage_pieces(context))
            lines += ["", f"## `{path}`", "", f"`{path} {pieces}`", "", _prose(command)]
            rows = [
                record
                for parameter in command.params
                if isinstance(parameter, click.Option)
                and (record := parameter.get_help_record(context)) is not None
            ]
        if rows:
            lines += ["", "| option | meaning |", "|---|---|"]
            lines += [f"| `{_cell(option)}` | {_cell(meaning)} |" for option, meaning in rows]
    return "\n".join([*lines, ""])


def scopes_page() -> str:
    """Write the page of routes, scopes and roles."""
    lines = [
        "# Routes, scopes and roles",
        "",
        "A token carries scopes; each route asks for one of them, for any token, or is open.",
        "Without a token that holds a route answers 401, without its scope 403.",
        "The tenant comes from the token only: another tenant's id is answered as an unknown one is.",
        "Tokens of a suspended tenant do not hold: 401 on every route, and it cannot log in.",
        "`OPTIONS` of each path takes any token and tells the methods.",
        "What changes something but stored records has an action: the [audit log](audit.md) calls it so.",
        "",
        "| method | path | scope | action |",
        "|---|---|---|---|",
        *(_route_row(need) for need in needs()),
        "",
        "## Roles",
        "",
        "A role is a name for scopes, chosen when a credential is made.",
        "",
        f"| scope | {' | '.join(ROLES)} |",
        f"|---|{'---|' * len(ROLES)}",
    ]
    for scope in ALL_SCOPES:
        marks = ("yes" if scope in scopes else "" for scopes in ROLES.values())
        lines.append(f"| `{scope}` | {' | '.join(marks)} |")
    return "\n".join([*lines, ""])


def _route_row(need: Need) -> str:
    action = f"`{need.action}`" if need.action else ""
    return f"| {need.method} | `{need.path}` | {_scope_of(need)} | {action} |"


def _scope_of(need: Need) -> str:
    if need.scope is None:
        return "open"
    return f"`{need.scope}`" if need.scope else "any token"


COMMENT_WIDTH = 100


def environment_example() -> str:
    """Write the example of variables for a service manager or a container."""
    lines = [
        "# Settings of Aspectstore as variables; every line shows the default. docs/reference/settings.md"
    ]
    for name, unit, default, sentence in settings.describe():
        of_unit = f" [{unit}]" if unit else ""
        plain = sentence.replace("`", "")
        prose = textwrap.wrap(f"{plain}{of_unit}", COMMENT_WIDTH, initial_indent="# ", subsequent_indent="# ")
        lines += ["", *prose, f"#{settings.PREFIX}{name.upper()}={default}"]
    return "\n".join([*lines, ""])


PAGES = {
    "docs/reference/settings.md": settings_page,
    "docs/reference/cli.md": commands_page,
    "docs/reference/scopes.md": scopes_page,
    "deploy/env.example": environment_example,
}


def _commands(path: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    if not isinstance(command, click.Group):
        yield path, command
        return
    for name in sorted(command.commands):
        yield from _commands(f"{path} {name}", command.commands[name])


def _prose(command: click.Command) -> str:
    """Give the help text, a sentence a line."""
    paragraphs = re.split(r"\n\s*\n", command.help or "")
    return "\n\n".join(re.sub(r"(?<=[.:]) (?=[A-Z`])", "\n", " ".join(one.split())) for one in paragraphs)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def write() -> None:
    """Write every page."""
    for name, page in PAGES.items():
        path = ROOT / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page(), "utf-8")
        print(name)


if __name__ == "__main__":
    write()
