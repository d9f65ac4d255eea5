"""Who may call what: every route against every kind of caller, made from the routing table (S1)."""

import re

import pytest

from api.app import ROUTES
from api.identity.scopes import ALL_SCOPES
from api.identity.setup import Credentials, add_client
from tests.api.doors import bearer, token_of

GUARDED = {
    f"{method} {path}": handler.opt["scope"]
    for handler in ROUTES
    if not handler.opt.get("open")
    for method in handler.http_methods
    for path in handler.paths
}
AGENTS_ALONE = {"POST /api/mindconnect/v3/exchange"}
"""What a token with the scope may not do either, unless it is an agent's (wire 6.3)."""


async def status_of(service, route, headers):
    """Call a route with ids that nobody has."""
    method, path = route.split(" ", 1)
    filled = re.sub(r"\{\w+:\w+\}", "0" * 32, path)
    answer = await service.http.request(
        method, filled, headers=headers, content=b"{}" if method != "GET" else None
    )
    return answer.status_code


@pytest.mark.parametrize("route", GUARDED)
async def test_callers_without_the_right_are_refused(service, route):
    """No token, garbage and expired ones get 401, a token without the scope 403."""
    scope = GUARDED[route]
    lacking = tuple(name for name in ALL_SCOPES if name != scope)
    await add_client(service.catalog, service.passwords, Credentials("acme", "less", "x"), lacking)
    less = bearer(await token_of(service.http, "less", "x"))

    assert await status_of(service, route, {}) == 401
    assert await status_of(service, route, bearer("garbage")) == 401
    assert await status_of(service, route, less) == (
        403 if scope else await status_of(service, route, service.acme)
    )
    refused = {403} if scope and route not in AGENTS_ALONE else set()
    assert await status_of(service, route, service.acme) not in {401, 500} | refused
    service.clock.advance(1_800_000)
    assert await status_of(service, route, service.acme) == 401


@pytest.mark.parametrize("route", GUARDED)
async def test_a_suspended_tenant_is_out(service, route):
    """Tokens of a suspended tenant do not hold any more."""
    import msgspec

    from schemas.tenants import Tenant

    document = await service.catalog.get("core", "tenant", "acme")
    tenant = msgspec.structs.replace(msgspec.json.decode(document.body, type=Tenant), suspended=True)
    await service.catalog.replace("core", "tenant", "acme", msgspec.json.encode(tenant), 0)
    await service.door.services.refresh()

    assert await status_of(service, route, service.acme) == 401
