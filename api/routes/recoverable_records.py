"""Recoverable records: what of agents' messages nothing took, to be replayed or deleted (wire 6.5)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from hmac import compare_digest
from typing import Annotated, Final, TypeAlias

import msgspec
from litestar import Response, delete, get, post
from litestar.datastructures import ResponseHeader
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import PathParameter, QueryParameter
from litestar.response import Stream

from api.agents.quarantine import NO_RECORD
from api.catalog.tenant_index import Kept
from api.guard.tenancy import Caller
from api.http import spring
from api.http.budget import HOLDING
from api.http.errors import AgentError
from api.http.filters import Field, Table, time_text
from api.http.hal import Wanted, origin_of
from api.http.wire import refusals
from api.identity.scopes import AGENTS_READ, AGENTS_WRITE, opened, require
from api.routes.listing import Filter, PageNumber, PageSize, Sort
from api.routes.parts import named_header
from api.routes.timebase import noted
from api.services import Services, Serving
from api.timebase.service import DOOR as TIMEBASE
from schemas.errors import NotFound
from schemas.ids import TenantId
from schemas.quarantine import Quarantined
from schemas.times import format_time

PATH = "/api/mindconnect/v3/recoverableRecords"
CONTENT_PATH = "/api/aspectstore/v1/recoverableRecords/{tenant:str}/{record_id:str}"

PAGE_SIZE: Final = 20
LINK_S: Final = 600
"""How long an address of a record's content is good."""

_TAGS = ["agents"]

RecordInPath: TypeAlias = Annotated[str, PathParameter(description="Id of a record.")]

Overwrite: TypeAlias = Annotated[
    bool,
    QueryParameter(
        name="overwrite",
        description="True: values count also where the series has others by now, which they write over.",
    ),
]

LOST: Sequence[ResponseHeader] = (
    named_header("Quarantine-Lost-Records", "How many were dropped since ever, because there was no room."),
    named_header("Quarantine-Lost-Bytes", "What these had."),
)

_FIELDS: dict[str, Field[Kept[Quarantined]]] = {
    "id": Field(lambda kept: kept.value.id),
    "correlationId": Field(lambda kept: kept.value.correlation_id),
    "agentId": Field(lambda kept: kept.value.agent),
    "requestTime": Field(lambda kept: format_time(kept.value.request_ms), time_text, is_time=True),
    "dropReason": Field(lambda kept: kept.value.reason),
}


class RecordOut(msgspec.Struct, rename="camel"):
    """A recoverable record."""

    id: str
    correlation_id: str
    """Of the request that brought it."""
    agent_id: str
    request_time: str
    drop_reason: str


class RecordPage(spring.SpringPage, rename="camel", kw_only=True):
    """A page of records."""

    content: list[RecordOut]


@get(
    PATH,
    opt=require(AGENTS_READ),
    responses=refusals(400, 401, 403, 503, shape=AgentError),
    response_headers=LOST,
    operation_id="listRecoverableRecords",
    tags=_TAGS,
)
async def list_records(
    request: Caller,
    services: Serving,
    *,
    page: PageNumber = 0,
    size: PageSize = PAGE_SIZE,
    sort: Sort = "",
    filter_text: Filter = "",
) -> Response[RecordPage]:
    """List what was refused, the oldest first unless `sort` says otherwise."""
    tenant = request.user.tenant
    table = Table(services.quarantine.listed(tenant), _FIELDS, ("requestTime",))
    found, said = spring.page_of(table, Wanted(page, size, sort, filter_text))
    losses = await services.quarantine.losses(tenant)
    headers = {"quarantine-lost-records": str(losses.records), "quarantine-lost-bytes": str(losses.bytes)}
    return Response(RecordPage(content=[_out(kept.value) for kept in found], **said), headers=headers)


