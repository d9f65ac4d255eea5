"""Deliveries to real receivers: order, repeats, signatures, giving up, replays (MS-84)."""

import asyncio
import hashlib
import hmac
import random

import msgspec
import pytest

from runtime.vault import Vault
from schemas.limits import (
    DEAD_RANGES_MAX,
    NOTICES_KEPT_BYTES_MAX,
    NOTICES_OF_DELIVERY_MAX,
    WEBHOOK_GIVE_UP_S,
    WEBHOOK_RETRY_S_MAX,
)
from schemas.notices import GapNotice, Published, encode_notice
from schemas.standings import DeadRange, Standing, decode_standing, encode_standing
from schemas.subscriptions import Subscription
from streams.notice_port import LogId, Posting
from streams.valkey import ValkeyNoticeLog, ValkeyRecordStream
from tests.workers.receivers import OK, receiving, status
from tests.workers.subscribers import VAULT, listening, mast
from workers.webhooks import Webhooks


@pytest.fixture
async def world():
    return await listening()


@pytest.fixture
async def receiver():
    async with receiving() as receiver:
        yield receiver


async def write(world, count, first=0):
    """Write and store records, each a notice of its own."""
    for second in range(first, first + count):
        await world.put(mast(), second, level=[second])
        await world.apply()
        await world.tell()


async def keep(world, told, *bodies):
    """Put notices into the log as if they had been made."""
    await world.notices.post(Posting(notices={LogId(told.tenant, told.id): list(bodies)}))


async def standing(world, told):
    """Tell how deliveries stand."""
    return decode_standing(await world.notices.standing(LogId(told.tenant, told.id)))


NOTE = encode_notice(GapNotice("x"))


async def test_a_delivery_says_whose_it_is_and_how_far_it_goes(world, receiver):
    """Subscription, tenant, cursor and notices with their ids."""
    told = await world.subscribe(receiver)
    await write(world, 1)

    [request] = receiver.taken
    body = request.json
    [notice] = body["notices"]
    assert (told.id, "acme", notice["id"]) == (body["subscription"], body["tenant"], body["cursor"])
    assert ("data", "written", 1) == (notice["type"], notice["change"], notice["records"])
    assert f"{told.id}-{notice['id']}-{notice['id']}" == request.headers["aspectstore-delivery"]


def verified(secret, headers, body, now_s):
    """Check a signature as the manual tells a receiver to."""
    timestamp = headers["aspectstore-timestamp"]
    signed = hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    fresh = abs(now_s - int(timestamp)) <= 300
    return fresh and hmac.compare_digest(f"v1={signed}", headers["aspectstore-signature"])


async def test_a_delivery_is_signed(world, receiver):
    """With the secret that the subscriber was shown, over time and body: neither can be changed."""
    await world.subscribe(receiver, secret="s3cret")
    await write(world, 1)

    [request] = receiver.taken
    now_s = world.clock.now_ms() // 1_000
    assert verified("s3cret", request.headers, request.body, now_s)
    assert not verified("other", request.headers, request.body, now_s)
    assert not verified("s3cret", request.headers, request.body + b" ", now_s)
    assert not verified("s3cret", request.headers, request.body, now_s + 301)
    later = {**request.headers, "aspectstore-timestamp": str(now_s + 1)}
    assert not verified("s3cret", later, request.body, now_s)


async def test_a_secret_in_clear_is_sealed_and_signs_on(world, receiver):
    """Stored before secrets were sealed: it signs, and lies in the catalogue no more after the first look."""
    told = await world.subscribe(receiver, secret="s3cret", in_clear=True)
    asleep = await world.subscribe(receiver, secret="an0ther", in_clear=True, suspended=True)
    await write(world, 1)
    await world.tell(times=2)
    await write(world, 1, first=1)

    now_s = world.clock.now_ms() // 1_000
    assert [True, True] == [verified("s3cret", one.headers, one.body, now_s) for one in receiver.taken]
    for each, secret in ((told, "s3cret"), (asleep, "an0ther")):
        document = await world.catalog.get("acme", "subscription", each.id)
        assert secret.encode() not in document.body
        webhook = msgspec.json.decode(document.body, type=Subscription).webhook
        assert (secret, each.webhook.url) == (VAULT.open(each.secret_name, webhook.sealed), webhook.url)


