"""Exports that are made regularly: due, missed, unchanged, kept, and by whose right (SM-31)."""

from __future__ import annotations

import json

import msgspec
import pytest

from api.exports import timer
from api.identity.passwords import Passwords
from api.identity.setup import Credentials, add_client
from schemas.durations import HOUR_MS, MINUTE_MS
from schemas.erasures import is_clean
from schemas.errors import StoreUnavailable
from schemas.exporting.schedules import KIND, RUN_KIND
from schemas.ids import CORE
from schemas.limits import EXPORT_SCHEDULES_MAX, JOBS_UNFINISHED_MAX
from schemas.tenants import Tenant
from schemas.times import format_time
from storage import job_records
from storage.job_records import JobRecord
from tests.api.doors import NOW_MS, bearer, token_of
from tests.api.downloads import EXPORTS, at
from tests.api.masts import MAST
from tests.api.regular import DAILY, DAY_H, EXPORT, SCHEDULES, Regular
from workers.eraser import Eraser
from workers.proof import prove

FIRST = "2026-01-01T06:00:00.000Z"
"""When the daily one is due first; the tests begin at midnight."""


@pytest.fixture(autouse=True)
def _still(monkeypatch):
    """Doors look when a test says so."""
    monkeypatch.setattr(timer, "LOOK_S", 3_600.0)


@pytest.fixture
async def regular(site):
    """A site that exports regularly, with some records."""
    made = Regular(site)
    await site.open.wrote([{"_time": at(1), "level": 1}, {"_time": at(2), "level": 2}])
    await site.seal()
    return made


async def rows(regular, run, mast=None):
    """Count the rows of the export of a run."""
    mast = mast or regular.site.open
    return (await mast.send("GET", f"{EXPORTS}/{run['job']}")).json()["job"]["counts"]["rows"]


async def status_of(regular, job):
    """Ask for a download; gives the status."""
    return (await regular.site.open.send("GET", f"{EXPORTS}/{job}/content")).status_code


# -- documents -------------------------------------------------------------------------------------


async def test_a_schedule_is_stored_changed_and_deleted_under_its_version(regular):
    """201 with what follows; a change needs the version that it builds on; deleted it is no more."""
    mast = regular.site.open
    made = await regular.put(mast, last="7d", timezone="Europe/Berlin")
    assert (201, '"0"') == (made.status_code, made.headers["etag"])
    body = made.json()
    assert ("daily", 0, "acme-tech") == (body["name"], body["etag"], body["owner"])
    assert "2026-01-01T05:00:00.000Z" == body["next"]
    kept = body["schedule"]
    assert (True, 720) == (kept["export"]["ifChanged"], kept["export"]["keptHours"])
    assert ("1d", "06:00", "7d", 3, False) == tuple(
        kept[n] for n in ("every", "at", "last", "keep", "paused")
    )

    read = await mast.send("GET", f"{SCHEDULES}/daily")
    assert (200, body) == (read.status_code, read.json())
    assert [400, 412] == [(await regular.put(mast, etag=etag)).status_code for etag in (None, 7)]
    only_new = await mast.send("PUT", f"{SCHEDULES}/daily", DAILY, if_none_match="*")
    again = await mast.send("PUT", f"{SCHEDULES}/daily", {**kept, "paused": True}, if_match='"0"')
    assert (412, 200, '"1"') == (only_new.status_code, again.status_code, again.headers["etag"])
    assert "next" not in again.json()

    await regular.stored(mast, "another")
    listed = (await mast.send("GET", SCHEDULES)).json()["schedules"]
    assert ["another", "daily"] == [each["name"] for each in listed]
    assert again.json() == listed[1]
    delete = f"{SCHEDULES}/daily"
    assert [400, 412, 204, 404] == [
        (await mast.send("DELETE", delete, **headers)).status_code
        for headers in ({}, {"if_match": "0"}, {"if_match": "1"}, {"if_match": "1"})
    ]
    assert 404 == (await mast.send("GET", delete)).status_code
    assert 404 == (await regular.put(mast, etag=1)).status_code


