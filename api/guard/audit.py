"""The audit log as a door keeps it: what changes something is written down before it is done (design 4, 7).

A route that changes something but stored records names its action (`api.identity.scopes.require`);
everything else happens here, in one place for all of them. A request that was admitted to such a route is a
line before its handler runs, durably, or it is refused with 503: so nothing can have been done that no line
tells of, whenever the process dies. The outcome follows behind the answer, and whoever reads the log at
this door waits for what is on its way; a line without one tells of an act that was cut off. A request that
is refused before (its scope lacks, its body is too large) changes nothing, and is written down behind the
answer as a whole.

Requests without a token that holds have no tenant and no line. Bodies are never looked at (S16).
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Iterable, Mapping
from typing import Any, Final, NamedTuple, TypeGuard
from urllib.parse import parse_qsl, unquote

import msgspec
import structlog
from litestar import Request

from api.catalog.index import CatalogIndex
from api.http.asgi import Scope
from api.http.queries import has_too_many
from api.identity.scopes import PLATFORM
from api.identity.tokens import Identity
from runtime.ports import Ports
from schemas.audit import (
    Act,
    AuditFilter,
    Outcome,
    decode_act,
    decode_outcome,
    encode_part,
    shown_parameters,
    word,
)
from schemas.errors import NotFound, Unavailable
from schemas.ids import CORE, TenantId, is_tenant_id
from schemas.limits import AUDIT_READ_LINES_MAX
from storage.audit_port import AuditLine, AuditSpan, AuditStore
from storage.recent import Recent

log = structlog.get_logger(__name__)

BEGUN: Final = "audit_lines"
"""Where the lines of a request are kept, in the state of its scope, until it is answered."""

READ_LINES: Final = 500
"""Lines a read, where few of them may be asked for: a quarter of a megabyte."""

LOGIN_PAUSE_MS: Final = 3_600_000
"""A login that repeats one of this door is written down again after so long: boards log in every five
minutes, and ten thousand of them would write three million lines a day."""

LOGINS_KEPT: Final = 20_000
"""Of which a door remembers that they were written down."""

PLATFORM_SUBJECT: Final = "platform"
"""Who acts in a tenant's own log where the platform did: names and tokens of others are not shown there."""

NOT_TRIED: Final = frozenset({429, 503})
"""Answers to requests that were sent away before anybody looked at them: who floods writes no lines."""

TENANT_MADE: Final = "tenant.create"

Headers = Iterable[tuple[bytes, bytes]]


class Shown(NamedTuple):
    """A line, read."""

    line: AuditLine
    act: Act
    outcome: Outcome | None


class Page(NamedTuple):
    """What a look at the log found, and from where to go on; None: it is at its end."""

    shown: list[Shown]
    rest: AuditSpan | None


class LoginNote(NamedTuple):
    """A login of an account that exists, or its refusal."""

    tenant: str
    subject: str
    client_id: str
    grant: str
    token_id: str = ""
    """Empty: it was refused, or gave none."""
    action: str = "token.issue"


