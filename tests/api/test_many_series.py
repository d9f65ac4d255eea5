"""Many series in one request, and the newest values of all assets (design 9)."""

from __future__ import annotations

import csv
import io
import json

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from api.http import formats
from api.http.negotiation import Format
from api.identity.passwords import Passwords
from api.identity.scopes import SERIES_READ
from api.identity.setup import Credentials, add_client
from api.series import querying, questions
from schemas.aspects import AspectType, Variable, VariableType
from schemas.assets import Asset, AssetType, TypeAspect
from schemas.ids import AspectId
from tests.api.doors import bearer, token_of
from tests.api.masts import MAST, SECOND, at, problems

QUERY = "/api/aspectstore/v1/query"
LATEST = "/api/aspectstore/v1/latest"
CSV, ARROW, PARQUET = (each.value for each in (Format.CSV, Format.ARROW, Format.PARQUET))


@pytest.fixture
async def masts(site):
    """Records of three series of one tenant, and of another tenant's."""
    site.second, site.tyres = site.open.of(SECOND), site.open.of(aspect="tyres")
    await site.open.wrote([{"_time": at(n), "level": n, "temperature": n / 2} for n in range(4)])
    await site.second.wrote([{"_time": at(1), "level": 10, "label": 'a "b"'}])
    await site.tyres.wrote([{"_time": at(2), "FRWheel": 2.5}])
    await site.other.wrote([{"_time": at(0), "level": 99}])
    return site


async def ask(mast, headers=None, **question):
    """Ask what must be answered."""
    answer = await mast.send("POST", QUERY, _body(question), **(headers or {}))
    assert answer.status_code == 200, answer.text
    return answer


def _body(question):
    return {name.rstrip("_"): value for name, value in question.items()}


def records(answer):
    """Give (asset, aspect) → records."""
    return {(each["assetId"], each["aspectName"]): each["records"] for each in answer.json()["series"]}


# -- queries ---------------------------------------------------------------------------------------


async def test_assets_and_aspects_name_the_series(masts):
    """Assets × aspects as far as they exist, in the order given; one list alone means all of the other."""
    both = await ask(masts.open, assets=[SECOND, MAST, SECOND], aspects=["weather"], to=at(9))
    aspects = await ask(masts.open, aspects=["weather"], to=at(9))
    assets = await ask(masts.open, assets=[MAST], to=at(9))

    assert [(SECOND, "weather"), (MAST, "weather")] == list(records(both))
    assert [(MAST, "weather"), (SECOND, "weather")] == list(records(aspects))
    assert [(MAST, "weather"), (MAST, "tyres"), (MAST, "wide")] == list(records(assets))
    assert records(both) == records(aspects)


async def test_each_series_is_answered_as_by_a_request_of_its_own(masts):
    """Range, limit, order and selection mean the same; `next` goes on where the page ends."""
    for question in (
        {"from_": at(0), "to": at(3)},
        {"to": at(9), "limit": 2},
        {"to": at(9), "limit": 2, "sort": "desc"},
        {"from_": at(9)},
        {},
    ):
        found = (await ask(masts.open, aspects=["weather"], **question)).json()["series"]
        for mast, each in zip((masts.open, masts.second), found, strict=True):
            single = await mast.get(**{name: str(value) for name, value in question.items()})
            assert single.json() == each["records"]
            assert ("link" in single.headers) is ("next" in each)
    assert (
        at(1) == (await ask(masts.open, aspects=["weather"], to=at(9), limit=2)).json()["series"][0]["next"]
    )
    down = await ask(masts.open, aspects=["weather"], to=at(9), limit=2, sort="desc")
    assert at(1) == down.json()["series"][0]["next"]


async def test_variables_choose_what_is_shown(masts):
    """An aspect that has none of them is left out."""
    answer = await ask(masts.open, assets=[MAST, SECOND], variables=["FRWheel", "label"], to=at(9))

    assert {
        (MAST, "weather"): [],
        (MAST, "tyres"): [{"_time": at(2), "FRWheel": 2.5}],
        (SECOND, "weather"): [{"_time": at(1), "label": 'a "b"'}],
        (SECOND, "tyres"): [],
    } == records(answer)


