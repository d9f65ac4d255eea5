"""Users and technical users over HTTP: made, shown, changed, suspended, renewed, deleted.

TB-14, IX-21, SM-15, MS-88.
"""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from api.catalog.index import CatalogIndex
from api.identity.accounts import Accounts, Client
from api.identity.roles import ROLES
from api.identity.scopes import ACCOUNTS_WRITE, ALL_SCOPES, PLATFORM, SERIES_READ
from api.identity.tokens import CLOCK_SKEW_S_MAX
from api.tenants.accounts import AccountService
from schemas.errors import Conflict
from schemas.limits import ACCOUNTS_OF_TENANT_MAX
from tests.api.doors import NOW_MS, basic, bearer, token_of

BASE = "/api/aspectstore/v1"
USERS, CLIENTS = f"{BASE}/users", f"{BASE}/clients"
ROOT = "/api/assetmanagement/v3/assets/root"
LIFE_S = 1_799 + CLOCK_SKEW_S_MAX
NEW_PASSWORD = "n3w-and-long"
KINDS = pytest.mark.parametrize(
    ("path", "label"), [(USERS, "name"), (CLIENTS, "id")], ids=["users", "clients"]
)


async def call(service, method, path, body=None, headers=None):
    """Send a request as acme's platform admin, or as somebody else."""
    return await service.http.request(method, path, json=body, headers=headers or service.acme)


async def made(service, path, **body):
    """Make an account; gives the answer's body."""
    answer = await call(service, "POST", path, {"role": "viewer", **body})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def log_in(service, name, password):
    """Log a user in through the client of simple devices; gives the answer."""
    form = {"grant_type": "password", "username": name, "password": password}
    return await service.http.post("/oauth/token", data=form, headers=basic("web", "secret"))


async def client_with(service, **body):
    """Make a client; gives its id, its secret and the header of its token."""
    client = await made(service, CLIENTS, **body)
    token = await token_of(service.http, client["id"], client["secret"])
    return client["id"], client["secret"], bearer(token)


# -- making and showing ------------------------------------------------------------------------------


async def test_a_user_is_made_with_a_password_that_is_shown_once(service):
    """The answer has everything and the password; later answers have everything else."""
    answer = await call(service, "POST", USERS, {"name": "ann", "role": "operator", "description": "Night"})

    body = answer.json()
    password = body.pop("password")
    assert (answer.status_code, answer.headers["location"]) == (201, f"{USERS}/ann")
    assert {
        "name": "ann", "role": "operator", "scopes": list(ROLES["operator"]), "description": "Night",
        "suspended": False, "created": "2026-01-01T00:00:00.000Z",
    } == body  # fmt: skip
    assert body == (await call(service, "GET", f"{USERS}/ann")).json()
    assert body in (await call(service, "GET", USERS)).json()["users"]
    assert (await log_in(service, "ann", password)).status_code == 200


async def test_a_chosen_password_is_not_repeated(service):
    """Who chooses the password knows it; it logs in and stands in no answer."""
    answer = await call(service, "POST", USERS, {"name": "ann", "role": "viewer", "password": NEW_PASSWORD})

    assert NEW_PASSWORD not in answer.text
    assert "password" not in answer.json()
    assert (await log_in(service, "ann", NEW_PASSWORD)).status_code == 200


async def test_a_technical_user_is_made_with_a_secret_that_is_shown_once(service):
    """Its token has the scopes of its role; the secret stands in no later answer (wire 7.1)."""
    client_id, secret, headers = await client_with(service, role="viewer")

    shown = (await call(service, "GET", f"{CLIENTS}/{client_id}")).json()
    assert {
        "id": client_id, "role": "viewer", "scopes": list(ROLES["viewer"]), "description": "",
        "grants": ["client_credentials"], "redirectUris": [], "public": False, "suspended": False,
        "created": "2026-01-01T00:00:00.000Z",
    } == shown  # fmt: skip
    assert client_id.startswith("acme-")
    assert secret not in (await call(service, "GET", CLIENTS)).text
    assert (await call(service, "GET", ROOT, headers=headers)).status_code == 200
    assert (await call(service, "POST", USERS, {"role": "viewer"}, headers)).status_code == 403
    series = f"/api/iottimeseries/v3/timeseries/{'a' * 32}/weather"
    written = await call(service, "PUT", series, [{"_time": "2026-01-01T00:00:00Z"}], headers)
    assert written.status_code == 403  # who reads does not write (TB-14)


