"""What subscribers are told of changes of assets and types (MS-84)."""

import msgspec
import pytest

from schemas.assets import Asset
from storage.port import Change
from tests.workers.subscribers import MAST, SECOND, listening

HOUR_MS = 3_600_000


@pytest.fixture
async def world():
    return await listening()


async def told_of(world, told):
    """Tell, and give (change, kind, id, etag) of what is kept."""
    world.clock.advance(1_000)
    await world.tell()
    notices = await world.kept(told)
    return [(each["change"], each["kind"], each["resourceId"], each["etag"]) for each in notices]


async def add(world, number, tenant="acme", parent=MAST):
    """Put an asset into the catalogue."""
    asset = Asset(id=f"{number:032x}", tenant=tenant, name="N", type_id=f"{tenant}.Mast", parent_id=parent)
    await world.catalog.create(tenant, "asset", asset.id, msgspec.json.encode(asset))
    return asset.id


async def test_what_is_made_changed_and_deleted_is_told(world):
    """Assets and types, each with the version that it has then; what was before is not told."""
    told = await world.subscribe(kind="model")
    new = await add(world, 1)
    assert [("created", "asset", new, 0)] == await told_of(world, told)

    await world.change("acme", "asset", new, name="M")
    await world.change("acme", "aspecttype", "acme.weather", description="D")
    assert [("changed", "asset", new, 1), ("changed", "aspecttype", "acme.weather", 1)] == (
        await told_of(world, told)
    )[1:]

    await world.change("acme", "asset", new, deleted_ms=5)
    assert await world.catalog.remove("acme", "assettype", "acme.Mast", 0)
    assert [("deleted", "asset", new, 2), ("deleted", "assettype", "acme.Mast", 1)] == (
        await told_of(world, told)
    )[3:]


async def test_changes_that_follow_closely_are_one(world):
    """Made and changed between two looks: created, as it is now."""
    told = await world.subscribe(kind="model")
    new = await add(world, 1)
    for name in "ABC":
        await world.change("acme", "asset", new, name=name)

    assert [("created", "asset", new, 3)] == await told_of(world, told)


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({}, {"mast", "second", "type", "kind"}),
        ({"assets": [MAST]}, {"mast"}),
        ({"assets": [MAST], "subtree": True}, {"mast", "second"}),
        ({"kinds": ["assettype"]}, {"type"}),
        ({"kinds": ["asset", "aspecttype"], "assets": [SECOND]}, {"second", "kind"}),
    ],
)
async def test_a_filter_lets_through_what_it_names(world, chosen, expected):
    """Assets, with what stands below them, and kinds."""
    await world.change("acme", "asset", SECOND, parent_id=MAST)
    told = await world.subscribe(kind="model", filter=chosen)
    await world.change("acme", "asset", MAST, name="A")
    await world.change("acme", "asset", SECOND, name="B")
    await world.change("acme", "assettype", "acme.Mast", name="C")
    await world.change("acme", "aspecttype", "acme.weather", name="D")
    await world.change("other", "asset", MAST, name="E")

    names = {MAST: "mast", SECOND: "second", "acme.Mast": "type", "acme.weather": "kind"}
    found = [names[resource] for _, _, resource, _ in await told_of(world, told)]
    assert sorted(expected) == sorted(found)


async def test_a_restart_repeats_nothing_and_leaves_nothing_out(world):
    """The place in the log is kept with the notices."""
    told = await world.subscribe(kind="model")
    for number in range(6):
        await add(world, number)
        await world.tell()
        world.notifier = world.another()
    await add(world, 6)

    assert [f"{number:032x}" for number in range(7)] == [each[2] for each in await told_of(world, told)]


async def test_only_the_holder_of_the_first_shard_tells(world):
    """One of all writers follows the log."""
    told = await world.subscribe(kind="model")
    await add(world, 1)

    await world.tell(world.another(held=lambda: {1: 0, 2: 0}))
    assert [] == await world.kept(told)
    assert 1 == len(await told_of(world, told))


async def test_a_line_without_its_change_is_waited_for_and_then_passed(world):
    """On Cassandra the line stands first; what failed is given up after 15 s, and nothing behind is lost."""
    told = await world.subscribe(kind="model")
    await world.tell()
    log = world.catalog._log
    log.append(Change(f"{len(log) + 1:020d}", "acme", "asset", MAST, 9))
    await add(world, 1)
    assert [] == await told_of(world, told)

    world.clock.advance(16_000)
    assert [("created", "asset", f"{1:032x}", 0)] == await told_of(world, told)


async def test_lines_that_the_log_repeats_are_told_once(world, monkeypatch):
    """Cassandra's log overlaps: the last ten seconds come again and again."""
    told = await world.subscribe(kind="model")
    changes = world.catalog.changes

    async def overlapping(after):
        return await changes(None if after is None else f"{max(0, int(after) - 50):020d}")

    monkeypatch.setattr(world.catalog, "changes", overlapping)
    for number in range(4):
        await add(world, number)
        await told_of(world, told)

    assert 4 == len(await told_of(world, told))


async def test_who_was_away_for_a_day_says_so(world):
    """The log keeps a day: then a gap comes first."""
    told = await world.subscribe(kind="model")
    await add(world, 1)
    await world.tell()
    world.clock.advance(25 * HOUR_MS)
    world.notifier = world.another()
    await add(world, 2)
    await world.tell()

    assert ["model", "gap", "model"] == [notice["type"] for notice in await world.kept(told)]


async def test_a_quiet_day_is_no_gap(world):
    """Who looked and found nothing has missed nothing."""
    told = await world.subscribe(kind="model")
    for _ in range(30):
        world.clock.advance(HOUR_MS)
        await world.tell()
    await add(world, 1)

    assert [("created", "asset", f"{1:032x}", 0)] == await told_of(world, told)
