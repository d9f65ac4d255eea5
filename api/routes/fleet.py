"""The fleet: how the agents of a tenant are, for whoever operates them."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from litestar import get
from litestar.params import PathParameter, QueryParameter

from api.agents.fleet import Hearing
from api.agents.wire_fleet import FleetOneOut, FleetOut, fleet_agent_out, fleet_one_out
from api.guard.tenancy import Caller
from api.http.wire import refusals
from api.identity.scopes import AGENTS_READ, require
from api.services import Serving
from schemas import codes
from schemas.errors import Invalid, Problem
from schemas.ids import is_hex_id
from schemas.limits import FLEET_LISTED_MAX
from schemas.times import format_time

PATH: Final = "/api/aspectstore/v1/fleet"

_TAGS = ["agents"]

After = Annotated[str | None, QueryParameter(description="`next` of the page before.")]
Limit = Annotated[int, QueryParameter(ge=1, le=FLEET_LISTED_MAX, description="Agents of a page.")]
State = Annotated[
    Literal["online", "offline", "never"] | None,
    QueryParameter(name="state", description="Only agents that are heard of so."),
]


@get(
    PATH,
    opt=require(AGENTS_READ),
    responses=refusals(400, 401, 403, 503),
    operation_id="listFleet",
    tags=_TAGS,
)
async def list_fleet(
    request: Caller, services: Serving, of_state: State = None, after: After = None, limit: Limit = 50
) -> FleetOut:
    """List how the tenant's agents are: when they were heard of, what they report, what of them waits.

    An operator of a subtenant sees the agents of its assets.
    """
    if after is not None and not is_hex_id(after):
        message = "after: the `next` of an earlier page is expected."
        raise Invalid([Problem("", codes.INVALID_PARAMETER, message)])
    hearing = None if of_state is None else Hearing(of_state)
    found, following = await services.fleet.page(
        request.user, hearing=hearing, after=after or "", limit=limit
    )
    at, agents = format_time(services.ports.clock.now_ms()), [fleet_agent_out(each) for each in found]
    return FleetOut(at, agents) if following is None else FleetOut(at, agents, following)


@get(
    f"{PATH}/{{agent_id:str}}",
    opt=require(AGENTS_READ),
    responses=refusals(401, 403, 404, 503),
    operation_id="getFleetAgent",
    tags=_TAGS,
)
async def get_fleet_agent(
    request: Caller,
    services: Serving,
    agent_id: Annotated[str, PathParameter(description="Id of an agent, which is its asset's.")],
) -> FleetOneOut:
    """Tell how an agent is, and what became of its last message."""
    condition = await services.fleet.one(request.user, agent_id)
    return fleet_one_out(condition, services.ports.clock.now_ms())


ROUTES = (list_fleet, get_fleet_agent)
