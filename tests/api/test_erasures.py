"""Asking for a tenant to be erased, and being told how far that is (design 4.16)."""

from __future__ import annotations

import msgspec
import pytest

from api.identity.setup import create_tenant
from schemas.erasures import ERASED, KIND, PROVED, erasure_id
from schemas.ids import CORE
from schemas.tenants import Tenant
from tests.api.doors import NOW_MS

TENANTS = "/api/aspectstore/v1/tenants"
ERASURES = "/api/aspectstore/v1/erasures"


async def ask(service, tenant="other", confirm=None, who=None):
    """Ask for a tenant to be erased."""
    confirm = tenant if confirm is None else confirm
    return await service.http.delete(
        f"{TENANTS}/{tenant}", params={"confirm": confirm}, headers=who or service.acme
    )


async def suspend(service, tenant="other"):
    """Suspend a tenant."""
    document = await service.catalog.get(CORE, "tenant", tenant)
    shut = msgspec.structs.replace(msgspec.json.decode(document.body, type=Tenant), suspended=True)
    await service.catalog.replace(CORE, "tenant", tenant, msgspec.json.encode(shut), document.version)


async def change(service, **members):
    """Change what is kept of the erasing, as the eraser does."""
    document = await service.catalog.get(CORE, KIND, erasure_id("other"))
    changed = msgspec.json.encode({**msgspec.json.decode(document.body), **members})
    await service.catalog.replace(CORE, KIND, document.id, changed, document.version)


async def test_a_suspended_tenant_may_be_erased(service):
    """202 with where to look; the same again whoever asks; what is shown there is the same."""
    await suspend(service)

    first = await ask(service)
    again = await ask(service)

    assert (202, 202) == (first.status_code, again.status_code)
    assert first.json() == again.json()
    shown = await service.http.get(first.headers["location"], headers=service.acme)
    assert (200, first.json()) == (shown.status_code, shown.json())
    assert ("other", "ERASING", "acme-tech", 0) == tuple(
        first.json()[name] for name in ("tenant", "state", "requestedBy", "shardsDone")
    )


@pytest.mark.parametrize(
    ("tenant", "confirm", "status", "words"),
    [
        ("other", "othe", 400, "once more"),
        ("other", "other", 409, "suspended"),
        ("acme", "acme", 409, "first tenant"),
        ("nobody", "nobody", 404, "no such tenant"),
        ("Other", "Other", 404, "no such tenant"),
    ],
)
async def test_a_tenant_is_not_erased_by_mistake(service, tenant, confirm, status, words):
    """Confirmed by its name, suspended before, and never the first one."""
    answer = await ask(service, tenant, confirm)

    assert (status, True) == (answer.status_code, words in answer.json()["errors"][0]["message"])
    assert [] == await service.catalog.list(CORE, KIND)


async def test_the_name_is_needed(service):
    """Without the parameter nothing happens."""
    answer = await service.http.delete(f"{TENANTS}/other", headers=service.acme)

    assert answer.status_code == 400


async def test_only_the_platform_erases(service):
    """An admin of another tenant has not that scope, not for its own tenant either."""
    assert 403 == (await ask(service, who=service.other)).status_code


async def test_a_proof_is_signed(service):
    """With PROVED comes a receipt, the same each time, another one if a word is altered."""
    await suspend(service)
    place = (await ask(service)).headers["location"]
    receipts = []
    for state in (ERASED, PROVED, PROVED):
        await change(service, state=state, left={"series.deltas": 0})
        receipts.append((await service.http.get(place, headers=service.acme)).json().get("receipt"))
    await change(service, left={"series.deltas": 0, "series.heads": 0})
    altered = (await service.http.get(place, headers=service.acme)).json()["receipt"]

    assert receipts[0] is None
    assert receipts[1] == receipts[2]
    assert receipts[1] != altered
    assert len(altered) == 64


async def test_erasings_are_listed(service):
    """By tenant, in pages; or the one of a tenant; a proof can be read long after."""
    for name in ("aa", "bb", "cc"):
        await create_tenant(service.catalog, name, NOW_MS)
        await suspend(service, name)
        assert 202 == (await ask(service, name)).status_code

    first = (await service.http.get(ERASURES, params={"limit": 2}, headers=service.acme)).json()
    rest = (await service.http.get(ERASURES, params={"after": first["next"]}, headers=service.acme)).json()
    one = (await service.http.get(ERASURES, params={"tenant": "bb"}, headers=service.acme)).json()
    none = (await service.http.get(ERASURES, params={"tenant": "zz"}, headers=service.acme)).json()

    assert ["aa", "bb"] == [each["tenant"] for each in first["erasures"]]
    assert (["cc"], False) == ([each["tenant"] for each in rest["erasures"]], "next" in rest)
    assert ["bb"] == [each["tenant"] for each in one["erasures"]]
    assert {"erasures": []} == none


@pytest.mark.parametrize("erasure", ["0" * 32, "x", "..%2f"])
async def test_an_unknown_erasing_is_not_found(service, erasure):
    """Whatever the id looks like."""
    assert 404 == (await service.http.get(f"{ERASURES}/{erasure}", headers=service.acme)).status_code


async def test_a_tenant_that_is_being_erased_stays_out(service):
    """It cannot be let in again."""
    await suspend(service)
    await ask(service)

    answer = await service.http.post(f"{TENANTS}/other/resume", headers=service.acme)

    assert answer.status_code == 409


async def test_an_erased_name_is_taken(service):
    """Who makes a tenant with it is refused as for any taken name (design 4.16)."""
    await service.catalog.reserve("erased tenant", "ghost", erasure_id("ghost"))

    answer = await service.http.post(TENANTS, json={"name": "ghost"}, headers=service.acme)

    assert (409, True) == (answer.status_code, "taken" in answer.json()["errors"][0]["message"])
    assert await service.catalog.get(CORE, "tenant", "ghost") is None
    assert [] == await service.catalog.kinds("ghost")


async def test_a_name_that_is_given_up_meanwhile_is_not_given_again(service, monkeypatch):
    """Who asked before the name was taken out of use, and stored after, takes its tenant back."""
    asked = []

    async def owner_of(space, name):
        asked.append((space, name))
        return erasure_id(name) if len(asked) == 2 else None

    monkeypatch.setattr(service.catalog, "owner_of", owner_of)

    assert not await create_tenant(service.catalog, "ghost", NOW_MS)
    assert await service.catalog.get(CORE, "tenant", "ghost") is None


async def test_a_door_lets_go_of_an_erased_tenant(service):
    """When its document is gone it knows the tenant no more, nor anything of it."""
    index = service.door.services.index
    document = await service.catalog.get(CORE, "tenant", "other")
    assert "other" in index.tenants()

    await service.catalog.remove(CORE, "tenant", "other", document.version)
    await service.door.services.refresh()

    assert "other" not in index.tenants()
    assert not index.is_active("other")
    answer = await service.http.get("/api/assetmanagement/v3/assets", headers=service.other)
    assert answer.status_code == 401