async def test_an_account_has_a_role_or_single_scopes(service):
    """Single scopes are kept in the order of tokens, and a token has just these (IX-21)."""
    client = await made(service, CLIENTS, role=None, scopes=["asm.r", "iot.tim.r"])

    answer = await service.http.post(
        "/oauth/token", data={"grant_type": "client_credentials"},
        headers=basic(client["id"], client["secret"]),
    )  # fmt: skip
    assert (client["role"], client["scopes"]) == (None, ["iot.tim.r", "asm.r"])
    assert answer.json()["scope"] == "iot.tim.r asm.r"


async def test_uploading_does_not_imply_deleting(service):
    """An upload-only account writes records and deletes nothing (SM-15)."""
    _, _, headers = await client_with(service, role="upload-only")
    series = f"/api/iottimeseries/v3/timeseries/{'a' * 32}/weather"

    assert (
        await call(service, "PUT", series, [{"_time": "2026-01-01T00:00:00Z"}], headers)
    ).status_code == 404
    gone = f"{series}?from=2025-01-01T00:00:00Z&to=2026-01-01T00:00:00Z"
    assert (await call(service, "DELETE", gone, headers=headers)).status_code == 403
    assert (await call(service, "GET", series, headers=headers)).status_code == 403


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        (USERS, {}, "/role"),
        (USERS, {"role": "viewer", "scopes": []}, "/role"),
        (USERS, {"role": "king"}, "/role"),
        (USERS, {"scopes": ["asm.r", "root"]}, "/scopes/1"),
        (USERS, {"role": "viewer", "name": "a b"}, "/name"),
        (USERS, {"role": "viewer", "name": "-a"}, "/name"),
        (USERS, {"role": "viewer", "name": "x" * 65}, "/name"),
        (USERS, {"role": "viewer", "password": "short"}, "/password"),
        (USERS, {"role": "viewer", "password": "line\nbreak"}, "/password"),
        (USERS, {"role": "viewer", "description": "x" * 256}, "/description"),
        (CLIENTS, {"role": "viewer", "id": "a:b"}, "/id"),
        (CLIENTS, {"role": "viewer", "grants": ["magic"]}, "/grants/0"),
        (CLIENTS, {"role": "viewer", "grants": ["authorization_code"]}, "/redirectUris"),
        (CLIENTS, {"role": "viewer", "redirectUris": ["https://a.example/b"]}, "/redirectUris"),
        (CLIENTS, {"role": "viewer", "redirectUris": ["http://a.example/"]}, "/redirectUris/0"),
        (CLIENTS, {"role": "viewer", "public": True, "grants": ["client_credentials"]}, "/grants/0"),
    ],
)  # fmt: skip
async def test_what_is_not_taken_names_its_place(service, path, body, pointer):
    """400 with a pointer, and no account is made."""
    answer = await call(service, "POST", path, body)

    assert answer.status_code == 400
    assert pointer in [error.get("pointer") for error in answer.json()["errors"]]


async def test_a_refused_password_is_not_repeated(service):
    """The reason names the rule and not what was sent (S16)."""
    answer = await call(service, "POST", USERS, {"role": "viewer", "password": "c4n4ry\t"})

    assert answer.status_code == 400
    assert "c4n4ry" not in answer.text


