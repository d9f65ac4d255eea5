"""What keeps jobs and runs them once: the queue of jobs, whichever server keeps it (design 3).

Adapters pass `streams.testing`; their driver's errors come out as `StreamUnavailable`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

from streams.erasing_port import Forgets


class JobState(Enum):
    """How far a job is."""

    SUBMITTED = "SUBMITTED"
    """It waits, for the first time or after a failure."""
    IN_PROGRESS = "IN_PROGRESS"
    SUCCESS = "SUCCESS"
    ERROR = "ERROR"
    """It failed at every try, or its worker died at every try."""


@dataclass(slots=True, frozen=True)
class JobStatus:
    """What is known of a job."""

    state: JobState
    result: object = None
    """With SUCCESS: what the job gave, as JSON gives it back."""
    reason: str = ""
    """With ERROR: the last line of what went wrong."""


JobFunction = Callable[[Mapping[str, object]], object]
"""A job: takes its arguments as JSON objects, gives something that JSON can write; may run more than once."""


class JobQueue(Forgets):
    """Work that takes longer than a request may; done by job workers, at least once."""

    @abstractmethod
    async def submit(self, name: str, arguments: Mapping[str, object], job_id: str) -> str:
        """Ask for a job and give its id; the same id again asks for nothing new.

        Names and arguments are those of `schemas.jobs`; the id has letters, digits, `-` and `_` only.
        """

    @abstractmethod
    async def status(self, job_id: str) -> JobStatus | None:
        """Tell how far a job is; None for one that never was, or ended long ago."""

    @abstractmethod
    async def close(self) -> None:
        """Release connections; twice is harmless."""
