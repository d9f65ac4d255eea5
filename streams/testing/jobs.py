"""The contract of the job queue, and the jobs that it runs."""

from __future__ import annotations

import os
import signal
from collections.abc import Awaitable, Callable, Mapping

from streams.job_port import JobFunction, JobQueue, JobState, JobStatus

Work = Callable[[], Awaitable[None]]
"""Runs everything that waits, retries included."""


def echo(arguments: Mapping[str, object]) -> object:
    """Give back what was asked."""
    return {"asked": arguments}


def fail(arguments: Mapping[str, object]) -> object:
    """Fail with a reason of several lines, and count the tries in a file."""
    count(arguments)
    raise ValueError("first line\nthe shard is closed")


def count(arguments: Mapping[str, object]) -> object:
    """Add a line to a file."""
    with open(str(arguments["file"]), "a", encoding="ascii") as file:  # noqa: PTH123  # jobs may block
        file.write("ran\n")
    return None


def die(arguments: Mapping[str, object]) -> object:
    """Take the process down, as a kill from outside does."""
    count(arguments)
    os.kill(os.getpid(), signal.SIGKILL)
    return None


FUNCTIONS: dict[str, JobFunction] = {"echo": echo, "fail": fail, "count": count, "die": die}
"""What the worker under test is given."""


class JobQueueContract:
    """Everything that a `JobQueue` promises.

    Fixtures to give: `queue` (three retries without delay), `work` (a `Work` over `FUNCTIONS`).
    """

    async def test_a_job_is_done_with_its_arguments(self, queue: JobQueue, work: Work) -> None:
        """Names and arguments arrive as JSON, and so does the result."""
        arguments = {"shard": 7, "positions": [2**53, 1], "text": "☃", "nothing": None}
        assert "job-1" == await queue.submit("echo", arguments, "job-1")
        assert JobStatus(JobState.SUBMITTED) == await queue.status("job-1")

        await work()

        assert JobStatus(JobState.SUCCESS, {"asked": arguments}) == await queue.status("job-1")

    async def test_the_same_id_is_the_same_job(
        self, queue: JobQueue, work: Work, tmp_path: os.PathLike[str]
    ) -> None:
        """A repeated request does not repeat the work, before and after it was done."""
        file = os.path.join(tmp_path, "runs")  # noqa: PTH118  # any path will do
        await queue.submit("count", {"file": file}, "job-2")
        await queue.submit("count", {"file": file}, "job-2")
        await work()
        assert "job-2" == await queue.submit("count", {"file": file}, "job-2")
        await work()

        assert 1 == _runs(file)
        assert JobStatus(JobState.SUCCESS) == await queue.status("job-2")

    async def test_a_failing_job_is_tried_again_then_given_up(
        self, queue: JobQueue, work: Work, tmp_path: os.PathLike[str]
    ) -> None:
        """After three retries the reason stands in the status, one line of it; others go on."""
        file = os.path.join(tmp_path, "runs")  # noqa: PTH118
        await queue.submit("fail", {"file": file}, "job-3")
        await queue.submit("echo", {}, "job-4")

        await work()

        status = await queue.status("job-3")
        assert status is not None
        assert (JobState.ERROR, 4) == (status.state, _runs(file))
        assert status.reason.endswith("the shard is closed")
        assert JobStatus(JobState.SUCCESS, {"asked": {}}) == await queue.status("job-4")

    async def test_a_job_nobody_knows_fails(self, queue: JobQueue, work: Work) -> None:
        """A worker runs only what it was given: a name is not a path into the program."""
        await queue.submit("os.getcwd", {}, "job-5")

        await work()

        status = await queue.status("job-5")
        assert status is not None
        assert JobState.ERROR is status.state
        assert "os.getcwd" in status.reason

    async def test_a_tenants_jobs_are_forgotten(self, queue: JobQueue, work: Work) -> None:
        """Ended ones and waiting ones, with all that they say; those of others stay (design 4.16)."""
        await queue.submit("echo", {}, "windco-1")
        await queue.submit("echo", {}, "windcorp-1")
        await work()
        await queue.submit("echo", {}, "windco-2")
        before = sum((await queue.count_left("windcorp")).values())
        assert 2 <= sum((await queue.count_left("windco")).values())

        await queue.forget("windco")
        await queue.forget("windco")

        assert {0} == set((await queue.count_left("windco")).values())
        assert before == sum((await queue.count_left("windcorp")).values())
        assert [None, None] == [await queue.status(f"windco-{number}") for number in (1, 2)]
        assert JobStatus(JobState.SUCCESS, {"asked": {}}) == await queue.status("windcorp-1")

    async def test_an_unknown_job_has_no_status(self, queue: JobQueue) -> None:
        """Never submitted is not the same as waiting."""
        assert await queue.status("never") is None


def _runs(file: str) -> int:
    with open(file, encoding="ascii") as lines:  # noqa: PTH123
        return len(lines.readlines())
