"""What may come in before a handler sees it: media types, sizes, strict JSON, time.

* a missing Content-Type is JSON; JSON and merge-patch are read, anything else is refused (design 8.22);
* compressed bodies are refused, not guessed at;
* duplicate members, NaN, NUL, lone surrogates and numbers beyond a double are refused (design 8.10);
* a body must arrive before a deadline and not trickle: the server under us has no such limit.

Sizes are limited by the framework (`request_max_body_size` of a route); everything here follows the guard,
so a stranger's body is not read.
"""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any, Final, NoReturn

from litestar import Request
from litestar.datastructures import State
from litestar.exceptions import HTTPException

from api.asgi import BODILESS, Message, Receive
from api.identity.tokens import Identity
from runtime.ports import Clock, DoorPolicy
from schemas.errors import Malformed, UnsupportedMedia

JSON_TYPES: Final = frozenset({"application/json", "application/merge-patch+json", "application/hal+json"})
FORM_TYPES: Final = frozenset({"application/x-www-form-urlencoded"})

GRACE_S: Final = 5.0
"""A body may start as slowly as it likes for so long."""

LOOK_S: Final = 0.25
"""Between two looks at the bodies that are on their way: far below every deadline."""

_SURROGATE: Final = re.compile("[\ud800-\udfff]")


class StrictRequest(Request[Identity, None, State]):
    """A request whose JSON is read strictly."""

    async def json(self) -> Any:
        """Give the body as plain values; Malformed with a pointer for what `parse_strictly` refuses."""
        return parse_strictly(await self.body())


def check_media(request: Request[Any, Any, Any]) -> None:
    """Refuse a body that the route does not read: by its type, or because it is compressed."""
    if request.method in BODILESS:
        return
    headers = request.headers
    wanted = request.route_handler.opt.get("media", JSON_TYPES)
    demand_media(headers.get("content-type", ""), headers.get("content-encoding", "identity"), wanted)


def demand_media(content_type: str, encoding: str, wanted: frozenset[str] = JSON_TYPES) -> None:
    """Refuse a media type that is not wanted (none at all is JSON, design 8.22), and compressed bodies."""
    media = content_type.partition(";")[0].strip().lower()
    if media and media not in wanted:
        raise UnsupportedMedia(f"Content-Type must be one of {', '.join(sorted(wanted))}.")
    if encoding.strip().lower() != "identity":
        raise UnsupportedMedia("The body must not be compressed.")


async def check_present(request: Request[Any, Any, Any]) -> None:
    """Refuse an empty body where the route needs one."""
    if request.route_handler.parsed_data_field is not None and not await request.body():
        raise Malformed("A body is required.")


def parse_strictly(body: bytes) -> Any:
    """Read JSON that every reader understands alike; Malformed for everything else.

    An empty body gives None.
    """
    if not body:
        return None
    try:
        value = json.loads(
            body.decode("utf-8"), object_pairs_hook=_without_twins, parse_constant=_no_constant
        )
    except UnicodeDecodeError as error:
        raise Malformed("The body is not UTF-8.") from error
    except RecursionError as error:
        raise Malformed("The body is nested too deeply.") from error
    except json.JSONDecodeError as error:
        raise Malformed(f"Not JSON at byte {error.pos}: {error.msg}.") from error
    except ValueError as error:  # e.g. an integer of 5,000 digits
        raise Malformed("A number of the body is too long.") from error
    _check_values(value, "")
    return value


class _Reading:
    """One body on its way in."""

    __slots__ = ("complete", "expired", "received_bytes", "started_s", "task")

    def __init__(self, started_s: float) -> None:
        self.started_s = started_s
        self.received_bytes = 0
        self.complete = False
        self.expired = False
        self.task: asyncio.Task[Any] | None = None


class BodyWatch:
    """Ends bodies that do not come, or trickle, in 408: one look at all of them four times a second.

    A timer for each body would cost a tenth of what a small request costs in all.
    """

    def __init__(self, clock: Clock, policy: DoorPolicy) -> None:
        """Watch nothing yet; `run` must go beside the requests."""
        self._clock = clock
        self._policy = policy
        self._waiting: set[_Reading] = set()

    def watched(self, receive: Receive) -> Receive:
        """Wrap `receive` of one request."""
        reading = _Reading(self._clock.monotonic_s())

        async def receive_in_time() -> Message:
            if reading.complete:  # From here on it only waits for the client to go.
                return await receive()
            if self._is_late(reading, self._clock.monotonic_s()):
                raise _too_slow()
            reading.task = asyncio.current_task()
            self._waiting.add(reading)
            try:
                message = await receive()
            except asyncio.CancelledError:
                if not reading.expired or reading.task is None:
                    raise
                reading.task.uncancel()
                raise _too_slow() from None
            finally:
                self._waiting.discard(reading)
            if message["type"] == "http.request":
                reading.received_bytes += len(message.get("body", b""))
                reading.complete = not message.get("more_body", False)
            return message

        return receive_in_time

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            now_s = self._clock.monotonic_s()
            for reading in [found for found in self._waiting if self._is_late(found, now_s)]:
                reading.expired = True
                if reading.task is not None:
                    reading.task.cancel()

    def _is_late(self, reading: _Reading, now_s: float) -> bool:
        taken_s = now_s - reading.started_s
        earned_s = reading.received_bytes / self._policy.body_rate_bytes_min + GRACE_S
        return taken_s >= min(self._policy.body_deadline_s, earned_s)


def _too_slow() -> HTTPException:
    return HTTPException(status_code=408, detail="The body came too slowly.", headers={"connection": "close"})


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        names = [name for name, _ in pairs]
        twin = next(name for name in names if names.count(name) > 1)
        raise Malformed(f"The member {_shown(twin)} stands twice.")
    return members


def _no_constant(name: str) -> NoReturn:
    raise Malformed(f"{name} is not JSON.")


def _check_values(value: Any, pointer: str) -> None:
    """Walk the values; the parser has bounded the depth already."""
    if isinstance(value, str):
        _check_text(value, pointer)
    elif isinstance(value, float):
        if value in {float("inf"), float("-inf")}:
            raise Malformed("The number is beyond a double.", pointer)
    elif isinstance(value, dict):
        for name, member in value.items():
            _check_text(name, pointer)
            _check_values(member, f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}")
    elif isinstance(value, list):
        for index, member in enumerate(value):
            _check_values(member, f"{pointer}/{index}")


def _check_text(text: str, pointer: str) -> None:
    if "\0" in text:
        raise Malformed("The text holds NUL.", pointer)
    if not text.isascii() and _SURROGATE.search(text):
        raise Malformed("The text holds half of a surrogate pair.", pointer)


def _shown(name: str) -> str:
    return json.dumps(name[:64])
