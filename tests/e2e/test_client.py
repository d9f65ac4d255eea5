"""The Python client against a whole service: the conversations that its unit tests hold with a stand-in."""

import json
import secrets

import pytest

from client import BadRequest, NotFound, PreconditionFailed, Unauthorized, Variable
from client.blocking import Client
from client.models import Pair
from client.nonblocking import AsyncClient
from tests.e2e.conftest import CREDENTIALS

T0, T1, T2 = (f"2026-01-01T00:0{minute}:00.000Z" for minute in range(3))
BEFORE = "2025-12-31T00:00:00Z"
VARIABLES = [Variable("speed", "DOUBLE", "m/s", quality_code=True), Variable("count", "LONG")]


@pytest.fixture(scope="module")
def types(service):
    """The types of an asset with the aspect `wind`, made through the client."""
    with Client(service.url, CREDENTIALS.client, CREDENTIALS.secret) as client:
        client.create_aspect_type("acme.breeze", "breeze", VARIABLES)
        client.create_asset_type("acme.vane", "vane", {"wind": "acme.breeze"})


@pytest.fixture
def asset(client, types):
    """A new asset with the aspect `wind`."""
    return client.create_asset(f"vane-{secrets.token_hex(4)}", "acme.vane").asset_id


def test_types_and_assets_come_back_as_they_were_made(client, asset):
    """Created, read, listed and found by name; twice is refused, what is not there is NotFound."""
    assert client.get_aspect_type("acme.breeze").variables == VARIABLES
    assert "wind" in [one.name for one in client.get_asset_type("acme.vane").aspects]
    assert client.get_asset(asset).type_id == "acme.vane"
    name = client.get_asset(asset).name
    assert [one.asset_id for one in client.list_assets(json.dumps({"name": {"eq": name}}))] == [asset]
    assert "acme.breeze" in [one.id for one in client.list_aspect_types()]
    assert "acme.vane" in [one.id for one in client.list_asset_types()]
    with pytest.raises(PreconditionFailed):
        client.create_aspect_type("acme.breeze", "breeze", VARIABLES)
    with pytest.raises(NotFound):
        client.get_asset("0" * 32)


def test_series_are_written_merged_read_and_deleted(client, asset):
    """PUT, PATCH, GET with paging, latest and DELETE, each seen by the next read."""
    records = [
        {"_time": time, "speed": number + 0.5, "count": number} for number, time in enumerate((T0, T1, T2))
    ]
    assert client.put_records(asset, "wind", records).receipt
    assert list(client.read_all(asset, "wind", start=BEFORE, limit=1)) == records

    client.patch_records(asset, "wind", [{"_time": T2, "count": None, "speed": 9.5, "speed_qc": 192}])
    newest = {"_time": T2, "speed": 9.5, "speed_qc": "192"}
    assert client.read(asset, "wind").records == [newest]
    assert {"_time": T1, "count": 1} in client.latest(asset, "wind")

    client.delete_records(asset, "wind", T0, T1)
    assert list(client.read_all(asset, "wind", start=BEFORE)) == [records[0], newest]


def test_write_can_wait_for_the_store_and_a_read_for_a_write(client, asset):
    """`wait` tells whether the store has it; a receipt makes freshness of a read a must."""
    written = client.put_records(asset, "wind", [{"_time": "2026-02-01T00:00:00Z", "count": 7}], wait=True)

    assert written.applied is True
    assert client.read(asset, "wind", after=written.receipt).records[0]["count"] == 7


def test_pairs_are_stored_or_refused_one_by_one(client, asset):
    """A multiple PUT stores the good pair and names the bad one."""
    good = Pair(asset, "wind", [{"_time": "2026-03-01T00:00:00Z", "count": 1}])

    answer = client.put_many([good, Pair("0" * 32, "wind", good.data)])

    assert (len(answer.receipts), answer.receipts[1]) == (2, "-")
    assert [refused.entity_id for refused in answer.refused] == ["0" * 32]


def test_refused_records_name_the_place(client, asset):
    """A wrong type is refused with a pointer, and nothing of the body is stored."""
    with pytest.raises(BadRequest) as refused:
        client.put_records(
            asset, "wind", [{"_time": "2026-04-01T00:00:00Z", "count": 1}, {"_time": T0, "count": "x"}]
        )

    assert refused.value.problems[0].pointer == "/1/count"
    assert client.read(asset, "wind", start=BEFORE).records == []


def test_wrong_secret_is_refused(service):
    """Bad credentials are Unauthorized, with the words of the token route."""
    with Client(service.url, CREDENTIALS.client, "wrong") as client, pytest.raises(Unauthorized):
        client.get_asset("root")


async def test_awaiting_client_speaks_the_same(service, client, asset):
    """The twin reads what the other one wrote."""
    records = [{"_time": time, "count": 1} for time in (T0, T1)]
    client.put_records(asset, "wind", records)

    async with AsyncClient(service.url, CREDENTIALS.client, CREDENTIALS.secret) as twin:
        read = [record async for record in twin.read_all(asset, "wind", start=BEFORE, limit=1)]
        made = await twin.get_asset(asset)

    assert (read, made.type_id) == (records, "acme.vane")
