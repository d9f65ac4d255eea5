"""What subscribers are told of what writers stored: filters, order, gaps, restarts (MS-84)."""

import asyncio
import json
import random
import secrets

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.changes import Attach, Undo
from schemas.limits import NOTICE_BYTES_MAX, NOTICE_RECORDS_MAX
from schemas.subscriptions import NEW_DATA, Owner
from schemas.times import format_time
from storage.heads import BlockRef, encode_refs
from storage.memory_catalog import MemoryCatalogStore
from storage.sqlite.catalog import SqliteCatalogStore
from streams.entries import SeriesEntry, encode_entry
from streams.notice_port import LogId
from streams.port import Admission, DeadLetter
from streams.shards import shard_of
from tests.api.masts import ASPECT_IDS
from tests.workers.receivers import receiving
from tests.workers.subscribers import MAST, MINUTE_MS, SECOND, listening, mast
from tests.workers.world import SHARDS, START_MS


def at(second):
    """Write a time of the tests."""
    return format_time(START_MS + second * 1_000)


@pytest.fixture
async def world():
    return await listening()


async def told_of(world, told):
    """Store and tell, and give what is kept for a subscription then."""
    await world.apply()
    await world.tell()
    return await world.kept(told)


# -- what is told ------------------------------------------------------------------------------------


async def test_records_are_told_by_names(world):
    """Asset, aspect, its type, variables, times and number: no values unless they are asked for."""
    told = await world.subscribe()
    await world.put(mast(), 1, 2, temperature=[1.0, None], level=[3, 4])

    assert [
        {
            "type": "data",
            "change": "written",
            "assetId": MAST,
            "aspectId": ASPECT_IDS["weather"],
            "aspect": "weather",
            "aspectType": "acme.weather",
            "variables": ["temperature", "level"],
            "from": at(1),
            "to": at(2),
            "records": 2,
        }
    ] == await told_of(world, told)


async def test_nothing_is_told_before_it_is_stored(world):
    """An acknowledged entry that waits for its turn is no news yet."""
    told = await world.subscribe()
    await world.put(mast(), 1, level=[1])
    await world.tell()
    assert [] == await world.kept(told)

    assert 1 == len(await told_of(world, told))


async def test_what_was_before_the_subscription_is_not_told(world):
    """It begins with the next entry."""
    await world.put(mast(), 1, level=[1])
    world.clock.advance(1)
    told = await world.subscribe()
    await world.put(mast(), 2, level=[2])

    assert [at(2)] == [notice["from"] for notice in await told_of(world, told)]


async def test_neighbours_are_one_notice_and_a_deletion_stands_alone(world):
    """In the order of the entries: written, deleted, written."""
    told = await world.subscribe()
    for second in (1, 2, 3):
        await world.put(mast(), second, level=[second])
    await world.clear(mast(), 1, 3)
    await world.put(mast(), 9, level=[9])

    notices = await told_of(world, told)
    changes = [(each["change"], each["from"], each["to"], each.get("records")) for each in notices]
    deleted = (format_time(START_MS + 999), format_time(START_MS + 2_999))
    assert [
        ("written", at(1), at(3), 3),
        ("deleted", *deleted, None),
        ("written", at(9), at(9), 1),
    ] == changes


async def test_of_several_series_the_first_entry_decides(world):
    """One subscription, one order."""
    told = await world.subscribe()
    await world.put(mast(aspect="tyres"), 1, temperature=[1.0])
    await world.put(mast(), 2, level=[1])
    await world.put(mast(aspect="tyres"), 3, temperature=[1.0])

    assert ["tyres", "weather"] == [notice["aspect"] for notice in await told_of(world, told)]