async def test_a_public_client_has_no_secret(service):
    """A program on its users' devices could not keep one: it does not log in by itself, and rotates none."""
    client = await made(service, CLIENTS, public=True, redirectUris=["https://app.example/back"])

    assert (client["public"], client["grants"]) == (True, ["refresh_token", "authorization_code"])
    assert "secret" not in client
    login = await service.http.post(
        "/oauth/token", data={"grant_type": "client_credentials", "client_id": client["id"]}
    )
    rotated = await call(service, "POST", f"{CLIENTS}/{client['id']}/rotate", {})
    assert login.status_code in {400, 401}
    assert rotated.status_code == 409


@KINDS
async def test_lists_go_on_where_a_page_ends(service, path, label):
    """By name; `next` is there while there is more; unknown parameters are refused (design 8.22)."""
    names = [(await made(service, path, **{label: f"zz-{number}"}))[label] for number in range(5)]
    kind = path.rpartition("/")[2]

    found, after, pages = [], "zy", 0
    while after:
        page = (await call(service, "GET", f"{path}?limit=2&after={after}")).json()
        found += [account[label] for account in page[kind]]
        after, pages = page.get("next"), pages + 1
    assert (found, pages) == (names, 3)
    assert (await call(service, "GET", f"{path}?limit=0")).status_code == 400
    assert (await call(service, "GET", f"{path}?x=1")).status_code == 400


@KINDS
async def test_names_are_unique_in_the_installation(service, path, label):
    """A name of another tenant is taken; whose it is is not said (design 8.13)."""
    await made(service, path, **{label: "zed"})

    for headers in (service.acme, service.other):
        answer = await call(service, "POST", path, {label: "zed", "role": "viewer"}, headers)
        assert answer.status_code == 409
        assert "acme" not in answer.text


@KINDS
async def test_another_tenants_account_is_an_unknown_one(service, path, label):
    """404 in the same words, whatever is done to it (MS-31)."""
    await made(service, path, **{label: "zed"})

    tries = [("GET", "", None), ("PATCH", "", {"description": "x"}), ("POST", "/suspend", None),
             ("POST", "/resume", None), ("POST", "/rotate", {}), ("DELETE", "", None)]  # fmt: skip
    for method, part, body in tries:
        foreign = await call(service, method, f"{path}/zed{part}", body, service.other)
        unknown = await call(service, method, f"{path}/zee{part}", body, service.other)
        assert foreign.status_code == unknown.status_code == 404
        errors = [answer.json()["errors"][0] for answer in (foreign, unknown)]
        assert errors[0]["message"] == errors[1]["message"]


async def test_a_tenant_has_so_many_accounts_at_most(service):
    """What a door keeps of a tenant in memory has a limit."""
    users = service.door.services.index.of("acme").users
    users.update(dict.fromkeys((str(number) for number in range(ACCOUNTS_OF_TENANT_MAX)), users["board"]))

    answer = await call(service, "POST", USERS, {"role": "viewer"})

    assert answer.status_code == 409
    assert str(ACCOUNTS_OF_TENANT_MAX) in answer.text


# -- never more than one has -------------------------------------------------------------------------


async def test_nobody_gives_more_than_he_has(service):
    """With the scope to manage accounts alone one makes, changes and renews only what has no other scope."""
    _, _, manager = await client_with(service, role=None, scopes=[ACCOUNTS_WRITE, SERIES_READ])
    strong = await made(service, CLIENTS, role="operator")
    weak = await made(service, CLIENTS, role=None, scopes=[SERIES_READ])

    refused = [
        await call(service, "POST", USERS, {"role": "viewer"}, manager),
        await call(service, "POST", CLIENTS, {"scopes": ["asm.r"]}, manager),
        await call(service, "PATCH", f"{CLIENTS}/{weak['id']}", {"role": "viewer"}, manager),
        await call(service, "PATCH", f"{CLIENTS}/{strong['id']}", {"scopes": [SERIES_READ]}, manager),
        await call(service, "POST", f"{CLIENTS}/{strong['id']}/rotate", {}, manager),
        await call(service, "POST", f"{CLIENTS}/{strong['id']}/suspend", None, manager),
        await call(service, "POST", f"{CLIENTS}/{strong['id']}/resume", None, manager),
        await call(service, "DELETE", f"{CLIENTS}/{strong['id']}", None, manager),
    ]

    assert [403] * len(refused) == [answer.status_code for answer in refused]
    assert "asm.r" in refused[1].json()["errors"][0]["message"]
    assert (await call(service, "GET", f"{CLIENTS}/{strong['id']}")).json()["scopes"] == strong["scopes"]
    rotated = await call(service, "POST", f"{CLIENTS}/{weak['id']}/rotate", {}, manager)
    assert rotated.status_code == 200


