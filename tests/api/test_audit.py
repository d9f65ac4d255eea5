"""The audit log: who did what to which id, by which token, and what came of it (S10, S16, decision 0033)."""

import asyncio
import csv
import io
import json

import msgspec
import pytest
from litestar import post
from litestar.params import FromPath

from api.guard.audit import LOGIN_PAUSE_MS, READ_LINES
from api.identity.scopes import ALL_SCOPES, ASSETS_READ, PLATFORM, require
from api.identity.setup import Credentials, add_client
from runtime.clock import ManualClock
from schemas.audit import Act, Outcome, encode_part
from schemas.errors import StoreUnavailable
from schemas.times import format_time
from storage.audit_port import AuditLine, AuditSpan
from tests.api.doors import NOW_MS, basic, bearer, fresh_catalog, running_door, token_of
from tests.api.test_authorize import code_of, page, redeem, send
from tests.api.test_setup import PASSWORDS

__all__ = ["page"]  # a fixture

BASE = "/api/assetmanagement/v3"
AUDIT = "/api/aspectstore/v1/audit"
FORGED = f"{NOW_MS}-00aa-{'0' * 32}"


class Log:
    """The audit log of a tenant, and words for requests that it tells of."""

    def __init__(self, service, headers):
        self.service, self.headers = service, headers
        self.http = service.http

    async def read(self, path=AUDIT, status=200, headers=None, **wanted):
        """Read a page; `from_` stands for `from`."""
        query = {name.rstrip("_"): value for name, value in wanted.items()}
        answer = await self.http.get(path, params=query, headers=headers or self.headers)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def lines(self, **wanted):
        """Read the lines but those of logins, oldest first."""
        found = (await self.read(**wanted))["lines"]
        return [line for line in reversed(found) if line["action"] != "token.issue"]

    async def send(self, method, path, body=None, headers=None, **more):
        """Send a request; underscores of header names stand for dashes."""
        named = {name.replace("_", "-"): value for name, value in more.items()}
        content = None if body is None else json.dumps(body)
        headers = (headers or self.headers) | named
        return await self.http.request(method, path, content=content, headers=headers)

    async def create(self, name="Pump"):
        """Create an asset; gives the answer."""
        root = self.service.door.services.index.tenant("acme").root_asset
        body = {"name": name, "typeId": "core.basicdevice", "parentId": root}
        return await self.send("POST", f"{BASE}/assets", body)

    @property
    def store(self):
        """Give the store of lines."""
        return self.service.door.services.audit.store


@pytest.fixture
def log(service):
    """The log of `acme`."""
    return Log(service, service.acme)


def statuses(lines):
    """Give action and status of each line."""
    return [(line["action"], line["status"]) for line in lines]


# -- what a line tells -----------------------------------------------------------------------------


async def test_a_line_tells_who_did_what_to_which_thing(log):
    """Subject, client, token, address, request, action, the id that was made, and what came of it."""
    answer = await log.create()

    (line,) = await log.lines()
    token = log.headers["authorization"].split(" ")[1]
    known = log.service.door.services.identity.tokens.verify(token, NOW_MS / 1_000)
    assert line == {
        "time": format_time(NOW_MS),
        "id": answer.headers["x-request-id"],
        "action": "asset.create",
        "status": 201,
        "created": answer.json()["assetId"],
        "tenant": "acme",
        "subject": "acme-tech",
        "clientId": "acme-tech",
        "tokenId": known.token_id,
        "address": "192.0.2.1",
        "things": {},
        "parameters": {},
        "ended": format_time(NOW_MS),
    }


async def test_the_ids_of_the_path_are_in_the_line(log):
    """A change names what was changed, by the words of the path."""
    asset = (await log.create()).json()["assetId"]

    assigned = await log.send(
        "PUT", f"{BASE}/assets/{asset}/fileAssignments/logo.png", {"fileId": "a" * 32}, if_match="0"
    )

    *_, line = await log.lines()
    assert (line["action"], line["status"]) == ("asset.assign_file", assigned.status_code)
    assert line["things"] == {"asset_id": asset, "key": "logo.png"}


