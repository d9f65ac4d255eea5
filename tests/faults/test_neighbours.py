"""A loud tenant beside a quiet one, and two that want all: over real processes (S14)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from time import monotonic

import msgspec
import pytest

from bench.generator import drive, request_bytes
from bench.schedule import Answers, Device, Due, drive_on_time
from bench.service import Service
from runtime import valkey_server, wiring
from runtime.settings import Settings
from schemas.ids import CORE
from schemas.limits import BURST_S
from schemas.policies import Policy
from schemas.tenants import Tenant
from tests.conftest import need
from tests.faults.house import ASPECT, House, running, say
from tests.faults.load import SERIES, START_MS
from tests.faults.operations import text_of

pytestmark = [pytest.mark.slow, pytest.mark.valkey, pytest.mark.timeout(900)]

LOUD, QUIET = "alpha", "beta"
QUOTA_PER_S = 50
SECONDS = 20.0
QUIETS_PER_S = 50.0
FLOOR_MS = 10.0
"""Of the p99: below it the machine's own noise is more than any neighbour's."""


@dataclass
class Sender:
    """One tenant's requests, as bytes."""

    house: House
    name: str
    token: str

    @property
    def host(self) -> str:
        """Give the address of the door."""
        return f"127.0.0.1:{self.house.service.port}"

    def put(self, number: int, query: str = "") -> bytes:
        """Write a PUT of one record of one of the assets."""
        assets = self.house.assets[self.name]
        record = {"_time": text_of(START_MS + number), "level": number / 2}
        path = f"{SERIES}/{assets[number % len(assets)]}/{ASPECT}{query}"
        return request_bytes("PUT", path, self.host, self.token, msgspec.json.encode([record]))

    def device(self, group: str, first: int, per_s: float, seconds: float, query: str = "") -> Device:
        """Give a device that sends at a steady rate."""

        def due() -> Iterator[Due]:
            for number in range(int(per_s * seconds)):
                yield number / per_s, self.put(first + number, query)

        return Device(group, due())


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A service with both tenants; nothing is sent yet."""
    need("valkey", valkey_server.missing())
    with running(House(tmp_path, Service(tmp_path / "data"))) as found:
        yield found


async def limit(house: House, name: str) -> None:
    """Give a tenant its quota."""
    catalog = await wiring.open_catalog(Settings(data=str(house.service.data), store=house.service.store))
    try:
        policy = Policy(name="quota", requests_per_s=QUOTA_PER_S)
        await catalog.create(CORE, "policy", policy.name, msgspec.json.encode(policy))
        document = await catalog.get(CORE, "tenant", name)
        assert document is not None
        tenant = msgspec.json.decode(document.body, type=Tenant)
        body = msgspec.json.encode(msgspec.structs.replace(tenant, profile=policy.name))
        assert await catalog.replace(CORE, "tenant", name, body, document.version) is not None
    finally:
        await catalog.close()


def sender(house: House, name: str) -> Sender:
    """Log in."""
    with house.tenant(name) as tenant:
        return Sender(house, name, tenant.token)


def quiets(house: House) -> list[Device]:
    """Give the quiet tenant's devices: a tenth of the time they ask for the store's word too."""
    quiet = sender(house, QUIET)
    devices = [quiet.device(QUIET, 100_000 * n, QUIETS_PER_S / 10, SECONDS) for n in range(10)]
    return [*devices, quiet.device("applied", 5_000_000, 2.0, SECONDS, "?wait=applied")]


def test_a_loud_tenant_is_told_so_and_a_quiet_one_feels_nothing(house: House) -> None:
    """At ten times its quota: 429 and Retry-After; beside it no error, p99 ≤ 2 x its own, lag ≤ 2 s (S14)."""
    asyncio.run(limit(house, LOUD))  # while doors run: they follow within a second
    address = ("127.0.0.1", house.service.port)
    solo = drive_on_time(address, quiets(house))
    loud = sender(house, LOUD)
    louds = [loud.device(LOUD, 100_000 * n, QUOTA_PER_S * 10 / 20, SECONDS) for n in range(20)]

    begun_s = monotonic()
    found = drive_on_time(address, [*quiets(house), *louds])
    took_s = monotonic() - begun_s

    quiet, before = found[QUIET], solo[QUIET].quantile_ms(0.99)
    say(f"p99 {before:.1f} ms alone, {quiet.quantile_ms(0.99):.1f} ms beside {found[LOUD].statuses}")
    assert errors(quiet) == errors(found["applied"]) == errors(solo[QUIET]) == 0
    assert quiet.quantile_ms(0.99) <= 2 * max(before, FLOOR_MS)
    assert max(found["applied"].latencies_ns) < 2e9
    statuses = found[LOUD].statuses
    assert {204, 429} == set(statuses)
    assert statuses[429] > statuses[204]
    assert all(b"retry-after:" in head.lower() for _, head, _ in found[LOUD].refusals)
    assert 0.9 * QUOTA_PER_S * SECONDS <= statuses[204] <= 1.1 * QUOTA_PER_S * (took_s + BURST_S)


def test_two_that_want_all_share(house: House) -> None:
    """Twice as many connections bring no more: both get half of what the door can do, within 10 % (S14)."""
    connections = {LOUD: 160, QUIET: 80}
    plans = []
    for name, count in connections.items():
        requests = [sender(house, name).put(number) for number in range(2_000)]
        plans += [islice(cycle(requests), number, None) for number in range(count)]

    outcome = drive(("127.0.0.1", house.service.port), plans, seconds_max=SECONDS)

    done = [len(each) for each in outcome.by_plan]
    loud, quiet = sum(done[: connections[LOUD]]), sum(done[connections[LOUD] :])
    say(f"{loud} and {quiet} requests in {outcome.seconds:.0f} s, p99 {outcome.quantile_ms(0.99):.0f} ms")
    assert 0 == outcome.refused
    assert 0.45 <= loud / (loud + quiet) <= 0.55


def errors(answers: Answers) -> int:
    """Count what was not 2xx."""
    return answers.statuses.total() - answers.done
