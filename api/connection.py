"""One HTTP/1.1 connection: the library's, with limits that it lacks, and the hot path past ASGI.

uvicorn's protocol parses (httptools), keeps alive, pipelines and speaks ASGI. Added here: a limit for the
bytes of a head and for the time it takes, refusals in the shape of every other one, and the hot path:
what `api.hot` answers becomes no ASGI scope, no messages and no stack of wrappers, but one task that
writes one buffer. Whatever is unusual about such a request (escapes in its path, `Expect`, HTTP/1.0, an
upgrade) takes the ordinary way, which answers the same.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Mapping
from typing import Any, Final

from litestar.exceptions import HTTPException
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from api.door import ALWAYS, Door
from api.hot import Kind, Target, judged, target_of, too_large
from api.identity.tokens import Identity
from api.watch import Arrival, too_slow
from runtime import logs
from schemas.errors import Unavailable
from schemas.limits import PUT_BODY_BYTES_MAX

HEAD_BYTES_MAX: Final = 65_536
"""Request line and headers; tokens have some 1,500 bytes."""
HEAD_READ_S: Final = 15.0
"""They must arrive within it; a body has its own deadline (`api.watch`)."""
CONNECTIONS_MAX: Final = 4_096
"""Open connections of one process: above the kept ones of its clients, below its file descriptors."""

_BODILESS: Final = frozenset({204, 304})
_ALWAYS: Final = {name.decode(): b"%s: %s\r\n" % (name, value) for name, value in ALWAYS}
_ALL_OF_ALWAYS: Final = b"".join(_ALWAYS.values())


class Connection(HttpToolsProtocol):
    """One client's connection."""

    cycle: Any  # the library's cycle, or an `_Exchange` in its place

    def __init__(self, door: Door, **given: Any) -> None:
        """Serve the door; what is `given` is the library's own."""
        super().__init__(**given)
        self.door = door
        self.dated = b""
        self._dated_of: object = None
        self._head_bytes = 0
        self._head_since_s = math.inf

    # -- what the loop calls ---------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # its own
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._head_since_s = self.loop.time()
        if len(self.connections) > CONNECTIONS_MAX:
            self.refuse(Unavailable("Too many connections; use fewer, and keep them."))

    def data_received(self, data: bytes) -> None:
        """Parse what came; a head that is too long, or is none, ends the connection."""
        if self._head_bytes:  # of a head that began in an earlier piece
            self._head_bytes += len(data)
        if self.parser is not None:
            super().data_received(data)
        if self._head_bytes > HEAD_BYTES_MAX and not self.transport.is_closing():
            self._refuse_head()

    def look(self, now_s: float) -> None:
        """End the connection if a head has not come in time; the server calls this about once a second."""
        if now_s - self._head_since_s > HEAD_READ_S and not self.transport.is_closing():
            self.refuse(HTTPException(status_code=408, detail="The request came too slowly."))

    # -- what the parser calls -------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Begin a head."""
        super().on_message_begin()
        self._head_bytes = 1
        self._head_since_s = self.loop.time()

    def on_headers_complete(self) -> None:
        """Begin a request."""
        long = sum(len(name) + len(value) for name, value in self.headers) + len(self.url) > HEAD_BYTES_MAX
        self._head_bytes = 0
        self._head_since_s = math.inf
        if long:
            self._refuse_head()
            return
        exchange = self._hot_exchange()
        if exchange is None:
            super().on_headers_complete()
            return
        before, self.cycle = self.cycle, exchange
        if before is None or before.response_complete:
            exchange.begin()
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((exchange, self.app))  # type: ignore[arg-type]  # it is what a cycle is

    def on_body(self, body: bytes) -> None:
        """Take a piece of a body."""
        if type(self.cycle) is _Exchange:
            self.cycle.take(body)
        elif self.cycle is not None:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request's body."""
        if type(self.cycle) is _Exchange:
            self.cycle.complete()
        elif self.cycle is not None:
            super().on_message_complete()

    def _hot_exchange(self) -> _Exchange | None:
        """Begin an exchange on the hot path; None for a request that takes the ordinary way."""
        if self.door.hot is None or self.expect_100_continue:
            return None
        if self.parser.should_upgrade() or self.parser.get_http_version() != "1.1":
            return None
        headers = judged(self.headers)
        target = target_of(self.parser.get_method(), self.url, headers)
        return None if target is None else _Exchange(self, target, headers)

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        """Start a request whose turn has come."""
        if type(cycle) is _Exchange:
            cycle.begin()
        else:
            super()._start_asgi_task(cycle, app)

    # -- answers of our own ----------------------------------------------------------------------

    def refuse(self, error: Exception) -> None:
        """Answer something that is no request, or came too late to be one, and close."""
        request_id = self.door.next_id()
        status, headers, body = self.door.refusal(error, request_id)
        self.transport.write(self.rendered(request_id, status, {**headers, "connection": "close"}, body))
        self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """Refuse what the parser refused; of its own words nothing goes out."""
        if not self.transport.is_closing():
            self.refuse(HTTPException(status_code=400, detail="The request is not HTTP/1.1."))

    def _refuse_head(self) -> None:
        self.refuse(HTTPException(status_code=431, detail=f"A head has at most {HEAD_BYTES_MAX} bytes."))

    def rendered(self, request_id: str, status: int, headers: Mapping[str, str], body: bytes) -> bytes:
        """Write a whole answer as bytes, with what every answer has."""
        if self._dated_of is not self.server_state.default_headers:  # a new list every second
            self._dated_of = self.server_state.default_headers
            self.dated = _lines(self.server_state.default_headers)
        named = [f"{name}: {value}\r\n" for name, value in headers.items()]
        head = f"{''.join(named)}x-request-id: {request_id}\r\n".encode("latin-1")
        always = _ALL_OF_ALWAYS
        if "vary" in headers or "cache-control" in headers:
            always = b"".join(line for name, line in _ALWAYS.items() if name not in headers)
        length = b"" if status in _BODILESS else b"content-length: %d\r\n" % len(body)
        return b"".join((STATUS_LINE[status], self.dated, head, always, length, b"\r\n", body))


