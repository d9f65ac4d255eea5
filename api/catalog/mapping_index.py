"""What the agents of one tenant send, and into which variables: look-ups that a message can afford.

Part of a tenant's index, fed as that is. Holds no rule about what may be written and does no I/O. The routes
of an agent are made when they are first asked for, and dropped when something changes that they follow from.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from api.catalog.event_mapping_index import EventMappingIndex
from api.http.filters import Table
from schemas.data_sources import NO_POINTS, Points, etag_of
from schemas.mappings import FindAspect, Judged, MappedAspect, Mapping, Routes, compile_routes, judge


class KeptGroup(NamedTuple):
    """Mappings of an agent into one aspect, and the row version of their document."""

    value: MappedAspect
    version: int


class KeptPoints(NamedTuple):
    """What is kept of a configuration, and the row version of its document."""

    value: Points
    version: int


class Placed(NamedTuple):
    """A mapping and the group in which it is kept."""

    group: MappedAspect
    mapping: Mapping


class MappingIndex:
    """Configurations and mappings of all agents of one tenant."""

    def __init__(self, find: FindAspect) -> None:
        """Take the look-up of aspects; start empty."""
        self.events = EventMappingIndex()
        self._find = find
        self._points: dict[str, Points] = {}
        """By agent."""
        self._groups: dict[str, dict[str, KeptGroup]] = {}
        """agent → id of the document → group."""
        self._places: dict[str, KeptGroup] = {}
        """mapping id → its group."""
        self._feeders: dict[str, set[str]] = {}
        """asset → the ids of the groups that feed it."""
        self._routes: dict[str, Routes] = {}
        """By agent."""
        self.table: Table[Placed] | None = None
        """What lists of all mappings look in: made as it is asked for, dropped when something changes."""

    # What is fed.

    def put_points(self, agent_id: str, points: Points) -> None:
        """Take in an agent's configuration."""
        self._points[agent_id] = points
        self._changed(agent_id)

    def drop_points(self, agent_id: str) -> None:
        """Forget an agent's configuration."""
        self._points.pop(agent_id, None)
        self._changed(agent_id)

    def put(self, kept: KeptGroup) -> None:
        """Take in mappings of an agent into one aspect, in the place of those that were known."""
        group = kept.value
        self.drop(group.id)
        self._groups.setdefault(group.agent_id, {})[group.id] = kept
        self._feeders.setdefault(group.asset_id, set()).add(group.id)
        for mapping in group.mappings:
            self._places[mapping.id] = kept

    def drop(self, group_id: str) -> None:
        """Forget mappings of an agent into one aspect."""
        agent_id, asset_id, _ = group_id.split("/")
        self._changed(agent_id)
        kept = self._groups.get(agent_id, {}).pop(group_id, None)
        if kept is None:
            return
        for mapping in kept.value.mappings:
            self._places.pop(mapping.id, None)
        self._feeders[asset_id].discard(group_id)

    def asset_changed(self, asset_id: str) -> None:
        """Take note that an asset came, went or changed."""
        for group_id in self._feeders.get(asset_id, ()):
            self._changed(agent_of(group_id))

    def types_changed(self) -> None:
        """Take note that some type changed."""
        self._routes.clear()
        self.table = None

    def _changed(self, agent_id: str) -> None:
        self._routes.pop(agent_id, None)
        self.table = None

    # What is asked.

    def points_of(self, agent_id: str) -> Points:
        """Give what routing needs of an agent's configuration."""
        return self._points.get(agent_id, NO_POINTS)

    def kept_points(self, agent_id: str) -> KeptPoints | None:
        """Find what is kept of an agent's configuration."""
        points = self._points.get(agent_id)
        return None if points is None else KeptPoints(points, points.etag - etag_of(0))

    def group(self, group_id: str) -> KeptGroup | None:
        """Find mappings of an agent into one aspect."""
        return self._groups.get(agent_of(group_id), {}).get(group_id)

    def groups_of(self, agent_id: str) -> list[MappedAspect]:
        """Give all mappings of an agent, with those that a change of its configuration took away.

        In the same order at every door, so that the pages of a list fit together.
        """
        groups = self._groups.get(agent_id, {})
        return [groups[group_id].value for group_id in sorted(groups)]

    def routes_of(self, agent_id: str) -> Routes:
        """Give the table by which an agent's messages are taken apart; the same until something changes."""
        routes = self._routes.get(agent_id)
        if routes is None:
            groups = self.groups_of(agent_id)
            routes = compile_routes(self.points_of(agent_id), groups, self._find)
            self._routes[agent_id] = routes
        return routes

    def judge(self, placed: Placed) -> Judged:
        """Hold a mapping against what there is now."""
        group = placed.group
        fed = self._find(group.asset_id, group.aspect_id)
        return judge(group, placed.mapping, self.points_of(group.agent_id), fed)

    def find(self, mapping_id: str) -> Placed | None:
        """Find a mapping by its id."""
        kept = self._places.get(mapping_id)
        living = () if kept is None else self._living(kept.value)
        return next((placed for placed in living if placed.mapping.id == mapping_id), None)

    @property
    def count(self) -> int:
        """Tell how many mappings there are, with those that were taken away and are not out of the store."""
        return len(self._places)

    def placed_of(self, agent_id: str) -> list[Placed]:
        """List the mappings of an agent."""
        return [placed for group in self.groups_of(agent_id) for placed in self._living(group)]

    def placed(self) -> list[Placed]:
        """List the mappings of all agents."""
        return [placed for agent_id in sorted(self._groups) for placed in self.placed_of(agent_id)]

    def _living(self, group: MappedAspect) -> Iterator[Placed]:
        points = self.points_of(group.agent_id)
        return (Placed(group, mapping) for mapping in group.living(points))


def agent_of(group_id: str) -> str:
    """Give the agent whose mappings a document keeps."""
    return group_id.partition("/")[0]
