"""The notice port on a Valkey or Redis server, beside the stream.

Places and logs of one posting lie under several hash tags, since a posting is one step over all of them: the
server of notices is one server, whatever the shards are spread over.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import cast

from schemas.errors import StreamUnavailable
from schemas.limits import NOTICES_KEPT_BYTES_MAX, NOTICES_TTL_MS
from streams.notice_port import Kept, LogId, Move, NoticeLog, Page, Posting
from streams.valkey.connection import Address, Link, Reply, pack
from streams.valkey.scripts import Script

TIMEOUT_S = 5.0

PLACES = "notices:places"
"""Hash: place → where it is."""

POST = Script.named("post_notices")
NOTE = Script.named("note_standing")
FORGET = Script.named("forget_asset")

_NO_MOVE = Move("", "", "")


class ValkeyNoticeLog(NoticeLog):
    """Logs on one server; one instance belongs to one event loop."""

    def __init__(self, url: str, *, timeout_s: float = TIMEOUT_S) -> None:
        """Name the server (`unix:///path`, `redis://host:port/0`); it is met at the first call."""
        greeting = [pack("SCRIPT", "LOAD", script.text) for script in (POST, NOTE, FORGET)]
        self._link = Link(Address.parse(url), greeting, timeout_s)
        self._closed = False

    async def post(self, posting: Posting) -> bool:
        """Keep all of it in one step; False if the place is not at `before`."""
        keys = [PLACES]
        words: list[str | bytes | int] = [
            *(posting.move or _NO_MOVE), NOTICES_KEPT_BYTES_MAX, NOTICES_TTL_MS,
        ]  # fmt: skip
        for log in sorted({*posting.notices, *posting.remembered}):
            keys += keys_of(log)
            bodies, known = posting.notices.get(log, ()), posting.remembered.get(log, {})
            words += [len(bodies), *bodies, len(known)]
            for name, content in known.items():
                words += [name, content]
        [reply] = await self._ask(POST.call(keys, *words))
        return reply == 1

    async def places(self) -> dict[str, str]:
        """Give every place."""
        [reply] = await self._ask(pack("HGETALL", PLACES))
        words = iter(word.decode() for word in cast("list[bytes]", reply))
        return dict(zip(words, words, strict=True))

    async def read(self, log: LogId, after: int, *, count: int) -> Page:
        """Read up to `count` notices after a number."""
        notices, marks, _ = keys_of(log)
        listed, known = await self._ask(
            pack("XRANGE", notices, after + 1, "+", "COUNT", count), pack("HMGET", marks, "dropped", "last")
        )
        dropped, last = (int(word or 0) for word in cast("list[bytes | None]", known))
        return Page([_kept(row) for row in cast("list[list[Reply]]", listed)], dropped, last)

    async def recall(self, log: LogId, names: Collection[str]) -> dict[str, bytes]:
        """Give what is remembered of these series."""
        if not names:
            return {}
        [reply] = await self._ask(pack("HMGET", keys_of(log)[2], *names))
        found = zip(names, cast("list[bytes | None]", reply), strict=True)
        return {name: content for name, content in found if content is not None}

    async def standing(self, log: LogId) -> bytes:
        """Give what the teller noted."""
        [reply] = await self._ask(pack("HGET", keys_of(log)[1], "standing"))
        return cast("bytes | None", reply) or b""

    async def note(self, log: LogId, before: bytes, after: bytes) -> bool:
        """Note how deliveries stand, if they stand as the noter thinks."""
        [reply] = await self._ask(NOTE.call([keys_of(log)[1]], before, after, NOTICES_TTL_MS))
        return reply == 1

    async def drop(self, log: LogId) -> None:
        """Forget a log."""
        await self._ask(pack("DEL", *keys_of(log)))

    async def forget(self, log: LogId, asset: str) -> None:
        """Remove the notices that name an asset, and what is remembered of its series."""
        await self._ask(FORGET.call(keys_of(log), asset))

    async def close(self) -> None:
        """Release the connection; twice is harmless."""
        self._closed = True
        self._link.drop()

    async def _ask(self, *commands: bytes) -> list[Reply]:
        if self._closed:
            raise StreamUnavailable("these notices were closed")
        return await (await self._link.connection()).ask(commands)


def keys_of(log: LogId) -> tuple[str, str, str]:
    """Name the keys of a log.

    The stream of its notices, id `<number>-0`; a hash with its last number, the bytes it keeps, the last
    number dropped and how deliveries stand; a hash of what is remembered of each series.
    """
    tag = f"{{{log.tenant}/{log.subscription}}}"
    return f"notices:{tag}", f"notices-marks:{tag}", f"notices-remembered:{tag}"


def _kept(row: list[Reply]) -> Kept:
    name, pair = cast("bytes", row[0]), cast("list[bytes]", row[1])
    return Kept(int(name.partition(b"-")[0]), pair[1])
