"""Diagnostics of agents: who is watched, and what became of their messages (wire 6.6)."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Annotated, Any, Final, TypeAlias

import msgspec
from litestar import Response, delete, get, post, put
from litestar.params import JSONBody, PathParameter

from api.agents.diagnostics import NO_ACTIVATION
from api.catalog.tenant_index import Kept
from api.guard.tenancy import Caller
from api.http import spring
from api.http.errors import AgentError
from api.http.filters import Field, Table, time_text
from api.http.hal import Wanted
from api.http.wire import refusals
from api.identity.scopes import AGENTS_READ, AGENTS_WRITE, require
from api.routes.listing import Filter, PageNumber, PageSize, Sort
from api.services import Serving
from schemas.diagnostics import Activation, DiagnosticMessage, Severity, State
from schemas.errors import Forbidden, NotFound

BASE: Final = "/api/mindconnect/v3"
PATH: Final = f"{BASE}/diagnosticActivations"

PAGE_SIZE: Final = 20

_TAGS = ["agents"]

ActivationInPath: TypeAlias = Annotated[str, PathParameter(description="Id of an agent: it names both.")]


class Status(Enum):
    """Whether messages of the agent are written down."""

    ACTIVE = "ACTIVE"
    INACTIVE = "INACTIVE"


class ActivationIn(msgspec.Struct, rename="camel"):
    """An agent that is to be watched."""

    agent_id: str
    status: Status = Status.ACTIVE


class StatusIn(msgspec.Struct):
    """What is to be changed of an activation; other members are ignored."""

    status: Status


class ActivationOut(msgspec.Struct, rename="camel"):
    """An activation."""

    id: str
    """The agent's."""
    agent_id: str
    status: Status


class ActivationPage(spring.SpringPage, rename="camel", kw_only=True):
    """A page of activations."""

    content: list[ActivationOut]


class MessageOut(msgspec.Struct, rename="camel"):
    """What became of one payload of a message."""

    correlation_id: str
    severity: Severity
    message: str
    source: str
    state: State
    timestamp: str


class AgentMessageOut(MessageOut, rename="camel", kw_only=True):
    """The same, and whose it was."""

    agent_id: str


class MessagePage(spring.SpringPage, rename="camel", kw_only=True):
    """A page of messages."""

    content: list[MessageOut]


class InformationPage(spring.SpringPage, rename="camel", kw_only=True):
    """A page of messages of all agents that are watched."""

    content: list[AgentMessageOut]


class _Heard(msgspec.Struct):
    agent: str
    message: DiagnosticMessage


_ACTIVATION_FIELDS: dict[str, Field[Kept[Activation]]] = {
    "id": Field(lambda kept: kept.value.agent),
    "agentId": Field(lambda kept: kept.value.agent),
    "status": Field(lambda kept: _status(kept.value).value),
}
_MESSAGE_FIELDS: dict[str, Field[_Heard]] = {
    "agentId": Field(lambda heard: heard.agent),
    "correlationId": Field(lambda heard: heard.message.correlation_id),
    "message": Field(lambda heard: heard.message.message),
    "source": Field(lambda heard: heard.message.source),
    "state": Field(lambda heard: heard.message.state.value),
    "severity": Field(lambda heard: heard.message.severity.value),
    "timestamp": Field(lambda heard: heard.message.timestamp, time_text, is_time=True),
}


@post(
    PATH,
    opt=require(AGENTS_WRITE, action="diagnostic.activate"),
    responses=refusals(400, 401, 403, 404, 408, 409, 413, 415, 503, shape=AgentError),
    operation_id="createDiagnosticActivation",
    tags=_TAGS,
)
async def create_activation(
    request: Caller, services: Serving, data: JSONBody[ActivationIn]
) -> Response[ActivationOut]:
    """Watch an agent: what becomes of its messages is written down. At most five of a tenant."""
    _demand_own(request, data.agent_id)
    made = await services.diagnostics.create(
        request.user.tenant, data.agent_id, active=data.status is Status.ACTIVE
    )
    return Response(_out(made), status_code=201, headers={"location": f"{PATH}/{made.agent}"})


@get(
    PATH,
    opt=require(AGENTS_READ),
    responses=refusals(400, 401, 403, shape=AgentError),
    operation_id="listDiagnosticActivations",
    tags=_TAGS,
    sync_to_thread=False,
)
def list_activations(
    request: Caller,
    services: Serving,
    *,
    page: PageNumber = 0,
    size: PageSize = PAGE_SIZE,
    sort: Sort = "",
    filter_text: Filter = "",
) -> ActivationPage:
    """List who is watched; for an agent, whether it is."""
    seen = [
        kept
        for kept in services.diagnostics.listed(request.user.tenant)
        if request.user.agent in {None, kept.value.agent}
    ]
    table = Table(seen, _ACTIVATION_FIELDS, ("id",))
    found, said = spring.page_of(table, Wanted(page, size, sort, filter_text))
    return ActivationPage(content=[_out(kept.value) for kept in found], **said)


