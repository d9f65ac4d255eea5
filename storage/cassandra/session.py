"""Cassandra as an asyncio program needs it: named statements in, rows or our own errors out.

The driver answers on a thread of its own. Its answers are put into a queue and the event loop is woken
once for all that came meanwhile. A caller that is cancelled leaves its answer to nobody: every answer
belongs to the future of its own request, so it cannot reach another caller.

Consistency: LOCAL_QUORUM, compare-and-set at LOCAL_SERIAL (design 4.15). The driver repeats a statement
by itself only if that is harmless, so never a compare-and-set: its caller decides (design 4.6).
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import cassandra
from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import (
    EXEC_PROFILE_DEFAULT,
    Cluster,
    ExecutionProfile,
    NoHostAvailable,
    ResponseFuture,
)
from cassandra.cluster import Session as DriverSession
from cassandra.connection import ConnectionException
from cassandra.policies import (
    ConstantReconnectionPolicy,
    DCAwareRoundRobinPolicy,
    FallthroughRetryPolicy,
    RetryPolicy,
    TokenAwarePolicy,
)
from cassandra.query import (
    BatchStatement,
    BatchType,
    BoundStatement,
    PreparedStatement,
    SimpleStatement,
    tuple_factory,
)

from schemas.errors import OutcomeUnknown, ServiceError, StoreUnavailable
from storage.cassandra.calls import DEFAULT_LIMITS, Call, packed
from storage.cassandra.window import Window
from storage.statements import Statement

Row = tuple[Any, ...]
"""One row as the driver gives it; the adapter that wrote the statement knows its types."""

REQUESTS_MAX = 1_024
"""Requests under way; more only queue in the server, which counts them against its timeout."""

BYTES_MAX = 64 * 1024 * 1024
"""Bytes of writes under way: about what the server holds of them outside its tables."""

TIMEOUT_S = 10.0
"""After this an answer is given up; above the 8 s after which our server gives up by itself."""

CONNECT_TIMEOUT_S = 10.0

RECONNECT_S = 1.0
"""Between two tries to reach a node that is down; the driver's own pause grows to ten minutes."""

AGREEMENT_S = 30.0
"""How long a schema change may take to reach every node."""

PAGE_ROWS = 5_000

SOCKET_BYTES = 128 * 1024
"""Bytes a system call; the driver's own 4 KiB make 256 calls of a 1 MiB delta."""

PROTOCOL_VERSION = 5

WRITE, SWAP, SERIAL = EXEC_PROFILE_DEFAULT, "swap", "serial"
"""Execution profiles: plain statements, compare-and-set, reads that see every compare-and-set."""

NOT_APPLIED = (cassandra.Unavailable, cassandra.RequestValidationException, NoHostAvailable)
"""Errors after which a compare-and-set cannot stand: refused, or (as it is never repeated) never sent."""

SUBMIT_ERRORS = (cassandra.DriverException, ConnectionException, NoHostAvailable, RuntimeError, OSError)
"""What the driver raises instead of answering: shut down, nowhere to send."""


@dataclass(slots=True, frozen=True)
class Address:
    """Where a store is and how to enter it."""

    hosts: Sequence[str]
    port: int
    keyspace: str
    replicas: int = 1
    """Copies of a row a data centre; only used when the keyspace is made."""
    local_dc: str | None = None
    """Data centre that this process reads and writes; None: that of the contact points."""
    username: str | None = None
    password: str | None = None
    tls: ssl.SSLContext | None = None


class Connection(Cluster.connection_class):  # type: ignore[misc]  # the driver ships no types
    """A connection that keeps what the socket does not take at once; the Window bounds how much that is.

    The driver's own refuses a request (ConnectionBusy) as soon as the kernel's buffer is full,
    which a few deltas of 30 KB in one turn of the loop already cause.
    """

    in_buffer_size = SOCKET_BYTES
    out_buffer_size = SOCKET_BYTES

    @property
    def _socket_writable(self) -> bool:
        return True

    @_socket_writable.setter
    def _socket_writable(self, _value: bool) -> None:
        """Ignore what the driver notes here; nothing else depends on it."""


