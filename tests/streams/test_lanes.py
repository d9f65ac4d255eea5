"""Group commit: what sets out when, and with whom (design 3.3)."""

import asyncio

import pytest

from schemas.errors import StreamUnavailable
from streams.valkey import lanes as lanes_module
from streams.valkey.lanes import LANE_BYTES_MIN, Lanes

SMALL, LARGE = 100, LANE_BYTES_MIN


class Line:
    """A link that notes what was sent on it, and answers when it is told to."""

    run_id = "one"

    def __init__(self):
        self.sent = []
        self.answer = None

    async def connection(self):
        return self

    def send(self, commands):
        self.sent.append(commands)
        self.answer = asyncio.get_running_loop().create_future()
        return self.answer

    def drop(self):
        """Be closed."""

    async def come_back(self):
        """Answer everything under way."""
        self.answer.set_result([b"OK"] * len(self.sent[-1]))
        await settle()


async def settle():
    """Let everything that is ready run."""
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.fixture
def lines():
    return [Line(), Line()]


@pytest.fixture
async def lanes(lines):
    return Lanes(lines, 5.0)


async def send(lanes, *names, size=SMALL):
    calls = [lanes.send(lambda _, name=name: [name], size) for name in names]
    await settle()
    return calls


def sent(lines):
    return sorted(commands for line in lines for commands in line.sent)


async def test_small_calls_wait_for_the_lane_that_is_under_way(lanes, lines):
    """One fsync serves all that came meanwhile."""
    [first] = await send(lanes, b"a")
    await send(lanes, b"b", b"c")
    assert [[b"a"]] == sent(lines)

    [under_way] = [line for line in lines if line.sent]
    await under_way.come_back()

    assert [b"OK"] == first.result()
    assert [[b"a"], [b"b", b"c"]] == sent(lines)


async def test_large_calls_take_another_lane(lanes, lines):
    """The server reads so much of one connection only before it syncs."""
    await send(lanes, b"a")

    await send(lanes, b"b", size=LARGE)

    assert [[b"a"], [b"b"]] == sent(lines)


async def test_a_call_is_held_until_those_who_were_answered_come_again(lanes, lines):
    """Two callers who wait for their answers make one trip each time, not two."""
    await send(lanes, b"a", b"b")
    await next(line for line in lines if line.sent).come_back()

    await send(lanes, b"c")
    assert [[b"a", b"b"]] == sent(lines)
    await send(lanes, b"d")

    assert [[b"a", b"b"], [b"c", b"d"]] == sent(lines)


async def test_who_does_not_come_is_not_waited_for(lanes, lines):
    """A caller who is alone now sets out after a moment, and the next time at once."""
    await send(lanes, b"a", b"b")
    await next(line for line in lines if line.sent).come_back()
    [alone] = await send(lanes, b"c")

    async with asyncio.timeout(5):
        while not any([b"c"] in line.sent for line in lines):
            await asyncio.sleep(0)
    await next(line for line in lines if [b"c"] in line.sent).come_back()
    assert [b"OK"] == alone.result()
    await send(lanes, b"d")

    assert [[b"a", b"b"], [b"c"], [b"d"]] == sent(lines)


async def test_a_lane_that_hangs_does_not_hold_up_the_others(lanes, lines, monkeypatch):
    """Who waits for it sets out with the next call, on a connection that lives."""
    [hanging] = await send(lanes, b"a")
    await send(lanes, b"b")
    assert [[b"a"]] == sent(lines)
    monkeypatch.setattr("streams.valkey.lanes.STALL_S", 0.0)

    [later] = await send(lanes, b"c")
    await next(line for line in lines if [b"b", b"c"] in line.sent).come_back()

    assert [b"OK"] == later.result()
    assert not hanging.done()


async def test_a_caller_who_leaves_is_not_sent(lanes, lines):
    """A call that was given up while it was held costs nobody a trip, and holds up nobody."""
    await send(lanes, b"a", b"b")
    await next(line for line in lines if line.sent).come_back()
    [held] = await send(lanes, b"c")
    held.cancel()

    await send(lanes, b"d")
    await next(line for line in lines if [b"d"] in line.sent).come_back()

    assert [[b"a", b"b"], [b"d"]] == sent(lines)


async def test_what_is_held_fails_when_the_lanes_are_closed(monkeypatch, lanes, lines):
    """Nobody waits for an answer that cannot come, and nothing sets out afterwards."""
    monkeypatch.setattr(lanes_module, "HOLD_S", 60.0)  # However slow this machine is.
    await send(lanes, b"a", b"b")
    await next(line for line in lines if line.sent).come_back()
    [held] = await send(lanes, b"c")

    lanes.close()

    with pytest.raises(StreamUnavailable):
        held.result()
    lanes._go()
    assert [[b"a", b"b"]] == sent(lines)
