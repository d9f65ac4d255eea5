"""What one read takes of a shard, page by page (design 3.6).

While the server writes a page it serves nobody else, and it keeps pages until they are fetched, of all
shards of a read at once. So what a page may bring is known before it is asked for: either a few entries,
whose size does not matter, or as many as one likes up to a landmark that is not too many bytes away. Each
entry says how many bytes its shard had admitted by its end, so what lies between two of them is the
difference. The marks of the shard give the first landmark, its newest entry; where that is too far, the
next page takes a nearer one along, found where half a page should end if entries came evenly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple, cast

from streams.port import Entry
from streams.valkey.connection import Reply, pack
from streams.valkey.scripts import ENTRY_MARKS, LAST_MARKS, keys_of

READ_ENTRIES_MAX = 1_000
"""Of one shard in one read."""

FEW_ENTRIES = 8
"""Asked for where nothing bounds their size: 8 MiB, since doors cut entries at 1 MiB of columns."""

PAGE_ENTRIES_MAX = 256
"""In one page of many."""

PAGE_BYTES_MAX = 8 * 1024 * 1024
"""Up to the landmark of a page of many: some 5 ms of the server's time, and 512 MiB if all 64 shards had as
much."""


class Landmark(NamedTuple):
    """An entry, and how many bytes its shard had admitted by its end."""

    position: int
    admitted: float


@dataclass(slots=True)
class Pages:
    """What a read has of one shard, and what it asks for next."""

    shard: int
    after: int
    bytes_max: int
    found: list[Entry] = field(default_factory=list)
    count: int = FEW_ENTRIES
    """Of the next page; 0: it is enough."""
    _upto: int | None = None
    """The landmark at which the next page ends; None: it may go on to the newest entry."""
    _look_at: int | None = None
    """Where the next page looks for a landmark."""
    _landmarks: list[Landmark] = field(default_factory=list)
    """The nearest last."""
    _size: int = 0

    def commands(self) -> list[bytes]:
        """Write what the next page takes; plain commands, for a script would copy each body twice."""
        keys = keys_of(self.shard)
        start = (self.found[-1].position if self.found else self.after) + 1
        upto = "+" if self._upto is None else self._upto
        commands = [pack("XRANGE", keys.stream, start, upto, "COUNT", self.count)]
        if not self.found:
            commands.append(pack("HGET", keys.marks, "last"))
        elif self._look_at is not None:
            commands.append(pack("XREVRANGE", keys.stream, self._look_at, start, "COUNT", 1))
        return commands

    def take(self, replies: list[Reply]) -> None:
        """Take the replies to these commands, and decide on the next page."""
        rows = cast("list[list[Reply]]", replies[0])
        for reply in replies[1:]:
            self._landmarks += _landmarks(reply)
        fresh = [entry_of(raw) for raw in rows]
        self.found += fresh
        self._size += sum(len(entry.body) for entry in fresh)
        # The first landmark is the newest entry there was; what came since is for the next read.
        ended = len(rows) < self.count and (self._upto is None or len(self._landmarks) == 1)
        # As many as fit in, of the size seen so far: a page is not fetched in vain either.
        room = math.ceil((self.bytes_max - self._size) * len(self.found) / max(self._size, 1))
        room = min(room, READ_ENTRIES_MAX - len(self.found))
        self._upto = self._look_at = None
        self.count = 0 if ended else max(0, min(room, FEW_ENTRIES))
        if self.count and rows:
            self._aim(_landmarks(cast("Reply", rows[-1:])), room)

    def _aim(self, newest: list[Landmark], room: int) -> None:
        """Choose the landmark of the next page, where the nearest one that is known is near enough."""
        while self._landmarks and self._landmarks[-1].position <= self.found[-1].position:
            self._landmarks.pop()
        if not (newest and self._landmarks):
            return
        [seen], nearest = newest, self._landmarks[-1]
        waiting = nearest.admitted - seen.admitted
        if 0 <= waiting <= PAGE_BYTES_MAX:
            self.count, self._upto = min(room, PAGE_ENTRIES_MAX), nearest.position
        elif waiting > 0:
            share = PAGE_BYTES_MAX / 2 / waiting
            self._look_at = seen.position + int((nearest.position - seen.position) * share)


def _landmarks(reply: Reply) -> list[Landmark]:
    """Read the landmark in a shard's marks, or in the last of some entries; none where it is not given."""
    if isinstance(reply, bytes):
        position, admitted = LAST_MARKS.unpack(reply)
        return [Landmark(int(position), admitted)]
    rows = cast("list[list[Reply]]", reply or [])
    marks = [(row[0], cast("list[bytes]", row[1])[0]) for row in rows[-1:]]
    return [
        Landmark(_position(name), ENTRY_MARKS.unpack(words)[1])
        for name, words in marks
        if len(words) == ENTRY_MARKS.size
    ]


def _position(name: Reply) -> int:
    return int(cast("bytes", name).partition(b"-")[0])


def entry_of(raw: list[Reply]) -> Entry:
    """Read an entry as XRANGE gives it; of one of another layout, the last value counts as its body.

    So what an earlier layout held is applied, and what is foreign fails later by its own fault and is kept.
    """
    position = _position(raw[0])
    *marks, body = cast("list[bytes]", raw[1])
    if len(marks) != 1 or len(marks[0]) != ENTRY_MARKS.size:
        return Entry(position, 0, body)
    previous, _ = ENTRY_MARKS.unpack(marks[0])
    return Entry(position, int(previous) if 0 < previous < position else 0, body)
