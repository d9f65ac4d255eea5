"""The proof that nothing of a tenant is left: every port asked what it still has (design 4.16).

Shares no code with what erases: each adapter counts by looking at all that its server, file or folder has
(`count_left`), not by the lists that erasing goes by.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from runtime.ports import Ports
from schemas.ids import CORE


async def prove(ports: Ports, tenant: str) -> dict[str, int]:
    """Count what is left of a tenant, by place, such as `series.deltas` and `catalogue.names`.

    Takes as long as everything is large, and changes nothing. Proved is what is 0 in every place.
    """
    asked = {
        "series": ports.series,
        "catalogue": ports.catalog,
        "events": ports.events,
        "files": ports.files,
        "audit": ports.audit,
        "stream": ports.stream,
        "jobs": ports.jobs,
    }
    there = {name: port for name, port in asked.items() if port is not None}
    counts = await asyncio.gather(*(port.count_left(tenant) for port in there.values()))
    left = {
        f"{name}.{place}": count
        for name, found in zip(there, counts, strict=True)
        for place, count in sorted(found.items())
    }
    itself = await ports.catalog.get(CORE, "tenant", tenant)
    return left | {"catalogue.tenant": int(itself is not None)}


def found_in(left: Mapping[str, int], port: str) -> int:
    """Add up what is left in the places of one port."""
    return sum(count for place, count in left.items() if place.partition(".")[0] == port)
