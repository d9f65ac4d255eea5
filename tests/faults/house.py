"""A whole service to break: two tenants with assets, load processes, faults, and the account at the end.

Types and assets are made in the catalogue, so that these suites depend on the series routes only.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import msgspec

from api.identity.passwords import Passwords
from api.identity.setup import Credentials as ClientCredentials
from api.identity.setup import add_client, create_tenant
from bench.service import Service
from bench.tenant import Credentials, Refused, Tenant
from runtime import wiring
from runtime.settings import Settings
from schemas.aspects import AspectType, Variable, VariableType, with_ids
from schemas.assets import Asset, AssetType, TypeAspect
from schemas.ids import AspectId, AssetId, TenantId
from storage.port import CatalogStore
from tests.faults.accounting import Account, Ledger, Rows, Series
from tests.faults.load import SERIES, START_MS, Config
from tests.faults.operations import (
    ACKNOWLEDGED,
    LOST,
    VARIABLE_TYPES,
    Operation,
    answered_rows,
    load_journals,
    text_of,
)

ASPECT = "machine"
SECRET = "fault-secret-0123456789"
TENANTS = ("alpha", "beta")
ROOT = Path(__file__).resolve().parents[2]
RECEIPTS = "/api/aspectstore/v1/receipts"

QUICK = {
    "ASPECTSTORE_LEASE_S": "1",
    "ASPECTSTORE_SEAL_GRACE_S": "2",
    "ASPECTSTORE_READ_DEADLINE_S": "1",
    "ASPECTSTORE_SEAL_QUIET_S": "1",
    "ASPECTSTORE_TRIM_DELAY_S": "1",
    "ASPECTSTORE_JOB_WORKERS": "0",
    "ASPECTSTORE_SHARDS": "8",
}
"""Everything that waits minutes in production waits seconds, so that seals, purges and trims happen too."""


async def make_tenants(settings: Settings, assets: int) -> dict[str, list[str]]:
    """Make both tenants with a technical user, one type and assets each; gives the asset ids."""
    catalog = await wiring.open_catalog(settings)
    try:
        return {name: await _make_tenant(catalog, TenantId(name), assets) for name in TENANTS}
    finally:
        await catalog.close()


async def _make_tenant(catalog: CatalogStore, name: TenantId, assets: int) -> list[str]:
    await create_tenant(catalog, name, START_MS)
    await add_client(catalog, Passwords(8192), ClientCredentials(name, f"{name}-client", SECRET))
    variables = tuple(
        Variable(name=variable, type=VariableType[kind], length=255 if kind == "STRING" else None)
        for variable, kind, _ in VARIABLE_TYPES
    )
    aspect_type = with_ids(
        AspectType(id=f"{name}.fault", tenant=name, name="fault", category="dynamic", variables=variables)
    )
    aspect = TypeAspect(name=ASPECT, aspect_type_id=aspect_type.id, aspect_id=AspectId(f"{1:032x}"))
    asset_type = AssetType(
        id=f"{name}.fault_type",
        tenant=name,
        name="fault_type",
        parent_type_id="core.basicasset",
        aspects=(aspect,),
    )
    await catalog.create(name, "aspecttype", aspect_type.id, msgspec.json.encode(aspect_type))
    await catalog.create(name, "assettype", asset_type.id, msgspec.json.encode(asset_type))
    ids = [f"{TENANTS.index(name) + 1:016x}{number:016x}" for number in range(assets)]
    for number, asset_id in enumerate(ids):
        asset = Asset(id=AssetId(asset_id), tenant=name, name=f"asset {number}", type_id=asset_type.id)
        await catalog.create(name, "asset", asset_id, msgspec.json.encode(asset))
    return ids


@dataclass
class House:
    """One service with its load; everything below `folder`."""

    folder: Path
    service: Service
    assets: dict[str, list[str]] = field(default_factory=dict)
    seed: int = 1
    loads: list[subprocess.Popen[bytes]] = field(default_factory=list)
    paused: list[int] = field(default_factory=list)
    config: dict[str, Any] = field(default_factory=dict)
    """Changes of the load's `Config`."""

    def build(self, assets: int = 4) -> None:
        """Make store, tenants and assets; before the first start of the service."""
        self.service.data.mkdir(parents=True, exist_ok=True)
        settings = Settings(data=str(self.service.data), store=self.service.store)
        self.assets = asyncio.run(make_tenants(settings, assets))

    def tenant(self, name: str) -> Tenant:
        """Log in."""
        return Tenant(self.service.url, Credentials(name, f"{name}-client", SECRET))

    # Load

    def start_load(self, processes: int = 1) -> None:
        """Start load processes; each keeps a journal of its own."""
        tokens = {}
        for name in TENANTS:
            with self.tenant(name) as tenant:
                tokens[name] = tenant.token
        listed = [(name, asset, tokens[name]) for name, ids in self.assets.items() for asset in ids]
        for _ in range(processes):
            number = len(list(self.folder.glob("journal-*")))
            config = Config(
                "127.0.0.1", self.service.port, ASPECT, listed, str(self.folder / f"journal-{number}"),
                process=number, seed=self.seed, **self.config,
            )  # fmt: skip
            Path(config.journal).touch()
            path = self.folder / f"load-{number}.json"
            path.write_bytes(msgspec.json.encode(config))
            with (self.folder / f"load-{number}.out").open("wb") as output:
                command = [sys.executable, "-m", "tests.faults.load", str(path)]
                self.loads.append(
                    subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)
                )

    def stop_load(self, seconds_max: float = 60) -> None:
        """End the load in order: every write has its answer, or is known to have none."""
        for load in self.loads:
            load.send_signal(signal.SIGTERM)
        for load in self.loads:
            code = load.wait(seconds_max)
            assert code == 0, [path.read_text()[-2000:] for path in self.folder.glob("load-*.out")]
        self.loads.clear()

    @contextmanager
    def loaded(self, processes: int = 1) -> Iterator[None]:
        """Load for the time of the block."""
        self.start_load(processes)
        try:
            yield
            for load in self.loads:
                assert load.poll() is None, [
                    path.read_text()[-2000:] for path in self.folder.glob("load-*.out")
                ]
        finally:
            self.stop_load()

    # Faults

    def pids(self, word: str) -> list[int]:
        """List the processes of the service whose command line contains the word."""
        return sorted(self.service.processes(word))

    def kill_part(self, word: str, chooser: random.Random, linger_s: float = 0.0) -> int:
        """Kill one process of a part with SIGKILL, `linger_s` after there is one."""
        deadline = monotonic() + 30
        while not (found := self.pids(word)):
            assert monotonic() < deadline, f"no process {word!r} came back: {self.service.processes()}"
            sleep(0.02)
        sleep(linger_s)
        pid = chooser.choice(self.pids(word) or found)
        _signal(pid, signal.SIGKILL)
        return pid

    def kill(self, pid: int) -> None:
        """Kill one process (`kill -9`)."""
        os.kill(pid, signal.SIGKILL)

    def pause(self, word: str) -> list[int]:
        """Stop the processes of a part (SIGSTOP); `resume` lets them go on."""
        found = self.pids(word)
        for pid in found:
            os.kill(pid, signal.SIGSTOP)
        self.paused += found
        return found

    def pause_one(self, word: str, chooser: random.Random) -> int:
        """Stop one process of a part; `resume` lets it go on."""
        pid = chooser.choice(self.pids(word))
        os.kill(pid, signal.SIGSTOP)
        self.paused.append(pid)
        return pid

    def resume(self) -> None:
        """Let every paused process go on."""
        while self.paused:
            _signal(self.paused.pop(), signal.SIGCONT)

    def await_answers(self, seconds_max: float = 60) -> None:
        """Wait until every series can be read whole again."""
        self.read_back(seconds_max)

    def _range_path(self, asset: str) -> str:
        begin, end = text_of(START_MS - 1), text_of(START_MS + 86_400_000)
        return f"{SERIES}/{asset}/{ASPECT}?from={begin}&to={end}&limit=2000"

    # The account

    def read_back(self, seconds_max: float = 120) -> dict[Series, Rows]:
        """Read every series whole, through the API; waits while an answer says that it lags behind."""
        deadline = monotonic() + seconds_max
        found: dict[Series, Rows] = {}
        for name, ids in self.assets.items():
            for asset in ids:
                rows = None
                while rows is None:
                    rows = self._whole(name, asset)
                    assert rows is not None or monotonic() < deadline, f"{asset} lags\n{self.said()}"
                found[name, asset] = rows
        return found

    def _whole(self, name: str, asset: str) -> Rows | None:
        """Read a series; None while `Read-Position` says that the store is behind, or nothing answers."""
        try:
            with self.tenant(name) as tenant:
                headers = {"Authorization": f"Bearer {tenant.token}"}
                _, fields, body = tenant.exchange("GET", self._range_path(asset), None, headers)
        except (Refused, OSError):
            fields, body = {"read-position": "unknown"}, b""
        if any(field.lower() == "read-position" for field in fields):
            sleep(0.2)
            return None
        return answered_rows(msgspec.json.decode(body))

    def operations(self) -> tuple[list[Operation], list[Any]]:
        """Read the journals of every load process."""
        return load_journals(sorted(self.folder.glob("journal-*")))

    def account(self, *, ask_receipts: bool = False) -> Account:
        """Compare what was acknowledged with what is shown.

        `ask_receipts` where entries were lost on purpose: what is reported as lost is then no loss, and
        reads under load, which may have shown it, are not judged.
        """
        operations, reads = self.operations()
        if ask_receipts:
            self.mark_lost(operations)
        return Ledger(operations).account(self.read_back(), [] if ask_receipts else reads)

    def mark_lost(self, operations: list[Operation]) -> None:
        """Ask for each receipt: 410 means that the entry was reported as lost."""
        for name in TENANTS:
            with self.tenant(name) as tenant:
                for operation in operations:
                    if operation.tenant == name and operation.outcome == ACKNOWLEDGED:
                        try:
                            tenant.ask("GET", f"{RECEIPTS}/{operation.receipt}")
                        except Refused as refusal:
                            if ": 410 " not in str(refusal):
                                raise
                            operation.outcome = LOST

    def said(self) -> str:
        """Give the last words of the service, for a failing test."""
        return self.service.output.read_text(errors="replace")[-6000:]


@contextmanager
def running(house: House) -> Iterator[House]:
    """Build and start a house; stop it at the end of the block."""
    house.build()
    house.service.start(120)
    try:
        yield house
    finally:
        for pid in house.paused:
            _signal(pid, signal.SIGCONT)
        house.service.stop()


def say(text: object) -> None:
    """Print seeds, schedules and accounts: pytest shows them where a test fails, and with `-s`."""
    sys.stdout.write(f"{text}\n")


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
