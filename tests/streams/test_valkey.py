"""The Valkey adapter against the contract of the stream port, on a real server."""

import shutil

import pytest

from runtime.valkey_server import ValkeyServer
from streams.port import Entry
from streams.testing import CAPS, BackDoor, RecordStreamContract
from streams.valkey import ValkeyRecordStream
from streams.valkey.connection import Address, Link, pack
from streams.valkey.scripts import ENTRY_MARKS


@pytest.fixture(scope="module")
def server(valkey, tmp_path_factory):
    """A server of our own to kill and to empty; `valkey` decides whether there can be one."""
    with ValkeyServer(tmp_path_factory.mktemp("valkey")) as started:
        yield started


class ValkeyBackDoor(BackDoor):
    """Speaks to the server on a connection of its own, and to the process itself."""

    def __init__(self, server: ValkeyServer, saved) -> None:
        self.server = server
        self.saved = saved

    async def ask(self, *words):
        link = Link(Address.parse(self.server.url), [], 5.0)
        try:
            [reply] = await (await link.connection()).ask([pack(*words)])
        finally:
            link.drop()
        return reply

    async def positions(self, shard):
        entries = await self.ask("XRANGE", f"stream:{{{shard}}}", "-", "+")
        assert all(name.endswith(b"-0") for name, _ in entries)
        return [int(name[:-2]) for name, _ in entries]

    async def put(self, shard: int, entry: Entry):
        marks = ENTRY_MARKS.pack(entry.previous, 0)
        await self.ask("XADD", f"stream:{{{shard}}}", f"{entry.position}-0", marks, entry.body)

    async def remove(self, shard, position):
        assert await self.ask("XDEL", f"stream:{{{shard}}}", f"{position}-0") == 1

    async def wipe(self):
        await self.ask("FLUSHALL")

    async def restart(self):
        self.server.kill()
        await self._begin()

    async def _begin(self):
        """Start, and give the loop a turn in which the adapter sees that its connections were closed."""
        self.server.start()
        await self.ask("PING")

    async def save(self):
        self.server.kill()
        shutil.copytree(self.server.data_dir, self.saved, dirs_exist_ok=True)
        await self._begin()
        await self._prove_again()

    async def restore(self):
        self.server.kill()
        shutil.rmtree(self.server.data_dir / "aof")
        shutil.copytree(self.saved, self.server.data_dir, dirs_exist_ok=True)
        await self._begin()

    async def stop(self):
        self.server.kill()

    async def _prove_again(self):
        """Saving needs a restart here, which the contract does not mean: mark the new process as proved."""
        info = (await self.ask("INFO", "server")).decode()
        run_id = info.partition("run_id:")[2].split()[0]
        for name in await self.ask("KEYS", "marks:*"):
            proof = await self.ask("HGET", name, "proof")
            await self.ask("HSET", name, "proof", proof[: -len(run_id)] + run_id.encode())


@pytest.fixture
async def door(server, tmp_path):
    if not server.running():
        server.start()
    door = ValkeyBackDoor(server, tmp_path / "saved")
    await door.wipe()
    await door.ask("SCRIPT", "FLUSH")
    yield door
    if not server.running():
        server.start()


@pytest.fixture
async def stream(server, door):
    stream = ValkeyRecordStream(server.url, caps=CAPS)
    yield stream
    await stream.close()


class TestValkey(RecordStreamContract):
    """The fixtures above give the contract its stream and its back door."""
