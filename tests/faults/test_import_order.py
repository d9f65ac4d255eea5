"""Live writes during an import of the same series: who counts is told by the receipts, nothing else (R21)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bench.service import Service
from bench.tenant import SERIES, Tenant
from client.imports import JOBS, Job
from runtime import valkey_server, wiring
from runtime.settings import Settings
from schemas.ids import TenantId
from schemas.times import format_time
from storage.import_journal import Journal
from tests.conftest import need
from tests.faults.importing import (
    ASPECT,
    CREDENTIALS,
    FILE_VALUE,
    ROWS,
    START_MS,
    STEP_MS,
    TIMES_MS,
    VARIABLES,
    Site,
    running,
)
from tests.faults.operations import read_place

WRITES_MIN, WRITES_MAX = 40, 4_000
"""Live writes: some before the import counts, some after, however fast the machine is."""
PLACES = 60
"""Rows that live writes share, so that many meet."""

pytestmark = pytest.mark.timeout(300)

Row = dict[str, Any]
Write = tuple[int, str, int, Row]
"""Position, method, number of the row, values."""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Give an embedded service with its masts."""
    need("valkey", valkey_server.missing())
    with running(Service(tmp_path / "data", credentials=CREDENTIALS, variables=VARIABLES)) as site:
        yield site


def test_live_writes_during_an_import_end_in_receipt_order(site: Site) -> None:
    """Puts, patches and deletes of one client before, while and after files of the same rows are imported."""
    asset = next(iter(site.masts))
    chooser = random.Random(6)
    with Tenant(site.service.url, CREDENTIALS) as tenant:
        writes = [write(tenant, asset, chooser, number) for number in range(WRITES_MIN)]
        job = site.begin()
        for number in range(WRITES_MIN, WRITES_MAX):
            writes.append(write(tenant, asset, chooser, number))
            if number % 10 == 0 and tenant.ask("GET", f"{JOBS}/{job.id}")["state"] == "done":
                break
        job = site.end_of(job)
        writes += [write(tenant, asset, chooser, -number) for number in range(1, WRITES_MIN)]
        # A read has no more than 256 entries of what is unapplied, and writers may be slow (design 4.17).
        writes.append(write(tenant, asset, chooser, -WRITES_MIN, wait=True))
    assert job.state == "done"

    with site.client() as client:
        begin, end = format_time(START_MS), format_time(int(TIMES_MS[-1]))
        found = list(client.read_all(asset, ASPECT, start=begin, end=end, limit=2_000))
    site.service.stop()
    position = asyncio.run(attached(site, job))[asset]
    before = sum(place < position for place, *_ in writes)
    assert WRITES_MIN < before <= len(writes) - WRITES_MIN
    assert expected(writes, position) == {row.pop("_time"): row for row in found}


def write(tenant: Tenant, asset: str, chooser: random.Random, number: int, *, wait: bool = False) -> Write:
    """Put or patch a record, or delete one, applied if waited for; gives where it stands in the order."""
    method = chooser.choice(["PUT", "PUT", "PATCH", "DELETE"])
    row = chooser.randrange(PLACES) * (ROWS // PLACES)
    values: Row = {"speed": float(number), "file": -1.0} if method == "PUT" else {"speed": float(number)}
    path = f"{SERIES}/{asset}/{ASPECT}"
    headers = {"Authorization": f"Bearer {tenant.token}", "Content-Type": "application/json"}
    body = None
    if method == "DELETE":
        values = {}
        path += f"?from={format_time(int(TIMES_MS[row]) - STEP_MS)}&to={format_time(int(TIMES_MS[row]))}"
    else:
        body = msgspec.json.encode([{"_time": format_time(int(TIMES_MS[row])), **values}])
    if wait:
        path += ("&" if "?" in path else "?") + "wait=applied"
    _, fields, _ = tenant.exchange(method, path, body, headers)
    receipts = {name.lower(): text for name, text in fields.items()}
    assert receipts.get("write-applied", "true") == "true"
    return read_place(receipts["write-receipt"])[2], method, row, values


def expected(writes: list[Write], position: int) -> dict[str, Row]:
    """Apply writes and the import one after the other, by their positions."""
    rows: dict[int, Row] = {}
    imported = {row: {"speed": float(FILE_VALUE + row), "file": 1.0} for row in range(ROWS)}
    for _, method, row, values in sorted([*writes, (position, "IMPORT", 0, {})], key=lambda each: each[0]):
        if method == "IMPORT":
            rows |= {number: dict(each) for number, each in imported.items()}
        elif method == "PATCH":
            rows[row] = {**rows.get(row, {}), **values}
        elif method == "PUT":
            rows[row] = values
        else:
            rows.pop(row, None)
    return {format_time(int(TIMES_MS[row])): values for row, values in rows.items()}


async def attached(site: Site, job: Job) -> dict[str, int]:
    """Give the position of an import's entry of each asset."""
    catalog = await wiring.open_catalog(Settings(data=str(site.service.data)))
    try:
        journal = Journal(catalog, TenantId(CREDENTIALS.tenant), job.id)
        return {told.asset: told.position for told in await journal.attached()}
    finally:
        await catalog.close()