@pytest.mark.parametrize(
    ("question", "status", "pointers"),
    [
        ({}, 400, ["/assets"]),
        ({"assets": [], "aspects": []}, 400, ["/assets"]),
        ({"assets": ["b" * 32]}, 404, None),
        ({"assets": ["x"]}, 404, None),
        ({"assets": [MAST], "aspects": ["nothing"]}, 404, None),
        ({"aspects": ["nothing"]}, 404, None),
        ({"aspects": ["weather"], "variables": ["level", "x", "y"]}, 400, ["/variables/1", "/variables/2"]),
        ({"aspects": ["weather"], "variables": []}, 400, ["/variables"]),
        ({"aspects": ["weather"], "variables": ["level"] * (questions.NAMES_MAX + 1)}, 400, ["/variables"]),
        ({"aspects": ["weather"], "from": "x", "sort": "up"}, 400, ["/sort", "/from"]),
        ({"aspects": ["weather"], "limit": 0}, 400, ["/limit"]),
        ({"aspects": ["weather"], "limit": 2_001}, 400, ["/limit"]),
        ({"aspects": ["weather"], "unknown": 1}, 400, [""]),
        ({"aspects": "weather"}, 400, ["/aspects"]),
        ({"assets": ["a"] * 1_001}, 400, ["/assets"]),
        ({"assets": [MAST], "aspects": [str(n) for n in range(1_001)]}, 400, ["/aspects"]),
    ],
)  # fmt: skip
async def test_wrong_questions_are_refused(masts, question, status, pointers):
    """With the place in the body; another tenant's assets are unknown ones (MS-31)."""
    answer = await masts.open.send("POST", QUERY, question)

    assert status == answer.status_code, answer.text
    if pointers is not None:
        assert pointers == [pointer for pointer, _ in problems(answer)]


async def test_the_number_of_series_is_limited(masts, monkeypatch):
    """Counted after the lists are spelled out."""
    monkeypatch.setattr(questions, "QUERY_SERIES_MAX", 2)

    allowed = await masts.open.send("POST", QUERY, {"aspects": ["weather"]})
    refused = await masts.open.send("POST", QUERY, {"assets": [MAST]})

    assert [200, 400] == [allowed.status_code, refused.status_code]


async def test_a_tenant_sees_its_own_series_only(masts):
    """Same ids, same aspect names, another tenant."""
    answer = await ask(masts.other, aspects=["weather"], to=at(9))

    assert {(MAST, "weather"): [{"_time": at(0), "level": 99}], (SECOND, "weather"): []} == records(answer)


@pytest.mark.parametrize("media", [CSV, ARROW, PARQUET])
async def test_tables_name_the_series_in_each_row(masts, media):
    """One table: labels, time, and every variable of all the aspects asked for."""
    answer = await ask(
        masts.open,
        {"accept": media},
        assets=[MAST, SECOND],
        variables=["level", "label", "FRWheel"],
        to=at(9),
    )

    rows = _rows(answer)
    heads = ["assetId", "aspectName", "_readPosition", "_time", "level", "label", "FRWheel"]
    assert heads == list(rows[0])
    expected = [(MAST, "weather", n, None, None) for n in range(4)]
    expected += [(MAST, "tyres", None, None, 2.5), (SECOND, "weather", 10, 'a "b"', None)]
    assert expected == [
        (row["assetId"], row["aspectName"], row["level"], row["label"], row["FRWheel"]) for row in rows
    ]


def _rows(answer):
    media = answer.headers["content-type"]
    if media == ARROW:
        return pa.ipc.open_stream(answer.content).read_all().to_pylist()
    if media == PARQUET:
        return pq.read_table(io.BytesIO(answer.content)).to_pylist()
    types = {"level": int, "FRWheel": float, "temperature": float}
    return [
        {name: types.get(name, str)(text) if text else None for name, text in row.items()}
        for row in csv.DictReader(io.StringIO(answer.text))
    ]


async def test_names_of_different_types_make_no_table(masts):
    """Numbers widen; a number here and a text there are 400 for a table, and no trouble for JSON."""
    aspect = AspectType(
        id="acme.odd", tenant="acme", name="odd", category="dynamic",
        variables=(Variable(id=1, name="level", type=VariableType.DOUBLE),
                   Variable(id=2, name="label", type=VariableType.INT)),
    )  # fmt: skip
    held = TypeAspect(name="odd", aspect_type_id="acme.odd", aspect_id=AspectId("7" * 32))
    kind = AssetType(id="acme.Odd", tenant="acme", name="Odd", aspects=(held,))
    asset = Asset(id="f" * 32, tenant="acme", name="O", type_id="acme.Odd")
    for name, key, document in (
        ("aspecttype", aspect.id, aspect), ("assettype", kind.id, kind), ("asset", asset.id, asset)
    ):  # fmt: skip
        await masts.catalog.create("acme", name, key, msgspec.json.encode(document))
    await masts.open.of("f" * 32, "odd").put([{"_time": at(5), "level": 0.5, "label": 1}])
    question = {"assets": [MAST, "f" * 32], "aspects": ["weather", "odd"], "to": at(9)}

    levels = await ask(masts.open, {"accept": CSV}, **question, variables=["level"])
    refused = await masts.open.send("POST", QUERY, question, accept=CSV)
    as_json = await ask(masts.open, **question)

    assert ["0.0", "1.0", "2.0", "3.0", "0.5"] == [
        row["level"] for row in csv.DictReader(io.StringIO(levels.text))
    ]
    assert (400, ["/variables"]) == (refused.status_code, [pointer for pointer, _ in problems(refused)])
    assert [{"_time": at(5), "level": 0.5, "label": 1}] == records(as_json)["f" * 32, "odd"]