@post(
    f"{PATH}/{{record_id:str}}/replay",
    status_code=200,
    opt=require(AGENTS_WRITE, action="recoverable_record.replay"),
    responses={
        **refusals(400, 401, 403, 404, 413, 429, 503, shape=AgentError),
        200: ResponseSpec(None, description="Replayed; what is still refused stays, with its reason"),
    },
    operation_id="replayRecoverableRecord",
    tags=_TAGS,
)
async def replay_record(
    request: Caller, services: Serving, record_id: RecordInPath, *, overwrite: Overwrite = False
) -> Response[bytes]:
    """Store what the agent's mappings now take of a record; a second replay stores nothing more.

    A value whose place has another value by now stays in the record, unless `overwrite` says that it counts.
    The record goes when nothing of it is refused any more.
    """
    record = await services.quarantine.find(request.user.tenant, record_id)
    request.scope["state"][HOLDING].add(record.content.size)
    if record.door == TIMEBASE:
        await services.timebase.replay(request.user, record, noted(request, services), overwrite=overwrite)
    else:
        note = partial(services.audit.beside, request)
        await services.exchange.replay(request.user, record.id, note, overwrite=overwrite)
    return Response(b"", status_code=200)


@get(
    f"{PATH}/{{record_id:str}}/downloadLink",
    opt=require(AGENTS_READ),
    responses=refusals(401, 403, 404, 503, shape=AgentError),
    operation_id="getRecoverableRecordLink",
    tags=_TAGS,
)
async def get_link(request: Caller, services: Serving, record_id: RecordInPath) -> Response[str]:
    """Give an address from which the record's content can be fetched without a token, for ten minutes.

    The content is a message as the agent sent it, of what was refused.
    """
    record = await services.quarantine.find(request.user.tenant, record_id)
    expires_s = services.ports.clock.now_ms() // 1_000 + LINK_S
    origin = origin_of(request, services.ports.policy.public_url)
    path = CONTENT_PATH.replace(":str", "").format(tenant=record.tenant, record_id=record.id)
    signature = _signature(services, record.tenant, record.id, expires_s)
    link = f"{origin}{path}?expires={expires_s}&signature={signature}"
    text = msgspec.json.encode(link).decode()
    return Response(text, media_type="application/json", headers={"cache-control": "no-store"})


@get(
    CONTENT_PATH,
    opt=opened(),
    responses={
        **refusals(400, 404, 503),
        200: ResponseSpec(
            bytes, generate_examples=False, description="The message", media_type="multipart/mixed"
        ),
    },
    operation_id="getRecoverableRecordContent",
    tags=_TAGS,
)
async def get_content(
    services: Serving,
    *,
    tenant: Annotated[str, PathParameter(description="As the link has it.")],
    record_id: RecordInPath,
    expires: Annotated[int, QueryParameter(description="As the link has it.")],
    signature: Annotated[str, QueryParameter(description="As the link has it.")],
) -> Stream:
    """Give the content of a record to whoever has its link."""
    owner = TenantId(tenant)
    genuine = compare_digest(signature.encode(), _signature(services, owner, record_id, expires).encode())
    is_good = genuine and services.ports.clock.now_ms() // 1_000 < expires
    if not (is_good and services.index.is_active(owner)):
        raise NotFound(NO_RECORD)
    record = await services.quarantine.find(owner, record_id)
    headers = {
        "content-type": record.content_type,
        "content-length": str(record.content.size),
        "content-disposition": f'attachment; filename="{record.id}.message"',
        "content-security-policy": "sandbox",
        "x-content-type-options": "nosniff",
        "cache-control": "no-store",
    }
    return Stream(await services.quarantine.open(record), headers=headers)


@delete(
    f"{PATH}/{{record_id:str}}",
    status_code=204,
    opt=require(AGENTS_WRITE, action="recoverable_record.delete"),
    responses=refusals(401, 403, 404, 503, shape=AgentError),
    operation_id="deleteRecoverableRecord",
    tags=_TAGS,
)
async def delete_record(request: Caller, services: Serving, record_id: RecordInPath) -> None:
    """Delete a record; what it keeps is lost."""
    await services.quarantine.remove(request.user.tenant, record_id)


ROUTES = (list_records, replay_record, get_link, get_content, delete_record)


def _signature(services: Services, tenant: TenantId, record_id: str, expires_s: int) -> str:
    return services.series.receipts.sign(f"record {tenant} {record_id} {expires_s}".encode())


def _out(record: Quarantined) -> RecordOut:
    time = format_time(record.request_ms)
    return RecordOut(record.id, record.correlation_id, record.agent, time, record.reason)
