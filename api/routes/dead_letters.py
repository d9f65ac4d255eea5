"""Dead letters of the caller's tenant: list, replay, discard; and the jobs that replay them (design 4).

Whose a letter is stands in its entry's header (`streams.letters`). One whose header cannot be read is shown
to nobody here: the operator sees it on the machine (`aspectstore dead-letters`).
"""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncIterator
from typing import Annotated

import msgspec
from litestar import Response, delete, get, post
from litestar.params import JSONBody, PathParameter, QueryParameter

from api.guard.tenancy import Caller
from api.http.wire import refusals
from api.identity.scopes import OPERATIONS_READ, OPERATIONS_WRITE, require
from api.services import Services, Serving
from schemas import codes
from schemas.errors import Invalid, NotFound, Problem, Unavailable
from schemas.ids import SeriesId, TenantId
from schemas.jobs import POSITIONS_MAX, REPLAY_DEAD_LETTERS, ReplayDeadLetters
from schemas.times import format_time
from streams.job_port import JobQueue, JobState
from streams.letters import series_of_letter
from streams.port import Letterhead, Settled

PATH = "/api/aspectstore/v1/dead-letters"
JOBS_PATH = f"{PATH}/replays"

LETTERS_MAX = 1_000
"""Of one page; a letter takes some 200 bytes in it."""

JOB_ID_BYTES = 16

_TAGS = ["operation"]
_JOB_ID = re.compile(rf"([a-z][a-z0-9_]{{1,7}})-[0-9a-f]{{{2 * JOB_ID_BYTES}}}", re.ASCII)
_CURSOR = re.compile(r"(\d{1,4})\.(\d{1,16})", re.ASCII)


class LetterOut(msgspec.Struct, rename="camel"):
    """One entry that was acknowledged and could not be applied."""

    shard: int
    position: int
    """Its place in the order of the shard."""
    time: str
    """When it was acknowledged."""
    asset_id: str
    aspect_id: str
    reason: str
    bytes: int


class LettersOut(msgspec.Struct, omit_defaults=True):
    """A page of dead letters, by shard and position."""

    letters: list[LetterOut]
    next: str | msgspec.UnsetType = msgspec.UNSET
    """What `after` must be for the next page; absent on the last one."""


class ReplayIn(msgspec.Struct, forbid_unknown_fields=True):
    """Which letters to replay: those of one shard, some positions of it, or, with neither, all."""

    shard: Annotated[int, msgspec.Meta(ge=0, le=1023)] | None = None
    positions: Annotated[list[int], msgspec.Meta(max_length=POSITIONS_MAX)] = msgspec.field(
        default_factory=list
    )


class JobOut(msgspec.Struct, omit_defaults=True):
    """How far a job is."""

    id: str
    state: JobState
    result: dict[str, int] | msgspec.UnsetType = msgspec.UNSET
    """With SUCCESS: how many letters were `replayed`, how many `kept`."""
    reason: str | msgspec.UnsetType = msgspec.UNSET
    """With ERROR."""


After = Annotated[str | None, QueryParameter(description="`next` of the page before.")]
Limit = Annotated[int, QueryParameter(ge=1, le=LETTERS_MAX, description="Letters of a page.")]
ShardInPath = Annotated[int, PathParameter(ge=0, le=1023, description="As the list has it.")]
PositionInPath = Annotated[int, PathParameter(ge=0, le=2**53 - 1, description="As the list has it.")]
JobInPath = Annotated[str, PathParameter(description="Id of a job, as its submission gave it.")]


@get(
    PATH,
    opt=require(OPERATIONS_READ),
    responses=refusals(400, 401, 403),
    operation_id="listDeadLetters",
    tags=_TAGS,
)
async def list_dead_letters(
    request: Caller, services: Serving, after: After = None, limit: Limit = 100
) -> LettersOut:
    """List what was acknowledged and could not be applied, with the reason."""
    begin = _parsed_cursor(after)
    found: list[LetterOut] = []
    async for head, series in _letters(services, request.user.tenant, begin):
        if len(found) == limit:
            last = found[-1]
            return LettersOut(found, f"{last.shard}.{last.position}")
        found.append(_out(head, series))
    return LettersOut(found)


