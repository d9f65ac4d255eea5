"""What was learnt lately, under a key: a dict that forgets what nobody asked for the longest."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


def _one(_: object) -> int:
    return 1


class Recent(Generic[K, V]):
    """Entries that take no more than the room there is; each takes one, unless `size_of` says otherwise."""

    def __init__(self, room: int, size_of: Callable[[V], int] = _one) -> None:
        """Know nothing yet."""
        self._room = room
        self._size_of = size_of
        self._entries: OrderedDict[K, V] = OrderedDict()
        self.taken = 0

    def get(self, key: K) -> V | None:
        """Give what is known, and keep it longer."""
        value = self._entries.get(key)
        if value is not None:
            self._entries.move_to_end(key)
        return value

    def put(self, key: K, value: V) -> None:
        """Keep this, in place of what is known."""
        known = self._entries.pop(key, None)
        if known is not None:
            self.taken -= self._size_of(known)
        self._entries[key] = value
        self.taken += self._size_of(value)
        while self.taken > self._room:
            _, oldest = self._entries.popitem(last=False)
            self.taken -= self._size_of(oldest)
