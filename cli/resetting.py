"""`aspectstore client reset` and `user reset`: a new secret for who has lost his own, on the machine itself.

For the platform admin above all, whom nobody else can help. Straight on the store, so no token is needed and
no door; running doors follow within a second. It is a line of the platform's audit log and of the tenant's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import rich_click as click

from cli.complaints import Complaint
from cli.placing import DATA, STORE, placed, settings_of

if TYPE_CHECKING:
    from api.identity.resets import Found, Resets
    from cli.operating import Machine
    from runtime.settings import Settings


def add_reset(group: click.Group, kind: str, label: str) -> None:
    """Add the command to the group of users or technical users."""

    @group.command("reset")
    @click.argument("name", metavar=f"[{label}]", required=False)
    @placed(DATA, STORE)
    @click.option("--resume", "resumed", is_flag=True, help="Let the account in again if it is suspended.")
    def command(name: str | None, *, resumed: bool, **options: Any) -> None:
        _reset(settings_of(options), kind, name, resumed=resumed)

    command.help = (
        f"Print a new secret for the account {label}, once, where its own is lost; the old one, and every "
        f"token that came of it, ends. Without {label}: the platform admin, if there is one only.\n\n"
        "For the operator on the machine: it speaks to the store itself and needs no token."
    )


def _reset(settings: Settings, kind: str, name: str | None, *, resumed: bool) -> None:
    from api.identity.passwords import Passwords  # noqa: PLC0415
    from api.identity.resets import Resets  # noqa: PLC0415
    from cli.operating import noted, on_store  # noqa: PLC0415
    from runtime.ports import DoorPolicy  # noqa: PLC0415

    async def act(machine: Machine) -> None:
        resets = Resets(machine.catalog, Passwords(DoorPolicy().password_memory_kib))
        account = await (_only_admin(resets, kind) if name is None else resets.find(kind, name))
        things = {"tenant": str(account.tenant), kind: account.name}
        async with noted(machine.audit, machine.clock, f"{kind}.reset", things, account.tenant):
            secret = await resets.reset(account, machine.clock.now_ms() // 1_000, resumed=resumed)
            print(f"tenant: {account.tenant}")
            print(f"{'id' if kind == 'client' else 'name'}: {account.name}")
            print(f"{'secret' if kind == 'client' else 'password'}: {secret} (shown once; keep it)")

    on_store(settings, act)


async def _only_admin(resets: Resets, kind: str) -> Found:
    found = await resets.platform_admins(kind)
    if len(found) != 1:
        names = ", ".join(account.name for account in found) or "none"
        raise Complaint(f"say which one: {kind}s that are platform admin: {names}")
    return found[0]
