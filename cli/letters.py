"""What `aspectstore dead-letters` does: straight on the stream server, so no door is needed.

It sees the letters of every tenant, also those of which nobody can tell whose they are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

from cli.complaints import Complaint
from cli.operating import Machine, noted, on_store
from runtime import logs, wiring
from runtime.places import stream_of
from runtime.settings import Settings
from schemas.errors import ServiceError
from schemas.jobs import ReplayDeadLetters
from schemas.times import format_time
from streams.letters import series_of_letter
from streams.port import Letterhead, RecordStream, Settled
from workers.jobs import replay_dead_letters

Answer = TypeVar("Answer")

LINE = "{:>5} {:>16} {:24} {:8} {:32} {:>9} {}"
HEADS = ("shard", "position", "acknowledged", "tenant", "asset", "bytes", "reason")
NOBODY = "-"
"""Stands for the tenant of a letter whose header cannot be read."""


def print_letters(settings: Settings, tenant: str | None) -> None:
    """Print every dead letter, or those of one tenant."""

    async def read(stream: RecordStream) -> list[Letterhead]:
        return [head for shard in range(settings.shards) for head in await stream.dead_letters(shard)]

    rows = [_row(head, settings.shards) for head in _run(settings, read)]
    shown = [row for row in rows if tenant in {None, row[3]}]
    if not shown:
        print("no dead letters")
        return
    for row in (HEADS, *shown):
        print(LINE.format(*row))


def _row(head: Letterhead, shards: int) -> tuple[object, ...]:
    series = series_of_letter(head, shards)
    tenant, asset = (NOBODY, NOBODY) if series is None else (series.tenant, series.asset)
    time = format_time(head.position // 1_000)
    return head.shard, head.position, time, tenant, asset, head.bytes_count, head.reason


def replay(settings: Settings, told: ReplayDeadLetters) -> None:
    """Append dead letters anew and print how many; a line of the audit log tells of it."""
    logs.configure("warning", hidden=settings.secrets)
    which = {"shard": told.shard, "positions": told.positions}
    things = {name: _words(value) for name, value in which.items() if value not in {None, ()}}

    async def act(stream: RecordStream) -> dict[str, int]:
        return await replay_dead_letters(stream, told, settings.shards)

    done = _noted(settings, "dead_letter.replay", things, told.tenant, act)
    print(f"{done['replayed']} replayed, {done['kept']} kept")


def discard(settings: Settings, shard: int, positions: Sequence[int]) -> None:
    """Give dead letters up and print how many; a Complaint names those that are not there.

    A line of the audit log tells of it.
    """

    async def act(stream: RecordStream) -> list[int]:
        return [position for position in positions if not await stream.settle(shard, position, Settled())]

    things = {"shard": str(shard), "positions": _words(positions)}
    missing = _noted(settings, "dead_letter.discard", things, None, act)
    print(f"{len(positions) - len(missing)} discarded")
    if missing:
        raise Complaint(f"shard {shard} has no dead letter at {', '.join(map(str, missing))}")


def _words(value: int | Sequence[int] | None) -> str:
    return " ".join(map(str, value)) if isinstance(value, Sequence) else str(value)


def _noted(
    settings: Settings,
    action: str,
    things: Mapping[str, str],
    tenant: str | None,
    act: Callable[[RecordStream], Awaitable[Answer]],
) -> Answer:
    """Do something with the stream that the audit log tells of."""

    async def acted(machine: Machine) -> Answer:
        async with noted(machine.audit, machine.clock, action, things, tenant):
            return await _with_stream(settings, act)

    return on_store(settings, acted)


def _run(settings: Settings, act: Callable[[RecordStream], Awaitable[Answer]]) -> Answer:
    """Do something with the stream that leaves it as it is."""
    return asyncio.run(_with_stream(settings, act))


async def _with_stream(settings: Settings, act: Callable[[RecordStream], Awaitable[Answer]]) -> Answer:
    """Open the stream for an act: the named one, or the private one of a service on the data folder."""
    if settings.stream == "embedded":
        address = stream_of(settings.folder)
        if address is None:
            raise Complaint(f"no service has run on {settings.folder}; give --data or --stream")
        settings = settings.changed(stream=address)
    stream = wiring.open_stream(settings)
    try:
        return await act(stream)
    except ServiceError as error:
        raise Complaint(f"{error.message}; does the service run?") from None
    finally:
        await stream.close()
