"""A service in memory that speaks the dialect, and misbehaves in one chosen way.

The accounting of the kill suites must be able to fail: each of its counters is proved against the
mischief that it is there to find. The honest fake also serves the tests of `bench`.
"""

from __future__ import annotations

import asyncio
import base64
import copy
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum, auto
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec
import numpy as np

Row = dict[str, Any]
Key = tuple[str, str]
"""(tenant, asset): the fake knows one aspect an asset."""


class Mischief(Enum):
    """What the fake does wrong, to every seventh write."""

    NONE = auto()
    LOSE = auto()
    """Acknowledges and forgets."""
    DUPLICATE = auto()
    """Does it again after later writes to the same asset."""
    REORDER = auto()
    """Does it after the next write to the asset, under an earlier receipt."""
    PHANTOM = auto()
    """Adds a row that nobody sent."""
    REFUSE_AND_DO = auto()
    """Answers 400 and does it nevertheless."""
    MIX_UP = auto()
    """Puts a value under the time of another row of the same write."""
    CROSS_TENANT = auto()
    """Shows the rows in an asset of another tenant too."""
    STALE = auto()
    """Reads answer with what was there two writes ago."""
    TWICE_IN_READ = auto()
    """Reads repeat a row."""


class FakeService:
    """State and routes; one thread, one event loop."""

    def __init__(self, mischief: Mischief = Mischief.NONE) -> None:
        """Start empty."""
        self.mischief = mischief
        self.rows: dict[Key, dict[int, Row]] = {}
        self.before: dict[Key, dict[int, Row]] = {}
        self.types: set[str] = set()
        self.delayed: dict[Key, list[Callable[[], None]]] = {}
        self.position = 0
        self.lost: set[int] = set()
        self.port = 0
        self.requests = 0
        self.writers: list[asyncio.StreamWriter] = []

    # Writing

    def write(self, key: Key, change: Callable[[dict[int, Row]], None]) -> tuple[int, bool]:
        """Give the change a position and do it, as honestly as the fake is; (position, refused)."""
        self.position += 1
        position, bad = self.position, self.position % 7 == 0
        rows = self.rows.setdefault(key, {})
        if self.mischief is Mischief.STALE:
            self.before[key] = copy.deepcopy(rows)
        waiting = self.delayed.pop(key, [])
        if bad and self.mischief is Mischief.LOSE:
            pass
        elif bad and self.mischief is Mischief.REORDER:
            self.delayed[key] = [lambda: change(rows)]
        else:
            change(rows)
        for late in waiting:
            late()
        if bad:
            self._spoil(key, change)
        return position, bad and self.mischief is Mischief.REFUSE_AND_DO

    def _spoil(self, key: Key, change: Callable[[dict[int, Row]], None]) -> None:
        rows = self.rows[key]
        if self.mischief is Mischief.DUPLICATE:
            self.delayed[key] = [lambda: change(rows)]
        elif self.mischief is Mischief.PHANTOM:
            rows[max(rows, default=0) + 1_000] = {"count": 424_242}
        elif self.mischief is Mischief.MIX_UP and len(rows) > 1:
            first, second = list(rows)[:2]
            rows[first] = rows[second]
        elif self.mischief is Mischief.CROSS_TENANT:
            other = next((k for k in self.rows if k[0] != key[0]), None)
            if other is not None and rows:
                self.rows[other].update(rows)

    def put(self, key: Key, records: list[dict[str, Any]]) -> tuple[int, bool]:
        """Replace rows."""
        given = [(_ms(r["_time"]), _values(r)) for r in records]
        return self.write(key, lambda rows: rows.update(copy.deepcopy(dict(given))))

    def patch(self, key: Key, records: list[dict[str, Any]]) -> tuple[int, bool]:
        """Merge rows; null removes."""
        given = [(_ms(r["_time"]), _values(r)) for r in records]

        def merge(rows: dict[int, Row]) -> None:
            for time, values in given:
                merged = {**rows.get(time, {}), **values}
                rows[time] = {name: value for name, value in merged.items() if value is not None}

        return self.write(key, merge)

    def delete(self, key: Key, begin: int, end: int) -> tuple[int, bool]:
        """Remove the rows of (from, to]."""

        def remove(rows: dict[int, Row]) -> None:
            for time in [t for t in rows if begin < t <= end]:
                del rows[time]

        return self.write(key, remove)

    # Reading

    def read(self, key: Key, query: dict[str, str]) -> list[dict[str, Any]]:
        """Answer a raw read: a range, else the newest record."""
        rows = self.rows.get(key, {})
        if self.mischief is Mischief.STALE:
            rows = self.before.get(key, {})
        times = sorted(t for t, values in rows.items() if values)
        if "from" in query:
            begin, end = _ms(query["from"]), _ms(query["to"])
            times = [t for t in times if begin < t <= end][: int(query.get("limit", 2000))]
        else:
            times = times[-1:]
        if self.mischief is Mischief.TWICE_IN_READ:
            times = times + times[-1:]
        return [{"_time": _text(t), **rows[t]} for t in times]

    def aggregate(self, key: Key, query: dict[str, str]) -> dict[str, Any]:
        """Count the records of each hour (start, end]."""
        begin, end = _ms(query["from"]), _ms(query["to"])
        counts: dict[int, int] = {}
        for time, values in self.rows.get(key, {}).items():
            if begin < time <= end and "temperature" in values:
                hour = (time - 1) // 3_600_000 * 3_600_000
                counts[hour] = counts.get(hour, 0) + 1
        return {
            "aggregates": [
                {
                    "starttime": _text(hour),
                    "temperature": {"countgood": n, "countuncertain": 0, "countbad": 0},
                }
                for hour, n in sorted(counts.items())
            ]
        }

    # HTTP

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection."""
        self.writers.append(writer)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                lines = head.split("\r\n")
                method, target, _ = lines[0].split(" ", 2)
                fields = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
                raw = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
                body = await reader.readexactly(int(fields.get("content-length", "0")))
                self.requests += 1
                tenant = raw.get("Authorization", "").removeprefix("Bearer ")
                status, headers, content = self.answer(method, target, tenant, body)
                octets = msgspec.json.encode(content) if content is not None else b""
                if status != 204:
                    headers = {**headers, "Content-Length": str(len(octets))}
                lines = [f"HTTP/1.1 {status} X", *(f"{name}: {value}" for name, value in headers.items())]
                writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + octets)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    def answer(self, method: str, target: str, tenant: str, body: bytes) -> tuple[int, dict[str, str], Any]:
        """Route a request: status, headers, content."""
        parts = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        steps = parts.path.strip("/").split("/")
        if parts.path == "/oauth/token":
            user = base64.b64decode(tenant.removeprefix("Basic ")).decode().split(":")[0]
            return 200, {}, {"access_token": user.split("-")[0], "expires_in": 1799}
        if steps[:2] == ["api", "assetmanagement"]:
            return self._model(method, steps[3:], body)
        if steps[:2] == ["api", "iottsaggregates"]:
            return 200, {}, self.aggregate((tenant, query["assetId"]), query)
        if parts.path == "/metrics":
            return 404, {}, {"errors": []}
        if "receipts" in steps:
            position = int(unquote(steps[-1]).split(".")[2])
            return (410, {}, {"errors": []}) if position in self.lost else (200, {}, {"state": "applied"})
        return self._series(method, steps[4:], tenant, query, body)

    def _model(self, method: str, steps: list[str], body: bytes) -> tuple[int, dict[str, str], Any]:
        if method == "POST":
            name = msgspec.json.decode(body)["name"]
            return 201, {}, {"name": name, "assetId": f"{abs(hash(name)):032x}"[-32:]}
        if steps[-1] == "root":
            return 200, {}, {"assetId": "0" * 32}
        if method == "PUT":
            self.types.add(steps[-1])
            return 201, {}, {}
        return (200, {}, {}) if steps[-1] in self.types else (404, {}, {})

    def _series(
        self, method: str, steps: list[str], tenant: str, query: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], Any]:
        if not steps:
            pairs = msgspec.json.decode(body)["timeseries"]
            places = [self.put((tenant, pair["entityId"]), pair["data"])[0] for pair in pairs]
            return 202, {"Write-Receipt": ",".join(f"0.1.{place}" for place in places)}, None
        key = (tenant, steps[0])
        if method == "GET":
            return 200, {}, self.read(key, query)
        if method == "DELETE":
            position, refused = self.delete(key, _ms(query["from"]), _ms(query["to"]))
        else:
            change = self.put if method == "PUT" else self.patch
            position, refused = change(key, msgspec.json.decode(body))
        if refused:
            return 400, {}, {"errors": []}
        return 204, {"Write-Receipt": f"0.1.{position}"}, None


def _ms(text: str) -> int:
    return int(np.datetime64(text.removesuffix("Z"), "ms").astype(np.int64))


def _text(time_ms: int) -> str:
    return f"{np.datetime64(time_ms, 'ms')}Z"


def _values(record: dict[str, Any]) -> Row:
    return {name: value for name, value in record.items() if name != "_time"}


@contextmanager
def serving(mischief: Mischief = Mischief.NONE) -> Iterator[FakeService]:
    """Serve a fake on a port of its own, in a thread, until the block ends."""
    fake = FakeService(mischief)
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(fake.serve, "127.0.0.1", 0, limit=1 << 22))
    fake.port = server.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield fake
    finally:
        asyncio.run_coroutine_threadsafe(_close(server, fake), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _close(server: asyncio.Server, fake: FakeService) -> None:
    server.close()
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for writer in fake.writers:
        writer.close()
    await asyncio.gather(*tasks, return_exceptions=True)