async def test_values_come_along_where_they_are_asked_for(world):
    """As a read would give them, with quality codes, variables of the filter only."""
    told = await world.subscribe(payload="values", filter={"variables": ["level", "label"]})
    await world.put(mast(), 1, 2, 3, level=[1, None, 3], temperature=[1.0, 2.0, 3.0], label=["a", None, None])

    [notice] = await told_of(world, told)
    assert ["level", "label"] == notice["variables"]
    assert 2 == notice["records"]
    assert [{"_time": at(1), "level": 1, "label": "a"}, {"_time": at(3), "level": 3}] == notice["values"]
    assert "truncated" not in notice


async def test_a_notice_carries_so_many_values(world):
    """At most a hundred records and 16 KiB; the notice says that there are more."""
    told = await world.subscribe(payload="values")
    await world.put(mast(), *range(300), level=list(range(300)))
    await world.put(mast(asset=SECOND), *range(50), label=["x" * 1_000] * 50)

    many, large = sorted(await told_of(world, told), key=lambda notice: -notice["records"])
    assert (300, NOTICE_RECORDS_MAX, True) == (many["records"], len(many["values"]), many["truncated"])
    assert (50, True) == (large["records"], large["truncated"])
    assert 0 < len(json.dumps(large["values"], separators=(",", ":"))) <= NOTICE_BYTES_MAX
    assert large["values"][0]["_time"] == at(0)


FILTERS = [
    ({}, {"mw", "mt", "sw"}),
    ({"assets": [MAST]}, {"mw", "mt"}),
    ({"assets": [SECOND]}, {"sw"}),
    ({"aspects": ["tyres"]}, {"mt"}),
    ({"aspects": ["weather"], "assets": [SECOND]}, {"sw"}),
    ({"variables": ["level"]}, {"mw"}),
    ({"variables": ["pressure"]}, set()),
    ({"variables": ["level", "temperature"], "aspects": ["weather"]}, {"mw", "sw"}),
    ({"threshold": {"variable": "temperature", "op": ">", "value": 5}}, {"sw"}),
    ({"threshold": {"variable": "level", "op": "=", "value": 1}}, {"mw"}),
    ({"threshold": {"variable": "nothing", "op": "=", "value": 1}}, set()),
]


@pytest.mark.parametrize(("chosen", "expected"), FILTERS)
async def test_a_filter_lets_through_what_it_names(world, chosen, expected):
    """Assets, aspects, variables and thresholds, alone and together."""
    told = await world.subscribe(filter=chosen)
    await world.put(mast(), 1, level=[1])
    await world.put(mast(aspect="tyres"), 1, temperature=[1.0])  # its variable 1 is called FRWheel
    await world.put(mast(asset=SECOND), 1, temperature=[9.0])

    notices = await told_of(world, told)
    assert expected == {("m" if each["assetId"] == MAST else "s") + each["aspect"][0] for each in notices}


async def test_a_subtree_follows_the_tree(world):
    """What stands below an asset, also what is put or moved there later."""
    await world.change("acme", "asset", SECOND, parent_id=MAST)
    told = await world.subscribe(filter={"assets": [MAST], "subtree": True})
    await world.put(mast(asset=SECOND), 1, level=[1])
    assert 1 == len(await told_of(world, told))

    await world.change("acme", "asset", SECOND, parent_id=None)
    await world.put(mast(asset=SECOND), 2, level=[1])
    assert 1 == len(await told_of(world, told))
    new = "b" * 32
    body = msgspec.json.encode({"id": new, "tenant": "acme", "name": "N", "type_id": "x", "parent_id": MAST})
    await world.catalog.create("acme", "asset", new, body)
    await world.put(mast(asset=new), 3, level=[1])
    assert 2 == len(await told_of(world, told))


async def test_names_follow_the_types(world):
    """A renamed variable is told by its new name, from the next notice on."""
    told = await world.subscribe(payload="values")
    await world.put(mast(), 1, level=[1])
    await told_of(world, told)
    found = await world.catalog.get("acme", "aspecttype", "acme.weather")
    renamed = found.body.replace(b'"level"', b'"height"')
    await world.catalog.replace("acme", "aspecttype", "acme.weather", renamed, found.version)
    await world.put(mast(), 2, level=[2])

    *_, newest = await told_of(world, told)
    assert ["height"] == newest["variables"]
    assert [{"_time": at(2), "height": 2}] == newest["values"]


