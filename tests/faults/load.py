"""Interleaved PUT, overwrite, PATCH, DELETE and multi PUT of the same assets over many connections.

`python -m tests.faults.load CONFIG.json` runs one process of it until SIGTERM, then waits for the answers
that are under way, syncs its journal and ends. A write whose answer does not come is repeated with the same
`Idempotency-Key` where it had one, until it is known; without a key it stays unknown.
"""

from __future__ import annotations

import asyncio
import random
import signal
import sys
from pathlib import Path
from time import monotonic_ns

import msgspec

from bench.generator import parse_answer, request_bytes
from tests.faults.operations import (
    ACKNOWLEDGED,
    REFUSED,
    UNKNOWN,
    VARIABLES,
    Journal,
    Operation,
    Read,
    answered_rows,
    text_of,
    value_of,
)

SERIES = "/api/iottimeseries/v3/timeseries"
START_MS = 1_704_067_200_000


class Config(msgspec.Struct):
    """What one process of the load does."""

    host: str
    port: int
    aspect: str
    assets: list[tuple[str, str, str]]
    """(tenant, asset, token)."""
    journal: str
    process: int = 0
    seed: int = 1
    connections: int = 16
    readers: int = 4
    times: int = 120
    """How many timestamps an asset has; few of them make operations meet."""
    rows_max: int = 12
    keyed: float = 0.8
    """Share of the single writes that carry an Idempotency-Key."""
    answer_s: float = 15.0
    operations_max: int = 1 << 31
    pause_ms: float = 0.0
    """Between two requests of a connection; 0 loads as much as it can."""


class NoAnswer(Exception):
    """The connection broke, or nothing came in time: the outcome is not known."""


class Wire:
    """One connection that is opened again when it breaks."""

    def __init__(self, config: Config) -> None:
        """Open at the first request."""
        self._config = config
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: bytes) -> tuple[int, dict[str, str], bytes]:
        """Send a request and give status, header fields (lower case) and body; `NoAnswer` otherwise."""
        try:
            async with asyncio.timeout(self._config.answer_s):
                return await self._ask(request)
        except (OSError, EOFError, TimeoutError) as error:
            self.close()
            raise NoAnswer(str(error)) from error

    async def _ask(self, request: bytes) -> tuple[int, dict[str, str], bytes]:
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._config.host, self._config.port)
        reader, writer = self._streams
        writer.write(request)
        await writer.drain()
        data = b""
        while (answer := parse_answer(data)) is None:
            more = await reader.read(1 << 18)
            if not more:
                raise EOFError("the server closed the connection")
            data += more
        status, head, body = answer
        pairs = (line.split(": ", 1) for line in head.decode("latin-1").split("\r\n")[1:])
        fields = {name.lower(): text for name, text in pairs}
        if fields.get("connection") == "close":
            self.close()
        return status, fields, body

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


