"""The outermost layer, in bare ASGI: request ids, the headers that every answer has, time, start and end.

Nothing here knows a route. An exception that the framework could not answer becomes a 500 without
detail; the log has the rest under the request id.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from typing import cast

import structlog
from litestar import Litestar

from api.exports.timer import ExportTimer
from api.hot import HotPath, Kind, announced, judged
from api.http.asgi import BODILESS, Application, Message, Receive, Scope, Send
from api.http.budget import HOLDING, BodyBudget, Holding
from api.http.errors import Answer
from api.http.errors import answer as describe
from api.http.watch import BodyWatch
from api.limits.quotas import Limits
from api.series.service import PATH as SERIES_PATH
from api.services import Services
from runtime import logs
from schemas.errors import Unavailable

log = structlog.get_logger(__name__)

METHODS = frozenset({"GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS"})
SERIES_PREFIX = f"{SERIES_PATH}/"

Headers = list[tuple[bytes, bytes]]

ALWAYS = ((b"vary", b"Authorization"), (b"cache-control", b"no-store"))
"""Answers belong to one caller (S3)."""


class Door:
    """The ASGI application: `litestar` inside, with `services` shared by everything before it."""

    def __init__(self, litestar: Litestar, services: Services) -> None:
        """Take the framework's application."""
        self.litestar = litestar
        self.services = services
        self.hot: HotPath | None = HotPath(services)
        """For `api.connection`, which asks it before it makes an ASGI request; None: ASGI serves all."""
        self.clock = services.ports.clock
        self.figures = services.ports.figures
        self.watch = BodyWatch(services.ports.clock, services.ports.policy)
        self.budget = BodyBudget(services.ports.policy.body_bytes_held_max)
        self.timer = ExportTimer(services)
        self._inner = cast("Application", litestar)
        # Unique across doors and starts by the prefix, within one by the number: a random one costs more.
        self._prefix = secrets.token_hex(4)
        self._numbers = itertools.count(1)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Door]:
        """Load the catalogue, follow it while the block runs, and let go at its end."""
        await self.services.load()
        services = self.services
        tasks = (
            self._follow(),
            self.watch.run(),
            services.probe.publish(),
            services.quotas.run(),
            services.agents.presence.run(),
            self.timer.run(),
        )
        followers = [asyncio.create_task(task) for task in tasks]
        try:
            yield self
        finally:
            for follower in followers:
                follower.cancel()
            await asyncio.gather(*followers, return_exceptions=True)
            await self.services.audit.settle()
            self.services.identity.close()

    def next_id(self) -> str:
        """Give the id of a request: its `logref`."""
        return f"{self._prefix}{next(self._numbers):08x}"

    def refusal(self, error: Exception, request_id: str, path: str = "") -> Answer:
        """Describe any exception to the caller; log what is our own fault."""
        answer = describe(error, request_id, path)
        if answer.status >= 500 and not isinstance(error, Unavailable):
            log.error("request_failed", request_id=request_id, exc_info=error)
        return answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; nothing but HTTP comes (`api.server`)."""
        request_id = self.next_id()
        scope.setdefault("state", {})["request_id"] = request_id
        logs.request_id.set(request_id)
        told = partial(self.services.audit.ended, scope)
        answer = _Answer(send, request_id, told, Limits(self.services.quotas, scope))
        begun_s = self.clock.monotonic_s()
        holding = scope["state"][HOLDING] = Holding(self.budget)
        if scope["method"] not in BODILESS:
            announced_bytes = announced(judged(scope["headers"]))
            receive = self.watch.watched(holding.counted(receive, announced_bytes), scope["state"])
        try:
            await self._inner(scope, receive, answer.pass_on)
        except Exception as error:
            if answer.status:  # Half an answer is out: cutting the connection is all that is left.
                raise
            await answer.give(*self.refusal(error, request_id, scope["path"]))
        finally:
            seconds = self.clock.monotonic_s() - begun_s
            self.figures.request(*_route(scope), answer.status, seconds)
            holding.release()
            scope["state"].clear()  # The framework keeps the body there, an idle connection its last scope.

    async def _follow(self) -> None:
        """Follow the catalogue's change log; an unavailable store is waited for."""
        while True:
            await asyncio.sleep(self.services.ports.policy.catalog_refresh_s)
            try:
                await self.services.refresh()
            except Unavailable as error:
                log.warning("catalogue_not_followed", error=str(error))
            except Exception:
                log.exception("catalogue_not_followed")


def _route(scope: Scope) -> tuple[str, str]:
    """Name a request as `/metrics` does: method and template, never what a client made up."""
    method = scope["method"]
    template = scope.get("path_template")
    if template is not None:
        return method if method in METHODS else "other", template
    if method == "PUT" and scope["path"].startswith(SERIES_PREFIX):
        return Kind.WRITE.route
    return method if method in METHODS else "other", "other"


class _Answer:
    """The answer to one request on its way out, with the headers that every answer has."""

    __slots__ = ("_limits", "_send", "_told", "request_id", "status")

    def __init__(
        self, send: Send, request_id: str, told: Callable[[int, Headers], None], limits: Limits
    ) -> None:
        self._send = send
        self._limits = limits
        self._told = told
        """Told of status and headers as they leave."""
        self.request_id = request_id
        self.status = 0
        """0 until its head is out."""

    async def pass_on(self, message: Message) -> None:
        """Send a part that the framework made."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = self._marked(await self._limits.told(list(message.get("headers", ()))))
            self._told(self.status, message["headers"])
        await self._send(message)

    async def give(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Send all of it."""
        headers = {**headers, "content-length": str(len(body))}
        pairs = self._marked([(name.encode(), value.encode("latin-1")) for name, value in headers.items()])
        self.status = status
        self._told(status, pairs)
        await self._send({"type": "http.response.start", "status": status, "headers": pairs})
        await self._send({"type": "http.response.body", "body": body, "more_body": False})

    def _marked(self, headers: Headers) -> Headers:
        headers.append((b"x-request-id", self.request_id.encode()))
        names = {name for name, _ in headers}
        headers.extend(pair for pair in ALWAYS if pair[0] not in names)
        return headers
