"""The names of a shard's keys and the scripts that work on them.

Only admission is refused when the server's memory is full; all that a writer needs in order to make
room again is a script with `allow-oom`.

All keys of a shard carry its number as hash tag, written literally (`marks:{7}`), so that a server with
slots keeps them together.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from streams.valkey.connection import pack


@dataclass(slots=True, frozen=True)
class Script:
    """One Lua file; what it takes and gives stands at its top."""

    text: str
    digest: str
    """By which the server knows it once loaded."""

    @classmethod
    def named(cls, name: str) -> Script:
        """Read `streams/lua/<name>.lua`, comments left out but not their lines, which errors name.

        All scripts together are sent in front of a call that found them forgotten. The server reads 16 KiB of
        a connection at a time, and they stay well below.
        """
        lines = files("streams").joinpath("lua", f"{name}.lua").read_text("utf-8").splitlines()
        text = "\n".join("" if line.lstrip().startswith("--") else line for line in lines)
        return cls(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())

    def call(self, keys: Sequence[str], *arguments: str | bytes | int) -> bytes:
        """Write the command that runs it."""
        return pack("EVALSHA", self.digest, len(keys), *keys, *arguments)


ADMIT = Script.named("admit")
REPORT_APPLIED = Script.named("report_applied")
DROP_LATEST = Script.named("drop_latest")
READ_TAIL = Script.named("read_tail")
READ_STATE = Script.named("read_state")
TRIM = Script.named("trim")
PROVE = Script.named("prove")
RENEW_LIMIT = Script.named("renew_limit")
ACQUIRE_LEASE = Script.named("acquire_lease")
RELEASE_LEASE = Script.named("release_lease")
JOIN = Script.named("join")
BURY = Script.named("bury")
SETTLE = Script.named("settle")
PUBLISH = Script.named("publish")
READ_PUBLISHED = Script.named("read_published")
CHARGE = Script.named("charge")
TELL_STORED = Script.named("tell_stored")

ALL = (
    ADMIT,
    REPORT_APPLIED,
    DROP_LATEST,
    READ_TAIL,
    READ_STATE,
    TRIM,
    PROVE,
    RENEW_LIMIT,
    ACQUIRE_LEASE,
    RELEASE_LEASE,
    JOIN,
    BURY,
    SETTLE,
    PUBLISH,
    READ_PUBLISHED,
    CHARGE,
    TELL_STORED,
)


ENTRY_MARKS = struct.Struct("<dd")
"""Stands before the body of an entry: the series' previous position, and the bytes admitted up to its end."""

PROOF_MARKS = struct.Struct("<ddddd")
"""The field `proof` begins with limit, incarnation, done, applied, blind."""

LAST_MARKS = struct.Struct("<dd")
"""The field `last` of a shard's marks: its newest position, and the bytes ever admitted."""

WRITERS = "writers"
"""Sorted set: writer → end of its time, in ms of the server's clock."""

FIGURES = ("{figures}:texts", "{figures}:ends")
"""What processes count, and until when that is shown."""


@dataclass(slots=True, frozen=True)
class ShardKeys:
    """Where the server keeps what of one shard."""

    stream: str
    """The entries: id `<position>-0`, one pair: marks of the entry (`ENTRY_MARKS`) → body."""
    marks: str
    """Hash of all that an admission reads and writes, so that one command does each.

    proof → limit, incarnation, done (bytes that are in the store), applied and blind (`applied` as it was
    before it was taken back: chains from below are not known), each a double, then the run id for which the
    shard was proved; last → the only counter of positions, and the bytes ever admitted (what of these is not
    done is the backlog), two doubles; series → newest position: the tail, of which what is not above
    `applied` is on its way out; coming → position of the last report that dropped caches ahead of itself,
    which goes with the tail.
    """
    trimmed: str
    latest: str
    """Hash: series → latest cache."""
    dead: str
    """Hash: position → head of a dead letter."""
    dead_bodies: str
    settled: str
    """Hash: position → what became of a dead letter."""
    lease: str

    @property
    def admission(self) -> tuple[str, ...]:
        """The keys of `admit.lua` for a request without an idempotency key and without a rate."""
        return self.stream, self.marks

    @property
    def letters(self) -> tuple[str, str, str]:
        """The keys of `bury.lua` and `settle.lua`."""
        return self.dead, self.dead_bodies, self.settled


@cache
def keys_of(shard: int) -> ShardKeys:
    """Name the keys of a shard."""
    return ShardKeys(*(f"{name}:{{{shard}}}" for name in ShardKeys.__dataclass_fields__))


def idempotency_keys(shard: int, tenant: str, key: str) -> tuple[str, str]:
    """Name the place of a key's answer, and the list of ages that counts the tenant's keys in the shard."""
    return f"idem:{{{shard}}}:{tenant}:{key}", f"idem-ages:{{{shard}}}:{tenant}"


def bucket_key(shard: int, series: str, lane: str) -> str:
    """Name the place of the token bucket of a series and lane; a full one is not there."""
    return f"rate:{{{shard}}}:{series}{lane and ':'}{lane}"


def applied_in(proof: bytes) -> int:
    """Read `applied` out of a shard's proof."""
    return int(PROOF_MARKS.unpack_from(proof)[3])
