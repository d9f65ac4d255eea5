"""What changes something has an action, and no secret that passes by is in the audit log (S16, design 7)."""

import re

import pytest

from api.app import ROUTES
from api.identity.scopes import AUDIT_READ
from storage.audit_port import AuditSpan
from tests.api.doors import bearer
from tests.security.estate import ACME, OTHER, open_estate, opened
from tests.security.table import rows

READING = {"GET", "HEAD", "OPTIONS"}

WITHOUT = {
    "POST /api/aspectstore/v1/query": "reads",
    "POST /api/aspectstore/v1/aspecttypes/{type_id:str}/preview": "tells what a change would do",
    "POST /oauth/check_token": "reads",
    "POST /oauth/token": "logins are written down by themselves, also refused ones (api.guard.audit)",
    "POST /oauth/authorize": "the same",
    "POST /api/technicaltokenmanager/v3/oauth/token": "the same",
    "POST /api/technicaltokenmanager/v3/oauthTokens": "the same",
    "POST /api/agentmanagement/v3/oauth/token": "the same",
    "POST /api/agentmanagement/v3/register": "the same, as agent.register",
    "PUT /api/agentmanagement/v3/register/{client_id:str}": "the same, as agent.renew",
    "POST /oauth/revoke": "ends a login that the caller holds himself, without a token that says whose it is",
    "PUT /api/iottimeseries/v3/timeseries/{asset:str}/{aspect:str}": "records have receipts",
    "PATCH /api/iottimeseries/v3/timeseries/{asset:str}/{aspect:str}": "records have receipts",
    "PUT /api/iottimeseries/v3/timeseries": "records have receipts",
    "POST /api/eventmanagement/v3/events": "events are what devices report, up to thousands a second: data",
    "POST /api/eventmanagement/v3/createEventsJobs": "the same, fifty at a time",
    "POST /api/mindconnect/v3/exchange": "what devices report, up to hundreds of messages a second: data",
    "POST /api/mindconnect/v3/ingest": "the same",
    "POST /api/v2/write": "records have receipts; what it makes of types and assets is written down beside",
    "POST /write": "the same",
    "POST /api/v2/query": "reads",
    "POST /query": "reads",
    "POST /api/v0/{stream:str}/write": "records have receipts; what its mode takes away is told beside",
    "POST /api/v0/{stream:str}/{symbol:str}/write": "the same",
    "POST /api/v0/select": "reads",
    "POST /api/v0/{stream:str}/select": "reads",
    "POST /api/v0/{stream:str}/{symbol:str}/select": "reads",
}
"""Routes of other methods than reading ones that are in no audit log, and why."""

CANARY = "canary-51c0ffee"


def mutating():
    """Give the action of every route that may change something."""
    return {
        f"{method} {path}": handler.opt.get("action", "")
        for handler in ROUTES
        for path in handler.paths
        for method in handler.http_methods - READING
    }


def test_every_route_that_changes_something_has_an_action():
    """A new route that is written down nowhere fails here: give it an action, or a reason above."""
    assert set(WITHOUT) == {route for route, action in mutating().items() if not action}


def test_actions_are_words():
    """A thing, a dot, a verb: filters and people read them."""
    actions = {action for action in mutating().values() if action}

    assert len(actions) > 20
    assert [] == [action for action in actions if not re.fullmatch(r"[a-z_]+\.[a-z_]+", action)]


@pytest.fixture
async def estate(tmp_path):
    """Two furnished tenants."""
    async with (
        opened("memory", tmp_path, None) as stores,
        open_estate(*stores, {ACME: 1, OTHER: 2}) as estate,
    ):
        yield estate


async def test_no_canary_is_in_the_log(estate):
    """Bodies, headers, cookies, unknown parameters and tokens of every mutating route leave nothing behind.

    What is tried are the rows of the access matrix: each as it should be, and with canaries wherever a client
    can put something that is no id.
    """
    audit = estate.door.services.audit
    secrets = {CANARY, *(estate.token(tenant) for tenant in (ACME, OTHER))}
    for tenant in (ACME, OTHER):
        secrets |= {estate.things[tenant][name] for name in ("secret", "password", "refresh")}
    for row in rows().values():
        if row.method in READING:
            continue
        request = row.request(lambda place: estate.thing(ACME, place.thing))
        token = {} if row.scope is None else bearer(estate.token(ACME))
        headers = {
            "cookie": f"session={CANARY}",
            "idempotency-key": CANARY,
            "x-api-key": CANARY,
            **request.pop("headers"),
            **token,
        }
        url = request["url"] + ("&" if "?" in request["url"] else "?") + f"secret={CANARY}&enabled={CANARY}"
        await estate.http.request(**{**request, "url": url}, headers=headers)
        await estate.http.request(**request, headers=headers)
        if "data" not in request:
            planted = f'{{"name": "{CANARY}", "password": "{CANARY}"}}'
            await estate.http.request(request["method"], request["url"], content=planted, headers=headers)
    await audit.settle()

    lines = [line for tenant in (ACME, OTHER, "core") for line in await all_lines(audit.store, tenant)]
    assert len(lines) > 50
    for line in lines:
        written = line.act + (line.outcome or b"")
        assert not [secret for secret in secrets if secret.encode() in written], written


async def all_lines(store, tenant):
    """Read the whole log of a tenant."""
    return await store.read(AuditSpan(tenant, 0, 2**52), 100_000)


async def test_no_canary_is_in_an_export(estate):
    """What the routes show is what the store has: no secret comes out of another member (S16)."""
    await estate.http.post(
        "/api/assetmanagement/v3/assets",
        json={"name": CANARY},
        headers={**bearer(estate.token(ACME)), "cookie": CANARY},
    )
    headers = bearer(estate.token(ACME, (AUDIT_READ,)))

    answer = await estate.http.get("/api/aspectstore/v1/audit/export", headers=headers)

    assert (200, False) == (answer.status_code, CANARY in answer.text)
    assert estate.token(ACME) not in answer.text