async def test_a_tenant_admin_neither_is_nor_makes_a_platform_admin(service):
    """The platform's scope is given by those who have it; a tenant admin does not get at their secrets."""
    _, _, admin = await client_with(service, role="tenant admin")

    assert (await call(service, "POST", USERS, {"role": "platform admin"}, admin)).status_code == 403
    assert (await call(service, "POST", USERS, {"scopes": [PLATFORM]}, admin)).status_code == 403
    assert (await call(service, "POST", f"{CLIENTS}/acme-tech/rotate", {}, admin)).status_code == 403
    assert (await call(service, "POST", USERS, {"role": "tenant admin"}, admin)).status_code == 201
    assert (await call(service, "POST", USERS, {"role": "platform admin"}, service.other)).status_code == 403
    assert (await call(service, "POST", USERS, {"role": "platform admin"})).status_code == 201


async def test_nobody_shuts_himself_out(service):
    """One does not suspend, lower or delete the account that one acts with; a description is harmless."""
    own = f"{CLIENTS}/acme-tech"
    tries = [("POST", f"{own}/suspend", None), ("PATCH", own, {"role": "viewer"}), ("DELETE", own, None)]

    for method, path, body in tries:
        assert (await call(service, method, path, body)).status_code == 409
    assert (await call(service, "PATCH", own, {"description": "mine"})).status_code == 200
    assert (await call(service, "GET", own)).json()["scopes"] == list(ALL_SCOPES)


# -- at once -----------------------------------------------------------------------------------------


async def test_a_suspended_client_is_out_at_once_and_comes_back(service):
    """The next request with a remembered token is refused, a login too; resumed, both hold again."""
    client_id, secret, headers = await client_with(service)
    assert (await call(service, "GET", ROOT, headers=headers)).status_code == 200

    suspended = await call(service, "POST", f"{CLIENTS}/{client_id}/suspend")
    refused = await call(service, "GET", ROOT, headers=headers)
    login = await service.http.post(
        "/oauth/token", data={"grant_type": "client_credentials"}, headers=basic(client_id, secret)
    )
    again = await call(service, "POST", f"{CLIENTS}/{client_id}/suspend")
    await call(service, "POST", f"{CLIENTS}/{client_id}/resume")

    assert (suspended.json()["suspended"], again.status_code) == (True, 200)
    assert (refused.status_code, login.status_code) == (401, 401)
    assert (await call(service, "GET", ROOT, headers=headers)).status_code == 200
    assert await token_of(service.http, client_id, secret)


async def test_a_suspended_users_tokens_end_and_his_refresh_tokens_for_good(service):
    """Access is back with resuming; a refresh token is not: the user logs in anew (TB-08)."""
    await made(service, USERS, name="ann", password=NEW_PASSWORD, role="operator")
    given = (await log_in(service, "ann", NEW_PASSWORD)).json()
    headers, series = bearer(given["access_token"]), f"/api/iottimeseries/v3/timeseries/{'a' * 32}/weather"
    assert (
        await call(service, "PUT", series, [{"_time": "2026-01-01T00:00:00Z"}], headers)
    ).status_code == 404

    await call(service, "POST", f"{USERS}/ann/suspend")
    assert (await call(service, "PUT", series, [], headers)).status_code == 401
    assert (await log_in(service, "ann", NEW_PASSWORD)).status_code == 400
    await call(service, "POST", f"{USERS}/ann/resume")

    form = {"grant_type": "refresh_token", "refresh_token": given["refresh_token"]}
    renewed = await service.http.post("/oauth/token", data=form, headers=basic("web", "secret"))
    assert renewed.status_code == 400
    assert (await log_in(service, "ann", NEW_PASSWORD)).status_code == 200