async def test_a_series_without_a_type_is_told_without_names(world):
    """That it changed is known all the same; what needs names is not told."""
    plain = await world.subscribe()
    named = await world.subscribe(filter={"variables": ["level"]})
    stray = mast()._replace(aspect="9" * 32)
    await world.put(stray, 1, level=[1])

    [notice] = await told_of(world, plain)
    assert ("9" * 32, 1) == (notice["aspectId"], notice["records"])
    assert not {"aspect", "aspectType", "variables"} & set(notice)
    assert [] == await world.kept(named)


async def test_a_dead_letter_is_not_told(world):
    """What could not be applied is not stored, so it is no news; a replay is."""
    told = await world.subscribe()
    position = (await world.put(mast(), 1, level=[1])).position
    shard = shard_of("acme", MAST, SHARDS)
    entry = await world.stream.read_entry(shard, position)
    await world.stream.bury(DeadLetter(shard, position, "checksum", entry.body))

    assert [] == await told_of(world, told)


async def test_what_came_back_and_what_was_imported_is_told(world):
    """An undo by its range; an import by the times and the number of its records (design 4.14)."""
    told = await world.subscribe()
    shard = shard_of("acme", MAST, SHARDS)
    block = BlockRef(bytes(16), 0, 9, START_MS, START_MS + 5_000, 6, 1)
    contents = (Undo(7, START_MS + 1_000, START_MS + 3_000), Attach(encode_refs((block,))))
    bodies = [encode_entry(SeriesEntry(mast(), 1, content)) for content in contents]
    answers = await world.stream.append([Admission(shard, mast(), body) for body in bodies])
    notifier = world.another(held=lambda: {shard: answers[-1].position})
    await world.tell(notifier)

    edges = (format_time(START_MS + 999), format_time(START_MS + 2_999))
    assert [("restored", *edges, None), ("imported", at(0), at(5), 6)] == [
        (each["change"], each["from"], each["to"], each.get("records")) for each in await world.kept(told)
    ]


# -- thresholds --------------------------------------------------------------------------------------


async def test_each_record_or_the_first_of_a_run(world):
    """Every record that fulfils it, or the crossing alone, with its values."""
    threshold = {"variable": "level", "op": ">=", "value": 10}
    each = await world.subscribe(payload="values", filter={"threshold": threshold})
    once = await world.subscribe(payload="values", filter={"threshold": {**threshold, "on": "crossing"}})
    await world.put(mast(), 1, 2, 3, 4, 5, level=[9, 10, 11, 1, 12])

    def seconds(notices):
        return [record["level"] for notice in notices for record in notice["values"]]

    assert [10, 11, 12] == seconds(await told_of(world, each))
    assert [10, 12] == seconds(await world.kept(once))


values = st.lists(st.tuples(st.integers(0, 40), st.none() | st.integers(-2, 2)), min_size=1, max_size=5)
steps = st.lists(st.tuples(st.sampled_from([MAST, SECOND]), values, st.booleans()), max_size=8)


@settings(max_examples=60)
@given(steps)
async def test_crossings_survive_restarts(program):
    """Over batches, late records and new notifiers: as one loop over all records in order finds them."""
    world = await listening()
    threshold = {"variable": "level", "op": ">", "value": 0, "on": "crossing"}
    told = await world.subscribe(payload="values", filter={"threshold": threshold})
    expected, sides = [], {}
    for asset, records, again in program:
        rows = dict(records)
        for second in sorted(rows):
            newest, was_met = sides.get(asset, (-1, False))
            if rows[second] is None or second <= newest:
                continue
            if rows[second] > 0 and not was_met:
                expected.append((asset, at(second)))
            sides[asset] = second, rows[second] > 0
        times = sorted(rows)
        await world.put(mast(asset=asset), *times, level=[rows[second] for second in times])
        await world.apply()
        await world.tell()
        if again:
            world.notifier = world.another()

    found = [
        (notice["assetId"], record["_time"])
        for notice in await world.kept(told)
        for record in notice["values"]
    ]
    assert expected == found


