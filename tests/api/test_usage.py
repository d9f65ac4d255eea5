"""The usage API: limits as they stand, counters by day, own tenant or any for the platform (design 9.4)."""

from __future__ import annotations

from tests.api.limited import USAGE, charge, limit, records
from tests.api.test_quotas import second_door

DAY = "2026-01-01"


async def usage(site, mast, path=USAGE):
    """Ask what a tenant uses."""
    answer = await mast.send("GET", path)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_days_count_what_was_done(site):
    """Requests, records and bytes by day, this moment's included, newest first, for every tenant."""
    body = records(3)
    await site.other.put(body)
    await site.other.get()
    first = await usage(site, site.other)
    site.clock.advance(24 * 3_600_000)
    await site.renew()
    await site.other.put(records(2))

    second = await usage(site, site.other)

    size = len(b'[{"_time": "2026-01-01T00:00:00.000Z", "level": 0}, ') * 3 - 0
    [today] = first["days"]
    assert (DAY, 3, 3) == (today["day"], today["requests"], today["records"])
    assert abs(today["bytes"] - size) <= 3
    assert [("2026-01-02", 2), (DAY, 3)] == [(day["day"], day["records"]) for day in second["days"]]


async def test_limits_as_they_stand(site):
    """Each budget of the policy, and what no time gives back, used or not."""
    await limit(site, site.other, recordsPerS=10, recordsBurst=20, seriesMax=100)
    await site.other.put(records(15))
    await site.stream.tell_stored("other", 0, 77)

    found = await usage(site, site.other)

    assert found["policy"].startswith("policy-")
    assert [
        {"rule": "records", "limit": 20, "used": 15, "reset": 2},
        {"rule": "backlog", "limit": None, "used": 0, "reset": None},
        {"rule": "series", "limit": 100, "used": 6, "reset": None},
        {"rule": "stored", "limit": None, "used": 77, "reset": None},
        {"rule": "files_bytes", "limit": None, "used": 0, "reset": None},
    ] == found["limits"]


async def test_what_other_doors_took_is_used(site):
    """The usage is the installation's, not the door's."""
    await limit(site, site.other, recordsPerS=0.001, recordsBurst=20)
    second = second_door(site)
    second.of("other").take_write(5, 100, second.now_us(), late=False)
    await second.charge(everything=True)
    await site.other.put(records(4))

    [records_of, *_] = (await usage(site, site.other))["limits"]

    assert ("records", 9) == (records_of["rule"], records_of["used"])


async def test_a_tenant_sees_its_own(site):
    """What another tenant does is not in it; a new tenant has done nothing."""
    await site.open.put(records(3))
    await charge(site)

    [today] = (await usage(site, site.other))["days"]

    assert (1, 0) == (today["requests"], today["records"])


async def test_the_platform_sees_any(site):
    """The admin of the installation asks for a tenant by name; an unknown one is 404."""
    await site.other.put(records(3))

    found = await usage(site, site.open, "/api/aspectstore/v1/tenants/other/usage")
    unknown = await site.open.send("GET", "/api/aspectstore/v1/tenants/nobody/usage")

    assert 3 == found["days"][0]["records"]
    assert 404 == unknown.status_code
