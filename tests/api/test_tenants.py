"""The settings of the own tenant, and all tenants for the platform (design 7; features MS-88, TB-12)."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from api.tenants.service import TenantService
from schemas.builtin import root_asset
from schemas.durations import DAY_MS
from schemas.ids import CORE
from schemas.retention import Rule
from schemas.tenants import Tenant
from storage.retention_rules import read_rule
from tests.api.doors import NOW_MS, bearer, token_of

BASE = "/api/aspectstore/v1"
OWN, ALL = f"{BASE}/tenant", f"{BASE}/tenants"
ROOT = "/api/assetmanagement/v3/assets/root"


async def call(service, method, path, body=None, headers=None):
    """Send a request as the platform's admin, or as somebody else."""
    return await service.http.request(method, path, json=body, headers=headers or service.acme)


# -- the own tenant ----------------------------------------------------------------------------------


async def test_a_tenant_reads_and_changes_its_settings(service):
    """What is given changes, the rest stays; the answer is what is read afterwards."""
    before = (await call(service, "GET", OWN, headers=service.other)).json()
    assert {
        "name": "other", "companyName": "", "displayName": "other", "country": "", "timezone": "UTC",
        "profile": None, "retentionDays": None, "suspended": False, "created": "2026-01-01T00:00:00.000Z",
        "rootAssetId": root_asset("other").id,
    } == before  # fmt: skip

    given = {"companyName": "Other & Co", "country": "NZ", "timezone": "Pacific/Auckland"}
    changed = await call(service, "PATCH", OWN, given, service.other)

    assert (changed.status_code, changed.json()) == (200, before | given)
    assert changed.json() == (await call(service, "GET", OWN, headers=service.other)).json()
    assert (await call(service, "PATCH", OWN, {}, service.other)).json() == changed.json()


async def test_new_assets_follow_the_time_zone_of_their_tenant(service):
    """A zone that is changed holds for assets made from then on (design 8.24)."""
    await call(service, "PATCH", OWN, {"timezone": "Pacific/Auckland"}, service.other)

    root = (await call(service, "GET", ROOT, headers=service.other)).json()["assetId"]
    body = {"name": "P", "typeId": "core.basicdevice", "parentId": root}
    made = await call(service, "POST", "/api/assetmanagement/v3/assets", body, service.other)
    assert made.json()["timezone"] == "Pacific/Auckland"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"timezone": "Mars/Olympus"}, "/timezone"),
        ({"country": "nz"}, "/country"),
        ({"companyName": "x" * 256}, "/companyName"),
        ({"displayName": "a\nb"}, "/displayName"),
        ({"retentionDays": -1}, "/retentionDays"),
        ({"retentionDays": 36_526}, "/retentionDays"),
        ({"profile": "strict"}, ""),
        ({"suspended": True}, ""),
        ({"name": "x"}, ""),
    ],
)
async def test_a_tenant_cannot_give_itself_everything(service, body, pointer):
    """Limits, names and suspension are not its own; what no rule takes names its place."""
    answer = await call(service, "PATCH", OWN, body, service.other)

    assert answer.status_code == 400
    assert pointer == answer.json()["errors"][0].get("pointer", "")


async def test_a_retention_becomes_the_rule_at_once(service):
    """A tenant's own days hold with the answer, for doors and writers; null is the installation's (4.13)."""
    assert (await call(service, "PATCH", OWN, {"retentionDays": 10}, service.other)).status_code == 200

    index = service.door.services.index
    assert (
        index.profile_of("other").retention == await read_rule(service.catalog, "other") == Rule(10, NOW_MS)
    )
    assert index.profile_of("acme").retention == Rule()

    await call(service, "PATCH", OWN, {"retentionDays": None}, service.other)
    assert index.profile_of("other").retention == Rule(0, NOW_MS, NOW_MS - 10 * DAY_MS)


# -- the platform ------------------------------------------------------------------------------------


async def test_the_platform_makes_a_tenant_with_its_first_admin(service):
    """The admin logs in with the secret that was shown and does everything but manage tenants (TB-12)."""
    given = {"name": "fresh", "companyName": "Fresh", "profile": "strict", "retentionDays": 30}
    answer = await call(service, "POST", ALL, given)

    body = answer.json()
    assert (answer.status_code, answer.headers["location"]) == (201, f"{ALL}/fresh")
    assert body["tenant"] == (await call(service, "GET", f"{ALL}/fresh")).json()
    assert {name: body["tenant"][name] for name in given} == given
    admin = body["admin"]
    assert (admin["role"], admin["id"].partition("-")[0]) == ("tenant admin", "fresh")
    headers = bearer(await token_of(service.http, admin["id"], admin["secret"]))
    assert (await call(service, "GET", ROOT, headers=headers)).json()["name"] == "fresh"
    assert (await call(service, "GET", OWN, headers=headers)).json() == body["tenant"]
    assert (await call(service, "GET", ALL, headers=headers)).status_code == 403
    assert service.door.services.index.profile_of("fresh").name == "strict"
    assert admin["secret"] not in (await call(service, "GET", ALL)).text


async def test_only_the_platform_sees_tenants(service):
    """A tenant's admin gets 403 on every route of tenants, also with his own tenant's name."""
    tries = [("GET", ""), ("POST", ""), ("GET", "/other"), ("PATCH", "/other"), ("POST", "/other/suspend"),
             ("POST", "/other/resume"), ("POST", "/other/admins"), ("GET", "/nobody")]  # fmt: skip

    answers = [await call(service, method, f"{ALL}{part}", {}, service.other) for method, part in tries]

    assert [403] * len(tries) == [answer.status_code for answer in answers]


