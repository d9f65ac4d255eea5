"""The Python client against a stand-in of the service: what it sends, reads, repeats and raises."""

import asyncio

import httpx
import pytest

import client as package
from client import AsyncClient, Client, calls, transport
from client.models import Pair, Variable
from tests.client import fake_service

T0, T1, T2 = (f"2026-01-01T00:0{minute}:00.000Z" for minute in range(3))


@pytest.fixture
def fake():
    """Give an empty stand-in."""
    return fake_service.FakeService()


@pytest.fixture
def waits():
    """Collect the seconds that a client waits instead of waiting."""
    return []


@pytest.fixture
def client(fake, waits):
    """Give a client of the stand-in, on a clock that stands still."""
    with Client(
        "http://testserver", "loader", "s3cret", transport=fake.transport, sleep=waits.append, now=lambda: 0.0
    ) as made:
        yield made


@pytest.fixture
def asset(client):
    """Create the types and an asset with the aspect `wind`."""
    client.create_aspect_type("acme.wind", "wind", [Variable("speed", "DOUBLE", quality_code=True)])
    client.create_asset_type("acme.mast", "mast", {"wind": "acme.wind"})
    return client.create_asset("mast", "acme.mast").asset_id


def test_types_and_assets_are_created_read_and_listed(client, asset):
    """Aspect types, asset types and assets come back as they were made; lists go through every page."""
    for number in range(3):
        client.create_asset(f"more{number}", "acme.mast")

    assert client.get_aspect_type("acme.wind").variables == [Variable("speed", "DOUBLE", quality_code=True)]
    assert client.get_asset_type("acme.mast").aspects[0].aspect_type.id == "acme.wind"
    assert client.get_asset(asset).name == "mast"
    assert [one.name for one in client.list_assets()] == ["mast", "more0", "more1", "more2"]
    assert [one.asset_id for one in client.list_assets('{"name":{"eq":"mast"}}')] == [asset]
    assert [one.id for one in client.list_aspect_types()] == ["acme.wind"]
    assert [one.id for one in client.list_asset_types()] == ["acme.mast"]


def test_records_are_put_patched_read_and_deleted(client, asset):
    """PUT replaces, PATCH merges, null removes, DELETE takes (from, to]; the receipt comes back."""
    written = client.put_records(asset, "wind", [{"_time": T0, "speed": 1.5}, {"_time": T1, "speed": 2.5}])
    merged = client.patch_records(asset, "wind", [{"_time": T0, "speed_qc": 0}], wait=True)
    client.delete_records(asset, "wind", T0, T1)

    assert written.receipt.startswith("r")
    assert written.applied is None
    assert merged.applied is True
    assert list(client.read_all(asset, "wind", start="2025")) == [{"_time": T0, "speed": 1.5, "speed_qc": 0}]


def test_reading_follows_the_link_to_the_last_page_on_its_own_server_only(fake, client, asset):
    """Every page is read, and the link's origin is never asked."""
    records = [{"_time": f"2026-01-01T00:00:{second:02}.000Z", "speed": second} for second in range(25)]
    client.put_records(asset, "wind", records)
    fake.page_limit = 10

    read = list(client.read_all(asset, "wind", start="2025", select=["speed"]))

    assert read == records
    assert sum(method == "GET" and "/wind" in target for method, target in fake.requests) == 3
    assert calls.next_path('<http://evil.example/x?from=a%2Bb>; rel="next"') == "/x?from=a%2Bb"
    assert calls.next_path("") is None


def test_newest_record_and_latest_values_are_read(client, asset):
    """Without a range the newest record comes back."""
    client.put_records(asset, "wind", [{"_time": T0, "speed": 1}, {"_time": T1, "speed": 2}])

    assert client.read(asset, "wind").records == [{"_time": T1, "speed": 2}]
    assert client.latest(asset, "wind") == [{"_time": T1, "speed": 2}]


