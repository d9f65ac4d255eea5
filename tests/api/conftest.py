"""A running door, two tenants and their tokens."""

from __future__ import annotations

import pytest

from api.identity.passwords import Passwords
from api.identity.setup import Credentials, add_client, add_user, bootstrap, create_tenant
from runtime.clock import ManualClock
from tests.api.doors import NOW_MS, bearer, fresh_catalog, running_door, token_of
from tests.api.masts import running_site


@pytest.fixture
async def service():
    """A running door with the tenants `acme` and `other`; `acme` has a device user `board`."""
    catalog, clock, passwords = await fresh_catalog(), ManualClock(NOW_MS), Passwords(8)
    await bootstrap(catalog, passwords, NOW_MS, Credentials("acme", "acme-tech", "s3cret"))
    await create_tenant(catalog, "other", NOW_MS)
    await add_client(catalog, passwords, Credentials("other", "other-tech", "0ther"))
    await add_user(catalog, passwords, "acme", "board", "p@ss!w:o/rd")
    async with running_door(catalog, clock) as running:
        running.passwords = passwords
        running.acme = bearer(await token_of(running.http, "acme-tech", "s3cret"))
        running.other = bearer(await token_of(running.http, "other-tech", "0ther"))
        yield running


@pytest.fixture
async def site():
    """A running door with wind masts of three tenants, two `open` and one `strict`."""
    async with running_site() as running:
        yield running