async def test_only_telling_parameters_are_in_the_line(log):
    """Whether a lock was set or taken is told; what else stands in a query is not, nor a strange value."""
    await log.send("PUT", f"{BASE}/model/lock?enabled=true&token=canary&upload=canary")
    await log.send("PUT", f"{BASE}/model/lock?enabled=false&from=canary")

    lines = await log.lines()
    assert [{"enabled": "true"}, {"enabled": "false"}] == [line["parameters"] for line in lines]


async def test_a_deletion_of_records_tells_its_range(site):
    """Who deleted which records of which aspect: the range is in the line (MS-50)."""
    mast = site.open
    log = Log(site, mast.headers)
    begin, end = format_time(NOW_MS - 60_000), format_time(NOW_MS)
    path = f"/api/iottimeseries/v3/timeseries/{mast.asset}/weather?from={begin}&to={end}"

    answer = await log.send("DELETE", path)

    (line,) = await log.lines()
    assert (204, "record.delete", 204) == (answer.status_code, line["action"], line["status"])
    assert line["things"] == {"asset": mast.asset, "aspect": "weather"}
    assert line["parameters"] == {"from": begin, "to": end}


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (("PUT", f"{BASE}/assets/{'0' * 32}", {"name": "x"}, {"if_match": "0"}), ("asset.change", 404)),
        (("DELETE", f"{BASE}/assets/ROOT", None, {"if_match": "7"}), ("asset.delete", 412)),
        (("DELETE", f"{BASE}/assets/ROOT", None, {"if_match": "0"}), ("asset.delete", 400)),
        (("POST", f"{BASE}/assets", {"name": ["no"]}, {}), ("asset.create", 400)),
        (("POST", f"{BASE}/assets", "x" * 1_100_000, {}), ("asset.create", 413)),
        (("POST", f"{BASE}/assets", {}, {"content_type": "text/plain"}), ("asset.create", 415)),
    ],
)
async def test_refused_attempts_are_lines_too(log, sent, expected):
    """An unknown id, a stale version, a body that is none: who tried it is told, and how it was refused."""
    method, path, body, headers = sent
    root = log.service.door.services.index.tenant("acme").root_asset

    answer = await log.send(method, path.replace("ROOT", root), body, **headers)

    (line,) = await log.lines()
    assert expected == (line["action"], line["status"]) == (line["action"], answer.status_code)


async def test_a_missing_scope_is_a_line(log):
    """Who tries what his token does not allow is written down, with his token."""
    wanted = Credentials("acme", "reader", "s3")
    await add_client(log.service.catalog, PASSWORDS, wanted, (ASSETS_READ,))
    reader = bearer(await token_of(log.http, "reader", "s3"))

    answer = await log.send("DELETE", f"{BASE}/assets/{'1' * 32}", headers=reader, if_match="0")

    (line,) = await log.lines()
    assert (403, 403, "reader") == (answer.status_code, line["status"], line["subject"])
    assert line["things"] == {"asset_id": "1" * 32}


async def test_who_is_nobody_is_not_in_a_log(log):
    """Without a token that holds there is no tenant whose log it could be; the door's own log has it."""
    for headers in ({"x": "y"}, bearer("garbage")):
        answer = await log.send("POST", f"{BASE}/assets", {}, headers=headers)
        assert answer.status_code == 401

    assert [] == await log.lines()