async def test_a_query_is_as_fresh_as_single_reads(masts):
    """Acknowledged is in it; where it may not be, each series says so (design 4.17)."""
    receipt = await masts.open.wrote([{"_time": at(5), "level": 5}])
    fresh = await ask(masts.open, {"read_after": receipt}, aspects=["weather"], variables=["level"])
    await masts.step()
    masts.stream.stop()

    blind = await ask(masts.open, aspects=["weather"])
    table = await ask(masts.open, {"accept": CSV}, aspects=["weather"])

    assert [{"_time": at(5), "level": 5}] == records(fresh)[MAST, "weather"]
    assert all("readPosition" not in each for each in fresh.json()["series"])
    position = str(masts.series.places("acme", receipt)[0].position)
    assert position in {each["readPosition"] for each in blind.json()["series"]}
    assert position in {row["_readPosition"] for row in csv.DictReader(io.StringIO(table.text))}
    masts.series.receipts.wait_s = 0.0
    missed = await masts.open.send("POST", QUERY, {"aspects": ["nothing"]}, read_after="x")
    assert 404 == missed.status_code


async def test_pages_are_read_some_ahead_and_no_more(masts, monkeypatch):
    """At most so many series are under way, and the answer keeps their order."""
    monkeypatch.setattr(querying, "PAGES_AT_ONCE", 2)
    monkeypatch.setattr(formats, "STREAMED_BYTES_MIN", 1)
    under_way, most = 0, 0
    read = masts.stream.read_tail

    async def counted(shard, series):
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        try:
            return await read(shard, series)
        finally:
            under_way -= 1

    masts.stream.read_tail = counted

    answer = await ask(masts.open, assets=[MAST, SECOND], to=at(9))

    assert [(asset, aspect) for asset in (MAST, SECOND) for aspect in ("weather", "tyres", "wide")] == list(
        records(answer)
    )
    assert 1 <= most <= 2


# -- aggregates ------------------------------------------------------------------------------------


async def test_aggregates_of_many_series(masts):
    """Each as the own route for aggregates gives it alone (MS-60)."""
    ends = {"from": at(0, hours=-1), "to": at(0, hours=1)}
    wanted = {"unit": "hour", "functions": ["sum", "countgood"], "timezone": "Asia/Kolkata"}

    answer = await masts.open.send(
        "POST", QUERY, {"aspects": ["weather"], "variables": ["level"], **ends, "aggregate": wanted}
    )

    assert 200 == answer.status_code, answer.text
    found = answer.json()["series"]
    for mast, each in zip((masts.open, masts.second), found, strict=True):
        single = await mast.send(
            "GET", "/api/aspectstore/v1/aggregates", None,
            {"assetId": mast.asset, "aspectName": "weather", "select": "level", "intervalUnit": "hour",
             "intervalValue": "1", "functions": "sum,countgood", "timezone": "Asia/Kolkata", **ends},
        )  # fmt: skip
        assert (mast.asset, "weather", single.json()["aggregates"]) == (
            each["assetId"], each["aspectName"], each["aggregates"]
        )  # fmt: skip
    assert 6 == sum(item["level"]["sum"] for item in found[0]["aggregates"])


@pytest.mark.parametrize(
    ("changes", "status", "pointers"),
    [
        ({"from": None}, 400, ["/from"]),
        ({"limit": 5, "sort": "asc"}, 400, ["/limit", "/sort"]),
        ({"from": "x"}, 400, None),
        ({"aggregate": {"unit": "fortnight"}}, 400, None),
        ({"aggregate": {"unit": "hour", "functions": ["guess"]}}, 400, None),
        ({"aggregate": {"unit": "minute", "value": 2}, "from": "1970-01-01T00:00:00Z"}, 400, ["/aggregate"]),
        ({"variables": ["nothing"]}, 400, ["/variables/0"]),
        ({"accept": CSV}, 406, None),
    ],
)
async def test_wrong_questions_for_aggregates_are_refused(masts, changes, status, pointers):
    """Both ends are named; the intervals of all series together have a limit."""
    question = {"aspects": ["weather"], "from": at(0, hours=-1), "to": at(0), "aggregate": {"unit": "hour"}}
    question |= changes
    accept = {"accept": question.pop("accept")} if "accept" in question else {}

    answer = await masts.open.send("POST", QUERY, question, **accept)

    assert status == answer.status_code, answer.text
    if pointers is not None:
        assert pointers == [pointer for pointer, _ in problems(answer)]


