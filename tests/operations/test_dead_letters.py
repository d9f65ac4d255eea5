"""Poison in the stream of a running service: set aside in a turn, then mended, replayed, discarded (R14)."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from redis import Redis

from bench.tenant import ASPECT, MODEL
from runtime import wiring
from runtime.places import stream_of
from runtime.settings import load
from schemas.changes import Upsert
from schemas.columns import Column, Columns, Texts
from streams.entries import SeriesEntry, encode_entry, open_entry
from streams.valkey.scripts import ENTRY_MARKS
from tests.cli.test_operating import lines_of
from tests.workers.poison import changed, resealed

LETTERS = "/api/aspectstore/v1/dead-letters"
JOBS = "/api/aspectstore/v1/dead-letters/replays"
BEGIN_MS = 1_767_225_600_000
TEMPERATURE, SETPOINT = 1, 5
"""Variable ids of the measured aspect."""


def until(condition, seconds=30.0):
    """Wait until something holds and give it; fail after half a minute."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)
    return found


class Shard:
    """The shard of one asset, written to past the door."""

    def __init__(self, service, tenant):
        address = stream_of(service.data)
        self.redis = Redis(unix_socket_path=address.removeprefix("unix://"))
        [self.asset] = tenant.create_assets(1, prefix="poisoned")
        self.tenant = tenant
        self.put(0)
        self.number, entry = next(
            (int(key.decode()[8:-1]), entries[-1])
            for key in self.redis.keys("stream:*")
            if (entries := self.redis.xrange(key))
        )
        [self.good] = entry[1].values()
        self.series = open_entry(self.good).series
        assert self.series.asset == self.asset

    def put(self, second):
        """PUT one record through the door; gives its receipt."""
        body = b'[{"_time":"2026-01-01T00:00:%02dZ","temperature":%d}]' % (second, second)
        headers = {"Authorization": f"Bearer {self.tenant.token}", "Content-Type": "application/json"}
        path = self.tenant.series_path(self.asset)
        _, found, _ = self.tenant.exchange("PUT", path, body, headers)
        return {name.lower(): value for name, value in found.items()}["write-receipt"]

    def poison(self, body):
        """Put an entry into the stream as no admission would; gives its position."""
        seconds, micros = self.redis.time()
        position = seconds * 1_000_000 + micros
        self.redis.xadd(f"stream:{{{self.number}}}", {ENTRY_MARKS.pack(0, 0): body}, id=f"{position}-0")
        return position

    def entry(self, variable, values):
        """Write an entry for the asset with one column."""
        rows = len(values)
        column = Column(values if isinstance(values, Texts) else np.asarray(values))
        times = BEGIN_MS + 1_000 * np.arange(30, 30 + rows)
        return encode_entry(SeriesEntry(self.series, 1, Upsert(Columns(times, {variable: column}))))

    def letters(self):
        """List the dead letters over HTTP: position → reason."""
        return {each["position"]: each["reason"] for each in self.tenant.ask("GET", LETTERS)["letters"]}

    def replay(self):
        """Replay all over HTTP and wait for the job's result."""
        job = self.tenant.ask("POST", f"{LETTERS}/replay", {})

        def done():
            found = self.tenant.ask("GET", f"{JOBS}/{job['id']}")
            assert "ERROR" != found["state"]
            return found["state"] == "SUCCESS" and found["result"]

        return until(done, 60)

    def values(self, name):
        """Read what the asset has of a variable, by second."""
        records = self.tenant.ask("GET", f"{self.tenant.series_path(self.asset)}?from=2020-01-01T00:00:00Z")
        return {int(record["_time"][17:19]): record[name] for record in records if name in record}


@pytest.fixture
def shard(service, tenant):
    """The shard of an asset of the running service."""
    shard = Shard(service, tenant)
    yield shard
    shard.redis.close()


