"""Who may do what: the guard that denies by default, and the caller's identity for handlers.

Every route carries `opt=require(scope)` or `opt=opened()`; one that carries neither answers nobody
without a token and nobody with one, and a test refuses to let it be.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.datastructures import State
from litestar.handlers import BaseRouteHandler

from api.identity.tokens import Identity
from schemas.errors import Forbidden

Caller: TypeAlias = Request[Identity, None, State]
"""A request whose `user` is the verified identity."""


def deny_by_default(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Let a request through if its route is open or its token has the route's scope.

    Raises Unauthenticated without a good token, Forbidden without the scope.
    """
    if handler.opt.get("open") is True:
        return
    services = connection.app.state.services
    header = connection.headers.get("authorization")
    identity = services.identity.identify(header, services.ports.clock.now_ms() / 1_000)
    if handler.opt.get("scope") is None:
        raise Forbidden("This route lets nobody in.")
    demand(identity, handler.opt["scope"])
    connection.scope["user"] = identity
    connection.scope["auth"] = None


def demand(identity: Identity, scope: str) -> None:
    """Raise Forbidden unless the token has the scope; the empty scope is everybody's."""
    if scope and scope not in identity.scopes:
        raise Forbidden(f"The token lacks the scope {scope}.")
