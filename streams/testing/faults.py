"""What goes wrong: a server that is gone, callers that go away (R26)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine
from typing import TypeVar

import pytest

from schemas.errors import StreamUnavailable
from streams.budgets import Charge
from streams.port import Admitted, Applied, DeadLetter, RecordStream, Settled
from streams.testing.setting import FAR, SHARD, BackDoor, admission, append, prove, series

Answer = TypeVar("Answer")
Call = Callable[[RecordStream], Awaitable[object]]

CALLS: dict[str, Call] = {
    "append": lambda stream: stream.append([admission()]),
    "read": lambda stream: stream.read({SHARD: 0}, bytes_max=1_000),
    "read, waiting": lambda stream: stream.read({SHARD: FAR}, bytes_max=1_000, wait_ms=100),
    "read_entry": lambda stream: stream.read_entry(SHARD, 1),
    "read_tail": lambda stream: stream.read_tail(SHARD, series(1)),
    "report_applied": lambda stream: stream.report_applied(SHARD, Applied(1)),
    "trim": lambda stream: stream.trim(SHARD, 1),
    "read_state": lambda stream: stream.read_state(SHARD),
    "read_trimmed": lambda stream: stream.read_trimmed([SHARD]),
    "read_applied": lambda stream: stream.read_applied([SHARD]),
    "prove": lambda stream: stream.prove(SHARD, "", last=0, limit=1, incarnation=1, applied=0),
    "renew_limit": lambda stream: stream.renew_limit(SHARD, 1),
    "acquire_lease": lambda stream: stream.acquire_lease(SHARD, "one", 10),
    "release_lease": lambda stream: stream.release_lease(SHARD, "one"),
    "join": lambda stream: stream.join("one", 10),
    "leave": lambda stream: stream.leave("one"),
    "bury": lambda stream: stream.bury(DeadLetter(SHARD, 1, "", b"")),
    "dead_letters": lambda stream: stream.dead_letters(SHARD),
    "read_letter": lambda stream: stream.read_letter(SHARD, 1),
    "find_letter": lambda stream: stream.find_letter(SHARD, 1),
    "settle": lambda stream: stream.settle(SHARD, 1, Settled()),
    "publish": lambda stream: stream.publish("one", b"{}", 10),
    "published": lambda stream: stream.published(),
    "forget": lambda stream: stream.forget("windco"),
    "count_left": lambda stream: stream.count_left("windco"),
    "charge": lambda stream: stream.charge("one", [Charge("windco")]),
    "read_spent": lambda stream: stream.read_spent("windco"),
    "tell_stored": lambda stream: stream.tell_stored("windco", SHARD, 1),
}
"""Every method of the port."""


class FaultContract:
    """Failure is one error, and never another's answer."""

    def test_every_method_is_called_here(self) -> None:
        """A method added to the port must join the broken-driver test."""
        names = {name.partition(",")[0] for name in CALLS} | {"close"}

        assert RecordStream.__abstractmethods__ == names

    async def test_a_dead_server_is_stream_unavailable(self, stream: RecordStream, door: BackDoor) -> None:
        """Every method says so with the driver's error as the cause, connected before or not."""
        await prove(stream)
        await append(stream)
        await door.stop()

        for name, call in CALLS.items():
            with pytest.raises(StreamUnavailable) as caught:
                await call(stream)
            assert isinstance(caught.value.__cause__, Exception), name

    async def test_a_server_that_comes_back_is_found(self, stream: RecordStream, door: BackDoor) -> None:
        """No call is needed to mend a connection."""
        await prove(stream)
        [position] = await append(stream)
        await door.stop()
        with pytest.raises(StreamUnavailable):
            await stream.append([admission()])

        await door.restart()

        assert [position] == await door.positions(SHARD)
        await prove(stream, incarnation=2)
        assert (await append(stream))[0] > position

    async def test_a_closed_stream_answers_no_more(self, stream: RecordStream) -> None:
        """Closing twice is harmless; calls afterwards fail as if the server were gone."""
        await prove(stream)
        await stream.close()
        await stream.close()

        for call in CALLS.values():
            with pytest.raises(StreamUnavailable):
                await call(stream)

    async def test_callers_that_go_away_leave_no_answer_to_others(self, stream: RecordStream) -> None:
        """A storm of cancelled calls: every answer that arrives is its caller's own (R26, finding 12)."""
        await prove(stream)
        rng = random.Random(26)  # noqa: S311  # a seed, so that a failure can be repeated
        done = cancelled = 0

        async def perhaps(call: Coroutine[None, None, Answer]) -> Answer | None:
            """Await a call, or go away from it after a few turns of the loop."""
            nonlocal done, cancelled
            task = asyncio.create_task(call)
            if rng.random() < 0.5:
                for _ in range(rng.randrange(6)):
                    await asyncio.sleep(0)
                task.cancel()
            try:
                answer = await task
            except asyncio.CancelledError:
                cancelled += 1
                return None
            done += 1
            return answer

        async def client(number: int) -> None:
            for count in range(40):
                canary = f"{number}.{count}".encode()
                answers = await perhaps(stream.append([admission(number, canary)]))
                tail = await perhaps(stream.read_tail(SHARD, series(number)))
                if tail is not None and tail.chain is not None:
                    assert all(each.body.startswith(b"%d." % number) for each in tail.chain)
                for answer in answers or ():
                    assert isinstance(answer, Admitted), answer
                    entry = await perhaps(stream.read_entry(SHARD, answer.position))
                    assert entry is None or entry.body == canary
                    below = {SHARD: answer.position - 1}
                    found = await perhaps(stream.read(below, bytes_max=1, wait_ms=50))
                    assert found is None or found[SHARD][0].body == canary

        await asyncio.gather(*(client(number) for number in range(1, 13)))

        assert done > 500
        assert cancelled > 50