# -- who is told -------------------------------------------------------------------------------------


async def test_tenants_are_told_of_their_own(world):
    """Same ids of assets and aspects, and nothing crosses (S1)."""
    ours = await world.subscribe()
    theirs = await world.subscribe(tenant="other")
    await world.put(mast(), 1, level=[1])
    await world.put(mast("other"), 2, 3, level=[1, 2])

    assert [1] == [notice["records"] for notice in await told_of(world, ours)]
    assert [2] == [notice["records"] for notice in await world.kept(theirs)]


async def test_a_suspended_tenant_is_not_told(world):
    """From the next look on, neither made nor delivered; a tenant that is gone likewise."""
    async with receiving() as receiver:
        told = await world.subscribe(receiver)
        receiver.answer = b"HTTP/1.1 503 No\r\n\r\n"
        await world.put(mast(), 1, level=[1])
        await told_of(world, told)
        assert 1 == len(receiver.refused)

        await world.change("core", "tenant", "acme", suspended=True)
        await world.put(mast(), 2, level=[2])
        world.clock.advance(MINUTE_MS)
        assert 1 == len(await told_of(world, told))
        assert 1 == len(receiver.refused)

        await world.change("core", "tenant", "acme", suspended=False)
        await world.tell(times=2)
        assert 2 == len(receiver.refused)


OWNER = Owner("client", "app", 7, ("engineer",))


@pytest.mark.parametrize(
    ("account", "is_told"),
    [
        ({"scopes": ["iot.tim.r"]}, True),
        ({"scopes": ["iot.tim.r"], "suspended": True}, False),
        ({"scopes": ["iot.tim.r"], "free_s": 99}, False),
        ({"scopes": ["iot.tim.r"], "created_ms": 8}, False),
        ({"scopes": ["iot.tim.r"], "subtenant": "north"}, False),
        ({"scopes": ["asm.r"]}, False),
        ({"role": "engineer"}, True),
        ({"role": "upload-only", "scopes": ["iot.tim.r"]}, False),
        (None, False),
    ],
)
async def test_no_more_is_told_than_the_owner_may_read(world, account, is_told):
    """A suspended, deleted or bound account, a later one of its name, one without the scope: no notices."""
    if account is not None:
        body = json.dumps({"created_ms": 7, **account}).encode()
        await world.catalog.create("acme", "client", "app", body)
    told = await world.subscribe(owner=OWNER)
    await world.put(mast(), 1, level=[1])

    assert is_told == bool(await told_of(world, told))


async def test_a_change_of_the_owner_is_followed(world):
    """Suspended, and back: at the next look each time."""
    await world.catalog.create("acme", "client", "app", b'{"created_ms":7,"scopes":["iot.tim.r"]}')
    told = await world.subscribe(owner=OWNER)
    counts = []
    for number, suspended in enumerate((False, True, False), 1):
        await world.change("acme", "client", "app", suspended=suspended)
        await world.put(mast(), number, level=[1])
        counts.append(len(await told_of(world, told)))

    assert [1, 1, 2] == counts


@pytest.fixture(params=["memory", "sqlite", pytest.param("cassandra", marks=pytest.mark.cassandra)])
async def catalog(request, tmp_path):
    """An empty catalogue of each kind."""
    if request.param == "memory":
        yield MemoryCatalogStore()
        return
    if request.param == "sqlite":
        opened = await SqliteCatalogStore.open(tmp_path / "catalog.db")
    else:
        from storage.cassandra.catalog import CassandraCatalogStore
        from storage.cassandra.session import Address

        host, port = request.getfixturevalue("cassandra")
        keyspace = f"notices_{secrets.token_hex(4)}"
        opened = await CassandraCatalogStore.open(Address([host], port, keyspace))
    yield opened
    if request.param == "cassandra":
        opened.session.cluster.connect().execute(f"DROP KEYSPACE {keyspace}", timeout=60)
    await opened.close()


