"""`/health` and `/metrics`: whether the door is well, and what all processes count."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, Response, get
from prometheus_client import CONTENT_TYPE_LATEST

from api.guard.tenancy import demand
from api.http.docs import VERSION
from api.http.wire import refusals
from api.identity.scopes import OPERATIONS_READ, opened, require
from api.probe import DOWN, NEEDED, UP, Found
from api.services import Services, Serving
from runtime.metrics import render
from schemas.errors import Forbidden, Unauthenticated


class Health(msgspec.Struct):
    """The state of the door; parts only for a token with the operations scope."""

    status: str
    """`UP` or `DOWN`: `DOWN` when catalogue, stream or store does not answer."""
    parts: dict[str, str] | msgspec.UnsetType = msgspec.UNSET
    """Each begins with `UP` or `DOWN`; writers say when one was last heard of, the backlog its bytes."""
    name: str | msgspec.UnsetType = msgspec.UNSET
    """This and what follows for clients of InfluxDB only."""
    message: str | msgspec.UnsetType = msgspec.UNSET
    version: str | msgspec.UnsetType = msgspec.UNSET


@get(
    "/health",
    opt=opened(),
    responses=refusals(503),
    operation_id="health",
    tags=["operation"],
)
async def health(request: Request[Any, Any, Any], services: Serving) -> Response[Health]:
    """Tell whether the door can work: 200 and `UP`, or 503 and `DOWN`.

    Who shows a token as clients of InfluxDB do, `Authorization: Token …`, is answered as they read it: the
    status is `pass` or `fail`, with a name and a message (IX-04).
    """
    found = await services.probe.look()
    status = UP if all(found.states[part] == UP for part in NEEDED) else DOWN
    if request.headers.get("authorization", "").lower().startswith("token "):
        passes = status == UP
        words = "ready for queries and writes" if passes else "catalogue, stream or store does not answer"
        told = Health("pass" if passes else "fail", name="aspectstore", message=words, version=VERSION)
        return Response(told, status_code=200 if passes else 503)
    shown: dict[str, str] | msgspec.UnsetType = msgspec.UNSET
    if _may_see_parts(request, services):
        shown = _parts(found, services.ports.clock.now_ms())
    return Response(Health(status, shown), status_code=200 if status == UP else 503)


@get(
    "/metrics",
    opt=require(OPERATIONS_READ),
    media_type=CONTENT_TYPE_LATEST,
    responses=refusals(401, 403),
    operation_id="metrics",
    tags=["operation"],
)
async def metrics(services: Serving) -> Response[bytes]:
    """Give the counters of every living process in the text format of Prometheus."""
    return Response(render(await services.probe.report_all()), media_type=CONTENT_TYPE_LATEST)


ROUTES = (health, metrics)


def _parts(found: Found, now_ms: int) -> dict[str, str]:
    """Say in words how each part is."""
    parts = {part: found.states[part] for part in NEEDED}
    if found.writer_seen_ms:
        ago_s = max(0, now_ms - max(found.writer_seen_ms)) // 1_000
        parts["writers"] = f"{UP}, {len(found.writer_seen_ms)}, last seen {ago_s} s ago"
    else:
        parts["writers"] = f"{DOWN}, none seen"
    if found.backlog_bytes is not None:
        parts["backlog"] = f"{UP}, {found.backlog_bytes} bytes"
    else:
        parts["backlog"] = f"{DOWN}, not known"
    return parts


def _may_see_parts(request: Request[Any, Any, Any], services: Services) -> bool:
    try:
        now_s = services.ports.clock.now_ms() / 1_000
        identity = services.identity.identify(request.headers.get("authorization"), now_s)
        demand(identity, OPERATIONS_READ)
    except (Unauthenticated, Forbidden):
        return False
    return True
