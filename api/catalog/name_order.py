"""Names in order, under thousands of changes: what a list of assets stands in when nothing else is asked.

Changes are noted and brought in when the order is next asked for: few of them one by one, many by sorting,
which is fast for what is nearly in order.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from itertools import islice, takewhile
from typing import Final, TypeAlias

Named: TypeAlias = tuple[str, str]
"""A name and the id that makes it unique."""

FEW: Final = 64
"""So many changes are brought in one by one: each moves up to a megabyte, sorting costs milliseconds."""


class NameOrder:
    """A set of named things, ascending by name, then id."""

    def __init__(self) -> None:
        """Start empty."""
        self._ordered: list[Named] = []
        self._added: set[Named] = set()
        self._gone: set[Named] = set()

    def add(self, named: Named) -> None:
        """Take in a thing that is not there."""
        if named in self._gone:
            self._gone.discard(named)
        else:
            self._added.add(named)

    def discard(self, named: Named) -> None:
        """Let go of a thing that is there."""
        if named in self._added:
            self._added.discard(named)
        else:
            self._gone.add(named)

    def ordered(self) -> Sequence[Named]:
        """Give all, in order; the list is good until the next change."""
        if len(self._gone) > FEW:
            self._ordered = [named for named in self._ordered if named not in self._gone]
        else:
            for named in self._gone:
                del self._ordered[bisect_left(self._ordered, named)]
        if len(self._added) > FEW:
            self._ordered += self._added
            self._ordered.sort()
        else:
            for named in self._added:
                insort(self._ordered, named)
        self._gone.clear()
        self._added.clear()
        return self._ordered

    def ids_of(self, name: str) -> list[str]:
        """Give the ids of all things of one name."""
        ordered = self.ordered()
        first = bisect_left(ordered, (name, ""))
        return [one for _, one in takewhile(lambda named: named[0] == name, islice(ordered, first, None))]