async def test_without_a_key_a_secret_in_clear_stays_and_signs(world, receiver):
    """The installation goes on as it was, until it has a key."""
    told = await world.subscribe(receiver, in_clear=True)
    world.notifier = world.another(vault=Vault(b""))
    await write(world, 1)

    [request] = receiver.taken
    assert verified("s3cret", request.headers, request.body, world.clock.now_ms() // 1_000)
    assert b"s3cret" in (await world.catalog.get("acme", "subscription", told.id)).body


async def test_a_notifier_with_another_key_delivers_nothing(world, receiver):
    """Nothing goes out unsigned; the subscriber sees why, and it is tried again."""
    told = await world.subscribe(receiver)
    world.notifier = world.another(vault=Vault(bytes(31) + b"x"))
    await write(world, 1)

    assert [] == receiver.taken
    assert "secret cannot be read" in (await standing(world, told)).reason
    world.notifier = world.another()
    world.clock.advance(WEBHOOK_RETRY_S_MAX * 1_000)
    await world.tell()
    assert 1 == len(receiver.taken)


async def test_small_notices_come_together(world, receiver):
    """At most a hundred a delivery, one delivery after the other, in order."""
    told = await world.subscribe(receiver)
    await keep(world, told, *[NOTE] * (2 * NOTICES_OF_DELIVERY_MAX + 5))
    await world.tell()

    sizes = [len(request.json["notices"]) for request in receiver.taken]
    assert [NOTICES_OF_DELIVERY_MAX, NOTICES_OF_DELIVERY_MAX, 5] == sizes
    ids = [int(notice["id"]) for notice in receiver.notices]
    assert sorted(set(ids)) == ids


async def test_what_is_not_taken_is_sent_again(world, receiver):
    """The same notices with the same ids, later each time; nothing overtakes them."""
    told = await world.subscribe(receiver)
    receiver.answers = [status(503), status(500), status(302), OK]
    await write(world, 1)
    pauses = []
    while not receiver.taken:
        before_ms, failed = world.clock.now_ms(), len(receiver.refused)
        while len(receiver.refused) == failed and not receiver.taken:
            world.clock.advance(1_000)
            await world.tell()
        pauses.append((world.clock.now_ms() - before_ms) // 1_000)
    await write(world, 1, first=1)

    assert [2, 4, 8] == pauses
    assert {request.body for request in receiver.refused} == {receiver.taken[0].body}
    assert 2 == len(receiver.notices)
    assert Standing(int(receiver.notices[-1]["id"])) == await standing(world, told)


async def test_pauses_are_spread_and_bounded(world, receiver):
    """By chance between a half and the whole, so that many do not come at once; five minutes at most."""
    told = await world.subscribe(receiver)
    receiver.answer = status(500)
    world.random = 0.0
    await write(world, 1)
    assert 1_000 == (await standing(world, told)).due_ms - world.clock.now_ms()

    name = LogId(told.tenant, told.id)
    before = await world.notices.standing(name)
    many = Standing(tries=10_000, failing_since_ms=world.clock.now_ms())
    await world.notices.note(name, before, encode_standing(many))
    world.random = 1.0
    await world.tell()
    assert int(WEBHOOK_RETRY_S_MAX * 1_000) == (await standing(world, told)).due_ms - world.clock.now_ms()


async def test_after_a_day_of_failures_notices_are_dead_letters(world, receiver):
    """They are kept as runs, with the reason, and what comes next is tried all the same."""
    told = await world.subscribe(receiver)
    receiver.answer = status(500)
    await write(world, 1)
    world.clock.advance(WEBHOOK_GIVE_UP_S * 1_000)
    await world.tell()
    await keep(world, told, NOTE, NOTE)
    world.clock.advance(int(WEBHOOK_RETRY_S_MAX) * 1_000)
    await world.tell()

    found = await standing(world, told)
    [dead] = found.dead
    assert (0, found.delivered, "it answered 500") == (dead.after, dead.upto, dead.reason)
    assert 2 == world.notifier._deliverer.counted.given_up
    receiver.answer = OK
    await keep(world, told, NOTE)
    world.clock.advance(int(WEBHOOK_RETRY_S_MAX) * 1_000)
    await world.tell()
    assert 1 == len(receiver.notices)
    after = await standing(world, told)
    assert (0, (dead,)) == (after.tries, after.dead)


async def test_dead_runs_are_bounded():
    """Neighbours are one; of the others the newest hundred."""
    found = Standing()
    for number in range(DEAD_RANGES_MAX + 10):
        dead = found.buried(DeadRange(3 * number, 3 * number + 2, number, "x"))
        found = Standing(dead=dead)
    assert DEAD_RANGES_MAX == len(found.dead)
    assert 30 == found.dead[0].after
    joined = found.buried(DeadRange(found.dead[-1].upto, 999, 1, "y"))
    assert (found.dead[-1].after, 999, "y") == (joined[-1].after, joined[-1].upto, joined[-1].reason)


async def test_a_replay_delivers_once_more(world, receiver):
    """From any cursor that is kept, dead letters among them, with the ids that they had."""
    told = await world.subscribe(receiver)
    await write(world, 5)
    ids = [notice["id"] for notice in receiver.notices]
    name = LogId(told.tenant, told.id)
    before = await world.notices.standing(name)
    rewound = decode_standing(before).rewound(int(ids[1]))
    await world.notices.note(name, before, encode_standing(rewound))
    await world.tell()

    assert [*ids, *ids[2:]] == [notice["id"] for notice in receiver.notices]


async def test_what_was_dropped_is_told_as_a_gap(world, receiver):
    """A receiver that was away for too long learns between which notices something is missing."""
    told = await world.subscribe(receiver)
    await keep(world, told, NOTE)
    await world.tell()
    receiver.gate.clear()
    large = encode_notice(GapNotice("x" * (NOTICES_KEPT_BYTES_MAX // 4)))
    for _ in range(6):
        await keep(world, told, large)
    receiver.gate.set()
    await world.tell()

    [first, gap, *rest] = receiver.notices
    assert ("gap", first["id"]) == (gap["type"], gap["after"])
    assert int(first["id"]) < int(gap["id"]) < int(rest[0]["id"])


async def test_a_slow_receiver_holds_up_nobody_else(world):
    """One delivery a subscription is under way; others go on, and the notifier looks meanwhile."""
    async with receiving() as slow, receiving() as quick:
        slow.gate.clear()
        one = await world.subscribe(slow)
        await world.subscribe(quick)
        for second in range(3):
            await world.put(mast(), second, level=[second])
            await world.apply()
            await world.notifier.step()
            await asyncio.gather(
                *(task for name, task in world.notifier._telling.items() if name.subscription != one.id)
            )
        assert 3 == len(quick.notices)
        assert [] == slow.taken + slow.refused
        slow.gate.set()
        await world.tell(times=2)
        assert 3 == len(slow.notices)


async def test_a_message_is_delivered_in_the_brokers_form(world, receiver):
    """One by one: the header of the broker, and the members that the publisher gave (wire 11)."""
    told = await world.subscribe(receiver, kind="topic", topic="mdsp.core.x.v1.pubsub.y", secret="")
    for number in range(2):
        await keep(world, told, encode_notice(Published(msgspec.Raw(b'{"order":{"no":%d}}' % number))))
    await keep(world, told, encode_notice(Published(msgspec.Raw(b'{"header":"mine","a":1}'))))
    await world.tell()

    header = {"topic": "mdsp.core.x.v1.pubsub.y", "tenantContext": ["acme"]}
    assert [
        {"header": header, "order": {"no": 0}},
        {"header": header, "order": {"no": 1}},
        {"header": header, "a": 1},
    ] == [request.json for request in receiver.taken]


async def test_only_one_process_tells_a_subscription(world, receiver):
    """The one that holds the shard into which its id falls."""
    await world.subscribe(receiver)
    await world.put(mast(), 1, level=[1])
    await world.apply()
    halves = [
        world.another(
            held=lambda: {shard: at for shard, at in world.hands._cursors.items() if shard % 2 == 0}
        ),
        world.another(held=lambda: {shard: at for shard, at in world.hands._cursors.items() if shard % 2}),
    ]
    for _ in range(2):
        for half in halves:
            await world.tell(half)

    assert 1 == len(receiver.notices) == sum(half._deliverer.counted.delivered for half in halves)


async def test_a_changed_address_is_used_at_once(world, receiver):
    """A delivery that waits for its turn is not sent to where it should not go any more."""
    told = await world.subscribe(receiver)
    receiver.answer = status(500)
    await write(world, 1)
    async with receiving() as other:
        await world.change("acme", "subscription", told.id, webhook={"url": other.url, "secret": "new"})
        world.clock.advance(60_000)
        await world.tell()
        assert verified("new", other.taken[0].headers, other.taken[0].body, world.clock.now_ms() // 1_000)
    assert 1 == len(receiver.refused)


async def test_a_receiver_that_may_not_be_reached_is_never_reached(world, receiver):
    """The setting decides at each try, whatever was allowed when it was made (S9)."""
    told = await world.subscribe(receiver)
    world.notifier = world.another(webhooks=Webhooks())
    await write(world, 1)

    assert [] == receiver.taken + receiver.refused
    assert "its address is not one that webhooks may reach" == (await standing(world, told)).reason


@pytest.mark.parametrize("seed", range(6))
async def test_every_notice_arrives_whoever_dies(valkey_factory, seed):
    """Real streams and receivers; notifiers killed at any moment, receivers that fail: each id, in order."""
    chance = random.Random(seed)
    server = valkey_factory()
    stream, notices = ValkeyRecordStream(server.url), ValkeyNoticeLog(server.url)
    try:
        async with receiving() as receiver:
            world = await listening(stream, notices)
            # The server's clock is the machine's, the world's stands: the subscription is older than all.
            told = await world.subscribe(receiver)
            receiver.answers = [OK if chance.random() < 0.6 else status(500) for _ in range(60)]
            for second in range(40):
                await world.put(mast(), second, level=[second])
                await world.apply()
                step = asyncio.create_task(world.tell())
                if chance.random() < 0.5:
                    await asyncio.sleep(chance.random() / 200)
                    step.cancel()
                    await asyncio.gather(step, return_exceptions=True)
                    await world.notifier.end()
                    world.notifier = world.another()
                else:
                    await step
                world.clock.advance(1_000)
            for _ in range(20):
                world.clock.advance(400_000)
                await world.tell()

            seen = {notice["id"]: notice for notice in receiver.notices}
            kept = await notices.read(LogId("acme", told.id), 0, count=1_000)
            assert [str(each.number) for each in kept.notices] == list(seen)
            assert 40 == sum(notice["records"] for notice in seen.values())
            times = [notice["from"] for notice in seen.values()]
            assert sorted(times) == times
    finally:
        await stream.close()
        await notices.close()