class AuditTrail:
    """The log of every tenant; one for each door, used on its event loop only."""

    def __init__(self, ports: Ports, index: CatalogIndex) -> None:
        """Take the ports, for the store of lines and the clock, and the index that knows the tenants."""
        self._kept = ports.audit
        self._clock = ports.clock
        self._index = index
        self._writing: set[asyncio.Task[None]] = set()
        self._logins: Recent[tuple[str, ...], int] = Recent(LOGINS_KEPT)

    @property
    def store(self) -> AuditStore:
        """Give the store of lines; Unavailable where the installation has none."""
        if self._kept is None:
            raise Unavailable("This door keeps no audit log.")
        return self._kept

    # Writing.

    async def begin(self, request: Request[Any, Any, Any]) -> None:
        """Write down what an admitted caller sets out to do; StoreUnavailable: then it must not be done."""
        lines = self._lines(request.scope)  # type: ignore[arg-type]  # the framework's own type of a scope
        if lines:
            await asyncio.gather(*(self.store.append(line) for line in lines))
            request.scope["state"][BEGUN] = lines

    async def beside(self, request: Request[Any, Any, Any], action: str, things: Mapping[str, str]) -> None:
        """Write down, before it is done, what a request does beside what its route is for.

        StoreUnavailable: then it must not be done.
        """
        if self._kept is None:
            return
        scope: Any = request.scope
        told = {name: word(value) for name, value in things.items()}
        act = msgspec.structs.replace(_act(action, request.user, scope), things=told)
        encoded = encode_part(act)
        # One request may do several things.
        line_id = scope["state"]["request_id"] + hashlib.blake2b(encoded, digest_size=8).hexdigest()
        line = AuditLine(request.user.tenant, self._clock.now_ms(), line_id, encoded)
        await self.store.append(line)

    def ended(self, scope: Scope, status: int, headers: Headers) -> None:
        """Write down how a request was answered, behind the answer."""
        begun: list[AuditLine] | None = scope["state"].pop(BEGUN, None)
        if begun is None and status in NOT_TRIED:
            return
        lines = self._lines(scope) if begun is None else begun
        if not lines:
            return
        created = _created(status, headers)
        outcome = Outcome(status=status, ended_ms=self._clock.now_ms(), created=created)
        lines = [msgspec.structs.replace(line, outcome=encode_part(outcome)) for line in lines]
        for line in lines:
            self._later(self.store.append(line) if begun is None else self.store.conclude(line))
        if status == 201 and scope["route_handler"].opt["action"] == TENANT_MADE and is_tenant_id(created):
            self._later(self.store.append(_seen_by(created, lines[0])))  # Its own log begins with that.

    def login(self, scope: Scope, note: LoginNote, status: int) -> None:
        """Write down that an account logged in, or was refused, behind the answer.

        One that repeats another of this door (the same account, client and address) is left out for an hour.
        """
        if self._kept is None or note.tenant == CORE:  # The shared client's: it names no account.
            return
        address, now_ms = address_of(scope), self._clock.now_ms()
        if note.token_id:
            key = (note.tenant, note.subject, note.client_id, note.grant, address)
            written_ms = self._logins.get(key)
            if written_ms is not None and now_ms < written_ms + LOGIN_PAUSE_MS:
                return
            self._logins.put(key, now_ms)
        act = Act(
            action=note.action,
            tenant=note.tenant,
            subject=word(note.subject),
            client_id=word(note.client_id),
            token_id=note.token_id,
            address=address,
            parameters={"grant_type": note.grant},
        )
        outcome = encode_part(Outcome(status=status, ended_ms=now_ms))
        request_id: str = scope["state"]["request_id"]
        self._later(self.store.append(AuditLine(note.tenant, now_ms, request_id, encode_part(act), outcome)))

    async def settle(self) -> None:
        """Wait until what follows behind answers is written, as far as it was begun by now."""
        if self._writing:
            await asyncio.gather(*self._writing)

    # Reading.

    async def page(self, wanted: AuditFilter, span: AuditSpan, limit: int) -> Page:
        """Find the newest lines of a span that are asked for, looking at so many at most."""
        await self.settle()
        size = READ_LINES if any(wanted) else min(limit + 1, READ_LINES)
        found: list[Shown] = []
        looked = 0
        while looked < AUDIT_READ_LINES_MAX:
            lines = await self.store.read(span, size)
            for shown in map(_shown, lines):
                if wanted.passes(shown.act, shown.outcome):
                    if len(found) == limit:
                        return Page(found, span)
                    found.append(shown)
                span = span.behind(shown.line)
            if len(lines) < size:
                return Page(found, None)
            looked += len(lines)
        return Page(found, span)

    async def walk(self, wanted: AuditFilter, span: AuditSpan) -> AsyncIterator[list[Shown]]:
        """Give every line of a span that is asked for, the newest first, in pieces."""
        await self.settle()
        while lines := await self.store.read(span, READ_LINES):
            yield [shown for shown in map(_shown, lines) if wanted.passes(shown.act, shown.outcome)]
            if len(lines) < READ_LINES:
                return
            span = span.behind(lines[-1])

    # Inside.

    def _lines(self, scope: Scope) -> list[AuditLine]:
        """Make the lines of a request, one a log it belongs to; none where it is no act of a known caller."""
        handler = scope.get("route_handler")
        action = None if handler is None else handler.opt.get("action")
        caller: Identity | None = scope.get("user")
        if not action or caller is None or self._kept is None:
            return []
        act = _act(action, caller, scope)
        tenant = CORE if _is_platforms(scope) else caller.tenant
        line = AuditLine(tenant, self._clock.now_ms(), scope["state"]["request_id"], encode_part(act))
        named = act.things.get("tenant")
        return [line, _seen_by(named, line)] if tenant == CORE and self._is_tenant(named) else [line]

    def _is_tenant(self, name: str | None) -> TypeGuard[str]:
        try:
            self._index.tenant(TenantId(name or ""))
        except NotFound:
            return False
        return True

    def _later(self, writing: Awaitable[None]) -> None:
        task = asyncio.ensure_future(_noted(writing))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)


def address_of(scope: Scope) -> str:
    """Give the address from which a request came."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def _act(action: str, caller: Identity, scope: Scope) -> Act:
    query = scope["query_string"]
    pairs = [] if has_too_many(query) else parse_qsl(query.decode("latin-1"))
    things = {name: word(value).removeprefix("/") for name, value in scope["path_params"].items()}
    return Act(
        action=action,
        tenant=caller.tenant,
        subject=caller.subject,
        client_id=caller.client_id,
        token_id=caller.token_id,
        address=address_of(scope),
        things=things,
        parameters=shown_parameters(pairs),
    )


def _is_platforms(scope: Scope) -> bool:
    handler = scope.get("route_handler")
    return handler is not None and handler.opt.get("scope") == PLATFORM


def _seen_by(tenant: str, line: AuditLine) -> AuditLine:
    """Give a line of the platform's log as the tenant that it is about sees it."""
    act = decode_act(line.act)
    shown = Act(
        action=act.action,
        tenant=CORE,
        subject=PLATFORM_SUBJECT,
        things=act.things,
        parameters=act.parameters,
    )
    return msgspec.structs.replace(line, tenant=tenant, act=encode_part(shown))


def _created(status: int, headers: Headers) -> str:
    """Give the id of what was made: the end of `Location`."""
    if status not in {201, 202}:
        return ""
    place = next((value for name, value in headers if name.lower() == b"location"), b"")
    return word(unquote(place.decode("latin-1").rstrip("/").rpartition("/")[2]))


def _shown(line: AuditLine) -> Shown:
    return Shown(line, decode_act(line.act), decode_outcome(line.outcome))


async def _noted(writing: Awaitable[None]) -> None:
    try:
        await writing
    except Unavailable as error:
        log.warning("outcome_not_noted", error=str(error))
    except Exception:
        log.exception("outcome_not_noted")
