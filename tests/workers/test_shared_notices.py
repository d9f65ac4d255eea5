"""Subscriptions to what others share: what the share lets through, and as long as it does (MS-84)."""

from __future__ import annotations

import json

import msgspec
import pytest

from schemas.changes import Attach, Undo
from schemas.ids import CORE, AssetId
from schemas.notices import SharedNotice, may_tell
from schemas.queries import TimeRange
from schemas.shares import Action, Receiver, Share
from schemas.subscriptions import Owner
from schemas.times import format_time
from storage.heads import BlockRef, encode_refs
from streams.entries import SeriesEntry, encode_entry
from streams.port import Admission
from streams.shards import shard_of
from tests.workers.receivers import receiving, status
from tests.workers.subscribers import MAST, SECOND, listening, mast
from tests.workers.world import SHARDS, START_MS

QUARTER_MS = 900_000
OF_OTHER = mast("other")


@pytest.fixture
async def world():
    """Two tenants; `acme` subscribes, `other` shares."""
    return await listening()


async def share(world, share_id="1" * 32, **members):
    """Let `other` give a share of its mast to `acme`."""
    given = Share(**{
        "id": share_id, "tenant": "other", "receiver": Receiver("acme"), "assets": (AssetId(MAST),),
        "actions": (Action.RECORDS_READ,), "given_ms": world.clock.now_ms(), "given_by": "o", **members,
    })  # fmt: skip
    await world.catalog.create("other", "share", given.id, msgspec.json.encode(given))
    return given


async def happen(world, series=OF_OTHER, *times, **values):
    """Write rows, store them, let the notifier look."""
    await world.put(series, *(times or (0,)), **(values or {"level": [1] * max(1, len(times))}))
    await world.apply()
    await world.tell()


async def test_who_asks_for_it_is_told_of_what_is_shared(world):
    """With the giver's name and without that of its type; who does not ask hears of own assets only."""
    asking = await world.subscribe(include_shared=True)
    plain = await world.subscribe()
    await share(world)
    await happen(world)
    await happen(world, mast())

    theirs, own = await world.kept(asking)
    assert ("other", MAST, "weather", "written") == tuple(
        theirs[name] for name in ("giver", "assetId", "aspect", "change")
    )
    assert ("aspectType" in theirs, "giver" in own, "aspectType" in own) == (False, False, True)
    assert 1 == len(await world.kept(plain))


