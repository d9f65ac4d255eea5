"""How the deliveries of a subscription stand: as its teller notes it, and as its owner may see it (MS-84)."""

from __future__ import annotations

import msgspec

from schemas.errors import Corrupt
from schemas.limits import DEAD_RANGES_MAX


class DeadRange(msgspec.Struct, frozen=True, array_like=True):
    """A run of notices that no receiver took for too long."""

    after: int
    """They begin behind this number …"""
    upto: int
    """… and end with this one."""
    at_ms: int
    """When the last of them was given up."""
    reason: str


class Standing(msgspec.Struct, frozen=True, array_like=True):
    """How far deliveries are, and how well they go."""

    delivered: int = 0
    """Up to this number notices were delivered, or given up."""
    tries: int = 0
    """That failed since the last success."""
    failing_since_ms: int = 0
    """0: the last try succeeded."""
    due_ms: int = 0
    """The next try is not before it."""
    reason: str = ""
    """Of the last failure."""
    dead: tuple[DeadRange, ...] = ()
    """Oldest first."""

    def buried(self, fresh: DeadRange) -> tuple[DeadRange, ...]:
        """Give the dead ranges with one more behind them: neighbours become one, the oldest is forgotten."""
        if self.dead and self.dead[-1].upto == fresh.after:
            before = self.dead[-1]
            joined = DeadRange(before.after, fresh.upto, fresh.at_ms, fresh.reason)
            return (*self.dead[:-1], joined)
        return (*self.dead, fresh)[-DEAD_RANGES_MAX:]

    def rewound(self, after: int) -> Standing:
        """Give the standing from which everything after a number is delivered once more."""
        return Standing(after, dead=tuple(each for each in self.dead if each.upto <= after))


_decoder = msgspec.msgpack.Decoder(Standing)


def decode_standing(body: bytes) -> Standing:
    """Read a standing; nothing noted: nothing delivered. Corrupt for anything else."""
    try:
        return _decoder.decode(body) if body else Standing()
    except msgspec.MsgspecError as broken:
        raise Corrupt(f"a standing of {len(body)} bytes does not decode: {broken}") from broken


def encode_standing(standing: Standing) -> bytes:
    """Write a standing."""
    return msgspec.msgpack.encode(standing)
