"""`/docs`: the API's description as a page, as JSON and as YAML; open, with nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.types import ControllerRouterHandler

from api.http.docs import describe, to_page, to_yaml
from api.identity.scopes import opened

CONTENT_SECURITY = (
    "default-src 'none'; style-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Nothing of a page runs, loads or is sent anywhere, and no other page shows it in a frame (S12)."""

HEADERS = {
    "content-security-policy": CONTENT_SECURITY,
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}


def docs_routes(routes: Sequence[ControllerRouterHandler]) -> list[HTTPRouteHandler]:
    """Make the routes that describe these routes; the description is made when it is first asked for."""
    made: dict[str, Any] = {}

    def description() -> dict[str, Any]:
        if not made:
            made.update(describe(routes))
        return made

    return [
        _route("/docs", "text/html", lambda: to_page(description()).encode()),
        _route("/docs/openapi.json", "application/json", lambda: msgspec.json.encode(description())),
        _route("/docs/openapi.yaml", "application/yaml", lambda: to_yaml(description()).encode()),
    ]


def _route(path: str, media: str, write: Callable[[], bytes]) -> HTTPRouteHandler:
    name = path.strip("/").replace("/", "_").replace(".", "_")

    @get(path, opt=opened(), include_in_schema=False, sync_to_thread=False, name=name)
    def show() -> Response[bytes]:
        return Response(write(), media_type=media, headers=HEADERS)

    return show
