"""OPTIONS of every path: which methods it knows, as the `Allow` of a 405 says (RFC 9110, 9.3.7)."""

from __future__ import annotations

from collections.abc import Sequence

from litestar import Response, route
from litestar.enums import HttpMethod
from litestar.handlers import HTTPRouteHandler
from litestar.types import ControllerRouterHandler

from api.identity.scopes import ANY, require


def options_routes(routes: Sequence[ControllerRouterHandler]) -> list[HTTPRouteHandler]:
    """Make the handlers, to be registered before the routes: those of the framework list one method only."""
    methods: dict[str, set[str]] = {}
    for handler in routes:
        assert isinstance(handler, HTTPRouteHandler)
        for path in handler.paths:
            methods.setdefault(path, {"OPTIONS"}).update(handler.http_methods)
    return [_route(path, ", ".join(sorted(known))) for path, known in methods.items()]


def _route(path: str, allow: str) -> HTTPRouteHandler:
    @route(
        path,
        http_method=HttpMethod.OPTIONS,
        status_code=204,
        opt=require(ANY),
        include_in_schema=False,
        sync_to_thread=False,
    )
    def tell() -> Response[None]:
        return Response(None, headers={"allow": allow})

    return tell
