"""What an agent may do with its token (wire 5.3): this, and nothing else.

An agent's token says `mdsp:core:DefaultAgent` and no scope of ours, so no route lets it in for a scope. It is
let in here: to what is its own, to what agents do in their tenant, and to what any token may call. A route
that stands in none of the tables refuses agents, so a new one is closed to them until somebody decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from schemas.errors import Forbidden, NotFound

AGENTS: Final = "/api/agentmanagement/v3/agents"
_ASSETS: Final = "/api/assetmanagement/v3"
_EVENTS: Final = "/api/eventmanagement/v3"
_FILES: Final = "/api/iotfile/v3"
_MINDCONNECT: Final = "/api/mindconnect/v3"

OWN: Final[Mapping[str, str]] = {
    f"GET {AGENTS}/{{agent_id}}": "agent_id",
    f"GET {AGENTS}/{{agent_id}}/status": "agent_id",
    f"GET {AGENTS}/{{agent_id}}/boarding/status": "agent_id",
    f"GET {AGENTS}/{{agent_id}}/dataSourceConfiguration": "agent_id",
    f"PUT {AGENTS}/{{agent_id}}/dataSourceConfiguration": "agent_id",
}
"""Routes about one agent, and the parameter that names it: it must be the caller."""

OWN_BY_HANDLER: Final[frozenset[str]] = frozenset(
    {
        f"POST {_MINDCONNECT}/dataPointMappings",
        f"GET {_MINDCONNECT}/dataPointMappings",
        f"GET {_MINDCONNECT}/dataPointMappings/{{mapping_id}}",
        f"DELETE {_MINDCONNECT}/dataPointMappings/{{mapping_id}}",
        f"POST {_MINDCONNECT}/eventMappings",
        f"GET {_MINDCONNECT}/eventMappings",
        f"GET {_MINDCONNECT}/eventMappings/{{mapping_id}}",
        f"PATCH {_MINDCONNECT}/eventMappings/{{mapping_id}}",
        f"DELETE {_MINDCONNECT}/eventMappings/{{mapping_id}}",
        f"POST {_MINDCONNECT}/exchange",
        f"POST {_MINDCONNECT}/ingest",
        f"POST {_MINDCONNECT}/diagnosticActivations",
        f"GET {_MINDCONNECT}/diagnosticActivations",
        f"GET {_MINDCONNECT}/diagnosticActivations/{{activation_id}}",
        f"PUT {_MINDCONNECT}/diagnosticActivations/{{activation_id}}",
        f"DELETE {_MINDCONNECT}/diagnosticActivations/{{activation_id}}",
        f"GET {_MINDCONNECT}/diagnosticActivations/{{activation_id}}/messages",
        f"GET {_MINDCONNECT}/diagnosticInformation",
    }
)
"""Routes whose handlers see to it that an agent reaches nothing but its own."""

TENANTS: Final = frozenset(
    {
        f"GET {_ASSETS}",
        f"GET {_ASSETS}/assets",
        f"GET {_ASSETS}/assets/root",
        f"GET {_ASSETS}/assets/{{asset_id}}",
        f"GET {_ASSETS}/assets/{{asset_id}}/variables",
        f"GET {_ASSETS}/assets/{{asset_id}}/aspects",
        f"GET {_ASSETS}/assettypes",
        f"GET {_ASSETS}/assettypes/{{type_id}}",
        f"GET {_ASSETS}/aspecttypes",
        f"GET {_ASSETS}/aspecttypes/{{type_id}}",
        f"GET {_EVENTS}",
        f"GET {_EVENTS}/events",
        f"POST {_EVENTS}/events",
        f"GET {_EVENTS}/events/{{event_id}}",
        f"GET {_EVENTS}/eventTypes",
        f"GET {_EVENTS}/eventTypes/{{type_id}}",
        f"GET {_FILES}/files/{{entity}}",
        f"GET {_FILES}/files/{{entity}}/{{path}}",
        f"PUT {_FILES}/files/{{entity}}/{{path}}",
        f"GET {_FILES}/fileslist/{{entity}}/{{path}}",
    }
)
"""Routes about things of the agent's tenant, or of its subtenant where its asset belongs to one."""


def stay_agent(agent_id: str, route: str, scope: str, parameters: Mapping[str, Any]) -> None:
    """Let an agent through where the route is open to it; Forbidden, or NotFound for another agent's.

    `route` is method and template; one that any token may call is open to agents.
    """
    name = OWN.get(route)
    if name is not None:
        if parameters[name] != agent_id:
            raise NotFound("There is no such agent.")
    elif scope and route not in TENANTS and route not in OWN_BY_HANDLER:
        raise Forbidden("An agent may not do this; it asks for an account's token.")
