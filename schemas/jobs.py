"""The jobs that the door may ask for, by name, and what each is told.

A name is a string on purpose: the door submits it through `streams.job_port.JobQueue` and never imports the
function, which lives in `workers`. A test there holds that every name of `ARGUMENTS` has its function.
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

REPLAY_DEAD_LETTERS: Final = "replay_dead_letters"
CREATE_EVENTS: Final = "create_events"
DELETE_EVENTS: Final = "delete_events"
RUN_JOB: Final = "run_job"

POSITIONS_MAX = 10_000
"""Named in one replay; whoever has more replays the whole shard."""


class ReplayDeadLetters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Append dead letters anew and settle each that was admitted (design 4)."""

    shard: Annotated[int, msgspec.Meta(ge=0)] | None = None
    """None: every shard."""
    positions: Annotated[tuple[int, ...], msgspec.Meta(max_length=POSITIONS_MAX)] = ()
    """Which of the shard; none named: all that there are when the job begins."""
    tenant: str | None = None
    """Only letters of this tenant; None: all, also those of which nobody knows whose they are."""

    def __post_init__(self) -> None:
        """Refuse positions without their shard: each shard counts for itself."""
        if self.positions and self.shard is None:
            raise ValueError("positions need a shard")


class NewEvent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An event that was checked and has its id, so that a second try creates nothing new."""

    id: str
    entity: str
    time_ms: int
    type: str
    body: str
    """As `storage.event_reading` writes it."""


class CreateEvents(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Create events (wire 9)."""

    tenant: str
    events: tuple[NewEvent, ...]


class DeleteEvents(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Delete the events that a filter wants (wire 9)."""

    tenant: str
    filter: str
    """JSON, as `schemas.event_filters` reads it."""


class RunJob(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Go on with a job that stands in the catalogue (`storage.job_records`); often told, done once."""

    tenant: str
    id: str


ARGUMENTS: Final[dict[str, type[msgspec.Struct]]] = {
    REPLAY_DEAD_LETTERS: ReplayDeadLetters,
    CREATE_EVENTS: CreateEvents,
    DELETE_EVENTS: DeleteEvents,
    RUN_JOB: RunJob,
}
"""What each job is told."""
