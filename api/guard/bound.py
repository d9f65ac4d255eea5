"""Which routes serve callers that are bound to a subtenant; every other one is the whole tenant's (design 7).

A route that stands in neither table refuses them, so a new one is closed to them until somebody decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from api.identity.tokens import Identity
from api.shares.access import Access
from schemas.errors import Forbidden

_ASSETS: Final = "/api/assetmanagement/v3/assets"
_SERIES: Final = "/api/iottimeseries/v3/timeseries"
_FILES: Final = "/api/iotfile/v3"
_EVENTS: Final = "/api/eventmanagement/v3"
_OWN: Final = "/api/aspectstore/v1"
_TIMEBASE: Final = "/api/v0"

BY_PATH: Final[Mapping[str, str]] = {
    f"PUT {_ASSETS}/{{asset_id}}": "asset_id",
    f"PATCH {_ASSETS}/{{asset_id}}": "asset_id",
    f"DELETE {_ASSETS}/{{asset_id}}": "asset_id",
    f"POST {_ASSETS}/{{asset_id}}": "asset_id",
    f"POST {_ASSETS}/{{asset_id}}/move": "asset_id",
    f"PUT {_ASSETS}/{{asset_id}}/location": "asset_id",
    f"DELETE {_ASSETS}/{{asset_id}}/location": "asset_id",
    f"PUT {_FILES}/files/{{entity}}/{{path}}": "entity",
    f"DELETE {_FILES}/files/{{entity}}/{{path}}": "entity",
    f"GET {_FILES}/fileslist/{{entity}}/{{path}}": "entity",
}
"""Routes about one asset, and the parameter that names it: it must be the caller's own."""

BY_HANDLER: Final = frozenset(
    {
        f"GET {_ASSETS}",
        f"POST {_ASSETS}",
        f"GET {_ASSETS}/root",
        f"GET {_ASSETS}/{{asset_id}}",
        f"GET {_ASSETS}/{{asset_id}}/variables",
        f"GET {_ASSETS}/{{asset_id}}/aspects",
        f"PUT {_SERIES}",
        f"GET {_SERIES}/{{asset}}/{{aspect}}",
        f"PUT {_SERIES}/{{asset}}/{{aspect}}",
        f"PATCH {_SERIES}/{{asset}}/{{aspect}}",
        f"DELETE {_SERIES}/{{asset}}/{{aspect}}",
        "GET /api/iottimeseries/v3/aggregates/{asset}/{aspect}",
        "GET /api/iottsaggregates/v3/aggregates/{asset}/{aspect}",
        "GET /api/iottsaggregates/v4/aggregates",
        f"GET {_FILES}/files/{{entity}}",
        f"GET {_FILES}/files/{{entity}}/{{path}}",
        f"GET {_EVENTS}/events",
        f"POST {_EVENTS}/events",
        f"GET {_EVENTS}/events/{{event_id}}",
        f"PUT {_EVENTS}/events/{{event_id}}",
        f"GET {_OWN}/aggregates",
        f"GET {_OWN}/deletes",
        f"GET {_OWN}/deletes/preview",
        f"GET {_OWN}/deletes/{{delete_id}}",
        f"POST {_OWN}/deletes/{{delete_id}}/undo",
        f"GET {_OWN}/fleet",
        f"GET {_OWN}/fleet/{{agent_id}}",
        f"GET {_OWN}/exports",
        f"POST {_OWN}/exports",
        f"GET {_OWN}/exports/{{export_id}}",
        f"GET {_OWN}/exports/{{export_id}}/manifest",
        f"GET {_OWN}/exports/{{export_id}}/content",
        f"DELETE {_OWN}/exports/{{export_id}}",
        f"GET {_OWN}/jobs",
        f"GET {_OWN}/jobs/{{job_id}}",
        f"GET {_OWN}/jobs/{{job_id}}/events",
        f"POST {_OWN}/jobs/{{job_id}}/cancel",
        f"POST {_OWN}/jobs/{{job_id}}/undo",
        "POST /api/iottsbulk/v3/importJobs",
        "GET /api/iottsbulk/v3/importJobs/{job_id}",
        "GET /api/iottsbulk/v3/timeseries/{asset}/{aspect}",
        f"GET {_OWN}/latest",
        f"POST {_OWN}/query",
        f"GET {_OWN}/receipts/{{receipt}}",
        f"GET {_OWN}/sensors",
        f"GET {_OWN}/sensors/{{asset}}",
        f"GET {_OWN}/timeseries/{{asset}}/{{aspect}}",
        f"GET {_OWN}/shares",
        f"GET {_OWN}/shares/{{share_id}}",
        f"GET {_TIMEBASE}/streams",
        f"GET {_TIMEBASE}/select",
        f"POST {_TIMEBASE}/select",
        f"POST {_TIMEBASE}/{{stream}}/write",
        f"POST {_TIMEBASE}/{{stream}}/{{symbol}}/write",
        f"GET {_TIMEBASE}/{{stream}}/symbols",
        f"GET {_TIMEBASE}/{{stream}}/schema",
        f"GET {_TIMEBASE}/{{stream}}/describe",
        f"GET {_TIMEBASE}/{{stream}}/range",
        f"GET {_TIMEBASE}/{{stream}}/select",
        f"POST {_TIMEBASE}/{{stream}}/select",
        f"GET {_TIMEBASE}/{{stream}}/{{symbol}}/select",
        f"POST {_TIMEBASE}/{{stream}}/{{symbol}}/select",
        f"POST {_TIMEBASE}/{{stream}}/purge",
        f"POST {_TIMEBASE}/{{stream}}/truncate",
        "GET /api/tenantmanagement/v4/tenantInfo",
        "GET /api/tenantmanagement/v4/subtenants",
        "GET /api/tenantmanagement/v4/subtenants/{subtenant_id}",
        # What shows types and where things are, and changes nothing.
        "GET /api/assetmanagement/v3",
        "GET /api/assetmanagement/v3/aspecttypes",
        "GET /api/assetmanagement/v3/aspecttypes/{type_id}",
        "GET /api/assetmanagement/v3/assettypes",
        "GET /api/assetmanagement/v3/assettypes/{type_id}",
        "GET /api/assetmanagement/v3/model/lock",
        f"GET {_EVENTS}",
        f"GET {_EVENTS}/eventTypes",
        f"GET {_EVENTS}/eventTypes/{{type_id}}",
    }
)
"""Routes whose handlers ask `api.shares.access` themselves, or show nothing of any asset."""


async def stay_within(
    caller: Identity, route: str, scope: str, parameters: Mapping[str, Any], access: Access
) -> None:
    """Let a bound caller through where the route is open to it; Forbidden, or NotFound for another's asset.

    `route` is method and template. A route that any token may call is open to it.
    """
    name = BY_PATH.get(route)
    if name is not None:
        await access.own_asset(caller, parameters[name])
    elif scope and route not in BY_HANDLER:
        raise Forbidden("The token is bound to a subtenant; this is for the whole tenant.")