async def test_every_problem_is_told_at_once(regular):
    """Of the timing and of the export, with their places (design 6)."""
    export = {"from": "2026-01-02T00:00:00Z", "to": "yesterday", "timeFormat": "%q", "keptHours": 2}
    wrong = {"at": "25:00", "on": "monday", "timezone": "Mars", "last": "7"}
    answer = await regular.put(regular.site.open, **wrong, export={**EXPORT, **export})
    assert 400 == answer.status_code
    places = [error["pointer"] for error in answer.json()["errors"]]
    assert places == [
        "/at", "/on", "/timezone", "/last", "/export/to", "/last", "/export/keptHours", "/export/to",
        "/export/timeFormat",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "pointer"),
    [
        ({"export": {"assets": ["nobody"]}}, "/export/assets"),
        ({"export": {**EXPORT, "keptHours": 100}, "every": "1w"}, "/export/keptHours"),
        ({"export": {**EXPORT, "from": at(0)}, "last": "1d"}, "/last"),
        ({"export": {**EXPORT, "unknown": 1}}, None),
        ({"every": "5h"}, None),
        ({"every": "10m"}, None),
        ({"keep": 0}, None),
        ({"paused": 0}, "/paused"),
        ({"keep": "3"}, "/keep"),
        ({"cron": "* * * * *"}, None),
    ],
)
async def test_what_cannot_be_is_refused(regular, asked, pointer):
    """What no export would come of is not stored either."""
    answer = await regular.put(regular.site.open, **asked)
    assert 400 == answer.status_code, answer.text
    assert pointer is None or pointer == answer.json()["errors"][0]["pointer"]
    assert [] == await regular.site.catalog.list("acme", KIND)


async def test_names_and_numbers_have_bounds(regular):
    """A name is a word, and a tenant has so many schedules."""
    mast = regular.site.open
    assert 400 == (await regular.put(mast, ".hidden")).status_code
    kept = await regular.site.catalog.get("acme", KIND, (await regular.stored(mast))["name"])
    for number in range(EXPORT_SCHEDULES_MAX - 1):
        await regular.site.catalog.create("acme", KIND, f"n{number}", kept.body)
    refused = await regular.put(mast, "one-more")
    assert 429 == refused.status_code
    assert str(EXPORT_SCHEDULES_MAX) in refused.text


async def test_another_tenant_finds_nothing(regular):
    """A name is each tenant's own: the same words for a foreign one as for one that nobody has."""
    await regular.stored(regular.site.open)
    other = regular.site.other
    assert {"schedules": []} == (await other.send("GET", SCHEDULES)).json()
    for method, body in (("GET", None), ("PUT", DAILY), ("DELETE", None)):
        answer = await other.send(method, f"{SCHEDULES}/daily", body, if_match='"0"')
        assert (404, "There is no such schedule.") == (
            answer.status_code, answer.json()["errors"][0]["message"],
        )  # fmt: skip
    assert 201 == (await regular.put(other)).status_code


# -- time ------------------------------------------------------------------------------------------


async def test_an_export_is_made_when_it_is_due_and_once(regular):
    """By its owner, of the time before; looked at before it is due, and again, nothing comes of it."""
    mast = regular.site.open
    await regular.stored(mast, last="6h")
    assert await regular.after(5.9) is None
    assert [] == await regular.jobs(mast)

    run = await regular.after(0.1)
    assert (FIRST, "done") == (run["due"], run["state"])
    [export] = await regular.jobs(mast)
    assert (run["job"], "daily") == (export["job"]["id"], export["schedule"])
    assert "2026-01-02T06:00:00.000Z" == (await regular.shown(mast))["next"]
    manifest = (await mast.send("GET", f"{EXPORTS}/{run['job']}/manifest")).json()
    assert ("2026-01-01T00:00:00.000Z", FIRST) == (manifest["after"], manifest["until"])
    record = await job_records.get(regular.site.catalog, "acme", run["job"])
    assert "acme-tech" == record.by

    for hours in (0, 1, 22.9):
        assert run == await regular.after(hours)
    assert 1 == len(await regular.jobs(mast))
    assert "2026-01-02T06:00:00.000Z" == (await regular.after(0.1))["due"]


async def test_missed_moments_are_made_up_for_once(regular):
    """A service that was down for five days makes the last export only."""
    mast = regular.site.open
    await regular.stored(mast)
    run = await regular.after(5 * DAY_H + 7)
    assert "2026-01-06T06:00:00.000Z" == run["due"]
    assert 1 == len(await regular.jobs(mast))


