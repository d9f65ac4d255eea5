"""One HTTP/1.1 connection: the library's, with limits that it lacks, and the hot path past ASGI.

uvicorn's protocol parses (httptools), keeps alive, pipelines and speaks ASGI. Added here: limits for the
bytes of a head, for the time it takes and for the time that an answer is left unread; refusals in the shape
of every other one, and in their turn; requests read as if they offered no other protocol; and the hot path:
what `api.hot` answers becomes no ASGI scope, no messages and no stack of wrappers, but one task that writes
one buffer (`api.exchange`). Whatever is unusual about such a request (escapes in its path, `Expect`,
HTTP/1.0) takes the ordinary way, which answers the same.
"""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any, Final

import httptools
from litestar.exceptions import HTTPException
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from api.door import ALWAYS, Door
from api.exchange import Exchange
from api.hot import judged, target_of
from schemas.errors import Unavailable

HEAD_BYTES_MAX: Final = 65_536
"""Request line and headers, and whatever else comes that is no body; tokens have some 1,500 bytes."""
HEAD_READ_S: Final = 15.0
"""They must arrive within it; a body has its own deadline (`api.http.watch`)."""
UNREAD_S: Final = 30.0
"""Within it a client takes of an unread answer what it must send of a body (`body_rate_bytes_min`)."""
CONNECTIONS_MAX: Final = 4_096
"""Open connections of one process at most, as far as it has file descriptors (`api.server`)."""

