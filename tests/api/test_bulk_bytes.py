"""Bulk import and read over a socket, as the Node SDK writes and reads them (wire 3, 13)."""

import json
import re

import pytest

from tests.api.bulk import BULK, Imports, old
from tests.api.served import served_site
from tests.api.test_series_bytes import Client


@pytest.fixture
async def imports():
    """A served door whose jobs run when a test says so."""
    async with served_site() as site:
        await site.step()
        made = Imports(site)
        made.client = Client(await site.connect(), site.open.headers["authorization"])
        yield made


async def test_an_import_byte_for_byte(imports):
    """201 with Location and a job **object**, the same members at every status (wire 3.1, 3.2)."""
    mast, client = imports.site.open, imports.client
    await imports.put_file(mast, "bulk/weather/2025.json", b'[{"_time":"%b","level":"7"}]' % old(0).encode())
    sent = (
        b'{"data":[{"entity":"%b","propertySetName":"weather","timeseriesFiles":'
        b'[{"filepath":"bulk/weather/2025.json","from":"%b","to":"%b"}]}]}'
    ) % (mast.asset.encode(), old(0).encode(), old(0).encode())

    status, headers, body = await client.send("POST", f"{BULK}/importJobs", sent)
    job_id = json.loads(body)["id"]
    await imports.run()
    after = await client.send("GET", f"{BULK}/importJobs/{job_id}")

    assert (201, "application/json") == (status, headers["content-type"])
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", job_id)
    assert f"{BULK}/importJobs/{job_id}" == headers["location"]
    time = rb'"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"'
    shape = rb'\{"id":"[-0-9a-f]{36}","status":"%b","message":"%b","startTime":%b,"lastModified":%b\}'
    assert re.fullmatch(shape % (b"SUBMITTED", rb"It waits\.", time, time), body)
    words = rb"1 records imported, 0 given twice\."
    assert (200, True) == (after[0], bool(re.fullmatch(shape % (b"SUCCESS", words, time, time), after[2])))


async def test_a_bulk_read_byte_for_byte(imports):
    """`{"records":[…],"nextRecord":"<url>"}`, without `nextRecord` at the end (wire 3.3)."""
    mast, client = imports.site.open, imports.client
    await mast.wrote([{"_time": old(number), "level": number} for number in range(2)])
    await imports.site.step()
    path = f"{BULK}/timeseries/{mast.asset}/weather"
    first = await client.send("GET", f"{path}?from={old(-1)}&to={old(1)}&limit=1")
    following = json.loads(first[2])["nextRecord"]
    last = await client.send("GET", following)

    record = b'{"_time":"%b","level":%d}'
    head = b'{"records":[%b],"nextRecord":"' % (record % (old(0).encode(), 0))
    assert (200, "application/json") == (first[0], first[1]["content-type"])
    assert first[2].startswith(head)
    assert following.startswith(f"{path}?from=")
    assert b'{"records":[%b]}' % (record % (old(1).encode(), 1)) == last[2]
    assert b'{"records":[]}' == (await client.send("GET", f"{path}?from={old(5)}&to={old(9)}"))[2]
