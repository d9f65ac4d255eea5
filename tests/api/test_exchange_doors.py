"""A message at one door by what another door has just stored, on every catalogue (wire 6.3)."""

from __future__ import annotations

import pytest

from tests.api.devices import Device
from tests.api.masts import at
from tests.api.test_mappings_doors import KINDS, two_doors
from tests.schemas.device_messages import sampling
from tests.security.estate import opened


@pytest.fixture(params=KINDS)
async def devices(request, tmp_path):
    """The same agent at two doors, configured at the first."""
    server = request.getfixturevalue("cassandra") if request.param == "cassandra" else None
    async with (
        opened(request.param, tmp_path, server) as (catalog, store),
        two_doors(catalog, store) as stations,
    ):
        await stations[0].configured()
        await stations[1].site.door.services.refresh()
        yield [Device(station.site, station.mast) for station in stations]


async def test_nothing_waits_for_a_mapping_that_there_is(devices):
    """A mapping made at another door a moment ago takes its values: a door asks before it refuses (MS-86)."""
    await devices[0].station.mapped("dp-t", "temperature")

    await devices[1].sent(sampling(at(-1), dp_t="1.5"))

    assert await devices[1].quarantined() == []
    assert [row["temperature"] for row in await devices[1].rows()] == [1.5]


async def test_nothing_waits_for_a_configuration_that_there_is(devices):
    """Nor does what names a configuration that was stored elsewhere a moment ago (wire 6.3)."""
    await devices[0].station.configured(1, name="CF-2")
    await devices[0].station.mapped("dp-t", "temperature")

    await devices[1].sent(sampling(at(-1), dp_t="1.5"), configuration="CF-2")

    assert await devices[1].quarantined() == []
    assert [row["temperature"] for row in await devices[1].rows()] == [1.5]
