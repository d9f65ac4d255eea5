"""What the Valkey adapter does beyond the port: addresses, forgotten scripts, slow and foreign servers."""

import asyncio
import math
import struct

import pytest

from schemas.errors import StreamUnavailable
from streams.port import Admitted, Applied, DeadLetter, Refusal
from streams.testing.setting import FAR, SHARD, admission, append, prove, refused, series
from streams.valkey import ValkeyRecordStream, scripts
from streams.valkey.connection import Address, Connection, Link, pack


@pytest.fixture
def server(valkey_factory):
    return valkey_factory()


@pytest.fixture
async def stream(server):
    stream = ValkeyRecordStream(server.url, timeout_s=0.5)
    await prove(stream)
    yield stream
    await stream.close()


async def ask(server, *words):
    link = Link(Address.parse(server.url), [], 5.0)
    try:
        [reply] = await (await link.connection()).ask([pack(*words)])
    finally:
        link.drop()
    return reply


async def bodies(server):
    return [fields[1] for _, fields in await ask(server, "XRANGE", f"stream:{{{SHARD}}}", "-", "+")]


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("unix:///run/a%20b/valkey.sock", Address(path="/run/a b/valkey.sock")),
        ("unix:///run/valkey.sock?db=3", Address(path="/run/valkey.sock", database=3)),
        ("redis://example", Address(host="example")),
        ("redis://[::1]:7000/2", Address(host="::1", port=7000, database=2)),
        ("redis://:p%40ss@h/0", Address(host="h", password="p@ss")),
        (
            "rediss://me:secret@h:6380",
            Address(host="h", port=6380, username="me", password="secret", tls=True),
        ),
    ],
)
def test_addresses_are_read_as_other_clients_read_them(url, address):
    """Unix sockets, hosts, databases, users and TLS, percent-decoded."""
    assert address == Address.parse(url)


@pytest.mark.parametrize(
    "url", ["http://h", "h:6379", "", "redis://h:port", "unix:///s?timeout=1", "redis://h/x"]
)
def test_other_addresses_are_refused(url):
    """A wrong address is found at start, not at the first write."""
    with pytest.raises(ValueError):
        Address.parse(url)


async def test_a_password_and_a_port_are_used(valkey_factory):
    """A server on a port that asks for a password is served, and refuses a wrong one."""
    server = valkey_factory(listen="tcp")
    await ask(server, "CONFIG", "SET", "requirepass", "se cret")
    right = ValkeyRecordStream(server.url.replace("//", "//:se%20cret@"))
    wrong = ValkeyRecordStream(server.url.replace("//", "//:other@"))

    assert 0 == (await right.read_state(SHARD)).last_found
    for stream in (wrong, ValkeyRecordStream(server.url)):
        with pytest.raises(StreamUnavailable):
            await stream.read_state(SHARD)
        await stream.close()
    await right.close()


def test_all_scripts_are_loaded_by_one_look_of_the_server():
    """It reads 16 KiB of a connection at a time: nobody forgets them again before the call behind them."""
    assert sum(len(pack("SCRIPT", "LOAD", script.text)) for script in scripts.ALL) < 15 * 1024


async def test_forgotten_scripts_are_loaded_again(server, stream):
    """SCRIPT FLUSH under load: nothing fails, nothing is appended twice or out of order."""
    seen = []

    async def client(number):
        for count in range(30):
            calls = [admission(number, b"%d.%d.%d" % (number, count, part)) for part in range(3)]
            seen.append((await append(stream, *calls), [call.body for call in calls]))

    async def forget():
        for _ in range(20):
            await ask(server, "SCRIPT", "FLUSH")
            await stream.read_tail(SHARD, series(1))

    await asyncio.gather(*(client(number) for number in range(8)), forget())

    answered = [body for _, each in sorted(seen) for body in each]
    assert 8 * 30 * 3 == len(answered)
    assert answered == await bodies(server)
    assert all(sorted(positions) == positions for positions, _ in seen)