async def test_a_suspended_client_takes_what_was_given_through_it(service):
    """Users who logged in through a client that is suspended are out with it, and only there."""
    client = await made(
        service, CLIENTS, role="tenant admin", grants=["password", "refresh_token"], id="acme-app"
    )
    await made(service, USERS, name="ann", password=NEW_PASSWORD, role="operator")
    form = {"grant_type": "password", "username": "ann", "password": NEW_PASSWORD}
    through = await service.http.post("/oauth/token", data=form, headers=basic("acme-app", client["secret"]))
    beside = await log_in(service, "ann", NEW_PASSWORD)

    await call(service, "POST", f"{CLIENTS}/acme-app/suspend")

    series = f"/api/iottimeseries/v3/timeseries/{'a' * 32}/weather"
    tokens = [answer.json()["access_token"] for answer in (through, beside)]
    seen = [await call(service, "PUT", series, [], bearer(token)) for token in tokens]
    assert [answer.status_code == 401 for answer in seen] == [True, False]
    families = await service.catalog.list("acme", "token")
    assert [msgspec.json.decode(document.body)["client_id"] for document in families] == ["web"]


async def test_a_lower_role_holds_for_tokens_that_are_out(service):
    """A scope that is taken away is gone from the next request on; one that is added needs a new token."""
    client_id, _, headers = await client_with(service, role="engineer")
    lock = "/api/assetmanagement/v3/model/lock?enabled=false"
    assert (await call(service, "PUT", lock, headers=headers)).status_code == 200

    await call(service, "PATCH", f"{CLIENTS}/{client_id}", {"role": "viewer"})
    assert (await call(service, "PUT", lock, headers=headers)).status_code == 403
    assert (await call(service, "GET", ROOT, headers=headers)).status_code == 200

    await call(service, "PATCH", f"{CLIENTS}/{client_id}", {"role": "tenant admin"})
    assert (await call(service, "PUT", lock, headers=headers)).status_code == 200
    assert (await call(service, "GET", USERS, headers=headers)).status_code == 403


async def test_another_door_follows_within_its_next_look_at_the_log(service):
    """A door that did not serve the change refuses the token as soon as it has read the log (design 4)."""
    client_id, _, headers = await client_with(service)
    service.door.services.identity.identify(headers["authorization"], NOW_MS / 1_000)
    accounts = Accounts(service.catalog)

    def suspended(client):
        return msgspec.structs.replace(client, suspended=True)

    await accounts.change("acme", "client", client_id, suspended, unknown="")  # another door did it
    assert (await call(service, "GET", ROOT, headers=headers)).status_code == 200
    await service.door.services.refresh()

    assert (await call(service, "GET", ROOT, headers=headers)).status_code == 401


# -- new secrets -------------------------------------------------------------------------------------


async def test_a_new_secret_ends_the_old_one(service):
    """Without grace the old secret is wrong at once; the new one is shown once and holds."""
    client_id, old, _ = await client_with(service)

    answer = await call(service, "POST", f"{CLIENTS}/{client_id}/rotate", {})

    new = answer.json()["secret"]
    assert await token_of(service.http, client_id, new)
    refused = await service.http.post(
        "/oauth/token", data={"grant_type": "client_credentials"}, headers=basic(client_id, old)
    )
    assert refused.status_code == 401
    assert "oldSecretUntil" not in answer.json()


