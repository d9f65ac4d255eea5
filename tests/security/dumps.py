"""All that a tenant has, as it lies in catalogue, stream and store: equal dumps, equal bytes."""

from __future__ import annotations

from typing import Any

from schemas.ids import SeriesId
from storage.event_port import EventSpan
from streams.letters import series_of_letter
from tests.security.estate import Estate
from tests.workers.world import SHARDS

KINDS = (
    "asset", "aspecttype", "assettype", "eventtype", "client", "user", "token", "apikey",
    "retention", "logo", "legal", "share", "subtenant", "subscription", "modelfile", "agent",
    "registration", "quarantined", "diagnostic", "timebasestream", "exportschedule",
)  # fmt: skip
OF_ASSETS = ("file", "upload")
"""Kinds of which each asset has its own."""

EVENTS_MAX = 1_000
"""More than any test makes."""


async def dump(estate: Estate, tenant: str) -> dict[str, Any]:
    """Read documents with their versions, names, records, dead letters and the job of a tenant."""
    things = estate.things[tenant]
    catalog, stream = estate.catalog, estate.world.stream
    found: dict[str, Any] = {"tenant": await catalog.get("core", "tenant", tenant)}
    for kind in (*KINDS, *(f"{kind}:{things['asset']}" for kind in OF_ASSETS)):
        found[kind] = await catalog.list(tenant, kind)
    for kind in ("client", "user"):
        found[f"{kind}'s owner"] = await catalog.owner_of(kind, things[kind])
    found["records"] = repr(await estate.world.read(series_of(estate, tenant))).encode()
    found["letters"] = [
        (head, (await stream.find_letter(shard, head.position)))
        for shard in range(SHARDS)
        for head in await stream.dead_letters(shard)
        if (series := series_of_letter(head, SHARDS)) is not None and series.tenant == tenant
    ]
    ports = estate.door.services.ports
    found["job"] = await ports.jobs.status(things["job"])
    found["events"] = await ports.events.read(EventSpan(tenant, None, 0, 2**53), EVENTS_MAX)
    found["earlier"] = [await ports.events.read_versions(row) for row in found["events"]]
    return found


def series_of(estate: Estate, tenant: str) -> SeriesId:
    """Give the series of the tenant's asset."""
    things = estate.things[tenant]
    return SeriesId(tenant, things["asset"], things["aspect_id"])
