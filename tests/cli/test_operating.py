"""What the operator does on the machine itself: each change is a line of the platform's audit log."""

from __future__ import annotations

import asyncio
from functools import partial

import msgspec
import pytest
from click.testing import CliRunner

from api.identity import keys
from api.identity.accounts import Accounts, Family
from api.identity.passwords import Passwords
from api.identity.resets import Resets
from api.identity.setup import Credentials, add_client, add_user, bootstrap
from cli.main import main
from cli.operating import noted
from runtime import settings, wiring
from runtime.clock import ManualClock
from schemas.audit import decode_act, decode_outcome
from schemas.errors import Conflict, StoreUnavailable
from storage.audit_port import AuditSpan
from storage.memory_audit import MemoryAuditStore
from tests.api.doors import NOW_MS, basic, bearer, fresh_catalog, running_door, signing_key, token_of

PASSWORDS = Passwords(8)
ADMIN = Credentials("acme", "acme-tech", "l0st-s3cret")


async def _drawn(draw, bits):
    return await draw(2_048)


async def lines_of(audit, tenant="core"):
    """Read a log: action, subject, things, status, what was made; the oldest first."""
    read = await audit.read(AuditSpan(tenant, 0, 2**52), 100)
    told = [(decode_act(line.act), decode_outcome(line.outcome)) for line in reversed(read)]
    return [
        (act.action, act.subject, act.things, *((of.status, of.created) if of else (None, "")))
        for act, of in told
    ]


@pytest.fixture
def chosen(tmp_path, monkeypatch):
    """Give the settings of an embedded store with a key, an installation's first tenant and its admin."""
    monkeypatch.setenv("ASPECTSTORE_CONFIG", "")
    monkeypatch.setattr(keys, "_drawn", partial(_drawn, keys._drawn))  # a smaller key is drawn sooner
    found = settings.load({"ASPECTSTORE_CONFIG": ""}, {"data": str(tmp_path)})

    async def make():
        catalog = await wiring.open_catalog(found)
        await catalog.create("core", "key", "token-000001", signing_key())
        await bootstrap(catalog, PASSWORDS, NOW_MS, ADMIN)
        await catalog.close()

    asyncio.run(make())
    return found


@pytest.fixture
def run(chosen):
    """Give a function that runs a command on that store."""
    return lambda *words: CliRunner().invoke(main, [*words, "--data", chosen.data])


def logged(chosen, tenant="core"):
    """Read the log of a tenant from the store of the command."""

    async def read():
        audit = await wiring.open_audit(chosen)
        try:
            return await lines_of(audit, tenant)
        finally:
            await audit.close()

    return asyncio.run(read())


def on_catalog(chosen, act):
    """Do something with the catalogue of the command."""

    async def acted():
        catalog = await wiring.open_catalog(chosen)
        try:
            return await act(catalog)
        finally:
            await catalog.close()

    return asyncio.run(acted())


def test_changes_of_keys_are_in_the_platforms_log(run, chosen):
    """Rotations with the number of the new key, removals with that of the old one, refused ones, too."""
    listed = run("keys", "list")
    run("keys", "rotate", "--overlap", "3600")
    refused = run("keys", "remove", "1")
    run("keys", "remove", "2")

    assert (listed.exit_code, refused.exit_code) == (0, 2)
    assert logged(chosen) == [
        ("key.rotate", "operator", {}, 200, "2"),
        ("key.remove", "operator", {"key": "1"}, 409, ""),
        ("key.remove", "operator", {"key": "2"}, 200, ""),
    ]


def test_a_key_is_not_touched_without_a_line(run, chosen, monkeypatch):
    """With the log's store away the command says so and changes nothing."""

    async def away(*_):
        raise StoreUnavailable("the disk is full")

    monkeypatch.setattr("storage.sqlite.audit.SqliteAuditStore.append", away)

    result = run("keys", "rotate")

    assert (result.exit_code, "the disk is full" in result.stderr) == (2, True)
    assert 2 == len(run("keys", "list").stdout.splitlines())


async def test_an_act_that_fails_midway_has_no_outcome():
    """Nobody knows whether it came about; a refusal is told as what it is, and goes on."""
    audit, clock = MemoryAuditStore(), ManualClock(NOW_MS)
    for number, error in enumerate((StoreUnavailable("gone"), Conflict("taken"))):
        clock.advance(number)
        with pytest.raises(type(error)):
            async with noted(audit, clock, "key.rotate", {}):
                raise error

    assert [line[3] for line in await lines_of(audit)] == [None, 409]


async def test_an_outcome_that_cannot_be_written_undoes_nothing(monkeypatch, capsys):
    """What was done is done: the command goes on, and says what its line lacks."""
    audit = MemoryAuditStore()

    async def away(_):
        raise StoreUnavailable("the disk is full")

    monkeypatch.setattr(audit, "conclude", away)
    async with noted(audit, ManualClock(NOW_MS), "key.rotate", {}):
        pass

    assert [line[3] for line in await lines_of(audit)] == [None]
    assert "the disk is full" in capsys.readouterr().err