_BODILESS: Final = frozenset({204, 304})
_HOST: Final = re.compile(rb"(?:[A-Za-z0-9._~-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
"""Names and addresses as servers have them; links in answers repeat it (S12)."""
_ALWAYS: Final = {name.decode(): b"%s: %s\r\n" % (name, value) for name, value in ALWAYS}
_ALL_OF_ALWAYS: Final = b"".join(_ALWAYS.values())


class _Ended(Exception):
    """Stops the parser: nothing that follows on this connection is a request."""


class Connection(HttpToolsProtocol):
    """One client's connection."""

    cycle: Any  # the library's cycle, or an `Exchange` in its place

    def __init__(self, door: Door, room: int = CONNECTIONS_MAX, **given: Any) -> None:
        """Serve the door, of whose process `room` connections may be open; `given` is the library's own."""
        super().__init__(**given)
        self.door = door
        self._room = room
        self._dated = b""
        self._dated_of: object = None
        self._head_bytes = 0
        """Came since the parser last gave a body, or the end of a head or body."""
        self._head_since_s = math.inf
        """Since when something is awaited that nobody else watches: a head, the rest of a refused body."""
        self._serving: Any = None
        """The cycle whose turn it is; `cycle` is the one that is being read."""
        self._refusal: Exception | None = None
        """What ends the connection once the requests before it are answered."""
        self._unread: tuple[float, int] | None = None
        """Since when no more is written, and how many bytes were unread then."""

    # -- what the loop calls ---------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # its own
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._head_since_s = self.loop.time()
        if len(self.connections) > min(self._room, CONNECTIONS_MAX):
            self.refuse(Unavailable("Too many connections; use fewer, and keep them."))

    def data_received(self, data: bytes) -> None:
        """Parse what came; a head that is too long, or is none, ends the connection."""
        self._unset_keepalive_if_required()
        self._head_bytes += len(data)
        if self._head_since_s == math.inf and not self._is_busy():
            self._head_since_s = self.loop.time()
        if self.parser is not None:
            self._feed(data)
        if self._head_bytes > HEAD_BYTES_MAX:
            self._refuse_head()

    def _feed(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            try:
                self.parser.feed_data(rest)
            except httptools.HttpParserUpgrade as offer:
                rest = rest[offer.args[0] :]
                self._read_without_offer()
            except httptools.HttpParserError as error:
                if not isinstance(error.__context__, _Ended):
                    self.send_400_response("")
                return
            else:
                return

    def _read_without_offer(self) -> None:
        """Read a head again without its offer to change protocols, for which a body would be taken (S6)."""
        kept = _lines(pair for pair in self.headers if pair[0] != b"upgrade")
        line = (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.parser.feed_data(b"%s %s HTTP/%s\r\n%s\r\n" % (*line, kept))

    def connection_lost(self, exc: Exception | None) -> None:
        """End what is under way for a client that has gone."""
        super().connection_lost(exc)
        for cycle in (self._serving, self.cycle, *(waiting for waiting, _ in self.pipeline)):
            if type(cycle) is Exchange:
                cycle.leave()
        self.pipeline.clear()
        if self._is_busy():
            self._serving.disconnected = True
            self._serving.message_event.set()

    def resume_writing(self) -> None:
        """Go on: the client has read what was written."""
        super().resume_writing()
        self._unread = None
        if type(self._serving) is Exchange:
            self._serving.resume()

    def look(self, now_s: float) -> None:
        """End the connection if its client is too slow; the server calls this about once a second."""
        if self._is_unread(now_s):
            self.transport.abort()
        elif self._is_busy():
            if self._head_since_s < math.inf:  # The next head may be with us already, unread.
                self._head_since_s = now_s
        elif now_s - self._head_since_s > HEAD_READ_S:
            self.refuse(HTTPException(status_code=408, detail="The request came too slowly."))

    def _is_unread(self, now_s: float) -> bool:
        """Tell whether hardly anything of an answer was read for long, while nothing is added to it."""
        unread = self.transport.get_write_buffer_size()
        if not unread or not (self.flow.write_paused or self.transport.is_closing()):
            self._unread = None
        elif self._unread is None:
            self._unread = now_s, unread
        elif now_s - self._unread[0] > UNREAD_S:
            least = UNREAD_S * self.door.services.ports.policy.body_rate_bytes_min
            slow = self._unread[1] - unread < least
            self._unread = now_s, unread
            return slow
        return False

    def _is_busy(self) -> bool:
        return self._serving is not None and not self._serving.response_complete

    # -- what the parser calls -------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Begin a head."""
        super().on_message_begin()
        if self._head_since_s == math.inf:
            self._head_since_s = self.loop.time()

    def on_headers_complete(self) -> None:
        """Begin a request."""
        if self._refusal is not None or self.transport.is_closing():
            raise _Ended
        if sum(map(len, chain.from_iterable(self.headers))) + len(self.url) > HEAD_BYTES_MAX:
            self._refuse_head()
            raise _Ended
        if not self._is_host_clear():
            self.refuse(HTTPException(status_code=400, detail="A request names one host, as `host:port`."))
            raise _Ended
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                self.send_400_response("")
                raise _Ended
            return  # `_read_without_offer` follows
        self._head_bytes = 0
        self._head_since_s = math.inf
        exchange = self._hot_exchange()
        if exchange is None:
            super().on_headers_complete()
        else:
            self._line_up(exchange)
        self.headers = []  # Where trailers go: they are no headers (RFC 9110, 6.5.1).

    def _is_host_clear(self) -> bool:
        """Tell whether the head names one host (RFC 9112, 3.2); HTTP/1.0 may name none."""
        hosts = [value for name, value in self.headers if name == b"host"]
        if not hosts:
            return bool(self.parser.get_http_version() == "1.0")
        return len(hosts) == 1 and _HOST.fullmatch(hosts[0]) is not None

    def _line_up(self, exchange: Exchange) -> None:
        before, self.cycle = self.cycle, exchange
        if before is None or before.response_complete:
            self._serving = exchange
            exchange.begin()
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((exchange, self.app))  # type: ignore[arg-type]  # it is what a cycle is

    def on_body(self, body: bytes) -> None:
        """Take a piece of a body."""
        self._head_bytes = 0
        if type(self.cycle) is Exchange:
            self.cycle.take(body)
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request's body."""
        if self.parser.should_upgrade():
            return
        self._head_bytes = 0
        if type(self.cycle) is Exchange:
            self.cycle.complete()
        else:
            super().on_message_complete()
        if not self._is_busy():  # The rest of a body that was refused has come.
            self._head_since_s = math.inf
            self._keep()

    def _keep(self) -> None:
        if self.timeout_keep_alive_task is None and not self.transport.is_closing():
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def _hot_exchange(self) -> Exchange | None:
        """Begin an exchange on the hot path; None for a request that takes the ordinary way."""
        if self.door.hot is None or self.expect_100_continue:
            return None
        if self.parser.get_http_version() != "1.1":
            return None
        headers = judged(self.headers)
        target = target_of(self.parser.get_method(), self.url, headers)
        return None if target is None else Exchange(self, target, headers)

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        """Start a request whose turn has come."""
        self._serving = cycle
        if type(cycle) is Exchange:
            self.loop.call_soon(cycle.begin)  # Not at once: thousands may be waiting, each inside the last.
        else:
            super()._start_asgi_task(cycle, app)

    # -- answers of our own ----------------------------------------------------------------------

    def refuse(self, error: Exception) -> None:
        """Refuse something that is no request, or came too late to be one, in its turn, and close."""
        if self.transport.is_closing() or self._refusal is not None:
            return
        if self._is_busy() and self.cycle.more_body:
            if self.pipeline:  # It is the body of the last one that cannot be read: it is none, either.
                self.pipeline.popleft()
            elif getattr(self.cycle, "response_started", False):
                self.transport.close()  # Half an answer is out.
                return
            else:
                self._say_refused(error)
                return
        if self._is_busy():
            self._refusal = error
        else:
            self._say_refused(error)

    def _say_refused(self, error: Exception) -> None:
        request_id = self.door.next_id()
        status, headers, body = self.door.refusal(error, request_id)
        self.transport.write(self.rendered(request_id, status, {**headers, "connection": "close"}, body))
        self.transport.close()

    def on_response_complete(self) -> None:
        """Go on to the next request, or end."""
        if self._refusal is not None and not self.pipeline and not self.transport.is_closing():
            self._say_refused(self._refusal)
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what the parser refused; of its own words nothing goes out."""
        self.refuse(HTTPException(status_code=400, detail="The request is not HTTP/1.1."))

    def _refuse_head(self) -> None:
        self.refuse(HTTPException(status_code=431, detail=f"A head has at most {HEAD_BYTES_MAX} bytes."))

    def rendered(self, request_id: str, status: int, headers: Mapping[str, str], body: bytes) -> bytes:
        """Write a whole answer as bytes, with what every answer has."""
        if self._dated_of is not self.server_state.default_headers:  # a new list every second
            self._dated_of = self.server_state.default_headers
            self._dated = _lines(self.server_state.default_headers)
        named = [f"{name}: {value}\r\n" for name, value in headers.items()]
        head = f"{''.join(named)}x-request-id: {request_id}\r\n".encode("latin-1")
        always = _ALL_OF_ALWAYS
        if "vary" in headers or "cache-control" in headers:
            always = b"".join(line for name, line in _ALWAYS.items() if name not in headers)
        length = b"" if status in _BODILESS else b"content-length: %d\r\n" % len(body)
        return b"".join((STATUS_LINE[status], self._dated, head, always, length, b"\r\n", body))


def _lines(pairs: Iterable[tuple[bytes, bytes]]) -> bytes:
    return b"".join(b"%s: %s\r\n" % pair for pair in pairs)