async def test_aggregates_need_their_scope(masts):
    """A token that may read series only is refused them."""
    await add_client(masts.catalog, Passwords(8), Credentials("acme", "reader", "x"), (SERIES_READ,))
    reader = masts.open.of()
    reader.headers = bearer(await token_of(masts.http, "reader", "x"))
    question = {"aspects": ["weather"], "from": at(0, hours=-1), "to": at(0)}

    plain = await reader.send("POST", QUERY, question)
    refused = await reader.send("POST", QUERY, {**question, "aggregate": {"unit": "hour"}})

    assert [200, 403] == [plain.status_code, refused.status_code]


# -- the newest values of all assets ---------------------------------------------------------------


async def latest(mast, headers=None, **parameters):
    """Ask for newest values, which must be there."""
    answer = await mast.send("GET", LATEST, None, parameters, **(headers or {}))
    assert answer.status_code == 200, answer.text
    return answer


@pytest.mark.parametrize("stored", [False, True], ids=["tail", "cache"])
async def test_newest_values_of_all_assets(masts, stored):
    """Each asset as `latestValue=true` shows it, with or without the caches."""
    if stored:
        await masts.step()

    answer = await latest(masts.open, aspect="weather")
    selected = await latest(masts.open, aspect="weather", select="label")

    singles = {
        (mast.asset, "weather"): (await mast.get(latestValue="true")).json()
        for mast in (masts.open, masts.second)
    }
    assert singles == records(answer)
    assert {(MAST, "weather"): [], (SECOND, "weather"): [{"_time": at(1), "label": 'a "b"'}]} == records(
        selected
    )
    assert "next" not in answer.json()
    assert "link" not in answer.headers


async def test_pages_of_newest_values(masts):
    """By asset id; `next` and the link lead on until they are gone."""
    first = await latest(masts.open, aspect="weather", select="level", limit="1")
    second = await masts.open.send("GET", first.headers["link"].partition(">")[0][1:])
    beyond = await latest(masts.open, aspect="weather", after=SECOND)

    assert (MAST, [MAST]) == (first.json()["next"], [each["assetId"] for each in first.json()["series"]])
    assert [(SECOND, "weather")] == list(records(second))
    assert [{"_time": at(1), "level": 10}] == records(second)[SECOND, "weather"]
    assert "next" not in second.json()
    assert {} == records(beyond)


@pytest.mark.parametrize("media", [CSV, ARROW, PARQUET])
async def test_newest_values_as_a_table(masts, media):
    """The rows of many assets are one piece."""
    rows = _rows(await latest(masts.open, {"accept": media}, aspect="weather", select="level"))

    assert [(MAST, 3), (SECOND, 10)] == [(row["assetId"], row["level"]) for row in rows]


async def test_the_strict_profile_bounds_newest_values(site):
    """As for a single asset: between one month and two hours ago (MS-44)."""
    await site.strict.wrote([{"_time": at(0, hours=-3), "level": 1}, {"_time": at(0), "level": 2}])

    answer = await latest(site.strict, aspect="weather")

    assert [{"_time": at(0, hours=-3), "level": 1}] == records(answer)[MAST, "weather"]


@pytest.mark.parametrize(
    ("parameters", "status"),
    [
        ({}, 400), ({"aspect": "nothing"}, 404), ({"aspect": "weather", "after": "x"}, 400),
        ({"aspect": "weather", "limit": "0"}, 400), ({"aspect": "weather", "limit": "1001"}, 400),
        ({"aspect": "weather", "select": "x"}, 400), ({"aspect": "weather", "page": "1"}, 400),
    ],
)  # fmt: skip
async def test_wrong_questions_for_newest_values_are_refused(site, parameters, status):
    """Unknown parameters too (design 8.22)."""
    assert status == (await site.open.send("GET", LATEST, None, parameters)).status_code


async def test_a_table_of_several_series_says_which(masts):
    """The metadata list every series, also those without a row."""
    table = pa.ipc.open_stream(
        (await latest(masts.open, {"accept": ARROW}, aspect="tyres")).content
    ).read_all()

    named = json.loads(table.schema.metadata[b"aspectstore.series"])
    assert [(MAST, "tyres"), (SECOND, "tyres")] == [(each["assetId"], each["aspectName"]) for each in named]
    assert 1 == table.num_rows
