"""Sending to webhooks: one POST to one address that was judged, bounded in time and size (S9).

The name is resolved once for each try, every address that it stands for is judged, and the connection goes
to the first of these very addresses: a name that changes its mind between judging and connecting changes
nothing. Redirects are not followed, and of the answer only the status is read. Speaks HTTP/1.1 by itself: a
library's client would resolve on its own.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from schemas.limits import WEBHOOK_ANSWER_BYTES_MAX, WEBHOOK_ATTEMPT_S_MAX
from schemas.webhooks import Network, Target, may_reach, parse_url

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
"""Host and port → addresses; OSError where there are none."""

_STATUS: Final = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?: [^\r\n]*)?\r?\n")
_INTERIM_MAX: Final = 10
"""Answers of 1xx before the answer."""


class NotDelivered(Exception):
    """Why a receiver did not take a delivery, in words for its subscriber."""


async def resolve(host: str, port: int) -> Sequence[str]:
    """Ask the system for the addresses of a name."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


class Webhooks:
    """Sends, from one process."""

    def __init__(
        self,
        allowed: Sequence[Network] = (),
        *,
        resolver: Resolver = resolve,
        attempt_s: float = WEBHOOK_ATTEMPT_S_MAX,
        trusted: ssl.SSLContext | None = None,
    ) -> None:
        """Reach public addresses, and these networks; `trusted` in place of the system's certificates."""
        self._allowed = allowed
        self._resolver = resolver
        self._attempt_s = attempt_s
        self._trusted = trusted

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> None:
        """Send a body once; NotDelivered unless the receiver answers 2xx in time."""
        try:
            target = parse_url(url)
            async with asyncio.timeout(self._attempt_s):
                address = await self._judged(target)
                status = await self._exchange(target, address, _request(target, headers, body))
        except TimeoutError:
            raise NotDelivered(f"no answer within {self._attempt_s:g} s") from None
        except (OSError, ValueError, EOFError, asyncio.LimitOverrunError) as error:
            raise NotDelivered(f"it cannot be reached: {type(error).__name__}") from error
        if not 200 <= status < 300:
            raise NotDelivered(f"it answered {status}" + _HINTS.get(status // 100, ""))

    async def _judged(self, target: Target) -> str:
        """Give the address to connect to; NotDelivered if the name leads anywhere it must not."""
        addresses = await self._resolver(target.host, target.port)
        if not addresses:
            raise NotDelivered("its name has no address")
        for address in addresses:
            if not may_reach(address, self._allowed, secure=target.secure):
                raise NotDelivered("its address is not one that webhooks may reach")
        return addresses[0]

    async def _exchange(self, target: Target, address: str, request: bytes) -> int:
        """Send a request to an address and read the status of the answer."""
        if self._trusted is None and target.secure:
            # Once: reading the system's certificates takes tens of milliseconds.
            self._trusted = ssl.create_default_context()
        reader, writer = await asyncio.open_connection(
            address,
            target.port,
            limit=WEBHOOK_ANSWER_BYTES_MAX,
            ssl=self._trusted if target.secure else None,
            server_hostname=target.host if target.secure else None,
        )
        try:
            writer.write(request)
            await writer.drain()
            for _ in range(_INTERIM_MAX):
                status = _STATUS.match(await reader.readuntil(b"\n"))
                if status is None:
                    raise NotDelivered("its answer is not HTTP/1.1")
                if not status[1].startswith(b"1"):
                    return int(status[1])
                await reader.readuntil(b"\r\n\r\n")
            raise NotDelivered("it did not come to an answer")
        finally:
            writer.transport.abort()


_HINTS: Final = {3: "; redirects are not followed"}


def _request(target: Target, headers: Mapping[str, str], body: bytes) -> bytes:
    sent = {
        "Host": target.authority,
        "User-Agent": "aspectstore",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Connection": "close",
        **headers,
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
    return f"POST {target.path} HTTP/1.1\r\n{lines}\r\n".encode("ascii") + body