def _lines(pairs: Iterable[tuple[bytes, bytes]]) -> bytes:
    return b"".join(b"%s: %s\r\n" % pair for pair in pairs)


class _Ignored:
    """Stands where the library's cycle has an event that wakes whoever reads a body."""

    @staticmethod
    def set() -> None:
        """Nobody waits."""


class _Exchange:
    """A request of the hot path on its way, in place of the library's cycle: same marks, no messages."""

    __slots__ = (
        "_arrival",
        "_caller",
        "_connection",
        "_headers",
        "_id",
        "_parts",
        "_size",
        "_started_s",
        "_target",
        "_task",
        "disconnected",
        "keep_alive",
        "more_body",
        "response_complete",
    )

    message_event = _Ignored

    def __init__(self, connection: Connection, target: Target, headers: Mapping[bytes, bytes]) -> None:
        self._connection = connection
        self._target = target
        self._headers = headers
        self._parts: list[bytes] = []
        self._size = 0
        self._id = ""
        self._caller: Identity | None = None
        self._arrival: Arrival | None = None
        self._task: asyncio.Task[None] | None = None
        self._started_s = 0.0
        self.keep_alive = connection.parser.should_keep_alive()
        self.more_body = True
        self.response_complete = False
        self.disconnected = False

    def begin(self) -> None:
        """Judge the head: the requests before it on this connection are answered."""
        door = self._connection.door
        self._id = door.next_id()
        self._started_s = door.clock.monotonic_s()
        assert door.hot is not None
        try:
            self._caller = door.hot.admit(self._target, self._headers)
            if self._size > PUT_BODY_BYTES_MAX:
                raise too_large()  # noqa: TRY301  # answered as every other refusal
        except Exception as error:  # noqa: BLE001  # logged and answered
            self._refuse(error)
            return
        if not self.more_body:
            self._start()
        elif self._target.kind is Kind.WRITE:
            self._arrival = door.watch.begin(self._give_up)

    def take(self, body: bytes) -> None:
        """Take a piece of the body, never more of it than is allowed."""
        self._size += len(body)
        if self._arrival is not None:
            self._arrival.received_bytes = self._size
        if self.response_complete:
            return  # the rest of a refused body
        if self._size <= PUT_BODY_BYTES_MAX:
            self._parts.append(body)
        elif self._caller is not None:
            self._refuse(too_large())

    def complete(self) -> None:
        """The body is whole."""
        self.more_body = False
        if self._caller is not None and not self.response_complete:
            self._start()

    def _give_up(self) -> None:
        if not self.response_complete:
            self._refuse(too_slow())

    def _start(self) -> None:
        self._stop_watch()
        self._task = self._connection.loop.create_task(self._serve())

    async def _serve(self) -> None:
        hot, caller = self._connection.door.hot, self._caller
        assert hot is not None
        assert caller is not None
        logs.request_id.set(self._id)
        parts = self._parts
        try:
            body = parts[0] if len(parts) == 1 else b"".join(parts)
            answered = await hot.serve(caller, self._headers, self._target, body)
        except Exception as error:  # noqa: BLE001  # logged and answered
            self._refuse(error)
        else:
            self._give(answered.status, answered.headers, answered.body)

    def _refuse(self, error: Exception) -> None:
        self._give(*self._connection.door.refusal(error, self._id))

    def _give(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        connection = self._connection
        door, transport = connection.door, connection.transport
        self._stop_watch()
        self.response_complete = True
        closes = not self.keep_alive or headers.get("connection") == "close"
        if not self.keep_alive:
            headers = {**headers, "connection": "close"}
        if not transport.is_closing():
            transport.write(connection.rendered(self._id, status, headers, body))
            if closes:
                transport.close()
        door.figures.request(*self._target.kind.route, status, door.clock.monotonic_s() - self._started_s)
        connection.on_response_complete()

    def _stop_watch(self) -> None:
        if self._arrival is not None:
            self._connection.door.watch.end(self._arrival)
            self._arrival = None
