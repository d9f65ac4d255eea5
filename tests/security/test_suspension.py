"""A suspended tenant is out: at once where it was told, within a second everywhere else (S1, design 4, 7)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from api.series.service import PATH
from tests.api.doors import bearer
from tests.api.served import until
from tests.security.estate import ACME, BASE, FROM, STILL, TO, open_estate, opened, served
from tests.security.table import rows

RANGE = f"from={FROM}&to={TO}"
UNAUTHORIZED = "mdsp.core.generic.unauthorized"


@pytest.fixture(params=["memory", "sqlite"])
async def estate(request, tmp_path):
    """One furnished tenant at a door that reads the change log when it is told to."""
    async with opened(request.param, tmp_path, None) as stores, open_estate(*stores, {ACME: 1}) as estate:
        yield estate


async def statuses(estate, http):
    """Call one route of the framework and one of the bare path."""
    headers = bearer(estate.things[ACME]["token"])
    paths = (f"{BASE}/assets/root", series_of(estate))
    return [(await http.get(path, headers=headers)).status_code for path in paths]


def series_of(estate):
    """Give the address of some records."""
    return f"{PATH}/{estate.things[ACME]['asset']}/weather?{RANGE}"


async def test_a_remembered_token_ends_with_its_tenant(estate):
    """A token verified a moment ago is refused once the log was read, on both paths; 401, as if unknown."""
    async with served(estate) as http:
        assert [200, 200] == await statuses(estate, http)

        await estate.suspend(ACME)
        await estate.door.services.refresh()

        assert [401, 401] == await statuses(estate, http)
        answer = await http.get(series_of(estate), headers=bearer(estate.things[ACME]["token"]))
        assert answer.json()["errors"][0]["code"] == UNAUTHORIZED
        assert answer.headers["www-authenticate"] == "Bearer"


async def test_a_tenant_may_act_again(estate):
    """Suspension is taken back the same way, and the same token holds again."""
    await estate.suspend(ACME)
    await estate.door.services.refresh()
    assert [401, 401] == await statuses(estate, estate.http)

    await estate.suspend(ACME, suspended=False)
    await estate.door.services.refresh()

    assert [200, 200] == await statuses(estate, estate.http)


async def test_a_suspended_tenant_cannot_log_in(estate):
    """Clients, users and refresh tokens are refused as wrong ones are, also before the log was read (S4)."""
    things = estate.things[ACME]
    client = {"client_id": things["client"], "client_secret": things["secret"]}
    logins = {
        "client_credentials": {},
        "password": {"username": things["user"], "password": things["password"]},
        "refresh_token": {"refresh_token": things["refresh"]},
    }

    async def tried():
        return [
            (await estate.http.post("/oauth/token", data={"grant_type": kind, **client, **form})).status_code
            for kind, form in logins.items()
        ]

    await estate.suspend(ACME)
    assert [401, 401, 401] == await tried()

    await estate.suspend(ACME, suspended=False)
    assert [200, 200, 200] == await tried()


async def test_users_of_a_suspended_tenant_cannot_use_the_shared_client(estate):
    """The client of simple devices belongs to nobody's tenant; its users still do (TB-01)."""
    things = estate.things[ACME]
    form = {"grant_type": "password", "username": things["user"], "password": things["password"]}

    async def tried():
        return await estate.http.post("/oauth/token", data=form, auth=("web", "secret"))

    given = (await tried()).json()["refresh_token"]
    await estate.suspend(ACME)
    renewal = {"grant_type": "refresh_token", "refresh_token": given}
    renewed = await estate.http.post("/oauth/token", data=renewal, auth=("web", "secret"))

    assert ((await tried()).status_code, renewed.status_code) == (400, 400)
    assert renewed.json()["error"] == "invalid_grant"


@pytest.mark.parametrize("kind", ["memory", "sqlite", pytest.param("cassandra", marks=pytest.mark.cassandra)])
async def test_every_door_follows_the_log_by_itself(request, tmp_path, kind):
    """A door that only serves hears of a suspension from its next look at the log, each half second."""
    server = request.getfixturevalue("cassandra") if kind == "cassandra" else None
    policy = replace(STILL, catalog_refresh_s=0.01)
    async with opened(kind, tmp_path, server) as stores, open_estate(*stores, {ACME: 1}, policy) as estate:
        assert [200, 200] == await statuses(estate, estate.http)

        await estate.suspend(ACME)

        await until(lambda: not estate.door.services.index.is_active(ACME))
        await until(lambda: not estate.door.services.identity.tokens._verified)
        assert [401, 401] == await statuses(estate, estate.http)


def test_a_look_at_the_log_comes_often_enough():
    """Two looks at the log fit into the second that design 4 allows."""
    from runtime.ports import DoorPolicy

    assert 2 * DoorPolicy().catalog_refresh_s <= 1.0


def test_the_matrix_has_a_suspended_tenant_on_every_guarded_route():
    """No guarded route is open to a suspended tenant (the answers: tests/security/test_matrix.py)."""
    guarded = [row for row in rows().values() if row.scope is not None]

    assert {401} == {row.expected("asleep") for row in guarded}