async def test_records_events_and_reads_are_no_lines(site):
    """What devices send has receipts or is data; a read changes nothing."""
    mast = site.open
    log = Log(site, mast.headers)
    records = [{"_time": format_time(NOW_MS), "level": 1}]
    path = f"/api/iottimeseries/v3/timeseries/{mast.asset}/weather"
    event = {"entityId": mast.asset, "timestamp": format_time(NOW_MS)}
    answers = [
        await log.send("PUT", path, records),
        await log.send("PATCH", path, records),
        await log.send("POST", "/api/eventmanagement/v3/events", event),
        await log.send("GET", f"{BASE}/assets"),
    ]

    assert [204, 204, 201, 200] == [answer.status_code for answer in answers]
    assert [] == await log.lines()


async def test_an_id_of_any_length_and_letter_is_kept_short(log):
    """A path of thousands of characters is cut, and what is no text is none in the line either."""
    await log.send("DELETE", f"{BASE}/assets/{'é' * 3_000}", if_match="0")
    await log.send("DELETE", f"{BASE}/assets/%ff%0a", if_match="0")

    lines = await log.lines()
    assert [301, 404] == [len(lines[0]["things"]["asset_id"]), lines[1]["status"]]


# -- before and after the act ----------------------------------------------------------------------


async def test_the_line_is_there_before_the_act(log, monkeypatch):
    """While the act is under way its line stands, without an outcome; a kill from here on leaves it so."""
    catalog = log.service.catalog
    create, seen = catalog.create, []

    async def watched(tenant, kind, *rest):
        if kind == "asset":
            seen.extend(await log.store.read(AuditSpan("acme", 0, 2**52), 1))
        return await create(tenant, kind, *rest)

    monkeypatch.setattr(catalog, "create", watched)

    await log.create()

    assert [b"asset.create" in line.act for line in seen] == [True]
    assert seen[0].outcome is None


async def test_what_cannot_be_written_down_is_not_done(log, monkeypatch):
    """With the log's store away a change is refused with 503, and nothing was changed; reads go on."""

    async def away(line):
        raise StoreUnavailable("the disk is full")

    before = await log.service.catalog.list("acme", "asset")
    monkeypatch.setattr(log.store, "append", away)

    refused = await log.create()
    read = await log.send("GET", f"{BASE}/assets")

    assert (503, 200) == (refused.status_code, read.status_code)
    assert "retry-after" in refused.headers
    assert before == await log.service.catalog.list("acme", "asset")


async def test_an_outcome_that_is_lost_leaves_the_act(log, monkeypatch):
    """The answer was given and its outcome could not be written: the line says that nobody knows."""

    async def away(line):
        raise StoreUnavailable("the disk is full")

    monkeypatch.setattr(log.store, "conclude", away)

    answer = await log.create()

    (line,) = await log.lines()
    assert (201, None, None) == (answer.status_code, line["status"], line["ended"])


async def test_a_slow_outcome_holds_up_no_answer_and_no_end(log, monkeypatch):
    """The answer leaves before its outcome is written; a read at this door waits for it."""
    gate, conclude = asyncio.Event(), log.store.conclude

    async def slow(line):
        await gate.wait()
        await conclude(line)

    monkeypatch.setattr(log.store, "conclude", slow)
    assert 201 == (await log.create()).status_code

    reading = asyncio.create_task(log.lines())
    await asyncio.sleep(0)
    assert not reading.done()
    gate.set()

    assert [("asset.create", 201)] == statuses(await reading)


async def test_two_doors_have_one_log(service, log):
    """What was done at one door is read at another one."""
    async with running_door(service.catalog, service.clock) as second:
        second.door.services.audit._kept = log.store
        other = Log(second, service.acme)
        await log.create("here")
        root = second.door.services.index.tenant("acme").root_asset
        body = {"name": "there", "typeId": "core.basicdevice", "parentId": root}
        await other.send("POST", f"{BASE}/assets", body)
        await log.service.door.services.audit.settle()

        assert await other.lines() == await log.lines()
        assert len(await log.lines()) == 2


# -- reading ---------------------------------------------------------------------------------------


