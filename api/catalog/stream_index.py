"""What a tenant declared of its TimeBase streams, in a door's memory: part of its index (TB-20)."""

from __future__ import annotations

from typing import NamedTuple

from schemas.timebase.streams import DeclaredStream


class KeptStream(NamedTuple):
    """A declared stream and the row version of its document."""

    value: DeclaredStream
    version: int