HIDDEN = {
    "nothing shared": None,
    "another action": {"actions": (Action.AGGREGATES_READ,)},
    "another aspect": {"aspects": ("tyres",)},
    "another asset": {"assets": (AssetId(SECOND),)},
    "another time": {"until_ms": START_MS // QUARTER_MS * QUARTER_MS - QUARTER_MS},
    "a subtenant's": {"receiver": Receiver("acme", subtenant="north")},
    "a user's": {"receiver": Receiver("acme", user="ben")},
    "a role's": {"receiver": Receiver("acme", role="engineer")},
    "another tenant's": {"receiver": Receiver("third")},
    "ended": {"expires_ms": START_MS},
    "given to a tenant before": {"given_ms": START_MS - 1},
}


@pytest.mark.parametrize("members", HIDDEN.values(), ids=HIDDEN)
async def test_what_is_not_shared_is_not_told(world, members):
    """Whatever part of the share keeps it back."""
    told = await world.subscribe(include_shared=True, owner=Owner("", "ann"))
    if members is not None:
        await share(world, **members)
    await happen(world)

    assert [] == await world.kept(told)


async def account(world, **members):
    """Make the account that owns subscriptions."""
    body = {"scopes": ["iot.tim.r", "asm.r"], "role": "", "created_ms": 7, **members}
    await world.catalog.create("acme", "client", "ann", json.dumps(body).encode())
    return Owner("client", "ann", 7, covers=("viewer",), scopes=("iot.tim.r", "asm.r"))


async def test_a_user_and_who_has_a_role_receive_their_shares(world):
    """A role's share reaches an account that had its scopes, until the account may do something else."""
    owner = await account(world)
    told = await world.subscribe(include_shared=True, owner=owner)
    await share(world, "1" * 32, receiver=Receiver("acme", user="ann"), aspects=("weather",))
    await share(world, "2" * 32, receiver=Receiver("acme", role="viewer"), aspects=("tyres",))
    await happen(world)
    await happen(world, mast("other", aspect="tyres"))
    await world.change("acme", "client", "ann", scopes=["iot.tim.r", "em.r"])
    await happen(world)
    await happen(world, mast("other", aspect="tyres"))

    assert ["weather", "tyres", "weather"] == [notice["aspect"] for notice in await world.kept(told)]


async def test_a_window_is_as_if_the_series_had_only_its_records(world):
    """Of records, deletions and thresholds; what reaches over an edge is told up to it."""
    told = await world.subscribe(include_shared=True, payload="values")
    edge_ms = START_MS // QUARTER_MS * QUARTER_MS + QUARTER_MS
    await share(world, after_ms=edge_ms, until_ms=edge_ms + QUARTER_MS)
    inside = (edge_ms - START_MS) // 1_000 + 1
    await happen(world, OF_OTHER, inside - 1, inside, inside + 1, level=[1, 2, 3])
    await world.clear(OF_OTHER, 0, inside + 1)
    await world.apply()
    await world.tell()

    written, deleted = await world.kept(told)
    assert [2, 3] == [record["level"] for record in written["values"]]
    assert 2 == written["records"]
    assert ("deleted", SharedNotice(start=deleted["from"], end=deleted["to"], change="deleted").range) == (
        deleted["change"], TimeRange(edge_ms + 1, START_MS + (inside + 1) * 1_000),
    )  # fmt: skip


async def test_undone_deletes_and_imports_are_told_up_to_the_edge(world):
    """Of an import no number of records, as its blocks say nothing of the window; outside it nothing."""
    told = await world.subscribe(include_shared=True)
    edge_ms = START_MS // QUARTER_MS * QUARTER_MS + QUARTER_MS
    await share(world, until_ms=edge_ms)
    shard = shard_of("other", MAST, SHARDS)
    over = BlockRef(bytes(16), 0, 9, START_MS, edge_ms + 5_000, 6, 1)
    behind = BlockRef(bytes(16), 0, 9, edge_ms + 1, edge_ms + 5_000, 6, 1)
    undo = Undo(7, START_MS + 1_000, edge_ms + 3_000)
    contents = (undo, Attach(encode_refs((over,))), Attach(encode_refs((behind,))))
    bodies = [encode_entry(SeriesEntry(OF_OTHER, 1, content)) for content in contents]
    answers = await world.stream.append([Admission(shard, OF_OTHER, body) for body in bodies])
    await world.tell(world.another(held=lambda: {shard: answers[-1].position}))

    ends = format_time(edge_ms)
    assert [
        ("restored", format_time(START_MS + 999), ends, None),
        ("imported", format_time(START_MS), ends, None),
    ] == [(each["change"], each["from"], each["to"], each.get("records")) for each in await world.kept(told)]


async def test_windows_apart_are_told_apart(world):
    """A notice never tells of the times between two windows."""
    told = await world.subscribe(include_shared=True)
    first_ms = START_MS // QUARTER_MS * QUARTER_MS
    await share(world, "1" * 32, after_ms=first_ms, until_ms=first_ms + QUARTER_MS)
    await share(world, "2" * 32, after_ms=first_ms + 4 * QUARTER_MS, until_ms=first_ms + 5 * QUARTER_MS)
    start = (first_ms - START_MS) // 1_000
    await happen(world, OF_OTHER, start + 1, start + 2_000, start + 4_000, level=[1, 2, 3])

    assert [1, 1] == [notice["records"] for notice in await world.kept(told)]


async def test_filters_hold_for_shared_assets_too(world):
    """Assets, aspects, variables, thresholds: as for own ones."""
    others = await world.subscribe(include_shared=True, filter={"assets": [SECOND]})
    named = await world.subscribe(include_shared=True, filter={"assets": [MAST], "aspects": ["weather"]})
    hot = {"variable": "level", "op": ">", "value": 5, "on": "crossing"}
    crossing = await world.subscribe(include_shared=True, filter={"threshold": hot})
    await share(world)
    for second, level in enumerate((1, 6, 7)):
        await happen(world, OF_OTHER, second, level=[level])

    assert [0, 3, 1] == [len(await world.kept(told)) for told in (others, named, crossing)]


async def put_below(world, asset, parent, **members):
    """Put an asset of `other` below another."""
    body = {"id": asset, "parent_id": parent, **members}
    await world.catalog.create("other", "asset", asset, json.dumps(body).encode())


async def test_a_shared_subtree_holds_what_stands_below(world):
    """With `subtree` only, whenever it came there, and not once it or what is above it was deleted."""
    top = "d" * 32
    await put_below(world, top, None)
    await world.catalog.remove("other", "asset", MAST, 0)
    await put_below(world, MAST, top)
    told = await world.subscribe(include_shared=True)
    await share(world, "1" * 32, assets=(AssetId(top),))
    await happen(world)
    assert [] == await world.kept(told)

    await share(world, "2" * 32, assets=(AssetId(top),), subtree=True)
    await happen(world)
    assert 1 == len(await world.kept(told))

    await world.change("other", "asset", top, deleted_ms=1)
    await happen(world)
    assert 1 == len(await world.kept(told))


async def remove(world, given):
    """Take a share back."""
    document = await world.catalog.get("other", "share", given.id)
    await world.catalog.remove("other", "share", given.id, document.version)


async def suspend(world, given):
    """Suspend the giver."""
    await world.change(CORE, "tenant", "other", suspended=True)


async def narrow(world, given):
    """Take an aspect out of the share."""
    await world.change("other", "share", given.id, aspects=["tyres"])


async def expire(world, given):
    """Let its time end."""
    world.clock.advance(1_000)


@pytest.mark.parametrize("end", [remove, suspend, narrow, expire])
async def test_what_waits_is_not_delivered_once_the_share_ends(world, end):
    """Notices of shared assets go no more, from the next try on; those of own assets do, in their order."""
    async with receiving() as receiver:
        await world.subscribe(receiver, include_shared=True)
        given = await share(world, expires_ms=world.clock.now_ms() + 1_000)
        receiver.answer = status(503)
        await happen(world)
        await happen(world, mast())
        assert receiver.refused

        await end(world, given)
        receiver.answer = status(200)
        world.clock.advance(600_000)
        await world.tell(times=2)
        await happen(world)

        assert [None] == [notice.get("giver") for notice in receiver.notices]


async def test_nothing_but_ended_shares_is_passed_over_without_a_request(world):
    """The deliveries stand behind it: it does not wait for ever, and no empty request goes out."""
    async with receiving() as receiver:
        told = await world.subscribe(receiver, include_shared=True)
        given = await share(world)
        receiver.answer = status(503)
        await happen(world)
        refused = len(receiver.refused)

        await remove(world, given)
        receiver.answer = status(200)
        world.clock.advance(600_000)
        await world.tell()

        assert (refused, 0) == (len(receiver.refused), len(receiver.taken))
        assert 0 == world.notifier._deliverer.counted.delivered
        assert [] != await world.kept(told)


def test_a_kept_notice_is_judged_by_its_whole_range():
    """An own one may always be told, a shared one while one window holds all of it."""
    own = b'{"type":"data","assetId":"a"}'
    times = b'"from":"1970-01-01T00:00:01Z","to":"1970-01-01T00:00:02Z"'
    shared = b'{"type":"data","giver":"other","change":"%b",' + times + b"}"
    window = TimeRange(1_001, 2_001)

    assert may_tell(own, lambda _: None)
    assert not may_tell(shared % b"written", lambda _: None)
    assert not may_tell(shared % b"written", lambda _: (window,))
    assert may_tell(shared % b"deleted", lambda _: (window,))
    assert may_tell(shared % b"written", lambda _: (window._replace(start_ms=1_000),))


async def test_a_share_that_comes_later_is_followed(world):
    """Given, changed and taken back while the notifier runs; the same after it was started anew."""
    told = await world.subscribe(include_shared=True)
    await happen(world)
    given = await share(world)
    await happen(world)
    world.notifier = world.another()
    await happen(world)
    await remove(world, given)
    await happen(world)

    assert 2 == len(await world.kept(told))