async def keep(log, count, tenant="acme", step_ms=1_000, **act):
    """Put acts into the log, the first one the oldest."""
    for number in range(count):
        told = Act(**{"action": "asset.move", "tenant": tenant, "subject": f"u{number}", **act})
        outcome = encode_part(Outcome(status=200, ended_ms=NOW_MS))
        time_ms = NOW_MS + number * step_ms
        await log.store.append(AuditLine(tenant, time_ms, f"{number:08x}", encode_part(told), outcome))


async def test_pages_lead_through_the_log(log):
    """The newest first; `next` leads on, and is absent on the last page, also on a full one."""
    await log.store.erase("acme")
    await keep(log, 6, step_ms=0)
    subjects, cursor, sizes = [], {}, []
    while True:
        page = await log.read(limit=3, **cursor)
        subjects += [line["subject"] for line in page["lines"]]
        sizes.append(len(page["lines"]))
        if "next" not in page:
            break
        cursor = {"cursor": page["next"]}

    assert [f"u{number}" for number in range(5, -1, -1)] == subjects
    assert [3, 3] == sizes


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"action": "asset.move"}, {"a", "b"}),
        ({"action": "asset"}, {"a", "b", "c"}),
        ({"action": "ass"}, set()),
        ({"subject": "alice"}, {"a", "c"}),
        ({"subject": "app"}, {"a", "b"}),
        ({"thing": "1" * 32}, {"a"}),
        ({"thing": "made"}, {"b"}),
        ({"action": "asset", "subject": "alice", "thing": "3" * 32}, {"c"}),
        ({"from_": format_time(NOW_MS), "to": format_time(NOW_MS + 1)}, {"b"}),
        ({"from_": format_time(NOW_MS + 1)}, {"c", "d"}),
        ({"to": format_time(NOW_MS)}, {"a"}),
    ],
)
async def test_a_log_is_asked_by_action_subject_thing_and_time(log, wanted, expected):
    """Each parameter narrows; the range is (from, to] as everywhere."""
    await log.store.erase("acme")
    acts = [
        ("a", "asset.move", "alice", "app", {"asset_id": "1" * 32}, ""),
        ("b", "asset.move", "bob", "app", {}, "made"),
        ("c", "asset.delete", "alice", "cli", {"asset_id": "3" * 32}, ""),
        ("d", "user.create", "bob", "cli", {}, ""),
    ]
    for offset, (name, action, subject, client, things, created) in enumerate(acts):
        act = Act(
            action=action, tenant="acme", subject=subject, client_id=client, things=things, token_id=name
        )
        outcome = Outcome(status=200, ended_ms=NOW_MS, created=created)
        line = AuditLine("acme", NOW_MS + offset, f"{offset:04x}", encode_part(act), encode_part(outcome))
        await log.store.append(line)

    found = (await log.read(**wanted))["lines"]

    assert expected == {line["tokenId"] for line in found}


async def test_a_search_looks_at_so_many_lines_and_goes_on(log, monkeypatch):
    """A page that found nothing among the lines it may look at is short and leads on, not an end."""
    monkeypatch.setattr("api.guard.audit.AUDIT_READ_LINES_MAX", READ_LINES)
    await log.store.erase("acme")
    await keep(log, READ_LINES + 5)

    first = await log.read(subject="u0")
    second = await log.read(subject="u0", cursor=first["next"])

    assert [] == first["lines"]
    assert (["u0"], False) == ([line["subject"] for line in second["lines"]], "next" in second)


@pytest.mark.parametrize(
    "wanted",
    [
        {"cursor": "nonsense"},
        {"cursor": FORGED},
        {"cursor": f"{NOW_MS}-\u0660-{'0' * 32}"},
        {"from_": "yesterday"},
        {"from_": format_time(NOW_MS), "to": format_time(NOW_MS)},
        {"limit": 0},
        {"limit": 1_001},
        {"strange": "1"},
    ],
)
async def test_what_is_no_question_is_refused(log, wanted):
    """Forged cursors, times that are none, sizes out of range, unknown parameters: 400 (design 8.22)."""
    await log.read(status=400, **wanted)


