"""Readers beside the load: newest records and latest values, whose caches are what handing over may spoil."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic_ns, sleep
from typing import Any

import msgspec

from bench.tenant import Refused, Tenant
from tests.e2e.serial import Seen, Series
from tests.faults.house import ASPECT, House
from tests.faults.load import SERIES
from tests.faults.operations import answered_rows

QUERIES = {"newest": "", "latest": "?latestValue=true"}
PAUSE_S = 0.02


@contextmanager
def looking(house: House, seed: int, threads: int = 2) -> Iterator[list[Seen]]:
    """Read for the time of the block; what was seen is complete after it."""
    seen: list[Seen] = []
    stop = threading.Event()
    failures: list[BaseException] = []

    def work(number: int) -> None:
        dice = random.Random(seed * 31 + number)
        try:
            _look(house, dice, seen, stop)
        except BaseException as error:  # noqa: BLE001 - raised by the test
            failures.append(error)

    workers = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(threads)]
    for worker in workers:
        worker.start()
    try:
        yield seen
    finally:
        stop.set()
        for worker in workers:
            worker.join(60)
    assert not failures, failures


def _look(house: House, dice: random.Random, seen: list[Seen], stop: threading.Event) -> None:
    tenants = {name: house.tenant(name) for name in house.assets}
    while not stop.is_set():
        name = dice.choice(sorted(tenants))
        found = look(tenants[name], (name, dice.choice(house.assets[name])), dice.choice(sorted(QUERIES)))
        if found is not None:
            seen.append(found)
        sleep(PAUSE_S)
    for tenant in tenants.values():
        tenant.close()


def look(tenant: Tenant, series: Series, way: str, **headers: str) -> Seen | None:
    """Read one series; None where the service asks to come again."""
    sent_ns = monotonic_ns()
    try:
        answer = get(tenant, f"{SERIES}/{series[1]}/{ASPECT}{QUERIES[way]}", **headers)
    except (Refused, OSError) as error:
        if isinstance(error, Refused) and ": 503 " not in str(error):
            raise
        return None
    fields, records = answer
    position = fields.get("read-position")
    rows = dict(answered_rows(records))
    return Seen(
        series, way, sent_ns, monotonic_ns(), rows, position=None if position is None else int(position)
    )


def get(tenant: Tenant, path: str, **headers: str) -> tuple[dict[str, str], Any]:
    """Give header fields (lower case) and decoded body of an answer."""
    named = {"Authorization": f"Bearer {tenant.token}", **headers}
    _, fields, body = tenant.exchange("GET", path, None, named)
    return {name.lower(): text for name, text in fields.items()}, msgspec.json.decode(body)