class Load:
    """The clients of one process."""

    def __init__(self, config: Config) -> None:
        """Prepare; `run` starts."""
        self.config = config
        self.journal = Journal(Path(config.journal))
        self.stopping = asyncio.Event()
        self._random = random.Random(config.seed * 1000 + config.process)
        self._counter = 0
        self._tokens = {(tenant, asset): token for tenant, asset, token in config.assets}

    async def run(self) -> None:
        """Load until `stopping` is set or the operations are used up."""
        background = [asyncio.create_task(self._read(number)) for number in range(self.config.readers)]
        background.append(asyncio.create_task(self._sync()))
        await asyncio.gather(*(self._write() for _ in range(self.config.connections)))
        self.stopping.set()
        await asyncio.gather(*background)
        self.journal.close()

    async def _sync(self) -> None:
        while not self.stopping.is_set():
            await asyncio.to_thread(self.journal.sync)
            await asyncio.sleep(0.02)

    # Writing

    async def _write(self) -> None:
        wire = Wire(self.config)
        while not self.stopping.is_set() and self._counter < self.config.operations_max:
            operations, request, keyed = self._next()
            sent_ns = monotonic_ns()
            for operation in operations:
                operation.sent_ns = sent_ns
                self.journal.note(operation)
            await self._settle(wire, operations, request, keyed=keyed)
            for operation in operations:
                self.journal.note(operation)
            await asyncio.sleep(self.config.pause_ms / 1000)
        wire.close()

    def _next(self) -> tuple[list[Operation], bytes, bool]:
        """Make the next request: its operations, its bytes, and whether it may be repeated."""
        drawn = self._random.random()
        if drawn < 0.1:
            return self._multi_put()
        tenant, asset, token = self._random.choice(self.config.assets)
        kind = "put" if drawn < 0.65 else "patch" if drawn < 0.9 else "delete"
        operation = self._operation(tenant, asset, kind)
        path = f"{SERIES}/{asset}/{self.config.aspect}"
        keyed = self._random.random() < self.config.keyed
        headers = f"Idempotency-Key: op-{operation.number}\r\n" if keyed else ""
        if kind == "delete":
            query = f"?from={text_of(operation.begin_ms)}&to={text_of(operation.end_ms)}"
            return [operation], self._request("DELETE", path + query, token, None, headers), keyed
        body = msgspec.json.encode(_records(operation))
        return [operation], self._request(kind.upper(), path, token, body, headers), keyed

    def _multi_put(self) -> tuple[list[Operation], bytes, bool]:
        tenant, _, token = self._random.choice(self.config.assets)
        mine = [asset for other, asset, _ in self.config.assets if other == tenant]
        chosen = self._random.sample(mine, min(len(mine), self._random.randint(1, 5)))
        operations = [self._operation(tenant, asset, "put") for asset in chosen]
        pairs = [
            {"entityId": op.asset, "propertySetName": self.config.aspect, "data": _records(op)}
            for op in operations
        ]
        body = msgspec.json.encode({"timeseries": pairs})
        return operations, self._request("PUT", SERIES, token, body, ""), False

    def _operation(self, tenant: str, asset: str, kind: str) -> Operation:
        self._counter += 1
        number = (self.config.process << 32) + self._counter
        operation = Operation(number, tenant, asset, kind)
        if kind == "delete":
            begin, end = sorted(self._random.choices(range(self.config.times + 1), k=2))
            end = min(end, begin + self.config.times // 4) + (begin == end)
            operation.begin_ms, operation.end_ms = _time(begin) - 1, _time(end) - 1
            return operation
        count = self._random.randint(2, min(10, self.config.rows_max))
        times = self._random.sample(range(self.config.times), min(count, self.config.times))
        for row, slot in enumerate(sorted(times)):
            values = {name: value_of(number, row, name) for name in VARIABLES}
            if kind == "patch":
                values = self._patched(values)
            operation.rows[_time(slot)] = values
        return operation

    def _patched(self, values: dict[str, int | float | str | None]) -> dict[str, int | float | str | None]:
        """Keep some of the variables, and remove one now and then."""
        names = self._random.sample(VARIABLES, self._random.randint(1, 2))
        return {name: None if self._random.random() < 0.15 else values[name] for name in names}

    def _request(self, method: str, path: str, token: str, body: bytes | None, headers: str) -> bytes:
        host = f"{self.config.host}:{self.config.port}"
        return request_bytes(method, path, host, token, body, headers=headers)

    async def _settle(self, wire: Wire, operations: list[Operation], request: bytes, *, keyed: bool) -> None:
        """Send, and repeat what may be repeated, until the outcome is known or cannot be."""
        patience = 400 if keyed else 1
        for _ in range(patience):
            try:
                status, fields, body = await wire.ask(request)
            except NoAnswer:
                status, fields, body = 0, {}, b""
            _conclude(operations, status, fields, body)
            if operations[0].outcome != UNKNOWN or (self.stopping.is_set() and not keyed):
                return
            await asyncio.sleep(0.1)

    # Reading

    async def _read(self, number: int) -> None:
        wire = Wire(self.config)
        chooser = random.Random(self.config.seed * 7919 + self.config.process * 101 + number)
        while not self.stopping.is_set():
            tenant, asset, token = chooser.choice(self.config.assets)
            begin = chooser.randrange(self.config.times)
            end = min(self.config.times, begin + chooser.randint(1, 20))
            begin_ms, end_ms = _time(begin) - 1, _time(end) - 1
            query = f"?from={text_of(begin_ms)}&to={text_of(end_ms)}&limit=2000"
            request = self._request("GET", f"{SERIES}/{asset}/{self.config.aspect}{query}", token, None, "")
            sent_ns = monotonic_ns()
            try:
                status, fields, body = await wire.ask(request)
            except NoAnswer:
                status, fields, body = 0, {}, b""
            rows = answered_rows(msgspec.json.decode(body)) if status == 200 else []
            exempt = "read-position" in fields
            self.journal.note(
                Read(tenant, asset, begin_ms, end_ms, sent_ns, monotonic_ns(), status, exempt, rows)
            )
            await asyncio.sleep(0.02)
        wire.close()


_COME_AGAIN = {408, 429}
"""Said before anything is done; a repeat with the same key tells what became of an earlier try."""


def _time(slot: int) -> int:
    return START_MS + 1000 * slot


def _records(operation: Operation) -> list[dict[str, object]]:
    return [{"_time": text_of(time_ms), **values} for time_ms, values in operation.rows.items()]


def _conclude(operations: list[Operation], status: int, fields: dict[str, str], body: bytes) -> None:
    """Write down what an answer says: 2xx with a receipt, 4xx without effect, anything else unknown."""
    answered_ns = monotonic_ns()
    receipts = [part.strip() for part in fields.get("write-receipt", "").split(",")]
    for i, operation in enumerate(operations):
        operation.answered_ns = answered_ns
        operation.status = status
        receipt = receipts[i] if i < len(receipts) else ""
        if 200 <= status < 300 and receipt and receipt != "-":
            operation.outcome, operation.receipt = ACKNOWLEDGED, receipt
            continue
        if 200 <= status < 300 and receipt == "-":
            operation.status = _status_of_pair(operation, body)
        elif 200 <= status < 300:
            raise ValueError(f"an acknowledgement without a receipt: {status} {fields}")
        known = 400 <= operation.status < 500 and operation.status not in _COME_AGAIN
        operation.outcome = REFUSED if known else UNKNOWN


def _status_of_pair(operation: Operation, body: bytes) -> int:
    """Give the status of one refused pair of a multi PUT."""
    errors = msgspec.json.decode(body)["errors"] if body else []
    return next((int(error["statusCode"]) for error in errors if error["entityId"] == operation.asset), 0)


def main(arguments: list[str] | None = None) -> int:
    """Run one process of the load; SIGTERM ends it in order."""
    path = (sys.argv[1:] if arguments is None else arguments)[0]
    config = msgspec.json.decode(Path(path).read_bytes(), type=Config)

    async def run() -> None:
        load = Load(config)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, load.stopping.set)
        await load.run()

    asyncio.run(run())
    return 0


if __name__ == "__main__":
    sys.exit(main())