async def test_a_cursor_is_for_its_own_log(log, service):
    """Another tenant's cursor is refused in the words for a forged one."""
    await keep(log, 3)
    theirs = (await log.read(limit=1))["next"]

    foreign = await log.read(status=400, headers=service.other, cursor=theirs)
    forged = await log.read(status=400, headers=service.other, cursor=FORGED)

    words = [body["errors"][0]["message"] for body in (foreign, forged)]
    assert words[0] == words[1]


async def test_a_tenant_reads_its_own_log_only(log, service):
    """Acts of one tenant are in no other's log."""
    await log.create()

    assert [] == await Log(service, service.other).lines()


async def test_a_scope_is_needed(log, service):
    """The log is for those who may read it, the platform's for those who manage the platform."""
    catalog = service.door.services.ports.catalog
    scopes = tuple(scope for scope in ALL_SCOPES if scope not in {"aspectstore.audit.r", PLATFORM})
    await add_client(catalog, PASSWORDS, Credentials("acme", "worker", "s3"), scopes)
    worker = bearer(await token_of(log.http, "worker", "s3"))

    for path in (AUDIT, f"{AUDIT}/export", PLATFORM_LOG, f"{PLATFORM_LOG}/export"):
        await log.read(path, status=403, headers=worker)


# -- export ----------------------------------------------------------------------------------------


async def export(log, **wanted):
    """Export the log of `acme` without logins."""
    await log.store.erase("acme")
    hostile = {"asset_id": '=cmd|"x"!A1', "key": "a,b\r\nc"}
    await keep(log, 1, things=hostile)
    await keep(log, READ_LINES + 1, subject="=1+1", address="@x", client_id="'kept")
    return await log.http.get(f"{AUDIT}/export", params=wanted, headers=log.headers)


async def test_an_export_has_every_line_as_json(log):
    """A line each, the same as in a page, however many there are."""
    answer = await export(log)

    lines = [json.loads(line) for line in answer.text.splitlines()]
    page = await log.read(limit=1_000)
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert answer.headers["content-disposition"] == 'attachment; filename="audit.jsonl"'
    assert page["lines"] == lines
    assert len(lines) == READ_LINES + 1


async def test_an_export_as_a_table_holds_no_formula(log):
    """A cell that a table program would run has a `'` in front; taking one away gives it back (S10)."""
    answer = await export(log, format="csv")

    head, *rows = csv.reader(io.StringIO(answer.text, newline=""))
    back = [dict(zip(head, (cell.removeprefix("'") for cell in row), strict=True)) for row in rows]
    assert answer.headers["content-type"].startswith("text/csv")
    assert not [cell for row in rows for cell in row if cell and cell[0] in "=+-@\t\r"]
    assert {("=1+1", "@x", "'kept")} == {
        (row["subject"], row["address"], row["clientId"]) for row in back[:-1]
    }
    assert len(rows) == READ_LINES + 1


async def test_an_export_is_narrowed_as_a_page_is(log):
    """The same parameters as for pages, and no other format than the two."""
    answer = await export(log, subject="nobody")
    wrong = await log.http.get(f"{AUDIT}/export", params={"format": "xml"}, headers=log.headers)

    assert (200, "", 400) == (answer.status_code, answer.text, wrong.status_code)


async def test_an_export_of_a_store_that_is_away_is_unavailable(log, monkeypatch):
    """The status is not given before the store was asked."""

    async def away(span, limit):
        raise StoreUnavailable("away")

    monkeypatch.setattr(log.store, "read", away)

    await log.read(f"{AUDIT}/export", status=503)


# -- logins ----------------------------------------------------------------------------------------


async def logins(log):
    """Read the lines of logins, oldest first."""
    found = (await log.read(action="token.issue", limit=1_000))["lines"]
    return [(line["subject"], line["clientId"], line["status"]) for line in reversed(found)]


