"""Records of the quarantine end with their time, and with their tenant (wire 6.5, design 4.16)."""

from __future__ import annotations

import msgspec
import pytest

from schemas.durations import DAY_MS
from schemas.erasures import PROVED, is_clean
from schemas.limits import FILE_ORPHAN_AGE_MS_MIN, QUARANTINE_AGE_MS_MAX
from schemas.quarantine import KIND, LOSSES_ID, LOSSES_KIND, Losses, Quarantined
from tests.workers.houses import a_tenant, open_house
from tests.workers.world import START_MS
from workers.expiring import expire
from workers.proof import prove

KINDS = ["memory", "sqlite", pytest.param("cassandra", marks=pytest.mark.cassandra)]


@pytest.fixture(params=KINDS)
async def house(request, tmp_path):
    """An installation over each store."""
    server = request.getfixturevalue("cassandra") if request.param == "cassandra" else None
    async with open_house(request.param, tmp_path, server) as opened:
        yield opened


async def keep(house, tenant, number, age_ms=0):
    """Keep a record of this age; gives its content."""
    content = await house.keep_content(tenant, b"message %d" % number)
    record = Quarantined(
        id=f"record-{number}", tenant=tenant, agent="a" * 32, correlation_id="c",
        request_ms=START_MS - age_ms, reason="no mapping", values=1, boundary="b", content=content,
    )  # fmt: skip
    await house.ports.catalog.create(tenant, KIND, record.id, msgspec.json.encode(record))
    return content


async def left(house, tenant):
    """Give the ids of the records of a tenant, and of its contents."""
    rows = await house.ports.catalog.list(tenant, KIND)
    kept = await house.ports.files.kept(tenant)
    return [row.id for row in rows], {each.content.id for each in kept}


async def test_only_what_is_over_goes(house):
    """A record of thirty days goes with its message, one that is younger stays; once more is harmless."""
    tenant = a_tenant()
    young = await keep(house, tenant, 1, QUARANTINE_AGE_MS_MAX)
    await keep(house, tenant, 2, QUARANTINE_AGE_MS_MAX + 1)
    ports = house.ports

    first = await expire(ports.catalog, ports.files, tenant, START_MS)
    second = await expire(ports.catalog, ports.files, tenant, START_MS)

    assert (first, second) == (1, 0)
    assert await left(house, tenant) == (["record-1"], {young.id})


async def test_the_eraser_looks_once_a_day(house):
    """Records go without anybody asking, and what a living record names is nobody's orphan."""
    tenant = a_tenant()
    await house.furnish(tenant)
    await keep(house, tenant, 1, QUARANTINE_AGE_MS_MAX + 1)
    young = await keep(house, tenant, 2)
    house.clock.advance(DAY_MS)

    await house.eraser.look()

    rows, contents = await left(house, tenant)
    assert (rows, young.id in contents) == (["record-2"], True)


async def test_a_tenant_takes_its_quarantine_along(house):
    """The proof finds neither records, nor messages, nor the count of losses of an erased tenant."""
    tenant = a_tenant()
    await house.furnish(tenant)
    await keep(house, tenant, 1)
    losses = msgspec.json.encode(Losses(1, 2))
    await house.ports.catalog.create(tenant, LOSSES_KIND, LOSSES_ID, losses)

    await house.ask(tenant)
    await house.pass_time()
    house.clock.advance(FILE_ORPHAN_AGE_MS_MIN)
    await house.pass_time(2)

    proof = await house.erasure(tenant)
    assert (PROVED, True) == (proof.state, is_clean(proof.left))
    assert is_clean(await prove(house.ports, tenant))
    assert await left(house, tenant) == ([], set())
