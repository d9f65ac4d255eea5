"""Lines as clients of InfluxDB send them: stored, merged or refused one by one (IX-03 … IX-09)."""

import asyncio
import base64
import gzip

import pytest

from tests.api.doors import NOW_MS
from tests.api.lines import BUCKETS, INLETS, NS, OLD_WRITE, WRITE, Lines
from tests.api.masts import MAST, at

T0 = NOW_MS - 60_000


@pytest.fixture
def key_site(site):
    """A site; keys need the vault, which the tests' doors have."""
    return site


@pytest.fixture
async def lines(key_site):
    """An inlet with the default rule."""
    return await Lines(key_site, key_site.open).begin()


async def test_lines_become_records_of_the_assets_that_their_tags_name(lines):
    """Measurement → aspect, tags → asset, fields → variables; all three are made (IX-07, IX-08)."""
    answer = await lines.wrote(
        f'track,bird=A lat=54.5,fixes=7i,ok=t,note="two words, one=text" {T0}\n'
        f"track,bird=B lat=-12 {T0}\n# a comment\n\nweather temp=1.5 {T0}"
    )

    assert {"bird=A", "bird=B", "birds"} == set(lines.assets())
    assert [
        {"_time": at(-60_000), "lat": 54.5, "fixes": 7, "ok": True, "note": "two words, one=text"}
    ] == await lines.rows("bird=A", "track")
    assert [{"_time": at(-60_000), "lat": -12.0}] == await lines.rows("bird=B", "track")
    assert [{"_time": at(-60_000), "temp": 1.5}] == await lines.rows("birds", "weather")
    receipt = answer.headers["write-receipt"]
    fate = await lines.mast.send("GET", f"/api/aspectstore/v1/receipts/{receipt}")
    assert 200 == fate.status_code


async def test_lines_of_one_time_merge_and_overwrite_no_other_asset(lines):
    """Fields of one asset and time come together, in one request and in several (IX-08)."""
    await lines.wrote(f"track,bird=A lat=1,lon=2 {T0}\ntrack,bird=B lat=3 {T0}\ntrack,bird=A alt=5 {T0}")
    await lines.wrote(f"track,bird=A lon=4 {T0}\ntrack,bird=A lon=6 {T0}")

    assert [{"_time": at(-60_000), "lat": 1.0, "lon": 6.0, "alt": 5.0}] == await lines.rows("bird=A", "track")
    assert [{"_time": at(-60_000), "lat": 3.0}] == await lines.rows("bird=B", "track")


