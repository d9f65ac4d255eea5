"""Real HTTP receivers of webhooks in this process, and what they were told."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import NamedTuple

OK = b"HTTP/1.1 204 No Content\r\n\r\n"


class Taken(NamedTuple):
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self):
        """Give what was told."""
        return json.loads(self.body)


class Receiver:
    """A server that answers as told: `answers` in turn, then `answer` for ever."""

    def __init__(self):
        self.answer = OK
        self.answers = []
        self.taken = []
        """Requests that were answered with 2xx."""
        self.refused = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.port = 0

    @property
    def url(self):
        """Give its address."""
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def notices(self):
        """Give every notice of own deliveries, in the order in which they came."""
        return [notice for request in self.taken for notice in request.json["notices"]]

    async def serve(self, reader, writer):
        """Take one request."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in head[1:-2])}
            body = await reader.readexactly(int(headers["content-length"]))
            await self.gate.wait()
            request = Taken(head[0].split()[1], headers, body)
            answer = self.answers.pop(0) if self.answers else self.answer
            (self.taken if answer.startswith(b"HTTP/1.1 2") else self.refused).append(request)
            writer.write(answer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@contextlib.asynccontextmanager
async def receiving():
    """Run a receiver on a port of its own."""
    receiver = Receiver()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        receiver.gate.set()
        server.close()


def status(number, *headers):
    """Give an answer with a status."""
    lines = "".join(f"{header}\r\n" for header in headers)
    return f"HTTP/1.1 {number} So\r\n{lines}\r\n".encode()