def test_several_series_are_written_at_once_each_on_its_own(client, asset):
    """A multiple PUT names the refused pairs and gives a receipt for each stored one."""
    pairs = [
        Pair(asset, "wind", [{"_time": T0, "speed": 1}]),
        Pair("0" * 32, "wind", [{"_time": T0, "speed": 1}]),
    ]

    both, one = client.put_many(pairs), client.put_many(pairs[:1])

    assert (both.receipts, [refused.status_code for refused in both.refused]) == (["r1", "-"], [404])
    assert (one.receipts, one.refused) == (["r1"], [])


def test_token_is_fetched_once_and_again_before_it_ends(fake):
    """One token serves many calls; it is renewed 30 s before its end."""
    now = [0.0]
    with Client("http://x", "loader", "s3cret", transport=fake.transport, now=lambda: now[0]) as client:
        client.get_asset("root")
        client.get_asset("root")
        before = fake.tokens
        now[0] = 1799 - 29
        client.get_asset("root")

    assert (before, fake.tokens) == (1, 2)


def test_token_that_no_longer_holds_is_replaced_once(fake, client):
    """A 401 to a call fetches one new token; a second 401 is the answer."""
    client.get_asset("root")
    unauthorized = fake_service.refusal(401, "c", "m")

    fake.refusals[:] = [unauthorized]
    assert client.get_asset("root").name == "acme"

    fake.refusals[:] = [unauthorized, unauthorized]
    with pytest.raises(package.Unauthorized):
        client.get_asset("root")


def test_wrong_credentials_are_refused_with_the_reason(fake):
    """The token route's own error shape is read."""
    with (
        Client("http://x", "loader", "wrong", transport=fake.transport) as client,
        pytest.raises(package.Unauthorized, match="Bad credentials"),
    ):
        client.get_asset("root")


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, package.BadRequest),
        (403, package.Forbidden),
        (404, package.NotFound),
        (409, package.Conflict),
        (410, package.Gone),
        (412, package.PreconditionFailed),
        (413, package.TooLarge),
        (415, package.BadRequest),
        (422, package.BadRequest),
        (500, package.Unavailable),
    ],
)
def test_refusals_are_typed_and_not_repeated(fake, client, waits, status, kind):
    """Each status has its class, which carries code, message, reference and pointer."""
    fake.refusals[:] = [fake_service.refusal(status, "some.code", "Some words.")]

    with pytest.raises(kind, match=f"Some words. .HTTP {status}, some.code, logref ref1") as refused:
        client.get_asset("root")

    assert (refused.value.status, refused.value.code, refused.value.problems[0].pointer) == (
        status,
        "some.code",
        "/0",
    )
    assert waits == []


def test_refusal_without_a_readable_body_is_still_typed(fake, client):
    """A proxy's page in place of our error does not break the client."""
    fake.refusals[:] = [(404, {}, b"<html>"), (200, {}, b"<html>"), (200, {}, b"\xff")]

    with pytest.raises(package.NotFound, match="no reason"):
        client.get_asset("root")
    for _ in range(2):
        with pytest.raises(package.UnreadableAnswer):
            client.get_asset("root")


@pytest.mark.parametrize("status", [429, 503])
def test_busy_answers_are_repeated_as_the_server_says(fake, client, waits, status):
    """429 and 503 are repeated after `Retry-After`, or after growing pauses without it."""
    busy = fake_service.refusal(status, "c", "m", Retry_After="3")
    bare = fake_service.refusal(status, "c", "m")
    fake.refusals[:] = [busy, bare, bare]

    assert client.get_asset("root").name == "acme"
    assert waits == [3.0, 0.5, 1.0]


def test_repeats_are_bounded(fake, client, waits):
    """After a minute of waiting in all, or eight attempts, the refusal is the answer."""
    fake.refusals[:] = [fake_service.refusal(429, "c", "m", Retry_After="25")] * 8

    with pytest.raises(package.TooManyRequests) as refused:
        client.get_asset("root")

    assert waits == [25.0, 25.0]
    assert refused.value.retry_after_s == 25.0

    waits.clear()
    fake.refusals[:] = [fake_service.refusal(503, "c", "m")] * 20
    with pytest.raises(package.Unavailable):
        client.get_asset("root")
    assert len(waits) == 7
    assert sum(waits) <= 60