async def test_a_server_that_hangs_is_given_up_and_nothing_is_sent_again(server, stream):
    """Outcome unknown means unknown: what a hung server took in, it took in once (finding 7)."""
    await append(stream, admission(body=b"before"))
    server.pause()
    calls = [stream.append([admission(body=b"%d" % number)]) for number in range(20)]
    outcomes = await asyncio.gather(*calls, stream.read_state(SHARD), return_exceptions=True)
    assert all(isinstance(outcome, StreamUnavailable) for outcome in outcomes), outcomes
    assert all(isinstance(outcome.__cause__, Exception) for outcome in outcomes)

    server.resume()
    await append(stream, admission(body=b"after"))

    kept = await bodies(server)
    assert len(set(kept)) == len(kept)
    assert (b"before", b"after") == (kept[0], kept[-1])


async def test_a_killed_server_has_each_entry_at_most_once(server, stream):
    """Whatever was acknowledged is there, and nothing is there twice (R4)."""
    acknowledged = []

    async def client(number):
        for count in range(200):
            body = b"%d.%d" % (number, count)
            try:
                [answer] = await stream.append([admission(number, body)])
            except StreamUnavailable:
                continue
            if isinstance(answer, Admitted):
                acknowledged.append(body)

    clients = [asyncio.create_task(client(number)) for number in range(8)]
    while len(acknowledged) < 100:
        await asyncio.sleep(0)
    server.kill()
    await asyncio.gather(*clients)
    server.start()

    kept = await bodies(server)
    assert len(set(kept)) == len(kept)
    assert set(acknowledged) <= set(kept)


async def test_a_replica_admits_nothing(server, stream):
    """READONLY is an answer of a server that lost its role: unavailable, and the address is asked again."""
    await append(stream)
    await ask(server, "REPLICAOF", "127.0.0.1", "1")

    with pytest.raises(StreamUnavailable):
        await append(stream)
    await ask(server, "REPLICAOF", "NO", "ONE")

    await append(stream)


async def test_a_full_server_refuses_entries_and_lets_the_writer_make_room(server, stream):
    """Nothing is evicted; what the writer needs to drain the shard works without memory (design 4)."""
    first, second = await append(stream, admission(1), admission(2))
    await ask(server, "CONFIG", "SET", "maxmemory", "1")
    with pytest.raises(StreamUnavailable, match="OOM"):
        await stream.append([admission(body=b"too much")])
    assert [b"body", b"body"] == await bodies(server)

    run_id = (await stream.read_state(SHARD)).run_id
    assert 2 == len((await stream.read({SHARD: 0}, bytes_max=1_000))[SHARD])
    assert [] != (await stream.read_tail(SHARD, series(1))).chain
    assert await stream.acquire_lease(SHARD, "one", 60_000)
    assert await stream.join("one", 60_000)
    assert await stream.prove(SHARD, run_id, last=second, limit=FAR, incarnation=2, applied=0)
    assert await stream.renew_limit(SHARD, FAR)
    await stream.bury(DeadLetter(SHARD, first, "poison", b"body"))
    assert await stream.report_applied(SHARD, Applied(second, {series(1): b"newest", series(2): None}))
    await stream.trim(SHARD, second)
    assert [] == await bodies(server)
    assert second == (await stream.read_state(SHARD)).trimmed


async def test_foreign_entries_are_read_as_what_they_are(server, stream):
    """What somebody else put there comes as it is and fails by its own fault, so nothing of it is lost (R14).

    An entry of the first layout (previous position, total of bytes, body) comes with its body.
    """
    await ask(server, "XADD", f"stream:{{{SHARD}}}", "4-0", "p", "3", "t", "99", "b", "of the first layout")
    await ask(server, "XADD", f"stream:{{{SHARD}}}", "5-3", "who", "me")
    await ask(server, "XADD", f"stream:{{{SHARD}}}", "6-0", struct.pack("<dd", -math.inf, math.nan), "x")
    positions = await append(stream)

    entries = (await stream.read({SHARD: 0}, bytes_max=1_000))[SHARD]

    found = [(each.position, each.previous, each.body) for each in entries]
    assert [(4, 0, b"of the first layout"), (5, 0, b"me"), (6, 0, b"x")] == found[:3]
    assert positions == [position for position, _, _ in found[3:]]
    assert positions == [each.position for each in (await stream.read({SHARD: 6}, bytes_max=1))[SHARD]]
    assert await stream.report_applied(SHARD, Applied(5))


