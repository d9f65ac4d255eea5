"""Reports of many series: each call is short, and readers are right between any two (design 4.17)."""

import pytest

from schemas.errors import StreamUnavailable
from streams.port import Applied, Entry
from streams.testing.setting import SHARD, admission, append, prove, series
from streams.valkey import ValkeyRecordStream
from streams.valkey.connection import Connection
from streams.valkey.stream import LATEST_PIECE_SERIES, TAIL_PIECE_SERIES

MANY = 4 * TAIL_PIECE_SERIES


@pytest.fixture
async def stream(valkey_factory):
    stream = ValkeyRecordStream(valkey_factory().url)
    await prove(stream)
    yield stream
    await stream.close()


@pytest.fixture
def calls(monkeypatch):
    """Count the calls of scripts, and let something happen, or the connection fail, before one of them."""

    class Calls:
        done = 0
        fails_at = -1
        at = -1
        happens = None

    ask = Connection.ask

    async def counted(connection, commands, **options):
        if any(b"EVALSHA" in command for command in commands):
            if Calls.done == Calls.fails_at:
                raise StreamUnavailable("the connection is gone")
            Calls.done += 1
            if Calls.done == Calls.at:
                await Calls.happens
        return await ask(connection, commands, **options)

    monkeypatch.setattr(Connection, "ask", counted)
    return Calls


async def begin(stream, calls, applied, done):
    """Report, but let the connection fail after so many calls."""
    calls.done, calls.fails_at = 0, done
    with pytest.raises(StreamUnavailable):
        await stream.report_applied(SHARD, applied)
    calls.fails_at = -1


async def test_a_report_takes_as_many_calls_as_series_wait(stream, calls):
    """No call looks at more than a piece of the tail, since the server serves nobody else meanwhile."""
    positions = await append(stream, *(admission(number) for number in range(MANY)))
    calls.done = 0

    await stream.report_applied(SHARD, Applied(positions[-1]))
    many = calls.done
    await stream.report_applied(SHARD, Applied(positions[-1] + 1))

    # The server looks at whole chains of its table, so a piece is about as large as asked.
    assert many > MANY / TAIL_PIECE_SERIES / 2
    assert calls.done == many + 1


async def test_readers_are_right_when_a_report_breaks_off(stream, calls):
    """What is left of the tail is at or below `applied`: it says nothing, and goes with the next report."""
    positions = await append(stream, *(admission(number) for number in range(MANY)))
    await begin(stream, calls, Applied(positions[-2]), done=1)

    left = [number for number in range(MANY) if (await stream.read_tail(SHARD, series(number))).chain]
    [newer] = await append(stream, admission(0, b"newer"))

    assert left == [MANY - 1]
    assert [Entry(newer, entry.previous, b"newer") for entry in [await stream.read_entry(SHARD, newer)]] == (
        await stream.read_tail(SHARD, series(0))
    ).chain
    await stream.report_applied(SHARD, Applied(newer))
    again = await append(stream, *(admission(number) for number in range(MANY)))
    entries = (await stream.read({SHARD: again[0] - 1}, bytes_max=1 << 20))[SHARD]
    assert {0} == {entry.previous for entry in entries}


@pytest.mark.parametrize("done", range(7))
async def test_no_cache_is_behind_applied_when_a_report_breaks_off(stream, calls, done):
    """Wherever it ends: a cache is that of before `applied` rose, that of the report, or missing (4.12)."""
    count = 2 * LATEST_PIECE_SERIES + 1
    first, second = await append(stream, admission(0), admission(1))
    await stream.report_applied(SHARD, Applied(first, {series(number): b"old" for number in range(count)}))

    report = Applied(second, {series(number): b"new" for number in range(count)})
    await begin(stream, calls, report, done) if done < 6 else await stream.report_applied(SHARD, report)

    tails = [await stream.read_tail(SHARD, series(number)) for number in range(count)]
    risen = tails[0].applied == second
    assert risen is (done > 3)
    assert {tail.latest for tail in tails} <= ({b"new", None} if risen else {b"old", None})
    assert {b"new"} == {tail.latest for tail in tails} or done < 6


async def test_a_report_that_is_overtaken_ends(stream, calls):
    """What it still has to tell is of before `applied` rose again, so it keeps it to itself (design 4.12)."""
    count = 2 * LATEST_PIECE_SERIES
    first, second = await append(stream, admission(0), admission(1))
    newer = Applied(second, {series(number): b"newer" for number in (0, count - 1)})
    calls.happens, calls.done, calls.at = stream.report_applied(SHARD, newer), 0, 4

    assert await stream.report_applied(SHARD, Applied(first, {series(n): b"older" for n in range(count)}))

    tails = [await stream.read_tail(SHARD, series(number)) for number in (0, 1, count - 2, count - 1)]
    assert [b"newer", b"older", None, b"newer"] == [tail.latest for tail in tails]
    assert {second} == {tail.applied for tail in tails}


async def test_a_report_whose_position_was_taken_back_ends(stream, calls):
    """A proof from an older store lowers `applied` in between, and no cache is ahead of it (design 4)."""
    first, second = await append(stream, admission(0), admission(1))
    await stream.report_applied(SHARD, Applied(first))
    calls.happens, calls.done, calls.at = prove(stream, incarnation=2, applied=first), 0, 4
    report = Applied(second, {series(n): b"lost" for n in range(2 * LATEST_PIECE_SERIES)})

    assert await stream.report_applied(SHARD, report)

    tails = [await stream.read_tail(SHARD, series(n)) for n in (0, 2 * LATEST_PIECE_SERIES - 1)]
    assert [(first, None)] * 2 == [(tail.applied, tail.latest) for tail in tails]


async def test_what_was_dropped_ahead_of_a_report_is_not_filled_before_it(stream, calls):
    """A seal that tells of an older state in between would leave it behind `applied` (design 4.12)."""
    count = LATEST_PIECE_SERIES + 1
    first, second = await append(stream, admission(0), admission(1))
    await stream.report_applied(SHARD, Applied(first))
    report = Applied(second, dict.fromkeys((series(number) for number in range(count)), None))
    await begin(stream, calls, report, done=2)

    await stream.report_applied(SHARD, Applied(first, {series(0): b"old", series(count): b"old"}))
    assert (await stream.read_tail(SHARD, series(0))).latest is None
    await stream.report_applied(SHARD, report)
    await stream.report_applied(SHARD, Applied(second, {series(1): b"new"}))

    tails = [await stream.read_tail(SHARD, series(number)) for number in (0, 1, count)]
    assert [None, b"new", None] == [tail.latest for tail in tails]