async def test_a_clock_that_is_set_moves_no_time_of_day(regular):
    """At 06:00 of Berlin's clocks, an hour earlier by UTC from the 29th of March on (design 8.8)."""
    mast = regular.site.open
    await regular.stored(mast, timezone="Europe/Berlin", last="1d")
    run = await regular.after(86 * DAY_H + 5)
    assert "2026-03-28T05:00:00.000Z" == run["due"]
    assert "2026-03-29T04:00:00.000Z" == (await regular.shown(mast))["next"]
    run = await regular.after(23)
    assert "2026-03-29T04:00:00.000Z" == run["due"]
    record = await job_records.get(regular.site.catalog, "acme", run["job"])
    plan = record.told["export"]
    assert 23 * HOUR_MS == plan["end_ms"] - plan["start_ms"]


async def test_while_it_is_paused_nothing_is_made_and_nothing_is_made_up_for(regular):
    """Afterwards the next moment is due, not the ones before; a change of times begins anew, too."""
    mast = regular.site.open
    await regular.stored(mast, paused=True)
    assert await regular.after(DAY_H) is None
    await regular.stored(mast, etag=0)
    assert await regular.after(1) is None
    assert (await regular.after(5))["due"].startswith("2026-01-02T06")

    await regular.stored(mast, etag=1, at="08:00")
    assert (await regular.after(1))["due"].startswith("2026-01-02T06")
    await regular.stored(mast, etag=2, at="08:00", keep=1)  # What else changes lets what is due be due.
    assert (await regular.after(1))["due"].startswith("2026-01-02T08")
    assert 2 == len(await regular.jobs(mast))


# -- changed or not --------------------------------------------------------------------------------


async def test_nothing_is_made_where_nothing_has_changed(regular):
    """The earlier download is named and kept on; a record, and a setting, make it anew."""
    mast = regular.site.open
    await regular.stored(mast)
    first = await regular.after(6)
    assert ("done", 2) == (first["state"], await rows(regular, first))
    until = (await regular.jobs(mast))[0]["download"]["until"]
    second = await regular.after(DAY_H)
    assert (first["job"], "done") == (second["sameAs"], second["state"])
    [kept] = {each["download"]["until"] for each in await regular.jobs(mast)}
    assert until[:10] < kept[:10]
    assert 200 == await status_of(regular, second["job"])

    await mast.wrote([{"_time": at(3), "level": 3}])
    third = await regular.after(DAY_H)
    assert ("sameAs" not in third, 3) == (True, await rows(regular, third))
    await regular.site.seal()
    await regular.after(DAY_H)
    assert "sameAs" in await regular.after(DAY_H)

    sensor = {"asset": MAST, "aspect": "weather", "variable": "level", "quantity": "level"}
    told = await mast.send("PUT", f"/api/aspectstore/v1/sensors/{MAST}", {"sensors": [sensor]})
    assert 200 == told.status_code
    assert "sameAs" in await regular.after(DAY_H), "no file of it says anything of sensors"
    shown = await regular.shown(mast)
    await regular.stored(mast, etag=shown["etag"], export={**EXPORT, "files": "quantity"})
    assert "sameAs" not in await regular.after(DAY_H)
    moved = await mast.send(
        "PUT",
        f"/api/aspectstore/v1/sensors/{MAST}",
        {"sensors": [{**sensor, "quantity": "depth"}]},
        if_match=told.headers["etag"],
    )
    assert 200 == moved.status_code
    changed = await regular.after(DAY_H)
    assert "sameAs" not in changed
    manifest = (await mast.send("GET", f"{EXPORTS}/{changed['job']}/manifest")).json()
    assert ["depth.csv"] == [file["name"] for file in manifest["files"]]


async def test_a_name_that_is_changed_is_a_change(regular):
    """What the manifest and files say of assets and types is part of an export."""
    await regular.stored(regular.site.open)
    await regular.after(6)
    assert "sameAs" in await regular.after(DAY_H)
    catalog = regular.site.catalog
    for kind, name, members in (
        ("asset", MAST, {"name": "Mast"}), ("aspecttype", "acme.weather", {"version": 2}),
    ):  # fmt: skip
        document = await catalog.get("acme", kind, name)
        body = json.dumps({**json.loads(document.body), **members}).encode()
        assert await catalog.replace("acme", kind, name, body, document.version)
        assert "sameAs" not in await regular.after(DAY_H)
        assert "sameAs" in await regular.after(DAY_H)