async def test_an_old_secret_stays_good_for_its_grace(service):
    """Both secrets log in until the time that the answer names, the old one not a second longer."""
    client_id, old, _ = await client_with(service)

    answer = (await call(service, "POST", f"{CLIENTS}/{client_id}/rotate", {"graceSeconds": 60})).json()

    assert answer["oldSecretUntil"] == "2026-01-01T00:01:00.000Z"
    service.clock.advance(59_000)
    for secret in (old, answer["secret"]):
        assert await token_of(service.http, client_id, secret)
    service.clock.advance(1_000)
    refused = await service.http.post(
        "/oauth/token", data={"grant_type": "client_credentials"}, headers=basic(client_id, old)
    )
    shown = await call(service, "GET", f"{CLIENTS}/{client_id}", headers=bearer(
        await token_of(service.http, "acme-tech", "s3cret")))  # fmt: skip
    assert refused.status_code == 401
    assert await token_of(service.http, client_id, answer["secret"])
    assert "oldSecretUntil" not in shown.json()


async def test_of_three_secrets_two_are_good(service):
    """A second rotation within the grace ends the first secret: one old one is kept, never more."""
    client_id, first, _ = await client_with(service)
    path = f"{CLIENTS}/{client_id}/rotate"
    second = (await call(service, "POST", path, {"graceSeconds": 600})).json()["secret"]
    third = (await call(service, "POST", path, {"graceSeconds": 600})).json()["secret"]

    good = []
    for secret in (first, second, third):
        answer = await service.http.post(
            "/oauth/token", data={"grant_type": "client_credentials"}, headers=basic(client_id, secret)
        )
        good.append(answer.status_code == 200)
    assert good == [False, True, True]


@pytest.mark.parametrize("chosen", [NEW_PASSWORD, None])
async def test_a_new_password_ends_the_old_one_and_refresh_tokens(service, chosen):
    """Chosen or made up; who had the old password goes on with nothing that renews itself."""
    before = (await log_in(service, "board", "p@ss!w:o/rd")).json()

    body = {} if chosen is None else {"password": chosen}
    answer = await call(service, "POST", f"{USERS}/board/rotate", body)

    password = chosen or answer.json()["password"]
    assert ("password" in answer.json()) == (chosen is None)
    assert (await log_in(service, "board", "p@ss!w:o/rd")).status_code == 400
    assert (await log_in(service, "board", password)).status_code == 200
    form = {"grant_type": "refresh_token", "refresh_token": before["refresh_token"]}
    renewed = await service.http.post("/oauth/token", data=form, headers=basic("web", "secret"))
    assert renewed.status_code == 400


async def test_changes_at_once_lose_nothing(service):
    """A rotation and a suspension at the same time both hold; of four rotations one shows a secret."""
    client_id, _, _ = await client_with(service)
    accounts = AccountService(service.door.services)
    caller = service.door.services.identity.identify(service.acme["authorization"], NOW_MS / 1_000)

    rotated, suspended = await asyncio.gather(
        accounts.rotate_secret(caller, client_id, 0),
        accounts.suspend(caller, "client", client_id, suspended=True),
    )
    assert suspended.suspended
    await accounts.suspend(caller, "client", client_id, suspended=False)
    assert await token_of(service.http, client_id, rotated.secret)

    answers = await asyncio.gather(
        *(accounts.rotate_secret(caller, client_id, 0) for _ in range(4)), return_exceptions=True
    )
    shown = [answer.secret for answer in answers if not isinstance(answer, Exception)]
    assert len(shown) == 1
    assert all(isinstance(answer, Conflict) for answer in answers if isinstance(answer, Exception))
    assert await token_of(service.http, client_id, shown[0])


# -- deleting ----------------------------------------------------------------------------------------


@KINDS
async def test_a_deleted_account_is_gone(service, path, label):
    """It is not found, not listed, changed by nobody; deleting it twice is 404."""
    await made(service, path, **{label: "zed"})
    kind = path.rpartition("/")[2]

    assert (await call(service, "DELETE", f"{path}/zed")).status_code == 204

    assert "zed" not in [each[label] for each in (await call(service, "GET", path)).json()[kind]]
    tries = [("GET", ""), ("POST", "/resume"), ("DELETE", "")]
    assert [404] * 3 == [(await call(service, m, f"{path}/zed{part}")).status_code for m, part in tries]


