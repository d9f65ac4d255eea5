"""Encrypted archives are imported by the name of a key that was given to the tenant (SM-11, S9)."""

from dataclasses import replace

import pytest

from tests.api.bulk import JOBS
from tests.api.test_imports import ask, counts_of, done, imports, text_of
from tests.schemas.filetypes.test_unpacking import STRENGTHS, locked_zip

PASSWORD = "correct horse"
__all__ = ["imports"]


@pytest.fixture
def keyed(imports):
    """A site whose workers know some keys."""
    keys = {("acme", "tower"): PASSWORD.encode(), ("acme", "old"): b"wrong", ("other", "theirs"): b"x"}
    imports.workshop = replace(imports.workshop, keys=keys)
    return imports


@pytest.mark.parametrize("strength", STRENGTHS)
async def test_an_encrypted_archive_is_opened_by_the_key_that_is_named(keyed, strength):
    """ZipCrypto and each strength of AES; the value of the key is shown nowhere."""
    octets = locked_zip(text_of(["temperature", "{0},1.5"]), PASSWORD.encode(), strength)
    job = await done(keyed, octets, path="a.zip", key="tower")

    assert ("done", (1, 1, 0, 0)) == (job["state"], counts_of(job))
    assert [1.5] == [row["temperature"] for row in await keyed.site.open.rows()]
    stored = [document.body for document in await keyed.site.catalog.list("acme", "job")]
    assert not any(PASSWORD.encode() in body for body in stored)


@pytest.mark.parametrize("strength", STRENGTHS)
@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("old", ("No password", "the password is wrong")),
        ("", ("is encrypted; name its key",)),
        ("none", ("no key of the name 'none' is given",)),
        ("theirs", ("no key of the name 'theirs' is given",)),
    ],
)
async def test_what_no_key_of_the_tenant_opens_fails_with_its_reason(keyed, strength, key, words):
    """A wrong key, none, an unknown one, another tenant's: the same words as for an unknown one."""
    octets = locked_zip(text_of(["temperature", "{0},1.5"]), PASSWORD.encode(), strength)
    job = await done(keyed, octets, path="a.zip", key=key)

    assert "failed" == job["state"]
    assert any(word in job["message"] for word in words), job["message"]
    assert [] == await keyed.site.open.rows()


async def test_a_key_that_is_no_name_is_refused_at_once(keyed):
    """Nobody sends the value for the name without being told."""
    answer = await ask(keyed, text_of(["temperature"]), key=PASSWORD)
    assert 400 == answer.status_code
    assert {"jobs": []} == (await keyed.site.open.send("GET", JOBS)).json()