@pytest.mark.parametrize(
    ("unit", "number"), [("ns", T0 * NS + 999_999), ("us", T0 * 1_000 + 999), ("ms", T0), ("s", T0 // 1_000)]
)
async def test_precisions(lines, unit, number):
    """Times come in four units; what is finer than a millisecond is cut (design 8.21)."""
    await lines.wrote(f"m,a=b v=1 {number}", parameters={"precision": unit})

    [row] = await lines.rows("a=b", "m")
    assert (at(-60_000) if unit != "s" else at(T0 // 1_000 * 1_000 - NOW_MS)) == row["_time"]


async def test_a_line_without_time_is_of_the_present(lines):
    """As in InfluxDB, the server's clock counts."""
    await lines.wrote("m v=1")

    assert [{"_time": at(0), "v": 1.0}] == await lines.rows("birds", "m")


async def test_bad_lines_do_no_harm_to_good_ones(lines):
    """What is no line: 400 `partial write` with each reason and the count; the rest is stored."""
    answer = await lines.send(
        f"m,a=b v=1 {T0}\nm,a= v=1 {T0}\nnothing\nm,a=b v=,w=1 {T0}\nm,a=b w=2 {T0 + 1}"
    )

    told = answer.json()
    assert (400, "invalid", 2) == (answer.status_code, told["code"], told["line"])
    assert told["message"].startswith(f"partial write: unable to parse 'm,a= v=1 {T0}': ")
    assert told["message"].endswith(" dropped=3")
    assert 3 == told["message"].count("unable to parse")
    assert [(1.0, None), (None, 2.0)] == [
        (row.get("v"), row.get("w")) for row in await lines.rows("a=b", "m")
    ]


async def test_a_field_keeps_its_type(lines):
    """A value that its variable does not hold: 422, the whole line is dropped, the others are stored."""
    await lines.wrote(f'm,a=b v=1,w=1i,x=t,y="z" {T0}')
    answer = await lines.send(
        f'm,a=b v="text" {T0 + 1}\nm,a=b v=2i,w=3.0 {T0 + 2}\nm,a=b v=5,w=2.5 {T0 + 3}\nm,a=b x=1 {T0 + 4}'
    )

    told = answer.json()
    assert (422, "unprocessable entity", 1) == (answer.status_code, told["code"], told["line"])
    assert (
        'field type conflict: input field "v" on measurement "m" is type string, already exists as'
        in (told["message"])
    )
    assert told["message"].endswith("dropped=3")
    assert [(1.0, 1), (2.0, 3)] == [(row["v"], row["w"]) for row in await lines.rows("a=b", "m")]


async def test_times_beyond_the_policy_are_refused_line_by_line(lines):
    """Before 1970 or beyond what the policy lets come: dropped, in the words that clients know."""
    answer = await lines.send(f"m v=1 -1\nm v=2 {T0}\nm v=3 {NOW_MS + 40 * 86_400_000}\nm v=4 {10**18}")

    assert 400 == answer.status_code
    assert 2 == answer.json()["message"].count("points beyond retention policy")
    assert 1 == len(await lines.rows("birds", "m"))


async def test_old_clients_hear_it_in_their_words(lines):
    """`/write`: `{"error":"partial write: …"}`, and a database that there is not is named."""
    await lines.wrote(f"m v=1 {T0}", path=OLD_WRITE, parameters={"precision": "ms", "rp": "autogen"})
    partial = await lines.send(f'm v=2 {T0 + 1}\nm v="x" {T0 + 2}', path=OLD_WRITE)
    missing = await lines.send("m v=1", path=OLD_WRITE, parameters={"db": "none"})
    policy = await lines.send("m v=1", path=OLD_WRITE, parameters={"rp": "month"})

    assert (400, ["error"]) == (partial.status_code, list(partial.json()))
    assert partial.json()["error"].startswith("partial write: line 2: field type conflict: ")
    assert (404, 'database not found: "none"') == (missing.status_code, missing.json()["error"])
    assert (404, "retention policy not found: month") == (policy.status_code, policy.json()["error"])
    assert 2 == len(await lines.rows("birds", "m"))


async def test_gzip_and_what_is_none(lines):
    """Bodies may be compressed; a broken one is refused whole, and one that is no UTF-8 as well."""
    text = "\n".join(f"m,a=b v={number} {T0 + number}" for number in range(500)).encode()

    await lines.wrote(gzip.compress(text), content_encoding="gzip")
    broken = await lines.send(gzip.compress(text)[:-9], content_encoding="gzip")
    latin = await lines.send(b"m,a=b v=1\xe9")

    assert 500 == len(await lines.rows("a=b", "m"))
    assert [(400, "invalid")] * 2 == [(each.status_code, each.json()["code"]) for each in (broken, latin)]


@pytest.mark.parametrize(
    "way", ["token", "bearer", "basic", "any name", "query", "query any", "access token"]
)
async def test_every_way_of_showing_a_credential(lines, way):
    """Token, Bearer, Basic, `u` and `p`: an API key, or an access token of ours (IX-03)."""
    name, _, secret = lines.key.partition(":")
    access = lines.mast.headers["authorization"].removeprefix("Bearer ")

    def basic(text):
        return {"authorization": f"Basic {base64.b64encode(text.encode()).decode()}"}

    headers, query = {
        "token": ({"authorization": f"Token {lines.key}"}, {}),
        "bearer": ({"authorization": f"Bearer {lines.key}"}, {}),
        "basic": (basic(lines.key), {}),
        "any name": (basic(f"me:{lines.key}"), {}),
        "query": ({}, {"u": name, "p": secret}),
        "query any": ({}, {"u": "me", "p": lines.key}),
        "access token": ({"authorization": f"Token {access}"}, {}),
    }[way]
    answer = await lines.site.http.post(
        OLD_WRITE, content=b"m v=1", params={"db": "birds", **query}, headers=headers
    )

    assert 204 == answer.status_code, answer.text


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Token"},
        {"authorization": "Token x"},
        {"authorization": "Token acme.00000000000000000000000000000000:x"},
        {"authorization": "Basic !"},
        {"authorization": "Digest x"},
    ],
)
async def test_strangers_are_refused_in_the_shape_that_clients_read(lines, headers):
    """401 `unauthorized`, with nothing that tells one reason from another."""
    answer = await lines.site.http.post(f"{WRITE}?bucket=birds", content=b"m v=1", headers=headers)

    assert (401, "unauthorized") == (answer.status_code, answer.json()["code"])


async def test_a_wrong_secret_does_not_hold(lines):
    """The key alone is nobody, with any other secret too."""
    name = lines.key.partition(":")[0]

    for shown in (f"{name}:", f"{name}:{'x' * 48}", f"{name}:é"):
        answer = await lines.send("m v=1", authorization=f"Token {shown}".encode())
        assert 401 == answer.status_code


async def test_a_key_that_may_not_make_assets_writes_only_what_is_there(lines):
    """Assets, aspects and variables are made by the caller's own right; the reason names the scope."""
    await lines.wrote(f"m,a=b v=1 {T0}")
    narrow = await lines.new_key(scopes=["iot.tim.w"])
    answer = await lines.send(f"m,a=b v=2 {T0 + 1}\nm,a=c v=3 {T0}\nm,a=b new=3 {T0 + 2}", key=narrow)

    assert 422 == answer.status_code
    assert (
        "there is no asset 'a=c', and the credential makes none: it lacks the scope asm.w"
        in (answer.json()["message"])
    )
    assert answer.json()["message"].endswith("dropped=2") or "dropped=3" in answer.json()["message"]
    none = await lines.send("m v=1", key=await lines.new_key(scopes=["iot.tim.r"]))
    assert (403, "forbidden") == (none.status_code, none.json()["code"])


async def test_a_rule_names_aspects_assets_and_variables(key_site):
    """By the rule a tag's value is the asset, by id or name, and names are mapped (IX-08)."""
    lines = await Lines(key_site, key_site.open).begin(
        assetTags=["mast"],
        otherTags="store",
        measurements={"wx": "weather"},
        fields={"t": "temperature"},
        unknownAssets="refuse",
        unknownVariables="refuse",
    )
    await lines.wrote(f"wx,mast={MAST},label=north t=1.5,level=4i {T0}")
    refused = await lines.send(
        f"wx,mast=none t=1 {T0}\nwx t=1 {T0}\nother,mast={MAST} t=1 {T0}\nwx,mast={MAST} q=1 {T0}"
    )

    assert [
        {"_time": at(-60_000), "temperature": 1.5, "level": 4, "label": "north"}
    ] == await lines.mast.rows()
    message = refused.json()["message"]
    for words in (
        "there is no asset 'none'",
        "the line has no tag 'mast'",
        "has no aspect 'other'",
        "field 'q': ",
    ):
        assert words in message
    assert message.endswith("dropped=4")


async def test_other_tags_are_not_lost_in_silence(key_site):
    """A tag that names no asset is refused where the rule does not say what it is (IX-08)."""
    lines = await Lines(key_site, key_site.open).begin(assetTags=["host"])
    answer = await lines.send(f"cpu,host=a,cpu=0 v=1 {T0}\ncpu,host=a v=2 {T0}")

    assert 422 == answer.status_code
    assert "the tag 'cpu' names no asset; add it to assetTags" in answer.json()["message"]
    assert [2.0] == [row["v"] for row in await lines.rows("a", "cpu")]


async def test_buckets_as_clients_ask_for_them(lines):
    """Find by name, delete, make again; deleting keeps what was written (IX-05)."""
    headers = {"authorization": f"Token {lines.key}"}
    http = lines.site.http
    await lines.wrote(f"m,a=b v=1 {T0}")

    [found] = (await http.get(BUCKETS, params={"name": "birds"}, headers=headers)).json()["buckets"]
    assert ("birds", lines.id, []) == (found["name"], found["id"], found["retentionRules"])
    assert 404 == (await http.get(BUCKETS, params={"name": "none"}, headers=headers)).status_code
    [org] = (await http.get("/api/v2/orgs", params={"org": "acme"}, headers=headers)).json()["orgs"]
    assert ("acme", found["orgID"]) == (org["name"], org["id"])
    assert 204 == (await http.delete(f"{BUCKETS}/{found['id']}", headers=headers)).status_code
    gone = await lines.send("m v=1")
    assert (404, 'bucket "birds" not found') == (gone.status_code, gone.json()["message"])
    again = await http.post(
        BUCKETS, json={"name": "birds", "orgID": org["id"], "retentionRules": []}, headers=headers
    )
    twice = await http.post(BUCKETS, json={"name": "birds", "orgID": org["id"]}, headers=headers)
    days = await http.post(
        BUCKETS, json={"name": "d", "retentionRules": [{"everySeconds": 86400}]}, headers=headers
    )
    assert (201, 409, 400) == (again.status_code, twice.status_code, days.status_code)
    assert 1 == len(await lines.rows("a=b", "m"))


async def test_databases_as_old_clients_ask_for_them(lines):
    """`SHOW DATABASES`, `CREATE DATABASE`; any other statement is refused by its name."""
    headers = {"authorization": f"Token {lines.key}"}
    http = lines.site.http

    made = await http.post("/query", data={"q": 'CREATE DATABASE "telegraf"'}, headers=headers)
    again = await http.post("/query", data={"q": "create database telegraf"}, headers=headers)
    shown = await http.get("/query", params={"q": "SHOW DATABASES"}, headers=headers)
    other = await http.get("/query", params={"q": "SELECT * FROM cpu"}, headers=headers)

    assert [(200, {"results": [{"statement_id": 0}]})] * 2 == [
        (each.status_code, each.json()) for each in (made, again)
    ]
    assert [["birds"], ["telegraf"]] == shown.json()["results"][0]["series"][0]["values"]
    assert 400 == other.status_code
    assert "this door does not know SELECT" in other.json()["error"]


async def test_what_clients_ask_a_server_first(lines):
    """`/ping`, `/ready` and `/health` answer without a credential; `/health` in two dialects (IX-04)."""
    http = lines.site.http

    for method in ("GET", "HEAD"):
        answer = await http.request(method, "/ping")
        assert (204, True) == (answer.status_code, bool(answer.headers["x-influxdb-version"]))
    assert {"status": "ready"} == (await http.get("/ready")).json()
    told = (await http.get("/health", headers={"authorization": "Token x"})).json()
    assert ("pass", "aspectstore") == (told["status"], told["name"])
    assert {"status": "UP"} == (await http.get("/health")).json()


async def test_inlets_are_changed_under_their_version(lines):
    """The rule of an inlet is a document with an ETag; another tenant's is not there."""
    path = f"{INLETS}/{lines.id}"
    kept = await lines.mast.send("GET", path)

    assert (200, {"name": "birds"}, '"0"') == (kept.status_code, kept.json(), kept.headers["etag"])
    rule = {"name": "birds", "assetTags": ["bird"]}
    assert 400 == (await lines.mast.send("PUT", path, rule)).status_code
    assert 200 == (await lines.mast.send("PUT", path, rule, if_match='"0"')).status_code
    assert 412 == (await lines.mast.send("PUT", path, rule, if_match='"0"')).status_code
    assert 400 == (await lines.mast.send("PUT", path, {"name": "other"}, if_match='"1"')).status_code
    assert 404 == (await lines.site.other.send("GET", path)).status_code
    bad = {"name": "_x", "asset": "a", "assetTags": ["b"], "fields": {"a": "1b"}, "parent": "x"}
    refused = await lines.mast.send("POST", INLETS, bad)
    assert {"/name", "/assetTags", "/fields", "/parent"} == {
        each["pointer"] for each in refused.json()["errors"]
    }
    assert 204 == (await lines.mast.send("DELETE", path, if_match='"1"')).status_code


async def test_inlets_are_apart(lines):
    """What two inlets are sent alike is of two assets, unless rules name one; queries see their own."""
    second = await lines.mast.send("POST", INLETS, {"name": "cats"})
    assert 201 == second.status_code
    await lines.wrote(f"m,a=b v=1 {T0}")
    await lines.wrote(f"other,a=b v=2 {T0}\nm,a=b v=3 {T0}", parameters={"bucket": "cats"})

    assert [1.0] == [row["v"] for row in await lines.rows("a=b", "m")]
    assert [3.0] == [row["v"] for row in await lines.rows("cats:a=b", "m")]
    headers = {"authorization": f"Token {lines.key}"}
    query = {"query": 'from(bucket: "birds") |> range(start: -1h) |> last()'}
    found = await lines.site.http.post("/api/v2/query", json=query, headers=headers)
    assert 1 == found.text.count(",v,")


async def test_assets_are_made_once_and_written_down(lines):
    """Two requests at once make one asset; the audit log tells that a write made something."""
    await asyncio.gather(*(lines.wrote(f"m,a=b v{number}=1 {T0}") for number in range(5)))

    [row] = await lines.rows("a=b", "m")
    assert 6 == len(row)
    log = (await lines.mast.send("GET", "/api/aspectstore/v1/audit")).json()
    assert any(
        "inlet.extend" == each["action"] for each in next(iter(log.values())) if isinstance(each, dict)
    )


async def test_an_asset_may_be_called_otherwise(lines):
    """Tags find it by what its `externalId` says of them, so lines go on into it (IX-08)."""
    await lines.wrote(f"m,a=b v=1 {T0}")
    await lines.mast.of(lines.assets()["a=b"]).rename("pump")
    await lines.wrote(f"m,a=b v=2 {T0 + 1}")

    assert [1, 2] == [row["v"] for row in await lines.rows("a=b", "m")]


async def test_what_one_tenant_makes_keeps_no_other_waiting(lines, monkeypatch):
    """A thousand assets take seconds; they are made in turns of each tenant's own (IX-07)."""
    other = await Lines(lines.site, lines.site.other).begin()
    service = lines.site.door.services.catalogue
    create, begun, go_on = service.create_asset, asyncio.Event(), asyncio.Event()

    async def slow(tenant, *given):
        if tenant == lines.mast.tenant:
            begun.set()
            await go_on.wait()
        return await create(tenant, *given)

    monkeypatch.setattr(service, "create_asset", slow)
    waiting = asyncio.ensure_future(lines.send(f"m,a=b v=1 {T0}"))
    await begun.wait()
    await other.wrote(f"m,a=b v=1 {T0}")
    go_on.set()

    assert 204 == (await waiting).status_code


async def test_statements_take_time_in_proportion(lines):
    """Blanks without number are read once (S9)."""
    headers = {"authorization": f"Token {lines.key}"}
    for text in ("SHOW DATABASES", "CREATE DATABASE x"):
        form = {"q": text + " " * 400_000 + "x"}
        answer = await lines.site.http.post("/query", data=form, headers=headers)
        assert 400 == answer.status_code
