"""Agents: made, changed and removed, whether they are heard of, how they get in and out (wire 5.1)."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from litestar import Response, delete, get, post, put
from litestar.params import JSONBody, PathParameter

from api.agents.wire import (
    FIELDS,
    AgentChange,
    AgentIn,
    AgentOut,
    AgentPage,
    AgentStatusOut,
    BoardingConfiguration,
    BoardingStatusOut,
    agent_out,
    configuration_out,
    status_out,
)
from api.guard.agents import AGENTS
from api.guard.tenancy import Caller
from api.http import spring
from api.http.errors import AgentError
from api.http.filters import Table
from api.http.hal import Wanted, origin_of, preconditions
from api.http.wire import refusals
from api.identity.scopes import AGENTS_READ, AGENTS_WRITE, require
from api.routes.listing import Filter, PageNumber, PageSize, Sort
from api.services import Serving
from schemas.agents import BoardingStatus

SIZE = 20
"""Of a page that names none (wire 5.1)."""

_TAGS = ["agent management"]

AgentInPath: TypeAlias = Annotated[str, PathParameter(description="The id of the agent, and of its asset.")]


@get(
    AGENTS,
    opt=require(AGENTS_READ),
    responses=refusals(400, 401, 403, shape=AgentError),
    operation_id="listAgents",
    tags=_TAGS,
    sync_to_thread=False,
)
def list_agents(
    request: Caller,
    services: Serving,
    *,
    page: PageNumber = 0,
    size: PageSize = SIZE,
    sort: Sort = "",
    filter_text: Filter = "",
) -> AgentPage:
    """List the agents, by name unless `sort` names something else."""
    table = Table(services.agents.listed(request.user.tenant), FIELDS, ("name", "id"))
    found, said = spring.page_of(table, Wanted(page, size, sort, filter_text))
    return AgentPage(content=[agent_out(kept) for kept in found], **said)


@post(
    AGENTS,
    opt=require(AGENTS_WRITE, action="agent.create"),
    responses=refusals(400, 401, 403, 408, 409, 413, 415, 503, shape=AgentError),
    operation_id="createAgent",
    tags=_TAGS,
)
async def create_agent(request: Caller, services: Serving, data: JSONBody[AgentIn]) -> Response[AgentOut]:
    """Make the agent of an asset; its id is the asset's."""
    made = await services.agents.create(request.user.tenant, data.entity_id, data.name, data.security_profile)
    return Response(agent_out(made), status_code=201, headers={"location": f"{AGENTS}/{made.value.id}"})


@get(
    f"{AGENTS}/{{agent_id:str}}",
    opt=require(AGENTS_READ),
    responses=refusals(401, 403, 404, 503, shape=AgentError),
    operation_id="getAgent",
    tags=_TAGS,
)
async def get_agent(request: Caller, services: Serving, agent_id: AgentInPath) -> AgentOut:
    """Give an agent."""
    return agent_out(await services.agents.get(request.user.tenant, agent_id))


@put(
    f"{AGENTS}/{{agent_id:str}}",
    opt=require(AGENTS_WRITE, action="agent.change"),
    responses=refusals(400, 401, 403, 404, 408, 409, 412, 413, 415, 503, shape=AgentError),
    operation_id="putAgent",
    tags=_TAGS,
)
async def put_agent(
    request: Caller, services: Serving, agent_id: AgentInPath, data: JSONBody[AgentChange]
) -> AgentOut:
    """Change name or profile of an agent, under `If-Match`; the profile not while it is onboarded."""
    tenant, wanted = request.user.tenant, preconditions(request)
    changed = await services.agents.replace(tenant, agent_id, wanted, data.name, data.security_profile)
    return agent_out(changed)


@delete(
    f"{AGENTS}/{{agent_id:str}}",
    status_code=204,
    opt=require(AGENTS_WRITE, action="agent.delete"),
    responses=refusals(400, 401, 403, 404, 409, 412, 503, shape=AgentError),
    operation_id="deleteAgent",
    tags=_TAGS,
)
async def delete_agent(request: Caller, services: Serving, agent_id: AgentInPath) -> None:
    """Remove an agent that is not onboarded, with all that goes with it, under `If-Match`."""
    await services.agents.remove(request.user.tenant, agent_id, preconditions(request))


@get(
    f"{AGENTS}/{{agent_id:str}}/status",
    opt=require(AGENTS_READ),
    responses=refusals(401, 403, 404, 503, shape=AgentError),
    operation_id="getAgentStatus",
    tags=_TAGS,
)
async def get_agent_status(request: Caller, services: Serving, agent_id: AgentInPath) -> AgentStatusOut:
    """Tell whether an agent is heard of: it is offline when nothing came from it for five minutes."""
    agent = await services.agents.find(request.user.tenant, agent_id)
    seen = await services.agents.presence.last(agent)
    return status_out(agent, seen, services.ports.clock.now_ms())


@get(
    f"{AGENTS}/{{agent_id:str}}/boarding/configuration",
    opt=require(AGENTS_WRITE, action="agent.onboard"),
    responses=refusals(401, 403, 404, 409, 503, shape=AgentError),
    operation_id="getBoardingConfiguration",
    tags=_TAGS,
)
async def get_boarding_configuration(
    request: Caller, services: Serving, agent_id: AgentInPath
) -> BoardingConfiguration:
    """Give what an agent registers with, once within seven days; the same until it is off-boarded."""
    agent = await services.agents.find(request.user.tenant, agent_id)
    registration = await services.agents.boarding.configuration(agent)
    return configuration_out(agent, registration, origin_of(request, services.ports.policy.public_url))


@get(
    f"{AGENTS}/{{agent_id:str}}/boarding/status",
    opt=require(AGENTS_READ),
    responses=refusals(401, 403, 404, 503, shape=AgentError),
    operation_id="getBoardingStatus",
    tags=_TAGS,
)
async def get_boarding_status(request: Caller, services: Serving, agent_id: AgentInPath) -> BoardingStatusOut:
    """Tell how far an agent is on its way in."""
    agent = await services.agents.find(request.user.tenant, agent_id)
    return BoardingStatusOut(services.agents.boarding.status(agent))


@post(
    f"{AGENTS}/{{agent_id:str}}/boarding/offboard",
    status_code=200,
    opt=require(AGENTS_WRITE, action="agent.offboard"),
    responses=refusals(401, 403, 404, 409, 503, shape=AgentError),
    operation_id="offboardAgent",
    tags=_TAGS,
)
async def offboard_agent(request: Caller, services: Serving, agent_id: AgentInPath) -> BoardingStatusOut:
    """End an agent's registration and its tokens, here at once and within a second at other doors."""
    agent = await services.agents.find(request.user.tenant, agent_id)
    await services.agents.boarding.offboard(agent)
    return BoardingStatusOut(BoardingStatus.NOT_ONBOARDED)


ROUTES = (
    list_agents, create_agent, get_agent, put_agent, delete_agent, get_agent_status,
    get_boarding_configuration, get_boarding_status, offboard_agent,
)  # fmt: skip