@pytest.mark.parametrize("name", ["", "a", "Acme", "1a", "toolonga9", "core", "a b", "a/b", "ä1"])
async def test_a_tenant_name_has_a_form(service, name):
    """2 to 8 of a-z, 0-9 and _, a letter at first; `core` is reserved (design 8.13)."""
    answer = await call(service, "POST", ALL, {"name": name})

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "/name")


async def test_a_taken_tenant_name_gives_nobody_a_secret(service):
    """409, and the tenant of that name has no account more than before."""
    before = await service.catalog.list("other", "client")

    answer = await call(service, "POST", ALL, {"name": "other"})

    assert answer.status_code == 409
    assert before == await service.catalog.list("other", "client")


async def test_of_two_tenants_of_one_name_one_is_made(service):
    """Whoever asks at once: one answer has credentials, and the tenant has one admin."""
    answers = await asyncio.gather(*(call(service, "POST", ALL, {"name": "twin"}) for _ in range(4)))

    assert [201, 409, 409, 409] == sorted(answer.status_code for answer in answers)
    assert len(await service.catalog.list("twin", "client")) == 1


async def test_tenants_are_listed_by_name(service):
    """Pages go on where one ends; unknown names and parameters are refused."""
    for name in ("zz1", "zz2", "zz3"):
        await call(service, "POST", ALL, {"name": name})

    first = (await call(service, "GET", f"{ALL}?limit=2&after=zz")).json()
    rest = (await call(service, "GET", f"{ALL}?limit=2&after={first['next']}")).json()

    assert [tenant["name"] for tenant in first["tenants"] + rest["tenants"]] == ["zz1", "zz2", "zz3"]
    assert "next" not in rest
    everyone = (await call(service, "GET", ALL)).json()
    assert [tenant["name"] for tenant in everyone["tenants"]][:2] == ["acme", "other"]
    assert (await call(service, "GET", f"{ALL}/nobody")).status_code == 404
    assert (await call(service, "GET", f"{ALL}/core")).status_code == 404
    assert (await call(service, "GET", f"{ALL}?filter=x")).status_code == 400


async def test_the_platform_gives_limits(service):
    """A profile holds with the answer; null is the installation's; an unknown one is refused."""
    index = service.door.services.index

    assert (await call(service, "PATCH", f"{ALL}/other", {"profile": "strict"})).json()["profile"] == "strict"
    assert index.profile_of("other").name == "strict"
    assert (await call(service, "PATCH", f"{ALL}/other", {"profile": None})).json()["profile"] is None
    assert index.profile_of("other").name == "open"
    refused = await call(service, "PATCH", f"{ALL}/other", {"profile": "none"})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (400, "/profile")
    assert (await call(service, "PATCH", f"{ALL}/nobody", {})).status_code == 404


async def test_a_suspended_tenant_is_out_at_once_and_comes_back(service):
    """Its remembered tokens are refused with the next request, nobody of it logs in, its data stays."""
    assert (await call(service, "GET", ROOT, headers=service.other)).status_code == 200

    answer = await call(service, "POST", f"{ALL}/other/suspend")
    assert (answer.status_code, answer.json()["suspended"]) == (200, True)
    assert (await call(service, "GET", ROOT, headers=service.other)).status_code == 401
    assert (await call(service, "GET", f"{ALL}/other")).json()["suspended"] is True

    assert (await call(service, "POST", f"{ALL}/other/resume")).json()["suspended"] is False
    assert (await call(service, "GET", ROOT, headers=service.other)).status_code == 200


async def test_the_platform_does_not_suspend_itself(service):
    """Nobody would be left to resume it."""
    assert (await call(service, "POST", f"{ALL}/acme/suspend")).status_code == 409
    assert (await call(service, "GET", ROOT)).status_code == 200


async def test_a_tenant_whose_admins_are_lost_gets_another(service):
    """Also one whose making was cut off before it had its first."""
    tenant = Tenant("halfway", root_asset("halfway").id, NOW_MS)
    await service.catalog.create(CORE, "tenant", "halfway", msgspec.json.encode(tenant))
    await service.door.services.refresh()

    answer = await call(service, "POST", f"{ALL}/halfway/admins")

    admin = answer.json()
    assert (answer.status_code, admin["role"]) == (201, "tenant admin")
    headers = bearer(await token_of(service.http, admin["id"], admin["secret"]))
    assert (await call(service, "GET", OWN, headers=headers)).json()["name"] == "halfway"
    assert (await call(service, "POST", f"{ALL}/nobody/admins")).status_code == 404


async def test_changes_of_a_tenant_at_once_are_all_kept(service):
    """Each is made over the version that is there: none is lost to another (MS-08)."""
    tenants = TenantService(service.door.services)
    changes = {"company": "C", "display_name": "D", "country": "NZ", "timezone": "Europe/Berlin"}

    await asyncio.gather(
        *(
            tenants.change("other", lambda old, change=change: msgspec.structs.replace(old, **dict([change])))
            for change in changes.items()
        )
    )

    kept = (await tenants.get("other")).value
    assert changes == {name: getattr(kept, name) for name in changes}