async def test_a_deleted_accounts_tokens_never_hold_again(service):
    """Not at once, not in a door that starts later, and not for the next account of the name."""
    client_id, secret, headers = await client_with(service, id="zed")

    await call(service, "DELETE", f"{CLIENTS}/zed")
    assert (await call(service, "GET", ROOT, headers=headers)).status_code == 401
    login = await service.http.post(
        "/oauth/token", data={"grant_type": "client_credentials"}, headers=basic(client_id, secret)
    )
    assert login.status_code == 401
    later = CatalogIndex(service.catalog, service.clock)
    await later.load()
    assert later.of("acme").clients["zed"].value.may_act is False

    service.clock.advance(LIFE_S * 1_000 - 1_000)
    service.acme = bearer(await token_of(service.http, "acme-tech", "s3cret"))
    early = await call(service, "POST", CLIENTS, {"id": "zed", "role": "viewer"})
    assert early.status_code == 409
    assert "free again at 2026-01-01T00:30:59.000Z" in early.text
    service.clock.advance(1_000)
    assert (await call(service, "POST", CLIENTS, {"id": "zed", "role": "viewer"})).status_code == 201
    assert (await call(service, "GET", ROOT, headers=headers)).status_code == 401


async def test_a_deleted_account_leaves_no_secret_and_is_swept(service):
    """What stays is a name and a time; an hour later not even that, and the name stays the tenant's."""
    await made(service, USERS, name="zed", password=NEW_PASSWORD, role="operator")
    await log_in(service, "zed", NEW_PASSWORD)

    await call(service, "DELETE", f"{USERS}/zed")

    left = await service.catalog.get("acme", "user", "zed")
    assert msgspec.json.decode(left.body)["password_hash"] == ""
    assert await service.catalog.list("acme", "token") == []
    accounts = Accounts(service.catalog)
    assert await accounts.sweep("acme", NOW_MS // 1_000 + LIFE_S - 1) == 0
    assert await accounts.sweep("acme", NOW_MS // 1_000 + LIFE_S) == 1
    assert await service.catalog.get("acme", "user", "zed") is None
    await service.door.services.refresh()
    assert "zed" not in service.door.services.index.of("acme").users
    assert (
        await call(service, "POST", USERS, {"name": "zed", "role": "viewer"}, service.other)
    ).status_code == 409
    assert (await call(service, "POST", USERS, {"name": "zed", "role": "viewer"})).status_code == 201


async def test_a_login_under_way_leaves_nothing_for_the_next_of_the_name(service):
    """A family of refresh tokens that began during the deletion ends before the name is given again."""
    await made(service, USERS, name="zed", password=NEW_PASSWORD, role="operator")
    token = (await log_in(service, "zed", NEW_PASSWORD)).json()["refresh_token"]
    [family] = await service.catalog.list("acme", "token")
    await call(service, "DELETE", f"{USERS}/zed")
    await service.catalog.create("acme", "token", family.id, family.body)  # it began after the look

    service.clock.advance(LIFE_S * 1_000)
    service.acme = bearer(await token_of(service.http, "acme-tech", "s3cret"))
    await made(service, USERS, name="zed", password=NEW_PASSWORD, role="operator")

    form = {"grant_type": "refresh_token", "refresh_token": token}
    renewed = await service.http.post("/oauth/token", data=form, headers=basic("web", "secret"))
    assert renewed.status_code == 400


async def test_accounts_of_earlier_versions_are_read(service):
    """A document without the newer members is an account that was never suspended."""
    stored = {"id": "old", "tenant": "acme", "secret_hash": "", "scopes": [SERIES_READ]}
    await service.catalog.create("acme", "client", "old", msgspec.json.encode(stored))

    shown = (await call(service, "GET", f"{CLIENTS}/old")).json()

    assert (shown["scopes"], shown["created"], shown["suspended"]) == ([SERIES_READ], None, False)
    assert isinstance((await Accounts(service.catalog).read("acme", "client", "old"))[1], Client)