def command(service, *words):
    """Run `aspectstore dead-letters` on the service's data folder."""
    ran = subprocess.run(
        [
            str(Path(sys.executable).parent / "aspectstore"),
            "dead-letters",
            *words,
            "--data",
            str(service.data),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return ran.returncode, ran.stdout, ran.stderr.strip()


def test_poison_is_a_letter_and_everything_else_is_stored(service, shard):
    """Each poison is a letter with its reason; writes around it are applied; mended, a replay stores it."""
    good = shard.good
    receipts = [shard.put(1)]
    put = {
        shard.poison(changed(good, len(good) - 1, good[-1] ^ 1)): "checksum",
        shard.poison(resealed(changed(good, 0, 2))): "version 2",
        shard.poison(shard.entry(TEMPERATURE, Texts.of(["north"]))): "holds FLOAT values, the entry has TEXT",
        shard.poison(shard.entry(SETPOINT, [21.5, 22.5])): "holds INTEGER values, the entry has FLOAT",
    }
    receipts.append(shard.put(2))
    large = shard.poison(bytes([*good[:56]]) + bytes(17_000_000))
    unreadable = shard.poison(b"who put me here?")
    receipts.append(shard.put(3))

    found = until(lambda: len(letters := shard.letters()) == 5 and letters)

    put[large] = "is over the"
    assert put.keys() == found.keys()
    assert [] == [reason for position, reason in found.items() if put[position] not in reason]
    for receipt in receipts:
        path = f"/api/aspectstore/v1/receipts/{receipt}"
        until(lambda path=path: shard.tenant.ask("GET", path)["state"] == "applied")
    assert {0: 0, 1: 1, 2: 2, 3: 3} == shard.values("temperature")
    _check_command(service, shard, unreadable)
    _check_replay(shard)
    _check_discard(service, shard, unreadable)


def _check_command(service, shard, unreadable):
    """The operator sees the letters of all tenants, and those of nobody."""
    code, said, _ = command(service, "list")
    assert (0, 7) == (code, len(said.splitlines()))
    assert all(f"{shard.number:>5} " in line for line in said.splitlines()[1:])
    code, said, _ = command(service, "list", "--tenant", "-")
    assert (0, 2) == (code, len(said.splitlines()))
    assert str(unreadable) in said
    assert (0, "no dead letters\n", "") == command(service, "list", "--tenant", "other")


def _check_replay(shard):
    """A replay before mending changes nothing but positions; after mending it stores what fits now."""
    assert {"replayed": 2, "kept": 3} == shard.replay()
    until(lambda: len(shard.letters()) == 5)
    assert {} == shard.values("setpoint")
    path = f"{MODEL}/aspecttypes/{shard.tenant.name}.bench_machine"
    aspect_type = shard.tenant.ask("GET", path)
    variables = [
        {
            name: "DOUBLE" if (name, variable["name"]) == ("dataType", "setpoint") else variable[name]
            for name in ("name", "dataType", "unit", "length")
            if variable.get(name) is not None
        }
        for variable in aspect_type["variables"]
    ]
    widened = {"name": "bench_machine", "category": "dynamic", "scope": "private", "variables": variables}
    shard.tenant.ask("PUT", path, widened, **{"If-Match": str(aspect_type["etag"])})

    assert {"replayed": 2, "kept": 3} == shard.replay()
    until(lambda: len(shard.letters()) == 4)
    assert {30: 21.5, 31: 22.5} == shard.values("setpoint")


def _check_discard(service, shard, unreadable):
    """Discarded letters are gone for good; one that is not there is named."""
    positions = [str(position) for position in shard.letters()]
    code, said, _ = command(service, "discard", str(shard.number), *positions)
    assert (0, "4 discarded\n") == (code, said)
    code, said, complaint = command(service, "discard", str(shard.number), str(unreadable), "5")
    assert (2, "1 discarded\n") == (code, said)
    assert f"aspectstore: shard {shard.number} has no dead letter at 5" == complaint
    assert (0, "no dead letters\n", "") == command(service, "list")
    place = {"shard": str(shard.number)}
    assert [
        ("dead_letter.discard", "operator", {**place, "positions": " ".join(positions)}, 200, ""),
        ("dead_letter.discard", "operator", {**place, "positions": f"{unreadable} 5"}, 200, ""),
    ] == [line for line in _logged(service) if line[1] == "operator"]


def _logged(service):
    """Read the platform's audit log."""

    async def read():
        audit = await wiring.open_audit(load({"ASPECTSTORE_CONFIG": ""}, {"data": str(service.data)}))
        try:
            return await lines_of(audit)
        finally:
            await audit.close()

    return asyncio.run(read())


def test_the_command_says_what_it_lacks(tmp_path):
    """No service, a wrong address, positions without a shard: one line and exit code 2."""

    def complaint(*words):
        command = [str(Path(sys.executable).parent / "aspectstore"), "dead-letters", *words]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path)
        assert (2, "") == (ran.returncode, ran.stdout)
        return ran.stderr

    assert "no service has run on" in complaint("list", "--data", str(tmp_path))
    assert "give --shard" in complaint("replay", "5")
    assert "does the service run?" in complaint("replay", "--stream", f"unix://{tmp_path}/nothing")


def test_the_measured_aspect_is_the_one_that_is_poisoned():
    """The ids above are those of the variables in their order."""
    from bench.workload import VARIABLES

    assert ("temperature", "setpoint") == (VARIABLES[TEMPERATURE - 1][0], VARIABLES[SETPOINT - 1][0])
    assert "machine" == ASPECT
