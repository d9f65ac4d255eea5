"""The job queue on RQ: one queue a worker, JSON, with retries (the traps: stack 0, finding 8).

A worker that served several queues would lose the job in hand when it dies, so it serves one. What is kept
in the server is a name and JSON, never a pickle and never the path of a function: a worker runs only the
functions that it was given. RQ blocks, so the port's methods use it in a thread.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, TypeVar, cast

from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry as NoRetry
from rq import Queue, Retry, SimpleWorker, Worker
from rq import job as rq_job
from rq.exceptions import DuplicateJobError, NoSuchJobError

from schemas.errors import StreamUnavailable
from streams.job_port import JobFunction, JobQueue, JobState, JobStatus

QUEUE: Final = "jobs"

TIMEOUT_S: Final = 5.0
"""Of one command; a job itself has `JOB_TIMEOUT_S`."""

JOB_TIMEOUT_S: Final = 6 * 3600
"""A job that takes longer hangs."""

RESULT_TTL_S: Final = 7 * 86_400
"""How long a finished job can be asked for, and its id not be used again."""

FAILURE_TTL_S: Final = 30 * 86_400
"""The same for one that failed for good."""

RETRIES_AFTER_S: Final = (2, 15, 60)
"""Three more tries; in about this time a store or stream server has come back, or somebody is needed."""

MAINTENANCE_S: Final = 30
"""How often a worker looks for jobs of workers that died; it waits for a job no longer than that."""

Answer = TypeVar("Answer")

_STATES: Final = {
    rq_job.JobStatus.STARTED: JobState.IN_PROGRESS,
    rq_job.JobStatus.FINISHED: JobState.SUCCESS,
    rq_job.JobStatus.FAILED: JobState.ERROR,
    rq_job.JobStatus.STOPPED: JobState.ERROR,
    rq_job.JobStatus.CANCELED: JobState.ERROR,
}
"""All others wait."""

_functions: dict[str, JobFunction] = {}
"""Of this worker process. RQ reaches `run` by import, in a fork, so they cannot be handed to it."""


def run(name: str, arguments: Mapping[str, object]) -> object:
    """Run a job of this worker by its name; what RQ is told to call."""
    if name not in _functions:
        raise LookupError(f"this worker knows no job {name!r}; it knows {', '.join(sorted(_functions))}")
    return _functions[name](arguments)


class RqJobQueue(JobQueue):
    """Submits to, and asks, an RQ queue."""

    def __init__(
        self, url: str, *, queue: str = QUEUE, retries_after_s: Sequence[int] = RETRIES_AFTER_S
    ) -> None:
        """Name the server (`unix:///path`, `redis://host:port/0`); it is met at the first call."""
        self._redis = _connect(url)
        self._queue = Queue(queue, connection=self._redis, serializer="json", default_timeout=JOB_TIMEOUT_S)
        self._retries_after_s = list(retries_after_s)

    async def submit(self, name: str, arguments: Mapping[str, object], job_id: str) -> str:
        """Ask for a job and give its id; the same id again asks for nothing new."""
        return await self._in_thread(lambda: self._submit(name, dict(arguments), job_id))

    def _submit(self, name: str, arguments: dict[str, object], job_id: str) -> str:
        retry = Retry(len(self._retries_after_s), self._retries_after_s)
        with contextlib.suppress(DuplicateJobError):
            self._queue.enqueue_call(
                f"{__name__}.run",
                args=(name, arguments),
                job_id=job_id,
                unique=True,
                retry=retry,
                result_ttl=RESULT_TTL_S,
                failure_ttl=FAILURE_TTL_S,
                description=name,
            )
        return job_id

    async def status(self, job_id: str) -> JobStatus | None:
        """Tell how far a job is; None for one that never was, or ended long ago."""
        return await self._in_thread(lambda: self._status(job_id))

    def _status(self, job_id: str) -> JobStatus | None:
        try:
            job = rq_job.Job.fetch(job_id, connection=self._redis, serializer="json")
        except NoSuchJobError:
            return None
        state = _STATES.get(job.get_status(), JobState.SUBMITTED)
        last = job.latest_result() if state in {JobState.SUCCESS, JobState.ERROR} else None
        if last is None:
            return JobStatus(state)
        if state is JobState.SUCCESS:
            return JobStatus(state, result=cast("object", last.return_value))
        return JobStatus(state, reason=(last.exc_string or "").strip().rpartition("\n")[2])

    async def forget(self, tenant: str) -> None:
        """Forget a tenant's jobs, waiting or ended, with what they were told and what came of them."""
        await self._in_thread(lambda: self._forget(tenant))

    def _forget(self, tenant: str) -> None:
        for key in list(self._redis.scan_iter(f"rq:job:{tenant}-*", count=1_000)):
            job_id = key.decode().removeprefix("rq:job:")
            with contextlib.suppress(NoSuchJobError):
                rq_job.Job.fetch(job_id, connection=self._redis, serializer="json").delete()

    async def count_left(self, tenant: str) -> dict[str, int]:
        """Count the queue's keys and members that name a tenant."""
        return await self._in_thread(lambda: self._count_left(f"{tenant}-".encode()))

    def _count_left(self, prefix: bytes) -> dict[str, int]:
        left: dict[str, int] = {}
        for key in self._redis.scan_iter("rq:*", count=1_000):
            place, _, name = key.removeprefix(b"rq:").partition(b":")
            members = (name, *self._members(key))
            found = sum(member.startswith(prefix) for member in members)
            left[place.decode()] = left.get(place.decode(), 0) + found
        return left

    def _members(self, key: bytes) -> Iterable[bytes]:
        kind = self._redis.type(key)
        if kind == b"zset":
            return cast("list[bytes]", self._redis.zrange(key, 0, -1))
        if kind == b"list":
            return cast("list[bytes]", self._redis.lrange(key, 0, -1))
        return cast("set[bytes]", self._redis.smembers(key)) if kind == b"set" else ()

    async def close(self) -> None:
        """Release connections; twice is harmless."""
        await asyncio.to_thread(self._redis.close)

    async def _in_thread(self, call: Callable[[], Answer]) -> Answer:
        try:
            return await asyncio.to_thread(call)
        except (RedisError, OSError) as error:
            raise StreamUnavailable(f"the job queue is not available: {error}") from error


def serve(
    url: str,
    functions: Mapping[str, JobFunction],
    *,
    queue: str = QUEUE,
    burst: bool = False,
    fork: bool = True,
) -> None:
    """Run jobs until SIGTERM or SIGINT, which let the job in hand end; must be the process's main thread.

    Each job runs in a fork of its own, so functions open their connections themselves; `fork=False` runs
    them here. `burst` ends when nothing waits. Jobs of workers that died are taken up within minutes.
    """
    _functions.update(functions)
    worker_class = Worker if fork else SimpleWorker
    worker = worker_class(
        [queue],
        connection=_connect(url),
        serializer="json",
        maintenance_interval=MAINTENANCE_S,
        worker_ttl=MAINTENANCE_S + 15,
        log_job_description=False,
    )
    worker.work(burst=burst, with_scheduler=not burst, logging_level="WARNING")


def _connect(url: str) -> Redis:
    # Nothing is sent twice behind our back (stack 0, finding 7).
    return Redis.from_url(
        url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S, retry=NoRetry(NoBackoff(), 0)
    )