def secret_of(result, word="secret"):
    """Take the secret out of what was printed."""
    assert result.exit_code == 0, result.stderr
    (line,) = [line for line in result.stdout.splitlines() if line.startswith(f"{word}: ")]
    assert line.endswith("(shown once; keep it)")
    return line.split()[1]


def test_a_lost_platform_admin_is_reset(run, chosen):
    """Without an id it is the only platform admin; his old secret is good no more, the new one is."""
    secret = secret_of(run("client", "reset"))

    async def hashes(catalog):
        return (await Accounts(catalog).find_client("acme-tech")).hashes(0)

    (stored,) = on_catalog(chosen, hashes)
    assert PASSWORDS.holds(stored, secret)
    assert not PASSWORDS.holds(stored, ADMIN.client_secret)
    things = {"tenant": "acme", "client": "acme-tech"}
    assert logged(chosen) == logged(chosen, "acme") == [("client.reset", "operator", things, 200, "")]


def test_the_secret_is_nowhere_but_on_the_terminal(run, chosen, tmp_path):
    """Neither the catalogue nor the log has it (S16)."""
    secret = secret_of(run("client", "reset", "acme-tech")).encode()

    assert [path.name for path in tmp_path.iterdir() if path.is_file() and secret in path.read_bytes()] == []


def test_which_admin_is_meant_must_be_clear(run, chosen):
    """With two platform admins, or none among users, the command names them and changes nothing."""

    async def add(catalog):
        made = Credentials("acme", "second", "s")
        await add_client(catalog, PASSWORDS, made, role="platform admin")

    on_catalog(chosen, add)

    both, none, unknown = run("client", "reset"), run("user", "reset"), run("client", "reset", "nobody")

    assert [result.exit_code for result in (both, none, unknown)] == [2, 2, 2]
    assert "acme-tech, second" in both.stderr
    assert "none" in none.stderr
    assert "nobody" in unknown.stderr
    assert logged(chosen) == []


def test_shared_and_public_clients_have_no_secret_to_lose(run, chosen):
    """The client of simple devices belongs to no tenant; one that is public never had a secret."""

    async def publish(catalog):
        def public(client):
            return msgspec.structs.replace(client, secret_hash="")

        await Accounts(catalog).change("acme", "client", "acme-tech", public, unknown="")

    on_catalog(chosen, publish)

    assert "no such client" in run("client", "reset", "web").stderr
    assert "public" in run("client", "reset", "acme-tech").stderr
    assert [line[3] for line in logged(chosen)] == [409]


def test_a_suspended_account_comes_back_if_that_is_said(run, chosen):
    """Without --resume it stays out, with its old secret; a user gets a new password likewise."""

    async def suspend(catalog):
        await add_user(catalog, PASSWORDS, "acme", "ann", "old-password")

        def suspended(user):
            return msgspec.structs.replace(user, suspended=True)

        await Accounts(catalog).change("acme", "user", "ann", suspended, unknown="")

    on_catalog(chosen, suspend)
    refused = run("user", "reset", "ann")
    password = secret_of(run("user", "reset", "ann", "--resume"), "password")

    async def stored(catalog):
        return (await Accounts(catalog).find_user("ann")).password_hash

    assert (refused.exit_code, "--resume" in refused.stderr) == (2, True)
    assert PASSWORDS.holds(on_catalog(chosen, stored), password)


# -- what is left of the old secret ------------------------------------------------------------------


async def test_old_sessions_end_with_a_reset():
    """Access tokens of before are refused at once, also those of the same second; refresh tokens are gone."""
    catalog, clock = await fresh_catalog(), ManualClock(NOW_MS)
    await bootstrap(catalog, PASSWORDS, NOW_MS, ADMIN)
    async with running_door(catalog, clock) as door:
        old = await token_of(door.http, ADMIN.client_id, ADMIN.client_secret)
        family = Family("", "acme", ADMIN.client_id, "ann", (), "", NOW_MS)
        refresh = await Accounts(catalog).start_family(family)
        resets = Resets(catalog, PASSWORDS)
        account = await resets.find("client", ADMIN.client_id)
        secret = await resets.reset(account, clock.now_ms() // 1_000, resumed=False)
        await door.door.services.refresh()

        refused = await door.http.get("/metrics", headers=bearer(old))
        fresh = await token_of(door.http, ADMIN.client_id, secret)
        taken = await door.http.get("/metrics", headers=bearer(fresh))
        form = {"grant_type": "client_credentials"}
        wrong = await door.http.post(
            "/oauth/token", data=form, headers=basic(ADMIN.client_id, ADMIN.client_secret)
        )

    assert [refused.status_code, taken.status_code, wrong.status_code] == [401, 200, 401]
    assert await Accounts(catalog).know_family(refresh) is None
