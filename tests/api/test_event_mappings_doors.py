"""Two doors that change the event mappings of one agent, on every catalogue (wire 6.2)."""

from __future__ import annotations

import asyncio

import pytest

from api.http.errors import EVENT_MAPPINGS_PATH
from schemas.devices.event_mappings import EVENT_MAPPINGS_OF_TYPE_MAX
from tests.api.masts import SECOND
from tests.api.test_event_mappings import Guard, asked
from tests.api.test_mappings_doors import KINDS, two_doors
from tests.security.estate import opened


@pytest.fixture(params=KINDS)
async def guards(request, tmp_path):
    """The same engineer at two doors."""
    server = request.getfixturevalue("cassandra") if request.param == "cassandra" else None
    async with (
        opened(request.param, tmp_path, server) as (catalog, store),
        two_doors(catalog, store) as stations,
    ):
        yield [Guard(station.site, station.mast) for station in stations]


async def test_no_rule_is_broken_by_a_race(guards):
    """Ten of one type at two doors at once: five are made, none twice (wire 6.2)."""
    codes = [str(number) for number in range(EVENT_MAPPINGS_OF_TYPE_MAX)]

    twins = await asyncio.gather(*(guards[place % 2].map(code) for code in codes for place in range(2)))
    more = await asyncio.gather(*(guards[place % 2].map(f"x{place}") for place in range(4)))

    assert sorted(answer.status_code for answer in twins) == [201] * 5 + [409] * 5
    assert [answer.status_code for answer in more] == [409] * 4
    await guards[1].site.door.services.refresh()
    listed = (await guards[1].listed())["content"]
    assert sorted(each["eventTypeFieldValue"] for each in listed) == codes


async def test_one_of_two_doors_changes_a_mapping(guards):
    """Both build on the same eTag: one is taken, the other is told that it is stale (wire 0.5)."""
    found = await guards[0].mapped()

    answers = await asyncio.gather(
        *(guard.patch(found, eventTypeFieldValue=f"v{place}") for place, guard in enumerate(guards))
    )
    gone = await guards[1].remove(found, "1")

    assert sorted(answer.status_code for answer in answers) == [200, 412]
    assert gone.status_code == 204
    unknown = await guards[0].mast.send("GET", f"{EVENT_MAPPINGS_PATH}/{found['id']}")
    assert (await guards[0].patch(found, "1")).status_code in {404, 412}
    assert unknown.status_code in {200, 404}  # Until this door reads the log.
    await guards[0].site.door.services.refresh()
    assert (await guards[0].mast.send("GET", f"{EVENT_MAPPINGS_PATH}/{found['id']}")).status_code == 404


async def test_an_event_goes_by_a_mapping_of_another_door(guards):
    """Made there a moment ago and removed there again: each event goes by what holds when it comes."""
    found = await guards[0].mapped()

    await guards[1].tell({"type": "Door", "severity": 1})
    stored = await guards[1].events(SECOND)
    await guards[0].remove(found)
    await guards[1].tell({"type": "Door", "severity": 2})

    assert stored == ["Door"]
    assert (await guards[1].events(SECOND), await guards[1].events(asked()["agentId"])) == (
        ["Door"],
        ["Door"],
    )