async def test_a_subscription_is_followed(catalog):
    """Made, changed, suspended and removed by doors, while the notifier runs; over each catalogue."""
    world = await listening(catalog=catalog)
    await world.tell()
    told = await world.subscribe(filter={"assets": [SECOND]})
    await world.put(mast(), 1, level=[1])
    assert [] == await told_of(world, told)
    await world.change("acme", "subscription", told.id, filter={"assets": [MAST]})
    await world.put(mast(), 2, level=[1])
    assert 1 == len(await told_of(world, told))
    await world.change("acme", "subscription", told.id, suspended=True)
    await world.put(mast(), 3, level=[1])
    assert 1 == len(await told_of(world, told))
    assert await world.catalog.remove("acme", "subscription", told.id, 2)
    await world.put(mast(), 4, level=[1])
    assert 1 == len(await told_of(world, told))
    assert {} == world.notifier._interest.active


async def test_the_model_is_followed_over_each_catalogue(catalog):
    """Each change once, whether or not the log repeats its lines."""
    world = await listening(catalog=catalog)
    told = await world.subscribe(kind="model", filter={"assets": [MAST]})
    await world.tell()
    for name in "ABC":
        await world.change("acme", "asset", MAST, name=name)
        world.clock.advance(1_000)
        await world.tell(times=2)

    assert [1, 2, 3] == [notice["etag"] for notice in await world.kept(told)]


# -- what is never lost, and what is said when it is -------------------------------------------------


@pytest.mark.parametrize("seed", range(20))
async def test_notices_are_made_once_whoever_makes_them(world, seed):
    """Notifiers that die at any await, and two at once: every record is told, and none twice."""
    chance = random.Random(seed)
    told = await world.subscribe()
    post = world.notices.post

    async def dying(posting):
        await asyncio.sleep(0)  # the other one has made the same notices meanwhile
        if chance.random() < 0.3:
            raise ConnectionError("died before it was kept")
        kept = await post(posting)
        if chance.random() < 0.3:
            raise ConnectionError("died after it was kept")
        return kept

    world.notices.post = dying
    notifiers = [world.another(), world.another()]
    for second in range(30):
        await world.put(mast(), second, level=[second])
        await world.apply()
        ends = await asyncio.gather(*map(world.tell, notifiers), return_exceptions=True)
        for number, end in enumerate(ends):
            assert end is None or isinstance(end, ConnectionError)
            if end is not None:
                notifiers[number] = world.another()
    world.notices.post = post
    await world.tell()

    notices = await world.kept(told)
    assert 30 == sum(notice["records"] for notice in notices)
    times = [notice["from"] for notice in notices]
    assert sorted(times) == times


async def test_a_notifier_that_comes_too_late_says_so(world):
    """Entries that were trimmed before notices were made of them: a gap, and then what came after it."""
    told = await world.subscribe()
    await world.put(mast(), 1, level=[1])
    assert 1 == len(await told_of(world, told))
    for second in (2, 3):
        await world.put(mast(), second, level=[second])
        await world.apply()
        world.clock.advance(1_000)
        await world.hands.tidy()  # trims at once
    await world.put(mast(), 4, level=[4])

    _, gap, newest = await told_of(world, told)
    assert "gap" == gap["type"]
    assert at(4) == newest["from"]
    assert 1 == world.notifier.counted.gaps
    await world.put(mast(), 5, level=[5])
    assert ["data"] == [notice["type"] for notice in (await told_of(world, told))[3:]]