async def test_rows_that_a_sliding_span_leaves_behind_are_a_change(regular):
    """And nothing else is: the same rows in another span are the same export."""
    mast = regular.site.open
    await regular.stored(mast, last="2d")
    first = await regular.after(6)
    assert 2 == await rows(regular, first)
    assert first["job"] == (await regular.after(DAY_H))["sameAs"]
    third = await regular.after(DAY_H)
    assert ("sameAs" not in third, 0) == (True, await rows(regular, third))
    assert third["job"] == (await regular.after(DAY_H))["sameAs"]


async def test_half_a_block_that_is_left_behind_is_a_change(regular):
    """Rows of one block come into the span and fall out of it; where there are none, it is as at first."""
    mast = regular.site.open
    await regular.stored(mast, every="1h", at="00:00", last="1h")
    first = await regular.after(1)  # From midnight to one o'clock.
    assert 0 == await rows(regular, first)
    await mast.wrote([{"_time": format_time(NOW_MS + n * MINUTE_MS), "level": n} for n in (61, 121, 179)])
    await regular.site.seal()
    for expected in (1, 2):
        run = await regular.after(1)
        assert ("sameAs" not in run, expected) == (True, await rows(regular, run))
    assert first["job"] == (await regular.after(1))["sameAs"]


async def test_one_is_made_each_time_where_that_is_asked_for(regular):
    """With `ifChanged` false."""
    mast = regular.site.open
    await regular.stored(mast, export={**EXPORT, "ifChanged": False})
    runs = [await regular.after(hours) for hours in (6, DAY_H, DAY_H)]
    assert [2, 2, 2] == [await rows(regular, run) for run in runs]
    assert not any("sameAs" in run for run in runs)


async def test_an_export_of_somebody_else_is_not_relied_on(regular):
    """Who asked for it may delete it; a schedule's own is found again."""
    mast = regular.site.open
    asked = await regular.export(mast, variables=["level"], ifChanged=True)
    await regular.stored(mast)
    run = await regular.after(6)
    assert ("done", False) == (asked["job"]["state"], "sameAs" in run)
    assert run["job"] == (await regular.after(DAY_H))["sameAs"]


async def test_the_newest_downloads_are_kept(regular):
    """As many as the schedule says; older ones go with their bytes, those of others stay."""
    mast = regular.site.open
    other = await regular.export(mast, keptHours=720)
    await regular.stored(mast, keep=2, export={**EXPORT, "ifChanged": False})
    jobs = [(await regular.after(hours))["job"] for hours in (6, DAY_H, DAY_H, DAY_H)]
    assert [410, 410, 200, 200] == [await status_of(regular, job) for job in jobs]
    assert 200 == await status_of(regular, other["job"]["id"])
    files = regular.site.door.services.ports.files
    named = {
        content["id"]
        for document in await regular.site.catalog.list("acme", "export")
        for content in json.loads(document.body)["contents"]
    }
    assert named == {each.content.id for each in await files.kept("acme")}


# -- whose right -----------------------------------------------------------------------------------


async def stored_by(regular, name, **account):
    """Store a schedule as another technical user of the tenant."""
    catalog = regular.site.catalog
    await add_client(catalog, Passwords(8), Credentials("acme", name, "s3cret"), created_ms=1)
    await changed(regular, name, **account)
    await regular.site.door.services.refresh()
    mast = regular.site.open
    mine = bearer(await token_of(regular.site.http, name, "s3cret"))
    answer = await mast.send("PUT", f"{SCHEDULES}/daily", DAILY, **mine)
    assert (201, name) == (answer.status_code, answer.json()["owner"]), answer.text


