"""The published agent at a service whose door is killed while it stores: each sample once (TB-30, TB-62).

Real processes on SQLite and on a real Cassandra. Between door and stream server stands a proxy that can hold
back what the server answers: what the agent sent is stored then, and nobody has said so.
"""

from __future__ import annotations

import asyncio
import os
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import httpx
import msgspec
import pytest
import redis

from api.identity.passwords import Passwords
from api.identity.setup import Credentials as Added
from api.identity.setup import add_client, add_user, create_tenant
from bench.service import Service
from runtime import valkey_server, wiring
from runtime.settings import Settings
from runtime.valkey_server import ValkeyServer
from schemas.ids import TenantId
from streams.valkey.scripts import ADMIT
from tests.api.boards import BOARD, PASSWORD, SYMBOL, USER, Board, documents, sample
from tests.api.doors import NOW_MS
from tests.api.served import Wire
from tests.conftest import need
from tests.faults import proxy
from tests.faults.proxy import Faults, Proxy

SERIES = f"/api/iottimeseries/v3/timeseries/{BOARD}/air"
SECRET = "secret-of-the-reader"
DOOR = "cli.door"
READY_S = 120.0
TIMINGS = {"ASPECTSTORE_JOB_WORKERS": "0", "ASPECTSTORE_SHARDS": "8", "ASPECTSTORE_LEASE_S": "2"}


class Home:
    """The service, and what stands between it and its stream server."""

    def __init__(self, service: Service, front: Proxy, valkey: ValkeyServer) -> None:
        """Take the three; the service runs."""
        self.service, self.front, self.valkey = service, front, valkey
        self._wires: list[Wire] = []

    async def connect(self) -> Wire:
        """Open a connection to the door, whenever it is back."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.service.port)
        self._wires.append(Wire(reader, writer))
        return self._wires[-1]

    async def leave(self) -> None:
        """Close what was opened."""
        for wire in self._wires:
            wire.close()
        await asyncio.gather(*(wire.writer.wait_closed() for wire in self._wires), return_exceptions=True)

    def entries(self) -> int:
        """Count what was ever appended."""
        with redis.Redis.from_url(self.valkey.url) as client:
            names = client.scan_iter(_type="stream")
            return sum(client.xinfo_stream(name)["entries-added"] for name in names)

    def kill_door(self) -> None:
        """End every door at once (`kill -9`); the supervisor starts new ones."""
        for pid in self.service.processes(DOOR):
            os.kill(pid, signal.SIGKILL)

    async def rows(self) -> list[dict[str, object]]:
        """Read everything of the board as the reader does."""
        async with httpx.AsyncClient(base_url=self.service.url, timeout=30) as http:
            form = {"grant_type": "client_credentials"}
            token = (await http.post("/oauth/token", data=form, auth=("reader", SECRET))).json()[
                "access_token"
            ]
            asked = {"from": "1970-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z", "limit": "2000"}
            answer = await http.get(SERIES, params=asked, headers={"authorization": f"Bearer {token}"})
            assert answer.status_code == 200, answer.text
            found: list[dict[str, object]] = answer.json()
            return found


async def furnish(settings: Settings) -> None:
    """Make the tenant, its board and its users in the catalogue."""
    catalog = await wiring.open_catalog(settings)
    try:
        await create_tenant(catalog, TenantId("acme"), NOW_MS)
        passwords = Passwords(8192)
        await add_client(catalog, passwords, Added("acme", "reader", SECRET))
        await add_user(catalog, passwords, "acme", USER, PASSWORD)
        for kind, document_id, document in documents("acme", SYMBOL, BOARD):
            await catalog.create("acme", kind, document_id, msgspec.json.encode(document))
    finally:
        await catalog.close()


@pytest.fixture(params=["sqlite", "cassandra"])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Home]:
    """Give a running service on each store."""
    need("valkey", valkey_server.missing())
    store = "sqlite"
    if request.param == "cassandra":
        host, port = request.getfixturevalue("cassandra")
        store = f"cassandra://{host}:{port}/board_{uuid.uuid4().hex[:8]}"
    (tmp_path / "data").mkdir()
    settings = Settings(data=str(tmp_path / "data"), store=store)
    with (
        ValkeyServer(tmp_path / "stream", listen="tcp") as valkey,
        proxy.running(Proxy(("127.0.0.1", valkey.port))) as front,
    ):
        stream = f"redis://127.0.0.1:{front.port}"
        service = Service(tmp_path / "data", store=store, stream=stream, variables=TIMINGS)
        asyncio.run(furnish(settings))
        service.start(120)
        try:
            yield Home(service, front, valkey)
        finally:
            front.faults = Faults()
            service.stop()
            if request.param == "cassandra":
                asyncio.run(drop(settings, store.rpartition("/")[2]))


async def drop(settings: Settings, keyspace: str) -> None:
    """Remove a keyspace."""
    store = await wiring.open_series(settings, writable=False)
    cluster = store.session.cluster  # type: ignore[attr-defined]
    cluster.connect().execute(f"DROP KEYSPACE IF EXISTS {keyspace}", timeout=60)
    await store.close()


async def uploaded(board: Board) -> None:
    """Try until a door takes all of it, as the agent does: it logs in anew after each start."""
    deadline = monotonic() + READY_S
    while True:
        try:
            await board.login()
            status, body = await board.upload()
            if status == 200:
                assert body == b"[]"
                return
        except (OSError, EOFError, AssertionError):  # No door, or one that has no writer yet.
            pass
        assert monotonic() < deadline, "no door came back"
        board.boot()
        await asyncio.sleep(0.1)


async def lives(home: Home) -> None:
    """Let a board live through doors that are killed between storing and answering, and before storing."""
    board = Board(home)
    number = 0
    for fault in ("between", "", "before", "between"):
        await uploaded(board)
        for _ in range(5):
            board.measure(number)
            number += 1
        if fault:
            await cut_off(home, board, fault)
        else:
            await uploaded(board)
        board.boot()  # in the other case between the answer and the save
    await uploaded(board)
    await home.leave()

    expected = [(sample(each)["timestamp"], sample(each)["am2320_temp"]) for each in range(number)]
    assert [(row["_time"], row["am2320_temp"]) for row in await home.rows()] == expected


async def cut_off(home: Home, board: Board, fault: str) -> None:
    """Send what the board has, and kill the door between storing and answering, or before it stores."""
    before = home.entries()
    wire = await home.connect()
    faults = home.front.faults
    faults.blackhole = fault == "before"
    faults.mute_at = ADMIT.digest.encode() if fault == "between" else b""
    await wire.send(board.post(board.text()))
    deadline = monotonic() + READY_S
    if fault == "between":
        while home.entries() == before:
            assert monotonic() < deadline, "nothing was stored"
            await asyncio.sleep(0.01)
    else:
        await asyncio.sleep(0.2)
        assert home.entries() == before
    home.kill_door()
    assert await wire.ended()  # not a byte of an answer
    home.front.faults = Faults()


@pytest.mark.timeout(600)
def test_doors_that_are_killed_between_storing_and_answering(home: Home) -> None:
    """The agent sends again what it heard no answer to: stored once each, in order, also after a restart."""
    asyncio.run(lives(home))
    stored = asyncio.run(home.rows())

    assert home.service.stop() == 0
    home.service.start(120)

    assert asyncio.run(home.rows()) == stored
    assert len(stored) == 20
