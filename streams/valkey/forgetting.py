"""Forgetting a tenant on a Valkey server, and counting what still names one; two paths that share nothing.

What forgets goes by the names that keys and fields of ours have: a kind, perhaps the shard in braces, then
the tenant. What counts opens every key of the server, whatever its kind, and looks at all that is in it.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final, cast

import msgspec

from streams.entries import series_of
from streams.valkey.connection import Reply, pack

Ask = Callable[..., Awaitable[list[Reply]]]
"""Sends packed commands and gives their replies."""

KEYS_A_STEP: Final = 1_000
"""Looked at in one SCAN, during which the server serves nobody else: less than a millisecond."""

ENTRIES_A_PAGE: Final = 100
"""Entries with bodies that one reply holds: 100 MB at the most, 1 MB as they come."""

JOBS: Final = b"rq:"
"""The job queue's keys, which it forgets and counts itself."""

TAIL: Final = b"marks:"
"""The tails of series: who applies an entry takes them away."""

TAGGED: Final = re.compile(rb"[a-z_-]+:\{([^}]*)\}:?(.*)", re.DOTALL)
"""Keys of shards and of tenants. Others are of the installation, such as its writers and what they count."""

_head = msgspec.msgpack.Decoder(tuple[str, bytes, int])


async def forget(ask: Ask, tenant: str) -> None:
    """Delete the keys that are named by a tenant, and the fields and members of others."""
    name = tenant.encode()
    inside = re.compile(rb"%b(?:$|[:/])" % name)
    named = re.compile(rb"[a-z_-]+:(?:\{\d+\}:%b(?:$|[:/])|\{%b(?:\}|/))" % (name, name))
    async for keys, types in _keys(ask):
        doomed = [key for key in keys if named.match(key) and not key.startswith(JOBS)]
        if doomed:
            await ask(pack("UNLINK", *doomed))
        for key, kind in zip(keys, types, strict=True):
            if key in doomed or key.startswith((TAIL, JOBS)) or TAGGED.match(key) is None:
                continue
            for remove, each in ((b"HDEL", b"hash"), (b"ZREM", b"zset"), (b"SREM", b"set")):
                members = await _members(ask, key, kind) if kind == each else []
                gone = [member for member in members if inside.match(member)]
                for first in range(0, len(gone), KEYS_A_STEP):
                    await ask(pack(remove, key, *gone[first : first + KEYS_A_STEP]))


async def count_left(ask: Ask, tenant: str) -> dict[str, int]:
    """Count the keys, fields, members and entries that name a tenant, by kind of key; not those of jobs."""
    left: dict[str, int] = {}
    begins = re.compile(b"%b(?:$|[:/])" % tenant.encode())
    async for keys, types in _keys(ask):
        for key, kind in zip(keys, types, strict=True):
            if key.startswith(JOBS) or TAGGED.match(key) is None:
                continue
            place = key.partition(b":")[0].decode(errors="replace")
            found = int(_owner(key) == tenant.encode())
            if not found and kind == b"stream":
                found = await _entries(ask, key, tenant)
            elif place in {"dead", "dead_bodies"}:
                found = await _letters(ask, key, tenant)
            elif not found:
                members = await _members(ask, key, kind)
                found = sum(begins.match(member) is not None for member in members)
            left[place] = left.get(place, 0) + found
    return left


def _owner(key: bytes) -> bytes:
    """Give the word of a key that may be a tenant: in its braces, or behind a shard's number."""
    found = TAGGED.match(key)
    assert found is not None
    tag, behind = found.groups()
    return re.split(b"[:/]", behind if tag.isdigit() else tag, maxsplit=1)[0]


async def _keys(ask: Ask) -> AsyncIterator[tuple[list[bytes], list[bytes]]]:
    """Walk over all keys of the server with their types; a key may come twice."""
    cursor = b"0"
    while True:
        [reply] = await ask(pack("SCAN", cursor, "COUNT", KEYS_A_STEP))
        cursor, keys = cast("tuple[bytes, list[bytes]]", reply)
        if keys:
            types = await ask(*(pack("TYPE", key) for key in keys))
            yield keys, cast("list[bytes]", types)
        if cursor == b"0":
            return


async def _members(ask: Ask, key: bytes, kind: bytes) -> list[bytes]:
    """Give the fields or members of a key that has such."""
    commands = {
        b"hash": ("HKEYS", key),
        b"set": ("SMEMBERS", key),
        b"zset": ("ZRANGE", key, 0, -1),
        b"list": ("LRANGE", key, 0, -1),
    }
    if kind not in commands:
        return []
    [reply] = await ask(pack(*commands[kind]))
    return cast("list[bytes]", reply)


async def _entries(ask: Ask, key: bytes, tenant: str) -> int:
    """Count the entries of a stream whose body says that it is the tenant's."""
    found, begin = 0, "-"
    while True:
        [reply] = await ask(pack("XRANGE", key, begin, "+", "COUNT", ENTRIES_A_PAGE))
        page = cast("list[tuple[bytes, list[bytes]]]", reply)
        found += sum(_is_of(pair[1], tenant) for _, pair in page if len(pair) == 2)
        if len(page) < ENTRIES_A_PAGE:
            return found
        begin = f"({page[-1][0].decode()}"


async def _letters(ask: Ask, key: bytes, tenant: str) -> int:
    """Count the dead letters of a tenant, by their heads or by their bodies."""
    [reply] = await ask(pack("HVALS", key))
    values = cast("list[bytes]", reply)
    if not key.startswith(b"dead_bodies"):
        values = [_head.decode(value)[1] for value in values]
    return sum(_is_of(body, tenant) for body in values)


def _is_of(body: bytes, tenant: str) -> bool:
    series = series_of(body)
    return series is not None and series.tenant == tenant