async def changed(regular, name, **members):
    """Change an account behind the door's back."""
    document = await regular.site.catalog.get("acme", "client", name)
    body = json.dumps({**json.loads(document.body), **members}).encode()
    assert await regular.site.catalog.replace("acme", "client", name, body, document.version)


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"suspended": True}, "suspended or gone"),
        ({"free_s": 2**40}, "suspended or gone"),
        ({"created_ms": 2}, "suspended or gone"),
        ({"scopes": ["asm.r"]}, "may not read"),
        ({"subtenant": "north"}, "may not read"),
    ],
)
async def test_an_export_has_what_its_owner_may_read_when_it_is_due(regular, members, words):
    """Whoever stored it last; the reason is shown, and the next one is tried anew."""
    mast = regular.site.open
    await stored_by(regular, "ann")
    await changed(regular, "ann", **members)
    run = await regular.after(6)
    assert (FIRST, None, True) == (run["due"], run.get("job"), words in run["reason"])
    assert [] == await regular.jobs(mast)
    assert run == await regular.after(1)

    await regular.stored(mast, etag=0)  # Somebody else takes it over.
    assert "done" == (await regular.after(DAY_H))["state"]


@pytest.mark.parametrize(("role", "statuses"), [("viewer", (403, 200)), ("engineer", (201, 200))])
async def test_engineers_store_schedules_and_whoever_reads_sees_them(regular, role, statuses):
    """As with file types; a board, which reads its records, changes nothing of its tenant."""
    await add_client(regular.site.catalog, Passwords(8), Credentials("acme", "ann", "s3cret"), role=role)
    await regular.site.door.services.refresh()
    mine = bearer(await token_of(regular.site.http, "ann", "s3cret"))
    mast = regular.site.open
    assert statuses == (
        (await mast.send("PUT", f"{SCHEDULES}/daily", DAILY, **mine)).status_code,
        (await mast.send("GET", SCHEDULES, **mine)).status_code,
    )


async def test_who_reads_no_records_exports_none(regular):
    """Whoever may change types and assets only is told which scope lacks."""
    await add_client(regular.site.catalog, Passwords(8), Credentials("acme", "ann", "s3cret"), ("asm.w",))
    await regular.site.door.services.refresh()
    mine = bearer(await token_of(regular.site.http, "ann", "s3cret"))
    answer = await regular.site.open.send("PUT", f"{SCHEDULES}/daily", DAILY, **mine)
    assert (403, True) == (answer.status_code, "iot.tim.r" in answer.text)


async def test_an_owner_that_is_gone_is_told(regular):
    """Its account is no more at all."""
    await stored_by(regular, "ann")
    document = await regular.site.catalog.get("acme", "client", "ann")
    await regular.site.catalog.remove("acme", "client", "ann", document.version)
    assert "suspended or gone" in (await regular.after(6))["reason"]


async def test_what_no_export_can_be_planned_of_is_told_and_tried_again(regular):
    """An asset that is deleted: with the place of the reason; other schedules go on."""
    mast = regular.site.open
    await regular.stored(mast)
    await regular.stored(mast, "others", export={"assets": ["*"]})
    document = await regular.site.catalog.get("acme", "asset", MAST)
    gone = json.dumps({**json.loads(document.body), "deleted_ms": 1}).encode()
    await regular.site.catalog.replace("acme", "asset", MAST, gone, document.version)
    run = await regular.after(6)
    assert "/assets: No variable" in run["reason"]
    assert "done" == (await regular.shown(mast, "others"))["run"]["state"]
    present = await regular.site.catalog.get("acme", "asset", MAST)
    await regular.site.catalog.replace("acme", "asset", MAST, document.body, present.version)
    assert "done" == (await regular.after(DAY_H))["state"]


async def test_a_job_that_fails_says_why(regular):
    """The reason of the job is that of the run."""
    await regular.stored(regular.site.open)
    run = await regular.after(6)
    await job_records.change(
        regular.site.catalog,
        "acme",
        run["job"],
        lambda known: msgspec.structs.replace(
            known, phase=job_records.Phase.FAILED, message="It was too much."
        ),
    )
    told = (await regular.shown(regular.site.open))["run"]
    assert ("failed", "It was too much.") == (told["state"], told["reason"])