@post(
    f"{PATH}/replay",
    status_code=202,
    opt=require(OPERATIONS_WRITE, action="dead_letter.replay"),
    responses=refusals(400, 401, 403, 408, 413, 415, 503),
    operation_id="replayDeadLetters",
    tags=_TAGS,
)
async def replay_dead_letters(
    request: Caller, services: Serving, data: JSONBody[ReplayIn]
) -> Response[JobOut]:
    """Append dead letters anew, as a job; `{}` means all.

    Each takes effect after everything that came since; what still cannot be applied becomes a letter again.
    """
    tenant = request.user.tenant
    if data.positions and data.shard is None:
        raise Invalid([Problem("/shard", codes.INVALID_BODY, "Positions need their shard.")])
    told = ReplayDeadLetters(data.shard, tuple(data.positions), tenant)
    job_id = f"{tenant}-{secrets.token_hex(JOB_ID_BYTES)}"
    await _jobs(services).submit(REPLAY_DEAD_LETTERS, msgspec.to_builtins(told), job_id)
    submitted = JobOut(job_id, JobState.SUBMITTED)
    return Response(submitted, status_code=202, headers={"location": f"{JOBS_PATH}/{job_id}"})


@delete(
    f"{PATH}/{{shard:int}}/{{position:int}}",
    opt=require(OPERATIONS_WRITE, action="dead_letter.discard"),
    responses=refusals(400, 401, 403, 404),
    operation_id="discardDeadLetter",
    tags=_TAGS,
)
async def discard_dead_letter(
    request: Caller, services: Serving, shard: ShardInPath, position: PositionInPath
) -> None:
    """Give a dead letter up; its receipt says so from then on."""
    stream = services.ports.stream
    head = await stream.find_letter(shard, position)
    series = _series_of(services, head) if isinstance(head, Letterhead) else None
    if series is None or series.tenant != request.user.tenant:
        raise NotFound("There is no such dead letter.")
    if not await stream.settle(shard, position, Settled()):
        raise NotFound("There is no such dead letter.")


@get(
    f"{JOBS_PATH}/{{job_id:str}}",
    opt=require(OPERATIONS_READ),
    responses=refusals(401, 403, 404),
    operation_id="getReplay",
    tags=_TAGS,
)
async def get_job(request: Caller, services: Serving, job_id: JobInPath) -> JobOut:
    """Tell how far a job of the caller's tenant is; an ended one for a week, a failed one for a month."""
    named = _JOB_ID.fullmatch(job_id)
    if named is None or named[1] != request.user.tenant:
        raise NotFound("There is no such job.")
    status = await _jobs(services).status(job_id)
    if status is None:
        raise NotFound("There is no such job.")
    if status.state is JobState.SUCCESS:
        return JobOut(job_id, status.state, result=msgspec.convert(status.result, dict[str, int]))
    if status.state is JobState.ERROR:
        return JobOut(job_id, status.state, reason="It failed at every try; the operator's log says why.")
    return JobOut(job_id, status.state)


ROUTES = (list_dead_letters, replay_dead_letters, discard_dead_letter, get_job)


async def _letters(
    services: Services, tenant: TenantId, begin: tuple[int, int]
) -> AsyncIterator[tuple[Letterhead, SeriesId]]:
    """Walk the letters of a tenant after a place."""
    for shard in range(begin[0], services.ports.policy.shards):
        for head in await services.ports.stream.dead_letters(shard):
            series = _series_of(services, head)
            if (head.shard, head.position) > begin and series is not None and series.tenant == tenant:
                yield head, series


def _series_of(services: Services, head: Letterhead) -> SeriesId | None:
    return series_of_letter(head, services.ports.policy.shards)


def _parsed_cursor(text: str | None) -> tuple[int, int]:
    """Read `shard.position`; (0, -1) for none, Invalid for anything else."""
    if text is None:
        return 0, -1
    found = _CURSOR.fullmatch(text)
    if found is None:
        raise Invalid(
            [Problem("", codes.INVALID_PARAMETER, "after: the `next` of an earlier page is expected.")]
        )
    return int(found[1]), int(found[2])


def _out(head: Letterhead, series: SeriesId) -> LetterOut:
    time = format_time(head.position // 1_000)
    return LetterOut(
        head.shard, head.position, time, series.asset, series.aspect, head.reason, head.bytes_count
    )


def _jobs(services: Services) -> JobQueue:
    if services.ports.jobs is None:
        raise Unavailable("This door has no job queue.")
    return services.ports.jobs
