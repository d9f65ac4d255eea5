"""`aspectstore keys`: what it is called with, and what it does with the keys that sign tokens.

Straight on the catalogue, so no door is needed; running doors follow within a second. Each change is a line
of the platform's audit log.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import rich_click as click

from cli.complaints import Complaint
from cli.placing import DATA, STORE, placed, settings_of

if TYPE_CHECKING:
    from api.identity.keys import KeyRing
    from cli.operating import Machine
    from runtime.settings import Settings

OVERLAP_S = 300
OVERLAP_S_MAX = 7 * 86_400
LINE = "{:>6} {:43} {:24} {:24} {}"


@click.group("keys")
def keys() -> None:
    """The keys that sign tokens: list, rotate, remove.

    For the operator on the machine: it speaks to the store itself.
    """


_placed = placed(DATA, STORE)


@keys.command("list")
@_placed
def list_keys(**options: Any) -> None:
    """Print number, id, creation, time from which it signs, and state of each key, as doors publish them."""

    async def act(machine: Machine, ring: KeyRing) -> None:
        _print(ring, machine.clock.now_ms())

    _run(settings_of(options), act)


@keys.command()
@_placed
@click.option(
    "--overlap",
    type=click.IntRange(0, OVERLAP_S_MAX),
    default=OVERLAP_S,
    show_default=True,
    metavar="SECONDS",
    help="How long the new key is published before it signs; 0: a token may meet a door that lacks it yet.",
)
def rotate(overlap: int, **options: Any) -> None:
    """Publish a new key that signs all tokens once the overlap is over.

    Nobody is logged out: tokens that older keys signed hold until they end by themselves.
    """
    from cli.operating import noted  # noqa: PLC0415
    from runtime.ports import DoorPolicy  # noqa: PLC0415

    async def act(machine: Machine, ring: KeyRing) -> None:
        now_ms = machine.clock.now_ms()
        async with noted(machine.audit, machine.clock, "key.rotate", {}) as line:
            key = await ring.rotate(now_ms, DoorPolicy().signing_key_bits, overlap)
            line.created = str(key.number)
        _print(ring, now_ms)

    _run(settings_of(options), act)


@keys.command()
@_placed
@click.argument("number", type=click.IntRange(1))
def remove(number: int, **options: Any) -> None:
    """Take the key of this NUMBER away at once, as it was stolen: every token that it signed is refused.

    The key that signs cannot be taken away; rotate with `--overlap 0` first.
    """
    from cli.operating import noted  # noqa: PLC0415

    async def act(machine: Machine, ring: KeyRing) -> None:
        now_ms = machine.clock.now_ms()
        async with noted(machine.audit, machine.clock, "key.remove", {"key": str(number)}):
            await ring.remove(number, now_ms)
        _print(ring, now_ms)

    _run(settings_of(options), act)


def _print(ring: KeyRing, now_ms: int) -> None:
    from schemas.times import format_time  # noqa: PLC0415

    print(LINE.format("number", "key", "created", "signs from", "state"))
    for place, key in enumerate(ring.published(now_ms)):
        waits = "waits to sign" if key.signs_from_ms > now_ms else "verifies"
        times = format_time(key.created_ms), format_time(max(key.created_ms, key.signs_from_ms))
        print(LINE.format(key.number, key.kid, *times, waits if place else "signs"))


def _run(settings: Settings, act: Callable[[Machine, KeyRing], Awaitable[None]]) -> None:
    from api.identity.keys import KeyRing  # noqa: PLC0415
    from cli.operating import on_store  # noqa: PLC0415

    async def acted(machine: Machine) -> None:
        ring = KeyRing(machine.catalog)
        await ring.reload()
        if not ring.published(machine.clock.now_ms()):
            raise Complaint("there are no keys yet: the first door makes one when it starts")
        await act(machine, ring)

    on_store(settings, acted)