async def test_what_has_no_room_waits(regular):
    """Shown as waiting, and made when there is room; not forgotten."""
    mast = regular.site.open
    await regular.stored(mast)
    for number in range(JOBS_UNFINISHED_MAX):
        record = JobRecord(id=f"job{number}", kind="export", by="me", submitted_ms=0, told={})
        await job_records.submit(regular.site.catalog, "acme", record)
    assert await regular.after(6) is None
    shown = await regular.shown(mast)
    assert f"What was due at {FIRST} waits: The tenant has" in shown["waiting"]
    await regular.stored(mast, etag=0, paused=True)
    assert "waiting" not in await regular.shown(mast)
    await regular.stored(mast, etag=1, at="07:00")
    assert await regular.after(1) is None
    assert "T07:00" in (await regular.shown(mast))["waiting"]
    document = await regular.site.catalog.get("acme", job_records.KIND, "job7")
    await regular.site.catalog.remove("acme", job_records.KIND, "job7", document.version)
    run = await regular.after(1)
    assert "2026-01-01T07:00:00.000Z" == run["due"]
    assert "waiting" not in await regular.shown(mast)


# -- tenants ---------------------------------------------------------------------------------------


async def suspended(regular, tenant, *, suspended=True):
    """Suspend a tenant, or wake it."""
    document = await regular.site.catalog.get(CORE, "tenant", tenant)
    switched = msgspec.structs.replace(msgspec.json.decode(document.body, type=Tenant), suspended=suspended)
    body = msgspec.json.encode(switched)
    assert await regular.site.catalog.replace(CORE, "tenant", tenant, body, document.version)


async def test_a_suspended_tenant_exports_nothing(regular):
    """When it is awake again what it missed is made up for once."""
    other = regular.site.other
    await regular.stored(other)
    await suspended(regular, "other")
    regular.site.clock.advance(3 * DAY_H * HOUR_MS)
    await regular.look()
    assert [] == await job_records.all_of(regular.site.catalog, "other")
    await suspended(regular, "other", suspended=False)
    await regular.site.door.services.refresh()
    run = await regular.after(0, mast=other)
    assert "2026-01-03T06:00:00.000Z" == run["due"]
    assert 1 == len(await job_records.all_of(regular.site.catalog, "other"))


async def test_of_an_erased_tenant_nothing_is_left_or_made(regular):
    """Schedules, what came of them, jobs and downloads go; the proof finds nothing (design 4.16)."""
    other, ports = regular.site.other, regular.site.door.services.ports
    await other.wrote([{"_time": at(1), "level": 1}])
    await regular.stored(other)
    assert "done" == (await regular.after(6, mast=other))["state"]
    await suspended(regular, "other")
    await regular.site.door.services.refresh()
    asked = await regular.site.open.send("DELETE", "/api/aspectstore/v1/tenants/other?confirm=other")
    assert 202 == asked.status_code, asked.text
    eraser = Eraser(ports, lambda: True, 30)
    for _ in range(8):
        await regular.site.step()
        await eraser.look()
        regular.site.clock.advance(DAY_H * HOUR_MS)
        await regular.look()
    ours = ("catalogue", "files", "jobs")
    left = {place: n for place, n in (await prove(ports, "other")).items() if place.split(".")[0] in ours}
    assert is_clean(left, but_log=True), left
    assert [] == await ports.catalog.kinds("other")


async def test_a_later_schedule_of_the_name_is_another(regular):
    """What came of the deleted one is not shown, and its downloads are not counted."""
    mast = regular.site.open
    await regular.stored(mast, keep=1)
    run = await regular.after(6)
    assert 204 == (await mast.send("DELETE", f"{SCHEDULES}/daily", if_match="0")).status_code
    assert [] == await regular.site.catalog.list("acme", RUN_KIND)
    await regular.stored(mast, keep=1)
    assert "run" not in await regular.shown(mast)
    later = await regular.after(DAY_H)
    assert "sameAs" not in later
    assert [200, 200] == [await status_of(regular, job) for job in (run["job"], later["job"])]


async def test_a_store_that_is_away_is_waited_for(regular, monkeypatch):
    """The look goes on with the others, and the next one makes what is due."""
    await regular.stored(regular.site.open)

    async def away(*_arguments):
        raise StoreUnavailable("the store is away")

    with monkeypatch.context() as patch:
        patch.setattr(regular.site.catalog, "list", away)
        regular.site.clock.advance(6 * HOUR_MS)
        await regular.site.door.timer.look()
    assert FIRST == (await regular.after(0))["due"]
