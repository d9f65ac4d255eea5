"""The job queues, on RQ with a real server and in memory, against one contract."""

import asyncio
import subprocess
import sys

import msgspec
import pytest

from schemas.errors import StreamUnavailable
from schemas.jobs import ARGUMENTS, REPLAY_DEAD_LETTERS, ReplayDeadLetters
from streams.job_port import JobState
from streams.memory_jobs import MemoryJobQueue
from streams.rq_jobs import RqJobQueue
from streams.testing import JobQueueContract
from streams.testing.jobs import FUNCTIONS

WORKER = """
import sys
from streams.rq_jobs import serve
from streams.testing.jobs import FUNCTIONS

serve(sys.argv[1], FUNCTIONS, burst=True, queue=sys.argv[2], fork=sys.argv[3] == "fork")
"""


class TestMemoryJobs(JobQueueContract):
    @pytest.fixture
    def queue(self):
        return MemoryJobQueue(FUNCTIONS)

    @pytest.fixture
    def work(self, queue):
        async def run():
            queue.run_waiting()

        return run


@pytest.fixture
def server(valkey_factory):
    return valkey_factory()


@pytest.fixture
async def rq_queue(server):
    queue = RqJobQueue(server.url, queue="contract", retries_after_s=(0, 0, 0))
    yield queue
    await queue.close()
    await queue.close()


def worker(server, fork="stay"):
    """Run what waits in a process of its own: RQ wants the main thread and its signals."""
    words = [sys.executable, "-c", WORKER, server.url, "contract", fork]
    return subprocess.run(words, check=True, capture_output=True, text=True, timeout=60)


class TestRqJobs(JobQueueContract):
    @pytest.fixture
    def queue(self, rq_queue):
        return rq_queue

    @pytest.fixture
    def work(self, server):
        async def run():
            await asyncio.to_thread(worker, server)

        return run


async def test_a_job_that_kills_its_process_takes_nothing_along(rq_queue, server, tmp_path):
    """Each job has its own process: it is tried again, given up, and the next one is done (finding 8)."""
    file = tmp_path / "runs"
    await rq_queue.submit("die", {"file": str(file)}, "deadly")
    await rq_queue.submit("echo", {}, "next")

    await asyncio.to_thread(worker, server, "fork")

    assert JobState.ERROR is (await rq_queue.status("deadly")).state
    assert 4 == len(file.read_text().splitlines())
    assert JobState.SUCCESS is (await rq_queue.status("next")).state


async def test_nothing_in_the_server_is_a_pickle(rq_queue, server):
    """What is stored is JSON: who breaks into the server cannot make a worker run code (finding 8)."""
    await rq_queue.submit("echo", {"shard": 7}, "plain")

    stored = rq_queue._redis.hgetall("rq:job:plain")
    import zlib

    assert b'["streams.rq_jobs.run", null, ["echo", {"shard": 7}], {}]' == zlib.decompress(stored[b"data"])


async def test_jobs_survive_the_server(rq_queue, server):
    """A job that was submitted is not lost when the server is killed."""
    await rq_queue.submit("echo", {}, "kept")
    server.kill()
    with pytest.raises(StreamUnavailable) as caught:
        await rq_queue.status("kept")
    with pytest.raises(StreamUnavailable):
        await rq_queue.submit("echo", {}, "other")
    assert caught.value.__cause__ is not None
    server.start()

    await asyncio.to_thread(worker, server)

    assert JobState.SUCCESS is (await rq_queue.status("kept")).state


def test_every_job_has_its_arguments():
    """The door tells a job what its argument struct says, and nothing else gets through."""
    told = msgspec.to_builtins(ReplayDeadLetters(shard=7, positions=(5, 9)))

    assert ReplayDeadLetters is ARGUMENTS[REPLAY_DEAD_LETTERS]
    assert ReplayDeadLetters(7, (5, 9)) == msgspec.convert(told, ARGUMENTS[REPLAY_DEAD_LETTERS], strict=True)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"shard": 7, "positions": [], "path": "x"}, ReplayDeadLetters)