def test_broken_connection_is_repeated_only_where_twice_is_once(fake, client, asset, waits):
    """A PUT of records is repeated; a POST that may have made an asset is not."""
    fake.refusals[:] = [httpx.ReadError("cut"), httpx.ConnectError("down")]
    client.put_records(asset, "wind", [{"_time": T0, "speed": 1}])
    assert waits == [0.25, 0.5]

    client.get_asset("root")
    fake.refusals[:] = [httpx.ReadError("cut")]
    with pytest.raises(package.CannotConnect, match="no answer from http://testserver to POST"):
        client.create_asset("twin", "acme.mast", parent_id="f" * 32)


def test_nobody_there_is_one_error(waits):
    """A closed port is CannotConnect, after the bounded repeats."""
    with (
        Client("http://127.0.0.1:1", "a", "b", sleep=waits.append) as client,
        pytest.raises(package.CannotConnect, match=r"no answer from http://127\.0\.0\.1:1"),
    ):
        client.health()

    assert sum(waits) <= 60


def test_nothing_is_repeated_without_patience(fake, waits):
    """With no patience the first refusal or broken connection is the answer."""
    with Client(
        "http://x", "loader", "s3cret", transport=fake.transport, sleep=waits.append, patience_s=0
    ) as client:
        client.token()
        fake.refusals[:] = [fake_service.refusal(503, "c", "m"), httpx.ConnectError("down")]
        with pytest.raises(package.Unavailable):
            client.get_asset("root")
        with pytest.raises(package.CannotConnect):
            client.get_asset("root")

    assert waits == []


async def test_awaiting_client_does_the_same(fake):
    """The twin shares the rules: token, creation, writing, paging, repeats."""
    waits = []

    async def sleep(seconds):
        waits.append(seconds)

    async with AsyncClient("http://x", "loader", "s3cret", transport=fake.transport, sleep=sleep) as client:
        await client.create_aspect_type("acme.wind", "wind", [Variable("speed", "DOUBLE")])
        await client.create_asset_type("acme.mast", "mast", {"wind": "acme.wind"})
        made = await client.create_asset("mast", "acme.mast")
        fake.refusals[:] = [fake_service.refusal(503, "c", "m", Retry_After="2"), httpx.ReadError("cut")]
        records = [{"_time": time, "speed": 1} for time in (T0, T1, T2)]
        await client.put_records(made.asset_id, "wind", records)
        fake.page_limit = 1
        read = [record async for record in client.read_all(made.asset_id, "wind", start="2025")]
        names = [one.name async for one in client.list_assets()]
        with pytest.raises(package.NotFound):
            await client.get_asset("0" * 32)

    assert (read, names, waits) == (records, ["mast"], [2.0, 0.5])


async def test_many_calls_at_once_fetch_one_token(fake):
    """Calls that start together share the first token."""
    async with AsyncClient("http://x", "loader", "s3cret", transport=fake.transport) as client:
        await asyncio.gather(*[client.get_asset("root") for _ in range(10)])

    assert fake.tokens == 1


def test_both_clients_offer_the_same_methods():
    """What the blocking client can, the awaiting one can."""
    names = {name for name in vars(Client) if not name.startswith("_")}

    assert names == {name for name in vars(AsyncClient) if not name.startswith("_")}


@pytest.mark.parametrize(
    ("url", "loopback"),
    [
        ("http://127.0.0.1:8080", True),
        ("http://127.8.0.1", True),
        ("http://localhost:1", True),
        ("http://[::1]:8080", True),
        ("http://example.org", False),
        ("http://10.0.0.1", False),
    ],
)
def test_proxy_variables_are_ignored_for_loopback(url, loopback):
    """A proxy of the environment is for other machines only."""
    assert transport.options(url)["trust_env"] is not loopback
