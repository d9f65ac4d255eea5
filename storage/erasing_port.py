"""What the stores promise of erasing tenants and assets, and of the proof that nothing is left (design 4.16).

Two paths that share no code: what erases knows its tables and their order, what counts looks at every table
that there is, whoever made it, so that a place that the first forgets is found by the second (decision 0032).
Each port inherits its part from here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from schemas.ids import Erased, SeriesId

if TYPE_CHECKING:
    from storage.port import SliceId


class Counted(ABC):
    """A store that can say what it still has of a tenant."""

    @abstractmethod
    async def count_left(self, tenant: str) -> dict[str, int]:
        """Count what lies here of a tenant, by place; places without anything are named too, with 0.

        A look at every table, found by what the store itself says of its tables. It takes as long as the
        store is large and changes nothing.
        """


class ErasableSeries(Counted):
    """Series that can be erased by the writers of their shards."""

    @abstractmethod
    async def read_erased(self, shard: int) -> dict[Erased, bool]:
        """Give what was ordered to be erased in a shard, and of each whether all of it is gone."""

    @abstractmethod
    async def end_erased(self, shard: int, erased: Erased) -> None:
        """Note that all of it is gone from this shard; the order itself is remembered for ever."""

    @abstractmethod
    async def find_slices(self, wanted: Callable[[SeriesId], bool]) -> Mapping[SliceId, Collection[int]]:
        """Find every slice of the wanted series of which anything is stored, with the parts of its blocks.

        Whether or not it is listed: a walk over every table of series, not for reads.
        """

    @abstractmethod
    async def erase_slice(self, slice_id: SliceId, parts: Collection[int]) -> None:
        """Delete a slice with its deltas, head, pins and the blocks of these parts; a repeat is harmless.

        Only where nothing is ever written again: a delta that comes late all the same stays hidden where
        the store can see to that.
        """

    @abstractmethod
    async def erase_plans(self, shard: int, series: SeriesId) -> None:
        """Delete the slice plan of a series; one that is not there is ignored."""


class Name(NamedTuple):
    """A reserved name."""

    space: str
    name: str


class ErasableCatalog(Counted):
    """A catalogue of which a tenant's part can be erased."""

    @abstractmethod
    async def kinds(self, tenant: str) -> Sequence[str]:
        """Give every kind of which the tenant has a document, ascending: a walk in some stores."""

    @abstractmethod
    async def names_of(self, owner: str) -> Sequence[Name]:
        """Give every reserved name of an owner, ascending: a walk over all names."""

    @abstractmethod
    async def forget_changes(self, tenant: str) -> None:
        """Delete the tenant's lines of the change log, where they do not end by themselves within a day."""


class ErasableEvents(Counted):
    """Events of which a tenant's can be erased."""

    @abstractmethod
    async def erase(self, tenant: str, entity: str | None = None) -> int:
        """Delete all events of a tenant, or of one entity of it, with all that leads to them.

        Gives how many events there were. What is created meanwhile may stay; a repeat is harmless.
        """