class Session:
    """Connections to one cluster and the prepared statements; made by `open`, bound to one event loop."""

    def __init__(self, cluster: Cluster, driver: DriverSession, address: Address) -> None:
        self.cluster = cluster
        self.driver = driver
        self.address = address
        self.window = Window(REQUESTS_MAX, BYTES_MAX)
        self._loop = asyncio.get_running_loop()
        self._prepared: dict[str, PreparedStatement] = {}
        self._profiles: dict[str, str] = {}
        self._answers: deque[tuple[asyncio.Future[_Answer], int, _Answer | ServiceError]] = deque()
        self._woken = False
        self._closed = False
        self.limits = DEFAULT_LIMITS

    @classmethod
    async def open(cls, address: Address, *, timeout_s: float = TIMEOUT_S) -> Session:
        """Connect; the keyspace may not be there yet. Raises StoreUnavailable where nobody answers."""
        cluster = _cluster(address, timeout_s)
        try:
            driver = await asyncio.to_thread(cluster.connect)
        except (*SUBMIT_ERRORS, ssl.SSLError) as error:
            await asyncio.to_thread(cluster.shutdown)
            hosts = ", ".join(f"{host}:{address.port}" for host in address.hosts)
            raise StoreUnavailable(f"no Cassandra answers at {hosts}: {error}") from error
        return cls(cluster, driver, address)

    async def prepare(
        self, statements: Mapping[str, Statement], page_rows: Mapping[str, int] | None = None
    ) -> None:
        """Prepare statements under their names; `page_rows` bounds a page where rows may be large."""
        keyspace = self.address.keyspace  # sent along; a USE would make the server warn at each statement
        for name, statement in statements.items():
            try:
                prepared = await asyncio.to_thread(self.driver.prepare, statement.text, keyspace=keyspace)
            except SUBMIT_ERRORS as error:
                raise translated(error, conditional=False) from error
            prepared.is_idempotent = not statement.conditional
            prepared.fetch_size = (page_rows or {}).get(name, PAGE_ROWS)
            self._prepared[name] = prepared
            self._profiles[name] = SWAP if statement.conditional else WRITE

    async def rows(self, name: str, *values: object, serial: bool = False) -> list[Row]:
        """Run a reading statement to its last page; `serial` first ends every compare-and-set."""
        statement = self._prepared[name].bind(values)
        profile = SERIAL if serial else WRITE
        rows, state = await self._send(statement, profile, 0)
        while state is not None:
            page, state = await self._send(statement, profile, 0, state)
            rows += page
        return rows

    async def pages(self, name: str) -> AsyncIterator[list[Row]]:
        """Run a statement that walks over a whole table, page by page, none of which is kept."""
        rows, state = await self._send(self._prepared[name].bind(()), WRITE, 0)
        yield rows
        while state is not None:
            rows, state = await self._send(self._prepared[name].bind(()), WRITE, 0, state)
            yield rows

    async def write(self, name: str, *values: object) -> None:
        """Run one writing statement."""
        await self._call(Call(name, [values]))

    async def swap(self, name: str, *values: object) -> bool:
        """Run a compare-and-set; False if its condition did not hold, OutcomeUnknown if nobody knows."""
        rows, _ = await self._send(self._prepared[name].bind(values), SWAP, 0)
        return bool(rows[0][0])

    async def write_all(self, lanes: Sequence[Sequence[Call]]) -> None:
        """Run lanes beside one another, the calls of a lane one after the other.

        On an error nothing more is started; it is raised when all that was under way has ended.
        """
        waiting = iter(lanes)

        async def work() -> None:
            for lane in waiting:
                for call in lane:
                    await self._call(call)

        workers = [work() for _ in range(min(len(lanes), REQUESTS_MAX))]
        for outcome in await asyncio.gather(*workers, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome

    async def write_packed(self, calls: Sequence[Call]) -> None:
        """Run calls of one statement, in no order, several to a request as far as the server likes it."""
        await self.write_all([[call] for call in packed(calls, self.limits)])

    async def execute(
        self, text: str, *, keyspace: str | None = None, host: object | None = None
    ) -> list[Row]:
        """Run a text that cannot be prepared: a schema change, a question to one node's own tables.

        `keyspace` is what names without one mean; `host` is the node that answers.
        """
        statement = SimpleStatement(text, is_idempotent=True, keyspace=keyspace)
        rows, _ = await self._send(statement, WRITE, 0, host=host)
        return rows

    async def agree(self) -> None:
        """Wait until every node has the same schema; StoreUnavailable if they do not come to it."""
        control = self.cluster.control_connection
        if not await asyncio.to_thread(control.wait_for_schema_agreement, wait_time=AGREEMENT_S):
            raise StoreUnavailable(
                "the nodes of Cassandra do not agree on the schema; look at `nodetool describecluster`"
            )

    async def close(self) -> None:
        """Close every connection; twice is harmless."""
        if not self._closed:
            self._closed = True
            await asyncio.to_thread(self.cluster.shutdown)

    async def _call(self, call: Call) -> None:
        prepared = self._prepared[call.name]
        if len(call.rows) == 1:
            statement: BoundStatement | BatchStatement = prepared.bind(call.rows[0])
        else:
            # Rows of one partition are one mutation, atomic; those of several are as many. No batch log.
            statement = BatchStatement(BatchType.UNLOGGED)
            for row in call.rows:
                statement.add(prepared.bind(row))
            statement.is_idempotent = prepared.is_idempotent
        await self._send(statement, self._profiles[call.name], call.size)

    async def _send(
        self,
        statement: object,
        profile: str,
        size: int,
        state: bytes | None = None,
        host: object | None = None,
    ) -> _Answer:
        """Send one request and wait for its answer, one page of rows at most."""
        if self._closed:
            raise StoreUnavailable("the connection to Cassandra is closed")
        await self.window.enter(size)
        waiter: asyncio.Future[_Answer] = self._loop.create_future()
        try:
            future = self.driver.execute_async(
                statement, execution_profile=profile, paging_state=state, host=host
            )
        except SUBMIT_ERRORS as error:
            self.window.leave(size)
            raise translated(error, conditional=profile == SWAP) from error
        except BaseException:
            self.window.leave(size)
            raise
        future.add_callbacks(
            partial(self._arrived, waiter, size, future), partial(self._failed, waiter, size, profile)
        )
        return await waiter

    def _arrived(
        self, waiter: asyncio.Future[_Answer], size: int, future: ResponseFuture, rows: list[Row] | None
    ) -> None:
        # The paging state has no public name on a future, only on the blocking result.
        self._post(waiter, size, _Answer(rows or [], future._paging_state or None))

    def _failed(self, waiter: asyncio.Future[_Answer], size: int, profile: str, error: Exception) -> None:
        self._post(waiter, size, translated(error, conditional=profile == SWAP))

    def _post(self, waiter: asyncio.Future[_Answer], size: int, answer: _Answer | ServiceError) -> None:
        """Hand an answer to the event loop; called on the driver's thread."""
        self._answers.append((waiter, size, answer))
        if not self._woken:
            self._woken = True
            with suppress(RuntimeError):  # the loop has ended, and with it everyone who waited
                self._loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        self._woken = False  # first: an answer that comes from here on wakes us again
        while self._answers:
            waiter, size, answer = self._answers.popleft()
            self.window.leave(size)
            if waiter.done():
                continue  # its caller was cancelled
            if isinstance(answer, ServiceError):
                waiter.set_exception(answer)
            else:
                waiter.set_result(answer)


class _Answer(NamedTuple):
    """One page and where the next one begins."""

    rows: list[Row]
    state: bytes | None


def translated(error: Exception, *, conditional: bool) -> ServiceError:
    """Turn an error of the driver into ours, with the driver's as the cause.

    A compare-and-set that may have been applied is OutcomeUnknown (a timed-out one often is, design 4.6).
    """
    text = f"Cassandra: {type(error).__name__}: {error}"
    ours: ServiceError
    if conditional and not isinstance(error, NOT_APPLIED):
        ours = OutcomeUnknown(text)
    else:
        ours = StoreUnavailable(text)
    ours.__cause__ = error
    return ours


def _cluster(address: Address, timeout_s: float) -> Cluster:
    quorum, serial = cassandra.ConsistencyLevel.LOCAL_QUORUM, cassandra.ConsistencyLevel.LOCAL_SERIAL
    routing = TokenAwarePolicy(DCAwareRoundRobinPolicy(address.local_dc or ""))

    def profile(consistency: int, retries: RetryPolicy) -> ExecutionProfile:
        return ExecutionProfile(
            load_balancing_policy=routing,
            retry_policy=retries,
            consistency_level=consistency,
            serial_consistency_level=serial,
            request_timeout=timeout_s,
            row_factory=tuple_factory,
        )

    credentials = None
    if address.username is not None:
        credentials = PlainTextAuthProvider(address.username, address.password or "")
    return Cluster(
        list(address.hosts),
        port=address.port,
        protocol_version=PROTOCOL_VERSION,
        compression=False,  # bodies are compressed already
        auth_provider=credentials,
        ssl_context=address.tls,
        connect_timeout=CONNECT_TIMEOUT_S,
        reconnection_policy=ConstantReconnectionPolicy(RECONNECT_S, max_attempts=None),
        # A node keeps statements over a restart, and one that it lacks is prepared when it says so.
        # To prepare all of them by a USE first delays the return and makes the server warn at each.
        reprepare_on_up=False,
        connection_class=Connection,
        sockopts=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
        execution_profiles={
            WRITE: profile(quorum, RetryPolicy()),
            SWAP: profile(quorum, FallthroughRetryPolicy()),
            SERIAL: profile(serial, RetryPolicy()),
        },
    )
