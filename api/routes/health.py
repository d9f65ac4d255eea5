"""`/health` and `/metrics`: whether the door is well, and what it counts."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, Response, get
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest

from api.scopes import OPERATIONS_READ, opened, require
from api.services import Services, Serving
from api.tenancy import demand
from api.wire import refusals
from schemas.errors import Forbidden, ServiceError, Unauthenticated
from schemas.ids import CORE


class Health(msgspec.Struct):
    """The state of the door; parts only for a token with the operations scope."""

    status: str
    """`UP` or `DOWN`."""
    parts: dict[str, str] | msgspec.UnsetType = msgspec.UNSET
    """State of each thing that the door needs."""


@get(
    "/health",
    opt=opened(),
    responses=refusals(503),
    operation_id="health",
    tags=["operation"],
)
async def health(request: Request[Any, Any, Any], services: Serving) -> Response[Health]:
    """Tell whether the door can work: 200 and `UP`, or 503 and `DOWN`."""
    parts = {"catalog": await _catalog_state(services)}
    status = "UP" if all(state == "UP" for state in parts.values()) else "DOWN"
    shown: dict[str, str] | msgspec.UnsetType = parts if _may_see_parts(request, services) else msgspec.UNSET
    return Response(Health(status, shown), status_code=200 if status == "UP" else 503)


@get(
    "/metrics",
    opt=require(OPERATIONS_READ),
    media_type=CONTENT_TYPE_LATEST,
    responses=refusals(401, 403),
    operation_id="metrics",
    tags=["operation"],
    sync_to_thread=False,
)
def metrics() -> Response[bytes]:
    """Give the counters in the text format of Prometheus."""
    return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)


ROUTES = (health, metrics)


async def _catalog_state(services: Services) -> str:
    try:
        await services.ports.catalog.get(CORE, "tenant", "")
    except ServiceError:
        return "DOWN"
    return "UP"


def _may_see_parts(request: Request[Any, Any, Any], services: Services) -> bool:
    try:
        now_s = services.ports.clock.now_ms() / 1_000
        identity = services.identity.identify(request.headers.get("authorization"), now_s)
        demand(identity, OPERATIONS_READ)
    except (Unauthenticated, Forbidden):
        return False
    return True
