"""What `serve` and `init` ask of the store and the stream themselves, not of a door."""

from __future__ import annotations

import asyncio

from cli.complaints import Complaint
from runtime import wiring
from runtime.settings import Settings
from schemas.errors import ServiceError


def writers_ready(settings: Settings) -> bool:
    """Tell whether every shard takes records: a writer has proved it on this very stream server."""
    return asyncio.run(_proved(settings))


async def _proved(settings: Settings) -> bool:
    stream = wiring.open_stream(settings)
    try:
        for shard in range(settings.shards):
            state = await stream.read_state(shard)
            if state.proved != state.run_id:
                return False
    except ServiceError:
        return False
    finally:
        await stream.close()
    return True


def initialise(settings: Settings) -> None:
    """Make schema, first tenant and first credentials; harmless where they are there already."""
    from cli.door import make_first  # noqa: PLC0415  # loads the application

    async def make() -> None:
        async with wiring.opened(settings.changed(stream="unix:///nowhere"), writes_series=True) as ports:
            await make_first(settings, ports)

    try:
        asyncio.run(make())
    except ServiceError as error:
        raise Complaint(error.message) from None
    print("the store is ready")
