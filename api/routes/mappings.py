"""Mappings of data points to variables (wire 6.1)."""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

from litestar import Response, delete, get, post
from litestar.params import JSONBody, PathParameter, QueryParameter

from api.agents.wire_mappings import (
    MappingIn,
    MappingOut,
    MappingPage,
    asked_from,
    mapping_out,
    table_for,
)
from api.guard.tenancy import Caller
from api.http import spring
from api.http.errors import AgentError
from api.http.hal import Wanted
from api.http.wire import refusals
from api.identity.scopes import AGENTS_READ, AGENTS_WRITE, require
from api.routes.listing import Filter, PageNumber, PageSize, Sort
from api.services import Serving

PATH = "/api/mindconnect/v3/dataPointMappings"

PAGE_SIZE: Final = 20
"""Of a list that names none (wire 6.1)."""

_TAGS = ["agents"]

MappingInPath: TypeAlias = Annotated[str, PathParameter(description="Id of a mapping.")]
NoAgentValidation: TypeAlias = Annotated[
    bool,
    QueryParameter(name="noAgentValidation", description="True: the agent need not have the data point yet."),
]


@post(
    PATH,
    opt=require(AGENTS_WRITE, action="mapping.create"),
    responses=refusals(400, 401, 403, 408, 409, 413, 415, 503, shape=AgentError),
    operation_id="createMapping",
    tags=_TAGS,
)
async def create_mapping(
    request: Caller,
    services: Serving,
    data: JSONBody[MappingIn],
    *,
    no_agent_validation: NoAgentValidation = False,
) -> Response[MappingOut]:
    """Let a data point of an agent feed a variable of an asset.

    Their types must be the same. If the units differ the mapping is made and is not valid: no value goes by
    it until they are the same.
    """
    made = await services.mappings.create(
        request.user, asked_from(data), agent_validation=not no_agent_validation
    )
    shown = mapping_out(made, services.mappings.of(request.user.tenant))
    return Response(shown, status_code=201, headers={"location": f"{PATH}/{shown.id}"})


@get(
    PATH,
    opt=require(AGENTS_READ),
    responses=refusals(400, 401, 403, shape=AgentError),
    operation_id="listMappings",
    tags=_TAGS,
    sync_to_thread=False,
)
def list_mappings(
    request: Caller,
    services: Serving,
    *,
    page: PageNumber = 0,
    size: PageSize = PAGE_SIZE,
    sort: Sort = "",
    filter_text: Filter = "",
) -> MappingPage:
    """List the tenant's mappings; for an agent its own."""
    index = services.mappings.of(request.user.tenant)
    table = table_for(index, filter_text, request.user.agent)
    found, said = spring.page_of(table, Wanted(page, size, sort, filter_text))
    return MappingPage(content=[mapping_out(placed, index) for placed in found], **said)


@get(
    f"{PATH}/{{mapping_id:str}}",
    opt=require(AGENTS_READ),
    responses=refusals(401, 403, 404, 503, shape=AgentError),
    operation_id="getMapping",
    tags=_TAGS,
)
async def get_mapping(request: Caller, services: Serving, mapping_id: MappingInPath) -> MappingOut:
    """Give a mapping."""
    placed = await services.mappings.get(request.user, mapping_id)
    return mapping_out(placed, services.mappings.of(request.user.tenant))


@delete(
    f"{PATH}/{{mapping_id:str}}",
    status_code=204,
    opt=require(AGENTS_WRITE, action="mapping.delete"),
    responses=refusals(401, 403, 404, 503, shape=AgentError),
    operation_id="deleteMapping",
    tags=_TAGS,
)
async def delete_mapping(request: Caller, services: Serving, mapping_id: MappingInPath) -> None:
    """Remove a mapping."""
    await services.mappings.remove(request.user, mapping_id)


ROUTES = (create_mapping, list_mappings, get_mapping, delete_mapping)