async def try_login(log, user, password, client=("web", "secret")):
    """Log a user in; gives the status."""
    form = {"grant_type": "password", "username": user, "password": password}
    answer = await log.http.post("/oauth/token", data=form, headers=basic(*client))
    return answer.status_code


async def test_logins_of_accounts_are_lines(log):
    """Who got a token, through which client, and by which grant; the token's id is in the line."""
    answer = await log.http.post(
        "/oauth/token", data={"grant_type": "password", "username": "board", "password": "p@ss!w:o/rd"},
        headers=basic("web", "secret"),
    )  # fmt: skip

    (line,) = [line for line in (await log.read(action="token.issue"))["lines"] if line["subject"] == "board"]
    assert (line["tokenId"], line["status"]) == (answer.json()["jti"], 200)
    assert (line["clientId"], line["parameters"]) == ("web", {"grant_type": "password"})
    assert ("acme-tech", "acme-tech", 200) in await logins(log)


async def test_refused_logins_of_accounts_are_lines(log):
    """A wrong password or secret of an account that exists is told to its tenant, without what was tried."""
    await try_login(log, "board", "canary-wrong")
    await log.http.post(
        "/oauth/token", data={"grant_type": "client_credentials"}, headers=basic("acme-tech", "canary-no")
    )

    lines = await logins(log)
    assert ("board", "web", 400) in lines
    assert ("acme-tech", "acme-tech", 401) in lines
    raw = await log.store.read(AuditSpan("acme", 0, 2**52), 100)
    assert b"canary" not in b"".join(line.act + (line.outcome or b"") for line in raw)


async def test_a_login_of_nobody_is_no_line(log):
    """A name that no account has may be a password in the wrong field: it is written nowhere (S16)."""
    before = await logins(log)

    assert 400 == await try_login(log, "canary-password-as-name", "x")
    await log.http.post(
        "/oauth/token", data={"grant_type": "client_credentials"}, headers=basic("canary-client", "x")
    )

    assert before == await logins(log)
    assert [] == await Log(log.service, log.service.other).lines(subject="canary-client")


async def test_a_repeated_login_is_a_line_an_hour(log):
    """A board that logs in every five minutes is told once an hour; a refusal is told each time."""
    for _ in range(3):
        assert 200 == await try_login(log, "board", "p@ss!w:o/rd")
        await try_login(log, "board", "wrong")
    log.service.clock.advance(LOGIN_PAUSE_MS)
    log.headers = bearer(await token_of(log.http, "acme-tech", "s3cret"))
    assert 200 == await try_login(log, "board", "p@ss!w:o/rd")

    found = [status for subject, _, status in await logins(log) if subject == "board"]
    assert [200, 200, 400, 400, 400] == sorted(found)


async def test_a_login_page_is_a_login(page):
    """A wrong password on the page is a line, a right one becomes one when its code is redeemed."""
    log = Log(page, page.acme)
    assert 400 == (await send(page, password="canary-wrong")).status_code
    before = await logins(log)
    code = await code_of(page)
    assert 200 == (await redeem(page, code)).status_code

    assert ("board", "console", 400) == before[-1]
    assert [("board", "console", 200)] == (await logins(log))[len(before) :]


async def test_a_renewal_is_no_login_but_a_stolen_token_is_a_line(page):
    """A refresh token that comes a second time ends its login: whose it was is told to the tenant (S4)."""
    log = Log(page, page.acme)
    first = (await redeem(page, await code_of(page))).json()["refresh_token"]
    form = {"grant_type": "refresh_token", "refresh_token": first, "client_id": "console"}
    before = await logins(log)

    renewed = await log.http.post("/oauth/token", data=form)
    quiet = await logins(log)
    reused = await log.http.post("/oauth/token", data=form)

    assert (200, 400) == (renewed.status_code, reused.status_code)
    assert before == quiet
    assert [("board", "console", 400)] == (await logins(log))[len(before) :]


