"""The first start of an installation (design 7)."""

import asyncio

import pytest

from api.identity.passwords import Passwords
from api.identity.scopes import ALL_SCOPES
from api.identity.setup import Credentials, add_client, bootstrap, create_tenant, parse_bootstrap
from runtime.clock import ManualClock
from schemas.errors import Conflict, Malformed
from tests.api.doors import NOW_MS, basic, fresh_catalog, running_door, token_of

PASSWORDS = Passwords(8)


async def first_start(catalog, wanted=None):
    """Start an installation for the first time."""
    return await bootstrap(catalog, PASSWORDS, NOW_MS, wanted)


async def test_credentials_are_made_up_and_shown_once():
    """Without a wish the first start makes a tenant and a technical user; the second shows nothing."""
    catalog = await fresh_catalog()

    made = await first_start(catalog)
    again = await first_start(catalog)

    assert made.tenant == "main"
    assert len(made.client_secret) >= 32
    assert again is None
    async with running_door(catalog, ManualClock(NOW_MS)) as service:
        token = await token_of(service.http, made.client_id, made.client_secret)
        headers = {"authorization": f"Bearer {token}"}
        root = await service.http.get("/api/assetmanagement/v3/assets/root", headers=headers)
    assert root.json()["name"] == "main"


async def test_wanted_credentials_are_used_and_not_shown():
    """`ASPECTSTORE_BOOTSTRAP=tenant:client:secret` names them; the secret may hold colons."""
    catalog = await fresh_catalog()

    shown = await first_start(catalog, parse_bootstrap("acme:tech:a:b"))

    assert shown is None
    async with running_door(catalog, ManualClock(NOW_MS)) as service:
        answer = await service.http.post(
            "/oauth/token", data={"grant_type": "client_credentials"}, headers=basic("tech", "a:b")
        )
    assert answer.json()["scope"] == " ".join(ALL_SCOPES)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "acme",
        "acme:tech",
        "acme::x",
        ":tech:x",
        "acme:tech:",
        "Acme:t:x",
        "core:t:x",
        "a:t:x",
        "toolongname:t:x",
    ],
)
def test_a_bad_wish_is_refused(text):
    """A malformed wish says what it should look like."""
    with pytest.raises(Malformed):
        parse_bootstrap(text)


async def test_a_start_that_was_cut_off_is_repeated():
    """If only the user was made, the next start completes the tenant, and the new secret counts."""
    catalog = await fresh_catalog()
    await add_client(catalog, PASSWORDS, Credentials("acme", "tech", "old"))

    await first_start(catalog, Credentials("acme", "tech", "new"))

    async with running_door(catalog, ManualClock(NOW_MS)) as service:
        assert await token_of(service.http, "tech", "new")


async def test_doors_that_start_together_agree():
    """Of processes that start at once one makes the tenant, and only its credentials work."""
    catalog = await fresh_catalog()

    answers = await asyncio.gather(*(first_start(catalog) for _ in range(4)))

    made = [answer for answer in answers if answer is not None]
    assert len(made) == 1
    clients = [document.id for document in await catalog.list("main", "client")]
    assert clients == [made[0].client_id]


async def test_names_are_unique_in_the_installation():
    """Two tenants cannot have a client of the same id: clients log in without a tenant (design 8.13)."""
    catalog = await fresh_catalog()
    await add_client(catalog, PASSWORDS, Credentials("acme", "tech", "x"))

    with pytest.raises(Conflict):
        await add_client(catalog, PASSWORDS, Credentials("other", "tech", "y"))
    assert await create_tenant(catalog, "acme", NOW_MS) is True
    assert await create_tenant(catalog, "acme", NOW_MS) is False


async def test_secrets_are_not_stored():
    """The catalogue holds hashes; the secret is nowhere in it (S16)."""
    catalog = await fresh_catalog()

    await first_start(catalog, Credentials("acme", "tech", "canary-secret"))

    bodies = [document.body for kept in catalog._documents.values() for document in kept.values()]
    assert not [body for body in bodies if b"canary-secret" in body]
    assert b"$argon2id$" in (await catalog.get("acme", "client", "tech")).body
