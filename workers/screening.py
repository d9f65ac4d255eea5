"""What an entry must be like to be applied; what is not is set aside at first sight (design 4, dead letters).

Only an entry's own, deterministic failure counts. Where the catalogue is needed to tell and does not answer,
that is the store's failure: it is raised, and the shard waits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import TypeVar

import msgspec
import structlog

from schemas.aspects import AspectType
from schemas.assets import AssetType
from schemas.changes import Upsert
from schemas.columns import ColumnClass
from schemas.errors import Corrupt
from schemas.ids import AspectId, SeriesId, TenantId
from storage.port import CatalogStore
from storage.spans import Placed
from streams.entries import open_entry
from streams.port import Entry
from workers.folding import Folded, fold_series

log = structlog.get_logger("writer")

Type = TypeVar("Type", AspectType, AssetType)

Classes = Mapping[int, ColumnClass]
"""Variable id → how its values are held."""


class Shapes:
    """What the variables of each series may hold, from the catalogue.

    A column of another class would silently damage what the series has: laid over numbers, texts leave
    nothing of them. The catalogue is read again before anything is judged by an older state of it.
    """

    def __init__(self, catalog: CatalogStore) -> None:
        """Know nothing yet."""
        self._catalog = catalog
        self._known: dict[TenantId, dict[AspectId, Classes]] = {}
        """By tenant and aspect; nothing for an aspect that the catalogue does not have: all fits it."""

    async def screen(
        self, groups: dict[SeriesId, list[Placed]], entries: Sequence[Entry], folded: Folded
    ) -> None:
        """Take out of `groups` what does not fit its variables; it goes to `folded`."""
        for series, changes in groups.items():
            if await self._all_fit(series, changes):
                continue
            sound = []
            for placed in changes:
                reason = self._misfit(series, placed)
                if reason is None:
                    sound.append(placed)
                else:
                    set_aside(series, placed, entries, reason, folded)
            groups[series] = sound

    async def _all_fit(self, series: SeriesId, changes: Sequence[Placed]) -> bool:
        """Tell whether nothing speaks against these changes, after another look where something seems to."""
        known = self._known.setdefault(series.tenant, {})
        if series.aspect in known and not any(self._misfit(series, placed) for placed in changes):
            return True
        await self._load(series.tenant)
        self._known[series.tenant].setdefault(series.aspect, {})
        return not any(self._misfit(series, placed) for placed in changes)

    def _misfit(self, series: SeriesId, placed: Placed) -> str | None:
        if not isinstance(placed.change, Upsert):
            return None
        classes = self._known[series.tenant][series.aspect]
        for variable, column in placed.change.columns.cells.items():
            allowed, found = classes.get(variable), column.column_class
            if allowed is not None and found is not allowed and not _widens(found, allowed):
                return f"variable {variable} holds {allowed.name} values, the entry has {found.name}"
        return None

    async def _load(self, tenant: TenantId) -> None:
        """Read the types of a tenant."""
        aspect_types = {found.id: found for found in await self._read(tenant, "aspecttype", AspectType)}
        known: dict[AspectId, Classes] = {}
        for asset_type in await self._read(tenant, "assettype", AssetType):
            for aspect in asset_type.aspects:
                aspect_type = aspect_types.get(aspect.aspect_type_id)
                if aspect_type is not None:
                    known[aspect.aspect_id] = {
                        variable.id: variable.type.column_class for variable in aspect_type.variables
                    }
        self._known[tenant] = {**self._known[tenant], **known}

    async def _read(self, tenant: TenantId, kind: str, form: type[Type]) -> list[Type]:
        """Read documents; one that does not decode judges nothing, and holds up nothing."""
        found = []
        for document in await self._catalog.list(tenant, kind):
            try:
                found.append(msgspec.json.decode(document.body, type=form))
            except msgspec.MsgspecError:
                log.exception("type_not_read", tenant=tenant, kind=kind, id=document.id)
        return found


def _widens(found: ColumnClass, allowed: ColumnClass) -> bool:
    """Tell whether stored values of one class are read as another: a variable was widened (design 8.12)."""
    return found is ColumnClass.INTEGER and allowed is ColumnClass.FLOAT


def fold_or_set_aside(
    series: SeriesId,
    changes: Sequence[Placed],
    listed: AbstractSet[int],
    folded: Folded,
    entries: Sequence[Entry],
) -> None:
    """Fold one series; a change that cannot be folded goes to `folded.failed`, and the others are folded."""
    try:
        _fold_whole(series, changes, listed, folded)
    except Exception as error:
        log.exception(
            "series_not_folded", tenant=series.tenant, asset=series.asset, error=type(error).__name__
        )
        sound: list[Placed] = []
        for placed in changes:
            try:
                fold_series(series, [*sound, placed], listed, Folded())
            except Exception as reason:  # noqa: BLE001  # handed on as the letter's reason
                set_aside(series, placed, entries, _words(reason), folded)
            else:
                sound.append(placed)
        _fold_whole(series, sound, listed, folded)


def _fold_whole(
    series: SeriesId, changes: Sequence[Placed], listed: AbstractSet[int], folded: Folded
) -> None:
    """Fold one series, which comes once in a turn, or leave no trace of it."""
    before = len(folded.deltas)
    try:
        fold_series(series, changes, listed, folded)
    except BaseException:
        del folded.deltas[before:]
        folded.slices = {each: laid for each, laid in folded.slices.items() if each.series != series}
        folded.changes.pop(series, None)
        raise


def _words(reason: Exception) -> str:
    return reason.message if isinstance(reason, Corrupt) else f"it cannot be folded: {type(reason).__name__}"


def set_aside(
    series: SeriesId, placed: Placed, entries: Sequence[Entry], reason: str, folded: Folded
) -> None:
    """Note every entry of a change as failed."""
    failed = entries_of(series, placed, entries)
    folded.failed.extend((entry.position, entry.body, reason) for entry in failed)


def entries_of(series: SeriesId, placed: Placed, entries: Sequence[Entry]) -> list[Entry]:
    """Give the entries that a change was folded from."""
    inside = (entry for entry in entries if placed.first <= entry.position <= placed.last)
    return [entry for entry in inside if _is_of(series, entry)]


def _is_of(series: SeriesId, entry: Entry) -> bool:
    try:
        return open_entry(entry.body).series == series
    except Corrupt:
        return False
