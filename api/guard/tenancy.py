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

from api.guard.agents import TENANTS, stay_agent
from api.guard.bound import stay_within
from api.guard.shown import shown_caller
from api.guard.signed import KEY_HEADER, signed_caller
from api.identity.tokens import Identity
from schemas.errors import Forbidden

Caller: TypeAlias = Request[Identity, None, State]
"""A request whose `user` is the verified identity."""


async def deny_by_default(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Let a request through if its route is open or its token, or its API key, has the route's scope.

    Raises Unauthenticated without a good token or signature, Forbidden without the scope, or where a token
    that is bound to a subtenant asks for more than that.
    """
    if handler.opt.get("open") is True:
        return
    services = connection.app.state.services
    now_s = services.ports.clock.now_ms() / 1_000
    header = connection.headers.get("authorization")
    if handler.opt.get("shown"):
        identity = await shown_caller(connection, services.identity, now_s)
    elif header is None and KEY_HEADER in connection.headers:
        assert isinstance(connection, Request)
        identity = await signed_caller(connection, services.identity.api_keys, now_s)
    else:
        identity = services.identity.identify(header, now_s)
    if handler.opt.get("scope") is None:
        raise Forbidden("This route lets nobody in.")
    connection.scope["user"] = identity  # First: a refusal is written down with who was refused.
    connection.scope["auth"] = None
    scope: Any = connection.scope
    needed, route = handler.opt["scope"], f"{scope['method']} {scope['path_template']}"
    if identity.agent is None:
        demand(identity, needed)
    else:
        stay_agent(identity.agent, route, needed, connection.path_params)
        services.agents.presence.saw(identity.tenant, identity.agent)
    services.quotas.admit(identity.tenant)
    if identity.subtenant is not None and (identity.agent is None or route in TENANTS):
        await stay_within(identity, route, needed, connection.path_params, services.access)


def demand(identity: Identity, scope: str) -> None:
    """Raise Forbidden unless the token has the scope; the empty scope is everybody's."""
    if scope and scope not in identity.scopes:
        raise Forbidden(f"The token lacks the scope {scope}.")
