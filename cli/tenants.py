"""`aspectstore tenant`: the own tenant, and all tenants for whom manages the installation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeVar

import rich_click as click

from cli.complaints import Complaint
from cli.showing import FORMAT, option_of, print_list, print_thing
from cli.tenant_erasing import erase, proof

if TYPE_CHECKING:
    from client.calls import Call

T = TypeVar("T")

COLUMNS = ("name", "companyName", "profile", "retentionDays", "suspended", "created")


@click.group()
def tenant() -> None:
    """Tenants: your own one, and, with the scope aspectstore.platform, all of the installation."""


tenant.add_command(erase)
tenant.add_command(proof)


_SETTINGS = (
    click.option("--company", metavar="TEXT", help="Whose it is."),
    click.option("--display-name", metavar="TEXT", help="How it is shown."),
    click.option("--country", metavar="CODE", help="Two letters, such as DE."),
    click.option("--timezone", metavar="ZONE", help="Of new assets that name none, such as Europe/Berlin."),
    click.option(
        "--retention-days", metavar="DAYS",
        help="How long records live before only their summaries do: 0 for ever, - as the installation says.",
    ),
    click.option("--profile", metavar="NAME", help="Its limits: open, strict, - as the installation says."),
)  # fmt: skip


def _with_settings(command: Any) -> Any:
    for option in reversed(_SETTINGS):
        command = option(command)
    return command


def _given(options: dict[str, str | None]) -> dict[str, Any]:
    """Give the settings that were named, as the service takes them."""
    names = {"company": "companyName", "display_name": "displayName"}
    given: dict[str, Any] = {
        names.get(name, name): text for name, text in options.items() if text is not None
    }
    if "profile" in given:
        given["profile"] = option_of(given["profile"])
    if "retention_days" in given:
        try:
            given["retentionDays"] = option_of(given.pop("retention_days"), int)
        except ValueError:
            raise Complaint("--retention-days is a number of days, or -") from None
    return given


def _do(call: Call[T]) -> T:
    from cli.target import connect  # noqa: PLC0415

    with connect() as connected:
        return connected.call(call)


@tenant.command("list")
@FORMAT
def list_tenants(form: str) -> None:
    """Print all tenants of the installation."""
    from cli.target import connect  # noqa: PLC0415
    from client.accounts import walk_tenants  # noqa: PLC0415

    with connect() as connected:
        print_list(walk_tenants(connected), COLUMNS, form)


@tenant.command()
@click.argument("name", required=False)
@FORMAT
def show(name: str | None, form: str) -> None:
    """Print the settings of a tenant; without NAME of your own one."""
    from client.accounts import get_tenant  # noqa: PLC0415

    print_thing(_do(get_tenant(name)), form)


@tenant.command()
@click.argument("name")
@_with_settings
@FORMAT
def create(name: str, form: str, **options: str | None) -> None:
    """Make a tenant, and print the technical user who may do everything in it, with its secret, once."""
    from client.accounts import create_tenant  # noqa: PLC0415

    made = _do(create_tenant({"name": name, **_given(options)}))
    if form == "json":
        print_thing(made, form)
        return
    print_thing(made.tenant, form)
    print(f"admin: {made.admin.id}")
    print(f"secret: {made.admin.secret} (shown once; keep it)")


@tenant.command("set")
@click.argument("name", required=False)
@_with_settings
@FORMAT
def set_(name: str | None, form: str, **options: str | None) -> None:
    """Change settings of a tenant; without NAME of your own one.

    A shorter retention takes records for good; a profile is the platform's to give.
    """
    from client.accounts import change_tenant  # noqa: PLC0415

    given = _given(options)
    if not given:
        raise Complaint("give what is to change, such as --company")
    if name is None and "profile" in given:
        raise Complaint("limits are the platform's to give: --profile needs the NAME of a tenant")
    print_thing(_do(change_tenant(name, given)), form)


@tenant.command()
@click.argument("name")
@FORMAT
def suspend(name: str, form: str) -> None:
    """Shut a tenant out: nobody of it logs in, and no token of it holds; its data stays."""
    _act(name, "suspend", form)


@tenant.command()
@click.argument("name")
@FORMAT
def resume(name: str, form: str) -> None:
    """Let a suspended tenant in again."""
    _act(name, "resume", form)


@tenant.command()
@click.argument("name")
@FORMAT
def admin(name: str, form: str) -> None:
    """Make one more administrator of a tenant, where all others are lost; prints its secret, once."""
    from client.accounts import add_tenant_admin  # noqa: PLC0415

    print_thing(_do(add_tenant_admin(name)), form)


def _act(name: str, act: Literal["suspend", "resume"], form: str) -> None:
    from client.accounts import act_on_tenant  # noqa: PLC0415

    print_thing(_do(act_on_tenant(name, act)), form)