# -- the platform ----------------------------------------------------------------------------------

PLATFORM_LOG = "/api/aspectstore/v1/platform/audit"


@post(
    "/api/aspectstore/v1/planted/{tenant:str}",
    opt=require(PLATFORM, action="tenant.suspend"),
    status_code=200,
    sync_to_thread=False,
)
def planted(tenant: FromPath[str]) -> None:
    """Do nothing to a tenant."""


@pytest.fixture
async def platform():
    """A door with an act of the platform; `acme` is its first tenant, whose admin manages the others."""
    from api.identity.setup import bootstrap, create_tenant

    catalog, clock = await fresh_catalog(), ManualClock(NOW_MS)
    await bootstrap(catalog, PASSWORDS, NOW_MS, Credentials("acme", "acme-tech", "s3cret"))
    await create_tenant(catalog, "other", NOW_MS)
    await add_client(catalog, PASSWORDS, Credentials("other", "other-tech", "0ther"))
    async with running_door(catalog, clock, routes=[planted]) as running:
        log = Log(running, bearer(await token_of(running.http, "acme-tech", "s3cret")))
        log.other = Log(running, bearer(await token_of(running.http, "other-tech", "0ther")))
        yield log


async def test_what_the_platform_does_to_a_tenant_is_in_both_logs(platform):
    """The platform's log says who it was; the tenant's says that it was the platform, and nothing of him."""
    answer = await platform.send("POST", "/api/aspectstore/v1/planted/other")
    assert answer.status_code == 200

    (ours,) = (await platform.read(PLATFORM_LOG))["lines"]
    (theirs,) = await platform.other.lines()
    assert ("tenant.suspend", "acme", "acme-tech", 200) == (
        ours["action"], ours["tenant"], ours["subject"], ours["status"],
    )  # fmt: skip
    assert ours["tokenId"]
    assert theirs == {
        **ours, "tenant": "core", "subject": "platform", "clientId": "", "tokenId": "", "address": "",
    }  # fmt: skip
    assert [] == await platform.lines()


async def test_a_tenants_log_begins_with_its_making(platform):
    """Who is made and suspended by the platform has both in its log, without knowing by whom."""
    path = "/api/aspectstore/v1/tenants"
    made = await platform.send("POST", path, {"name": "fresh"})
    suspended = await platform.send("POST", f"{path}/fresh/suspend")
    await platform.service.door.services.audit.settle()

    assert (201, 200) == (made.status_code, suspended.status_code)
    lines = await platform.store.read(AuditSpan("fresh", 0, 2**52), 10)
    acts = [msgspec.json.decode(line.act, type=Act) for line in lines]
    assert [("tenant.create", "platform", ""), ("tenant.suspend", "platform", "")] == sorted(
        (act.action, act.subject, act.token_id) for act in acts
    )
    assert [("tenant.create", 201), ("tenant.suspend", 200)] == sorted(
        statuses((await platform.read(PLATFORM_LOG))["lines"])
    )


async def test_an_unknown_tenant_gets_no_log(platform):
    """A name that is no tenant's is in the platform's log only: nothing waits for a tenant to come."""
    await platform.send("POST", "/api/aspectstore/v1/planted/ghost")

    (line,) = (await platform.read(PLATFORM_LOG))["lines"]
    assert line["things"] == {"tenant": "ghost"}
    assert [] == await platform.store.read(AuditSpan("ghost", 0, 2**52), 10)


async def test_the_platforms_log_is_exported_too(platform):
    """With the same parameters, by those who manage the platform."""
    await platform.send("POST", "/api/aspectstore/v1/planted/other")

    answer = await platform.http.get(f"{PLATFORM_LOG}/export", headers=platform.headers)

    (line,) = (msgspec.json.decode(line) for line in answer.content.splitlines())
    assert line["things"] == {"tenant": "other"}