async def test_a_stream_server_that_forgot_is_a_gap(world):
    """Its notices and places are gone: an old subscription hears that something may be missing."""
    told = await world.subscribe()
    await world.put(mast(), 1, level=[1])
    await told_of(world, told)
    world.clock.advance(20 * MINUTE_MS)
    world.notices._places.clear()
    world.notices._logs.clear()
    await world.put(mast(), 2, level=[2])

    notices = await told_of(world, told)
    assert {"gap", "data"} == {notice["type"] for notice in notices}
    assert at(2) == notices[-1]["to"]


async def test_nobody_asks_for_nothing(world, monkeypatch):
    """Without a subscription neither stream nor notices are asked; of one asset only its shard is."""
    asked = []
    read, places = world.stream.read, world.notices.places

    async def watched(after, **rest):
        asked.extend(after)
        return await read(after, **rest)

    async def counted():
        asked.append("places")
        return await places()

    await world.put(mast(), 1, level=[1])
    await world.put(mast(asset=SECOND), 1, level=[1])
    await world.apply()
    monkeypatch.setattr(world.stream, "read", watched)
    monkeypatch.setattr(world.notices, "places", counted)
    await world.tell()
    assert [] == asked

    await world.subscribe(filter={"assets": [MAST]})
    for asset in (MAST, SECOND):
        await world.put(mast(asset=asset), 2, level=[1])
    await world.apply()
    asked.clear()
    await world.tell()
    assert {shard_of("acme", MAST, SHARDS), "places"} == set(asked)


async def test_a_shard_of_another_writer_is_left_alone(world):
    """One notifier a shard: who does not hold it makes nothing of it."""
    told = await world.subscribe()
    await world.put(mast(), 1, level=[1])
    await world.apply()

    await world.tell(world.another(held=dict))
    assert [] == await world.kept(told)
    await world.tell()
    assert 1 == len(await world.kept(told))


# -- topics ------------------------------------------------------------------------------------------


async def test_once_a_minute_the_aspect_types_are_named(world):
    """Tenant-wide, without data, in the message broker's form (MS-84, wire 11)."""
    async with receiving() as receiver:
        await world.subscribe(receiver, kind="topic", topic=NEW_DATA, secret="")
        for second in range(3):
            await world.put(mast(), second, level=[1])
            await world.put(mast(aspect="tyres", asset=SECOND), second, temperature=[1.0])
            await world.clear(mast(aspect="wide"), 0, 10)
            await world.put(mast("other", aspect="wide"), second, temperature=[1.0])
            await world.apply()
            await world.tell()
        assert [] == receiver.taken
        world.clock.advance(MINUTE_MS)
        await world.tell(times=3)

    [request] = receiver.taken
    assert {
        "header": {"topic": NEW_DATA, "tenantContext": ["acme"]},
        "newData": {"from": at(0), "to": at(60), "aspectTypes": ["acme.tyres", "acme.weather"]},
    } == request.json
    assert "aspectstore-signature" not in request.headers


async def test_numbers_are_counted(world):
    """Notices, gaps, subscriptions and deliveries stand in the metrics of the writer's process."""
    async with receiving() as receiver:
        await world.subscribe(receiver)
        await world.put(mast(), 1, level=[1])
        await world.apply()
        await world.tell()
        receiver.answer = b"HTTP/1.1 500 No\r\n\r\n"
        await world.put(mast(), 2, level=[1])
        await world.apply()
        await world.tell()

    found = {(sample.family, *sample.labels): sample.value for sample in world.notifier.samples()}
    assert {
        ("notices",): 2,
        ("notice_gaps",): 0,
        ("notice_subscriptions",): 1,
        ("notice_deliveries", "delivered"): 1,
        ("notice_deliveries", "failed"): 1,
        ("notice_deliveries", "given_up"): 0,
    } == found


async def test_a_removed_log_begins_anew(world):
    """What a door dropped with a subscription does not come back with another."""
    told = await world.subscribe()
    await world.put(mast(), 1, level=[1])
    await told_of(world, told)
    await world.notices.drop(LogId("acme", told.id))

    await world.put(mast(), 2, level=[2])
    assert [at(2)] == [notice["from"] for notice in await told_of(world, told)]