@get(
    f"{PATH}/{{activation_id:str}}",
    opt=require(AGENTS_READ),
    responses=refusals(401, 403, 404, 503, shape=AgentError),
    operation_id="getDiagnosticActivation",
    tags=_TAGS,
)
async def get_activation(
    request: Caller, services: Serving, activation_id: ActivationInPath
) -> ActivationOut:
    """Tell whether an agent is watched."""
    _demand_seen(request, activation_id)
    return _out((await services.diagnostics.find(request.user.tenant, activation_id)).value)


@put(
    f"{PATH}/{{activation_id:str}}",
    opt=require(AGENTS_WRITE, action="diagnostic.change"),
    responses=refusals(400, 401, 403, 404, 408, 409, 413, 415, 503, shape=AgentError),
    operation_id="putDiagnosticActivation",
    tags=_TAGS,
)
async def put_activation(
    request: Caller, services: Serving, activation_id: ActivationInPath, data: JSONBody[StatusIn]
) -> ActivationOut:
    """Pause watching an agent, or go on; what was written down stays."""
    _demand_seen(request, activation_id)
    is_active = data.status is Status.ACTIVE
    return _out(await services.diagnostics.change(request.user.tenant, activation_id, active=is_active))


@delete(
    f"{PATH}/{{activation_id:str}}",
    status_code=204,
    opt=require(AGENTS_WRITE, action="diagnostic.deactivate"),
    responses=refusals(401, 403, 404, 409, 503, shape=AgentError),
    operation_id="deleteDiagnosticActivation",
    tags=_TAGS,
)
async def delete_activation(request: Caller, services: Serving, activation_id: ActivationInPath) -> None:
    """Watch an agent no more, and forget what was written down."""
    _demand_seen(request, activation_id)
    await services.diagnostics.remove(request.user.tenant, activation_id)


@get(
    f"{PATH}/{{activation_id:str}}/messages",
    opt=require(AGENTS_READ),
    responses=refusals(400, 401, 403, 404, 503, shape=AgentError),
    operation_id="listDiagnosticMessages",
    tags=_TAGS,
)
async def list_messages(
    request: Caller,
    services: Serving,
    activation_id: ActivationInPath,
    *,
    page: PageNumber = 0,
    size: PageSize = PAGE_SIZE,
    sort: Sort = "",
    filter_text: Filter = "",
) -> MessagePage:
    """List what became of an agent's newest messages, the newest first unless `sort` says otherwise.

    Of two thousand at most; older ones are gone.
    """
    _demand_seen(request, activation_id)
    messages = await services.diagnostics.messages(request.user.tenant, activation_id)
    heard = [_Heard(activation_id, message) for message in messages]
    found, said = _page(heard, Wanted(page, size, sort, filter_text))
    return MessagePage(content=[MessageOut(**_shown(each.message)) for each in found], **said)


@get(
    f"{BASE}/diagnosticInformation",
    opt=require(AGENTS_READ),
    responses=refusals(400, 401, 403, 503, shape=AgentError),
    operation_id="listDiagnosticInformation",
    tags=_TAGS,
)
async def list_information(
    request: Caller,
    services: Serving,
    *,
    page: PageNumber = 0,
    size: PageSize = PAGE_SIZE,
    sort: Sort = "",
    filter_text: Filter = "",
) -> InformationPage:
    """List the messages of every agent that is watched, as older clients ask for them."""
    tenant = request.user.tenant
    heard: list[_Heard] = []
    for kept in services.diagnostics.listed(tenant):
        agent = kept.value.agent
        if request.user.agent in {None, agent}:
            heard += [_Heard(agent, each) for each in await services.diagnostics.messages(tenant, agent)]
    heard.sort(key=lambda each: each.message.timestamp, reverse=True)
    found, said = _page(heard, Wanted(page, size, sort, filter_text))
    content = [AgentMessageOut(**_shown(each.message), agent_id=each.agent) for each in found]
    return InformationPage(content=content, **said)


ROUTES = (
    create_activation, list_activations, get_activation, put_activation, delete_activation, list_messages,
    list_information,
)  # fmt: skip


def _page(heard: Sequence[_Heard], wanted: Wanted) -> tuple[list[_Heard], dict[str, Any]]:
    return spring.page_of(Table(heard, _MESSAGE_FIELDS), wanted)


def _shown(message: DiagnosticMessage) -> dict[str, Any]:
    return msgspec.structs.asdict(message)


def _demand_own(request: Caller, agent_id: str) -> None:
    """Raise Forbidden where an agent asks for another one."""
    if request.user.agent not in {None, agent_id}:
        raise Forbidden("The token is an agent's; it opens the agent itself only.")


def _demand_seen(request: Caller, activation_id: str) -> None:
    """Raise NotFound where an agent asks for another one's activation."""
    if request.user.agent not in {None, activation_id}:
        raise NotFound(NO_ACTIVATION)


def _status(activation: Activation) -> Status:
    return Status.ACTIVE if activation.active else Status.INACTIVE


def _out(activation: Activation) -> ActivationOut:
    return ActivationOut(activation.agent, activation.agent, _status(activation))
