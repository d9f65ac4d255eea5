"""New token keys while people work: nobody is logged out, and clients that look at one key stay right."""

from __future__ import annotations

import asyncio
import base64
import functools
import itertools
import json
from dataclasses import replace

import pytest
from click.testing import CliRunner
from joserfc import jwt
from joserfc.jwk import RSAKey

from api.identity import keys
from api.identity.keys import RETIRED_MS, KeyRing
from api.identity.passwords import Passwords
from api.identity.setup import Credentials, bootstrap
from cli.main import main
from runtime import settings, wiring
from runtime.clock import ManualClock
from schemas.errors import Conflict, NotFound
from tests.api.doors import NOW_MS, POLICY, bearer, fresh_catalog, running_door, signing_key, token_of

BITS = 2_048


@functools.cache
def pem_of(number):
    """Give the private half of a key: drawing one takes longer than most tests."""
    return RSAKey.generate_key(BITS).as_pem(private=True).decode()


@pytest.fixture(autouse=True)
def drawn(monkeypatch):
    """Let new keys be those of other tests."""
    numbers = itertools.count()

    async def draw(bits):
        return pem_of(next(numbers))

    monkeypatch.setattr(keys, "_drawn", draw)


@pytest.fixture
async def doors():
    """Two doors of one installation, whose clocks agree and which read the change log when a test says so."""
    catalog, clock = await fresh_catalog(), ManualClock(NOW_MS)
    policy = replace(POLICY, catalog_refresh_s=3_600.0)
    await bootstrap(catalog, Passwords(8), NOW_MS, Credentials("acme", "acme-tech", "s3cret"))
    async with running_door(catalog, clock, policy) as first, running_door(catalog, clock, policy) as second:
        yield first, second


def kid_of(token):
    """Give the id of the key that signed a token."""
    return json.loads(base64.urlsafe_b64decode(token.split(".")[0] + "=="))["kid"]


async def published(door):
    """Give the keys that a door shows."""
    return (await door.http.get("/token_keys")).json()["keys"]


async def login(door):
    """Log in."""
    return await token_of(door.http, "acme-tech", "s3cret")


async def follow(doors):
    """Let every door read the change log."""
    for door in doors:
        await door.door.services.refresh()


async def works(doors, token):
    """Tell at which doors a token holds."""
    return [(await door.http.get("/metrics", headers=bearer(token))).status_code == 200 for door in doors]


async def rotate(door, overlap_s):
    """Rotate as another process does; gives its ring."""
    ring = KeyRing(door.catalog)
    await ring.rotate(door.clock.now_ms(), BITS, overlap_s)
    return ring


async def test_a_new_key_is_published_before_it_signs(doors):
    """During the overlap the old key signs and stands first; then the new one, at all doors at once."""
    first, _ = doors
    (old,) = await published(first)
    await rotate(first, overlap_s=300)
    await follow(doors)

    for door in doors:
        shown = await published(door)
        assert [key["kid"] for key in shown] == [old["kid"], shown[1]["kid"]]
        assert kid_of(await login(door)) == old["kid"]
    first.clock.advance(300_000)

    for door in doors:
        shown = await published(door)
        assert shown[1]["kid"] == old["kid"]
        assert kid_of(await login(door)) == shown[0]["kid"] != old["kid"]


async def test_nobody_is_logged_out(doors):
    """Tokens of before, between and after hold at both doors until they end by themselves."""
    first, _ = doors
    before = await login(first)
    await rotate(first, overlap_s=60)
    await follow(doors)
    between = await login(first)
    first.clock.advance(60_000)
    after = await login(first)

    assert [await works(doors, token) for token in (before, between, after)] == [[True, True]] * 3
    first.clock.advance(1_738_000)
    assert [await works(doors, token) for token in (before, between, after)] == [[True, True]] * 3
    first.clock.advance(1_000)
    assert [await works(doors, token) for token in (before, between, after)] == [
        [False, False], [False, False], [True, True],
    ]  # fmt: skip


async def test_a_client_that_looks_at_the_first_key_is_always_right(doors):
    """At any moment a fresh token is verified by `keys[0]` of either door (wire 13.4)."""
    first, second = doors
    await rotate(first, overlap_s=120)
    await follow(doors)
    for _ in range(5):
        for door, other in ((first, second), (second, first)):
            token, shown = await login(door), await published(other)
            pem = RSAKey.import_key(shown[0]["value"])
            assert jwt.decode(token, pem, ["RS256"]).claims["ten"] == "acme"
        first.clock.advance(40_000)


async def test_a_door_that_has_not_followed_yet(doors):
    """Without an overlap a token may meet a door that lacks its key, for as long as that does not look."""
    first, _ = doors
    await rotate(first, overlap_s=0)
    await first.door.services.refresh()
    token = await login(first)

    assert await works(doors, token) == [True, False]
    await follow(doors)
    assert await works(doors, token) == [True, True]


