"""Accounts over every catalogue: compare-and-set, doors that follow, brakes that hold (S4, S15)."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import msgspec
import pytest

from api.identity.brake import PAIR_FAILURES_FREE
from api.identity.passwords import HASHES_AT_ONCE, WAITING_MAX
from api.tenants.accounts import AccountService
from api.tenants.service import TenantService
from schemas.errors import Conflict
from tests.api.doors import NOW_MS, basic, bearer, token_of
from tests.api.served import until
from tests.security.estate import ACME, BASE, STILL, open_estate, opened

ACCOUNTS = "/api/aspectstore/v1"
STORES = ["memory", "sqlite", pytest.param("cassandra", marks=pytest.mark.cassandra)]


@pytest.fixture(params=STORES)
async def stores(request, tmp_path):
    """Catalogue and store, empty."""
    server = request.getfixturevalue("cassandra") if request.param == "cassandra" else None
    async with opened(request.param, tmp_path, server) as opened_stores:
        yield opened_stores


@pytest.fixture
async def estate(stores):
    """One furnished tenant at a door that reads the change log when it is told to."""
    async with open_estate(*stores, {ACME: 1}) as estate:
        yield estate


def caller_of(estate):
    """Give the identity of the tenant's admin."""
    token = estate.things[ACME]["token"]
    return estate.door.services.identity.identify(f"Bearer {token}", NOW_MS / 1_000)


async def logs_in(estate, client_id, secret):
    """Tell whether a client's secret is good."""
    form = {"grant_type": "client_credentials"}
    answer = await estate.http.post("/oauth/token", data=form, headers=basic(client_id, secret))
    return answer.status_code == 200


async def test_changes_at_the_same_time_are_all_kept(estate):
    """Suspension, rotation and a new role of one client, at once: each holds, in every store."""
    accounts, caller = AccountService(estate.door.services), caller_of(estate)
    client = estate.things[ACME]["spare_client"]

    rotated, _, _ = await asyncio.gather(
        accounts.rotate_secret(caller, client, 60),
        accounts.suspend(caller, "client", client, suspended=True),
        accounts.change(caller, "client", client, None, "three at once"),
    )

    stored = await accounts.get(ACME, "client", client)
    assert (stored.suspended, stored.description, bool(stored.old_secret_hash)) == (
        True,
        "three at once",
        True,
    )
    await accounts.suspend(caller, "client", client, suspended=False)
    assert await logs_in(estate, client, rotated.secret)


async def test_of_rotations_at_once_one_shows_a_secret(estate):
    """Nobody is shown a secret that another rotation has ended already."""
    accounts, caller = AccountService(estate.door.services), caller_of(estate)
    client = estate.things[ACME]["spare_client"]

    answers = await asyncio.gather(
        *(accounts.rotate_secret(caller, client, 0) for _ in range(4)), return_exceptions=True
    )

    shown = [answer for answer in answers if not isinstance(answer, BaseException)]
    assert len(shown) == 1
    assert all(isinstance(answer, Conflict) for answer in answers if answer not in shown)
    assert await logs_in(estate, client, shown[0].secret)


async def test_of_creations_at_once_one_has_the_name(estate):
    """One of four is made; its password, and no other, logs in."""
    body = {"name": "rival", "role": "operator"}
    answers = await asyncio.gather(*(estate.http.post(f"{ACCOUNTS}/users", json=body, headers=bearer(
        estate.things[ACME]["token"])) for _ in range(4)))  # fmt: skip

    assert [201, 409, 409, 409] == sorted(answer.status_code for answer in answers)
    [password] = [answer.json()["password"] for answer in answers if answer.status_code == 201]
    form = {"grant_type": "password", "username": "rival", "password": password}
    answer = await estate.http.post("/oauth/token", data=form, headers=basic("web", "secret"))
    assert answer.status_code == 200


async def test_changes_of_a_tenant_and_its_suspension_are_both_kept(estate):
    """The tenant's document has one version after another, in every store."""
    tenants = TenantService(estate.door.services)
    await asyncio.gather(
        estate.call(ACME, "PATCH", f"{ACCOUNTS}/tenants/managed1", {"companyName": "M"}),
        tenants.suspend(ACME, "managed1", suspended=True),
        estate.call(ACME, "PATCH", f"{ACCOUNTS}/tenants/managed1", {"retentionDays": 5}),
    )

    kept = (await tenants.get("managed1")).value
    assert (kept.company, kept.suspended, kept.retention_days) == ("M", True, 5)
    assert estate.door.services.index.profile_of("managed1").retention.days == 5


