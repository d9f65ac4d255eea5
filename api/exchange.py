"""A request of the hot path on its way, between its connection (`api.connection`) and `api.hot`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

from litestar.exceptions import HTTPException

from api.hot import Target, too_large
from api.http.budget import Holding
from api.http.watch import Arrival, too_slow
from api.identity.tokens import Identity
from runtime import logs
from schemas.errors import TooMany, Unavailable

if TYPE_CHECKING:
    from api.connection import Connection


class _Ignored:
    """Stands where the library's cycle has an event that wakes whoever reads a body."""

    @staticmethod
    def set() -> None:
        """Nobody waits."""


class Exchange:
    """A request of the hot path on its way, in place of the library's cycle: same marks, no messages."""

    __slots__ = (
        "_answered",
        "_arrival",
        "_caller",
        "_connection",
        "_headers",
        "_holding",
        "_id",
        "_parts",
        "_refusal",
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
        self._answered = False
        self._parts: list[bytes] = []
        self._holding = Holding(connection.door.budget)
        self._refusal: Exception | None = None
        """What the part of the body ends with that came before its turn."""
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
        if self._connection.transport.is_closing():
            return
        self._id = door.next_id()
        self._started_s = door.clock.monotonic_s()
        assert door.hot is not None
        try:
            self._caller = door.hot.admit(self._target, self._headers, self._holding)
            if self._refusal is not None:
                raise self._refusal  # noqa: TRY301  # answered as every other one
        except Exception as error:  # noqa: BLE001  # logged and answered
            self._refuse(error)
            return
        if not self.more_body:
            self._start()
        elif self._target.kind.body_bytes_max:
            self._arrival = door.watch.begin(self._give_up)

    def take(self, body: bytes) -> None:
        """Take a piece of the body, never more of it than is allowed."""
        self._size += len(body)
        if self._arrival is not None:
            self._arrival.received_bytes = self._size
        if self._answered or self._refusal is not None:
            return  # the rest of a refused body
        try:
            if self._size > self._target.kind.body_bytes_max:
                raise too_large()
            self._holding.add(len(body))
        except (HTTPException, Unavailable) as error:
            self._cut_off(error)
        else:
            self._parts.append(body)

    def _cut_off(self, error: Exception) -> None:
        """Refuse the body, at once if it is its turn."""
        self._refusal = error
        self._drop_body()
        if self._caller is not None:
            self._refuse(error)

    def complete(self) -> None:
        """The body is whole."""
        self.more_body = False
        if self._caller is not None and not self._answered and self._refusal is None:
            self._start()

    def _give_up(self) -> None:
        if not self._answered:
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
            answered = await hot.serve(
                caller, self._headers, self._target, body, self._holding, logref=self._id
            )
        except Exception as error:  # noqa: BLE001  # logged and answered
            self._refuse(error)
        else:
            self._give(answered.status, answered.headers, answered.body)

    def _refuse(self, error: Exception) -> None:
        if isinstance(error, TooMany) and error.hold_s:
            self._refusal = error
            self._stop_watch()
            self._drop_body()
            self._connection.loop.call_later(error.hold_s, self._give_refusal, error)
        else:
            self._give_refusal(error)

    def _give_refusal(self, error: Exception) -> None:
        self._give(*self._connection.door.refusal(error, self._id))

    def _give(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        connection = self._connection
        door, transport = connection.door, connection.transport
        self._stop_watch()
        self._drop_body()
        self._answered = True
        if self._caller is not None:
            headers = door.services.quotas.told(self._caller.tenant, headers)
        if headers.get("connection") == "close":
            self.keep_alive = False
        if not self.keep_alive:
            headers = {**headers, "connection": "close"}
        if not transport.is_closing():
            transport.write(connection.rendered(self._id, status, headers, body))
        door.figures.request(*self._target.kind.route, status, door.clock.monotonic_s() - self._started_s)
        if self.disconnected or not connection.flow.write_paused:
            self._end()

    def leave(self) -> None:
        """The client has gone: what came of a body that is not whole serves nobody."""
        if self._task is None:
            self._drop_body()

    def _drop_body(self) -> None:
        """Keep nothing of the body: the connection keeps its last exchange for as long as it is idle."""
        self._parts = []
        self._holding.release()

    def resume(self) -> None:
        """Go on after an answer that the client was slow to read."""
        if self._answered and not self.response_complete:
            self._end()

    def _end(self) -> None:
        self.response_complete = True
        if not self.keep_alive:
            self._connection.transport.close()
        self._connection.on_response_complete()

    def _stop_watch(self) -> None:
        if self._arrival is not None:
            self._connection.door.watch.end(self._arrival)
            self._arrival = None
