"""The memory adapter of the job queue: for tests and demos."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import json

from streams.job_port import JobFunction, JobQueue, JobState, JobStatus


class MemoryJobQueue(JobQueue):
    """Jobs in a dictionary; `run_waiting` is the worker."""

    def __init__(self, functions: Mapping[str, JobFunction], *, tries: int = 4) -> None:
        """Run these functions, each job at most `tries` times."""
        self._functions = functions
        self._tries = tries
        self._asked: dict[str, tuple[str, Mapping[str, object]]] = {}
        self._status: dict[str, JobStatus] = {}

    async def submit(self, name: str, arguments: Mapping[str, object], job_id: str) -> str:
        """Ask for a job and give its id; the same id again asks for nothing new."""
        if job_id not in self._status:
            self._asked[job_id] = (name, json.decode(json.encode(arguments)))
            self._status[job_id] = JobStatus(JobState.SUBMITTED)
        return job_id

    async def status(self, job_id: str) -> JobStatus | None:
        """Tell how far a job is; None for one that never was."""
        return self._status.get(job_id)

    async def forget(self, tenant: str) -> None:
        """Forget a tenant's jobs, waiting or ended."""
        for job_id in [job_id for job_id in self._status if job_id.startswith(f"{tenant}-")]:
            del self._status[job_id]
            self._asked.pop(job_id, None)

    async def count_left(self, tenant: str) -> dict[str, int]:
        """Count a tenant's jobs."""
        return {"jobs": sum(job_id.startswith(f"{tenant}-") for job_id in self._status)}

    async def close(self) -> None:
        """Nothing to release."""

    def run_waiting(self) -> None:
        """Run every job that waits, in the order in which they came."""
        for job_id, (name, arguments) in self._asked.items():
            self._status[job_id] = self._run(name, arguments)
        self._asked.clear()

    def _run(self, name: str, arguments: Mapping[str, object]) -> JobStatus:
        reason = ""
        for _ in range(self._tries):
            try:
                result = self._functions[name](arguments)
                return JobStatus(JobState.SUCCESS, result=json.decode(json.encode(result)))
            except Exception as error:  # noqa: BLE001  # A job's failure is its status, whatever it is.
                reason = f"{type(error).__name__}: {error}"
        return JobStatus(JobState.ERROR, reason=reason)
