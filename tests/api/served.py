"""A site behind the real HTTP server, on a port of its own, and raw connections to it."""

from __future__ import annotations

import asyncio
import contextlib
import socket

from api.server import Server
from runtime.places import listen
from tests.api.masts import running_site


class Wire:
    """One raw connection."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    async def send(self, *pieces):
        """Send pieces one after the other, each on its own."""
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
            await asyncio.sleep(0)

    async def answer(self):
        """Read one answer: status, headers, body."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = dict(line.split(": ", 1) for line in head[1:-2])
        body = await self.reader.readexactly(int(headers.get("content-length", 0)))
        return int(head[0].split()[1]), headers, body

    async def ended(self):
        """Wait for the end of the connection; True if nothing came before it."""
        return await self.reader.read() == b""

    def close(self):
        """Leave."""
        self.writer.close()


@contextlib.asynccontextmanager
async def served_site():
    """Give a site, with `server`, `port` and `connect` beside what it has."""
    async with running_site() as site:
        listener = listen("127.0.0.1", 0)
        site.port = listener.getsockname()[1]
        begun = asyncio.Event()
        site.server = Server(site.door, 30.0, begun.set)
        wires = []

        async def connect():
            reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
            writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            wires.append(Wire(reader, writer))
            return wires[-1]

        site.connect = connect
        task = asyncio.create_task(site.server.serve([listener]))
        await begun.wait()
        try:
            yield site
        finally:
            for wire in wires:
                wire.close()
            site.server.should_exit = True
            await task


def held_back(site, monkeypatch):
    """Let no append end before the event that is given is set."""
    gate, append = asyncio.Event(), site.stream.append

    async def held(admissions):
        await gate.wait()
        return await append(admissions)

    monkeypatch.setattr(site.stream, "append", held)
    return gate


def inside(site):
    """Give the server's side of the only connection."""
    (only,) = site.server.server_state.connections
    return only


async def until(condition):
    """Let the loop turn until something holds."""
    for _ in range(2_000):
        if condition():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it did not happen")