async def test_a_cache_told_later_does_not_look_at_every_series(server, stream):
    """Only what moves `applied` reads the whole tail: a seal tells of one series among thousands (4.12)."""
    first, second = await append(stream, admission(1), admission(2))
    assert await stream.report_applied(SHARD, Applied(first))
    before = await ask(server, "INFO", "commandstats")

    assert await stream.report_applied(SHARD, Applied(first, {series(1): b"newest"}))

    assert calls(before, "hscan") == calls(await ask(server, "INFO", "commandstats"), "hscan")
    assert b"newest" == (await stream.read_tail(SHARD, series(1))).latest
    assert second == (await stream.read_tail(SHARD, series(2))).chain[-1].position


def calls(stats, command):
    [line] = [line for line in stats.decode().splitlines() if line.startswith(f"cmdstat_{command}:")]
    return int(line.split("calls=")[1].split(",")[0])


async def test_marks_that_are_gone_are_missed_one_by_one(server, stream):
    """Each of the marks that admission rests on is demanded, not guessed (design 4)."""
    for mark in ("proof", "last"):
        await prove(stream)
        assert await refused(stream) is None
        await ask(server, "HDEL", f"marks:{{{SHARD}}}", mark)
        assert Refusal.NOT_PROVED is await refused(stream), mark
        assert not await stream.report_applied(SHARD, Applied(0)), mark


async def test_what_is_not_the_protocol_ends_the_connection():
    """A server of another kind is found out at once."""

    async def babble(reader, writer):
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await reader.read()
        writer.close()

    other = await asyncio.start_server(babble, "127.0.0.1", 0)
    stream = ValkeyRecordStream(f"redis://127.0.0.1:{other.sockets[0].getsockname()[1]}", timeout_s=5)
    with pytest.raises(StreamUnavailable):
        await stream.append([admission()])
    await stream.close()
    other.close()


async def test_an_answer_that_nobody_asked_for_ends_the_connection():
    """Once out of step, a connection is not used again (finding 12)."""
    connection = Connection([], 1.0)
    connection.connection_made(asyncio.Transport())
    connection._transport = None

    connection.data_received(b"+SURPRISE\r\n")

    assert not connection.alive


async def test_the_settings_of_the_server_can_be_checked(stream):
    """Who promises durability can look whether the server keeps it (design 4)."""
    assert {
        "appendonly": "yes",
        "appendfsync": "always",
        "no-appendfsync-on-rewrite": "no",
        "maxmemory-policy": "noeviction",
    } == await stream.read_settings()


async def test_callers_share_a_commit(server, stream):
    """Waiting admissions go out together: far fewer fsyncs than admissions (design 3.3)."""
    await ask(server, "CONFIG", "RESETSTAT")
    before = int((await ask(server, "INFO", "stats")).partition(b"total_reads_processed:")[2].split()[0])

    await asyncio.gather(*(stream.append([admission(number)]) for number in range(400)))

    after = int((await ask(server, "INFO", "stats")).partition(b"total_reads_processed:")[2].split()[0])
    assert after - before < 60


async def test_a_limit_above_all_positions_is_none(stream):
    """2^53 itself is never given (design 3.4)."""
    await prove(stream, last=FAR - 3)

    answers = await stream.append([admission(), admission(), admission()])

    assert [FAR - 2, FAR - 1] == [answer.position for answer in answers[:2]]
    assert Refusal.LIMIT is answers[2]
