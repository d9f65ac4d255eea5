"""Two doors that are sent lines of the same new things at the same moment, on every catalogue (IX-08)."""

from __future__ import annotations

import asyncio

import pytest

from tests.api.doors import NOW_MS
from tests.api.lines import INLETS, WRITE
from tests.api.test_mappings_doors import two_doors
from tests.security.estate import opened

KINDS = ["memory", "sqlite", pytest.param("cassandra", marks=pytest.mark.cassandra)]
ASSETS, FIELDS = 4, 3


@pytest.fixture(params=KINDS)
async def masts(request, tmp_path):
    """A mast of one tenant at each of two doors, and an inlet."""
    server = request.getfixturevalue("cassandra") if request.param == "cassandra" else None
    async with (
        opened(request.param, tmp_path, server) as (catalog, store),
        two_doors(catalog, store) as stations,
    ):
        found = [station.mast for station in stations]
        made = await found[0].send("POST", INLETS, {"name": "birds"})
        assert 201 == made.status_code, made.text
        yield found


async def write(mast, text):
    """Write lines at a door."""
    parameters = {"bucket": "birds", "precision": "ms"}
    return await mast.send("POST", WRITE, text.encode(), parameters, content_type="text/plain")


async def test_doors_make_one_asset_of_a_set_of_tags(masts):
    """Types, aspects, variables and assets that both lack are made once, and every line is stored."""
    bodies = [
        "\n".join(f"m{field},a=b{asset} v{field}={field},w={asset} {NOW_MS}" for asset in range(ASSETS))
        for field in range(FIELDS)
    ]
    answers = await asyncio.gather(*(write(mast, body) for body in bodies for mast in masts))

    assert {204} == {answer.status_code for answer in answers}
    for mast in masts:
        await mast.site.door.services.refresh()
        part = mast.site.door.services.index.of("acme")
        labels = [each.value.external_id for each in part.assets.values() if each.value.external_id]
        assert [f"birds:a=b{asset}" for asset in range(ASSETS)] == sorted(labels)
        [aspects] = [
            {held.aspect.name: {one.name for one in held.type.variables} for held in part.aspects_of(kind)}
            for kind in ["acme.lines_birds"]
        ]
        assert {f"m{field}": {f"v{field}", "w"} for field in range(FIELDS)} == {
            name: variables for name, variables in aspects.items() if name.startswith("m")
        }
