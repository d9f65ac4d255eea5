"""The outermost layer, in bare ASGI: request ids, the headers that every answer has, time, start and end.

Nothing here knows a route. An exception that the framework could not answer becomes a 500 without
detail; the log has the rest under the request id.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import secrets
from collections.abc import AsyncIterator
from typing import cast

import structlog
from litestar import Litestar

from api.asgi import BODILESS, Application, Message, Receive, Scope, Send
from api.bodies import BodyWatch
from api.errors import answer
from api.series import PATH as SERIES_PATH
from api.services import Services
from runtime import logs
from schemas.errors import Unavailable

log = structlog.get_logger(__name__)

METHODS = frozenset({"GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS"})
SERIES_PREFIX = f"{SERIES_PATH}/"
SINGLE_PUT = ("PUT", f"{SERIES_PATH}/{{asset}}/{{aspect}}")
"""As the framework names the route that `api.hot` answers for it."""

_ALWAYS = ((b"vary", b"Authorization"), (b"cache-control", b"no-store"))
"""Answers belong to one caller (S3)."""


async def _not_ready(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise Unavailable("The door is starting.")


class Door:
    """The ASGI application: `litestar` inside, with `services` shared by everything before it."""

    def __init__(self, litestar: Litestar, services: Services) -> None:
        """Take the framework's application; `inner` may be replaced by one that wraps it."""
        self.litestar = litestar
        self.services = services
        self.inner = cast("Application", litestar)
        self._ready = False
        self._clock = services.ports.clock
        self._figures = services.ports.figures
        self._watch = BodyWatch(services.ports.clock, services.ports.policy)
        # Unique across doors and starts by the prefix, within one by the number: a random one costs more.
        self._prefix = secrets.token_hex(4)
        self._numbers = itertools.count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "lifespan":
            await self._serve_lifespan(receive, send)
        elif scope["type"] == "http":
            await self._serve_http(scope, receive, send)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Door]:
        """Load the catalogue, follow it while the block runs, and let go at its end."""
        await self.services.load()
        tasks = (self._follow(), self._watch.run(), self.services.probe.publish())
        followers = [asyncio.create_task(task) for task in tasks]
        self._ready = True
        try:
            # The framework's own lifespan would only start its event emitter, which nothing uses.
            yield self
        finally:
            self._ready = False
            for follower in followers:
                follower.cancel()
            await asyncio.gather(*followers, return_exceptions=True)
            self.services.identity.close()

    async def _serve_http(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = f"{self._prefix}{next(self._numbers):08x}"
        scope.setdefault("state", {})["request_id"] = request_id
        logs.request_id.set(request_id)
        status = 0
        begun_s = self._clock.monotonic_s()

        async def send_marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                _mark(message, request_id)
            await send(message)

        if scope["method"] not in BODILESS:
            receive = self._watch.watched(receive)
        try:
            await (self.inner if self._ready else _not_ready)(scope, receive, send_marked)
        except Exception as error:
            if status:  # Half an answer is out: cutting the connection is all that is left.
                raise
            await _send_error(error, request_id, scope["path"], send_marked)
        finally:
            seconds = self._clock.monotonic_s() - begun_s
            self._figures.request(*_route(scope), status, seconds)

    async def _serve_lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            async with self.running():
                await send({"type": "lifespan.startup.complete"})
                await receive()
        except Exception as error:
            log.exception("start_or_end_failed")
            kind = "shutdown" if self._ready else "startup"
            await send({"type": f"lifespan.{kind}.failed", "message": str(error)})
            raise
        await send({"type": "lifespan.shutdown.complete"})

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
        return SINGLE_PUT
    return method if method in METHODS else "other", "other"


def _mark(message: Message, request_id: str) -> None:
    headers = [*message.get("headers", ()), (b"x-request-id", request_id.encode())]
    for pair in _ALWAYS:
        if all(name != pair[0] for name, _ in headers):
            headers.append(pair)
    message["headers"] = headers


async def _send_error(error: Exception, request_id: str, path: str, send: Send) -> None:
    status, headers, body = answer(error, request_id, path)
    if status >= 500 and not isinstance(error, Unavailable):
        log.error("request_failed", exc_info=error)
    encoded = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    encoded.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": body, "more_body": False})