async def test_one_key_waits_at_a_time(doors):
    """A second rotation during an overlap is refused: the one that waits would never sign."""
    first, _ = doors
    await rotate(first, overlap_s=300)

    with pytest.raises(Conflict, match="waits to sign"):
        await rotate(first, overlap_s=0)
    first.clock.advance(300_000)
    await rotate(first, overlap_s=0)


async def test_old_keys_are_kept_as_long_as_a_token_may_live(doors):
    """A key goes a day and an hour after it signed last, the present one never; numbers are not reused."""
    first, _ = doors
    (old,) = await published(first)
    await rotate(first, overlap_s=0)
    first.clock.advance(RETIRED_MS)
    await follow(doors)
    kept = [key["kid"] for key in await published(first)]
    first.clock.advance(1)

    ring = KeyRing(first.catalog)
    await ring.reload()
    await ring.sweep(first.clock.now_ms())
    await follow(doors)

    assert old["kid"] in kept
    for door in doors:
        assert [key["kid"] for key in await published(door)] == [kept[0]]
    await rotate(first, overlap_s=0)
    ids = [document.id for document in await first.catalog.list("core", "key")]
    assert ids == ["token-000002", "token-000003"]


async def test_doors_sweep_keys_by_themselves(service):
    """Nobody has to think of it."""
    await rotate(service, overlap_s=0)
    service.clock.advance(RETIRED_MS + 1_000)
    await service.door.services.refresh()
    await service.door.services.refresh()

    assert len(await published(service)) == 1


async def test_a_stolen_key_is_taken_away(doors):
    """What it signed is refused at every door within a second; the one that signs cannot be taken."""
    first, _ = doors
    token, old = await login(first), 1
    ring = KeyRing(first.catalog)
    await ring.reload()
    with pytest.raises(Conflict):
        await ring.remove(old, first.clock.now_ms())
    await ring.rotate(first.clock.now_ms(), BITS)
    await follow(doors)
    assert await works(doors, token) == [True, True]

    await ring.remove(old, first.clock.now_ms())
    await follow(doors)

    assert await works(doors, token) == [False, False]
    assert await works(doors, await login(first)) == [True, True]
    with pytest.raises(NotFound):
        await ring.remove(old, first.clock.now_ms())


async def test_a_clock_that_is_behind_still_signs(service):
    """A door whose clock lags signs with the key before, which every door knows."""
    late = ManualClock(NOW_MS - 10_000)
    (old,) = await published(service)
    await rotate(service, overlap_s=5)
    async with running_door(service.catalog, late) as second:
        token = await login(second)

    assert kid_of(token) == old["kid"]


# -- the command -----------------------------------------------------------------------------------


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Give a function that runs `aspectstore keys …` over an embedded store with one key."""
    monkeypatch.setenv("ASPECTSTORE_CONFIG", "")
    chosen = settings.load({"ASPECTSTORE_CONFIG": ""}, {"data": str(tmp_path)})

    async def make():
        catalog = await wiring.open_catalog(chosen)
        await catalog.create("core", "key", "token-000001", signing_key())
        await catalog.close()

    asyncio.run(make())

    def command(*arguments):
        return CliRunner().invoke(main, ["keys", arguments[0], "--data", str(tmp_path), *arguments[1:]])

    return command


def states(result):
    """Give number and state of each listed key."""
    assert result.exit_code == 0, result.output
    return [(line.split()[0], " ".join(line.split()[4:])) for line in result.output.splitlines()[1:]]


def test_keys_are_listed_rotated_and_removed(run):
    """The command shows what doors publish; a rotation adds a key that waits, and can be taken away."""
    ((old, state),) = states(run("list"))
    rotated = states(run("rotate", "--overlap", "3600"))
    again = run("rotate")
    removed = states(run("remove", rotated[1][0]))
    signing = run("remove", old)
    at_once = states(run("rotate", "--overlap", "0"))

    assert state == "signs"
    assert [rotated[0], rotated[1][1]] == [(old, "signs"), "waits to sign"]
    assert (again.exit_code, "waits to sign" in again.stderr) == (2, True)
    assert removed == [(old, "signs")]
    assert (signing.exit_code, "rotate" in signing.stderr) == (2, True)
    assert [at_once[0][1], at_once[1]] == ["signs", (old, "verifies")]


def test_no_secret_half_is_shown(run):
    """What the command prints is no key (S16)."""
    assert "PRIVATE" not in run("rotate", "--overlap", "0").output


def test_there_may_be_no_keys_yet(tmp_path, monkeypatch):
    """Before the first door there is nothing to rotate: one line, exit code 2."""
    monkeypatch.setenv("ASPECTSTORE_CONFIG", "")

    result = CliRunner().invoke(main, ["keys", "rotate", "--data", str(tmp_path)])

    assert (result.exit_code, "no keys yet" in result.stderr) == (2, True)