async def test_a_deleted_account_is_refused_by_every_store(estate):
    """Login, token and refresh token end with it, and its name is not given to the next in the same hour."""
    things = estate.things[ACME]
    token = await token_of(estate.http, things["client"], things["secret"])
    await estate.call(ACME, "DELETE", f"{ACCOUNTS}/clients/{things['client']}")

    root = await estate.http.get(f"{BASE}/assets/root", headers=bearer(token))
    assert root.status_code == 401
    assert not await logs_in(estate, things["client"], things["secret"])
    families = await estate.catalog.list(ACME, "token")
    assert families == []
    again = await estate.http.post(
        f"{ACCOUNTS}/clients",
        json={"id": things["client"], "role": "viewer"},
        headers=bearer(things["token"]),
    )
    assert again.status_code == 409


async def test_every_door_follows_by_itself(stores):
    """A second door over the same catalogue refuses a suspended account within its next look at the log."""
    policy = replace(STILL, catalog_refresh_s=0.01)
    async with open_estate(*stores, {ACME: 1}, policy) as estate:
        things, index = estate.things[ACME], estate.door.services.index
        token = await token_of(estate.http, things["client"], things["secret"])
        headers = bearer(token)
        assert (await estate.http.get(f"{BASE}/assets/root", headers=headers)).status_code == 200

        accounts = estate.door.services.identity.accounts

        def suspended(client):
            return msgspec.structs.replace(client, suspended=True)

        # Past this door, as another does.
        await accounts.change(ACME, "client", things["client"], suspended, unknown="")

        await until(lambda: not index.of(ACME).clients[things["client"]].value.may_act)
        await until(lambda: not estate.door.services.identity.tokens._verified)
        assert (await estate.http.get(f"{BASE}/assets/root", headers=headers)).status_code == 401


# -- brakes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stores", ["memory"], indirect=True)
async def test_guessing_the_password_of_a_new_user_is_braked(estate):
    """An account made by the API stands behind the same brake; a new password does not lift it (S15)."""
    headers = basic("web", "secret")
    user = estate.things[ACME]["spare_user"]
    form = {"grant_type": "password", "username": user, "password": "wrong"}
    tried = [
        (await estate.http.post("/oauth/token", data=form, headers=headers)).status_code
        for _ in range(PAIR_FAILURES_FREE + 1)
    ]
    made = await estate.call(ACME, "POST", f"{ACCOUNTS}/users/{user}/rotate", {})
    right = {**form, "password": made.json()["password"]}
    braked = await estate.http.post("/oauth/token", data=right, headers=headers)

    assert tried == [400] * PAIR_FAILURES_FREE + [429]
    assert braked.status_code == 429
    estate.clock.advance(int(braked.headers["retry-after"]) * 1_000)
    assert (await estate.http.post("/oauth/token", data=right, headers=headers)).status_code == 200


@pytest.mark.parametrize("stores", ["memory"], indirect=True)
async def test_making_accounts_waits_in_the_queue_of_logins(estate):
    """Hashes are made four at a time whoever asks; a caller too many is sent away with 503 (S15)."""
    pool = estate.door.services.identity._pool
    pool._present = HASHES_AT_ONCE + WAITING_MAX
    headers = bearer(estate.things[ACME]["token"])
    tries = [("users", {"role": "viewer"}), ("clients", {"role": "viewer"}),
             (f"users/{estate.things[ACME]['spare_user']}/rotate", {}),
             (f"clients/{estate.things[ACME]['spare_client']}/rotate", {})]  # fmt: skip

    answers = [
        await estate.http.post(f"{ACCOUNTS}/{path}", json=body, headers=headers) for path, body in tries
    ]

    assert [503] * 4 == [answer.status_code for answer in answers]
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in answers)
    pool._present = 0
    assert (await estate.http.post(f"{ACCOUNTS}/users", json={"role": "viewer"}, headers=headers)).is_success
