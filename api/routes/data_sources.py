"""Data source configurations of agents (wire 5.1)."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from litestar import get, put
from litestar.params import JSONBody, PathParameter

from api.agents.wire_data_sources import (
    ConfigurationIn,
    ConfigurationOut,
    configuration_from,
    configuration_out,
)
from api.guard.tenancy import Caller
from api.http.errors import AgentError
from api.http.hal import preconditions
from api.http.wire import refusals
from api.identity.scopes import AGENTS_READ, AGENTS_WRITE, require
from api.services import Serving

PATH = "/api/agentmanagement/v3/agents/{agent_id:str}/dataSourceConfiguration"

_TAGS = ["agents"]

AgentInPath: TypeAlias = Annotated[str, PathParameter(description="Id of an agent, which is its asset's.")]


@get(
    PATH,
    opt=require(AGENTS_READ),
    responses=refusals(401, 403, 404, 503, shape=AgentError),
    operation_id="getDataSourceConfiguration",
    tags=_TAGS,
)
async def get_configuration(request: Caller, services: Serving, agent_id: AgentInPath) -> ConfigurationOut:
    """Give what an agent sends; before it has said so, an empty configuration with `eTag` 0."""
    return configuration_out(await services.data_sources.get(request.user.tenant, agent_id), agent_id)


@put(
    PATH,
    opt=require(AGENTS_WRITE, action="agent.configure"),
    responses=refusals(400, 401, 403, 404, 408, 412, 413, 415, 503, shape=AgentError),
    operation_id="putDataSourceConfiguration",
    tags=_TAGS,
)
async def put_configuration(
    request: Caller, services: Serving, agent_id: AgentInPath, data: JSONBody[ConfigurationIn]
) -> ConfigurationOut:
    """Replace what an agent sends, under `If-Match`: 0 the first time.

    Its mappings end, but for those that have `keepMapping`.
    """
    built_on = preconditions(request).required()
    asked = configuration_from(data, agent_id)
    return configuration_out(await services.data_sources.put(request.user.tenant, asked, built_on), agent_id)


ROUTES = (get_configuration, put_configuration)
