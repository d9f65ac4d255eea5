"""Assets as one caller may see them: own ones whole, others without what stands around them (wire 4.6).

A caller to whom an asset is shared, or who is bound to a subtenant, learns nothing of the assets above that
it may not read: neither their ids and names, nor the location that is inherited from them. Of a shared asset
it sees no lock, no file of the model and no aspect that is not shared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple
from weakref import WeakKeyDictionary

from msgspec import UNSET

from api.assets.lists import FIELDS, files_of
from api.assets.wire import Ancestor, AssetAspectOut, AssetOut, aspects_out, asset_out, location_owner
from api.assets.wire_types import BASE, Sharing
from api.catalog.tenant_index import Kept, TenantIndex, canonical
from api.http.filters import KEPT_MAX, Field, Table
from api.http.hal import Link
from api.identity.tokens import Identity
from api.shares.access import Access, Reached
from schemas.assets import Asset

SHARER: Final = "SHARER"
RECEIVER: Final = "RECEIVER"

_SHARED: Final = "includeShared=true"
"""What an address of a shared asset must say (wire 4.1)."""


class AssetView:
    """How one caller sees assets, while one request lasts."""

    def __init__(self, access: Access, caller: Identity, origin: str) -> None:
        """Take who may see what, the caller, and the origin for links."""
        self._access = access
        self._caller = caller
        self._origin = origin
        self._given: dict[str, Callable[[Asset], bool]] = {}

    @property
    def subtenant(self) -> str | None:
        """Give what the caller is bound to; None: nothing."""
        return self._caller.subtenant

    def own_assets(self) -> Iterable[Kept[Asset]]:
        """Give all assets of the caller's own, in no order."""
        return self._access.own_assets(self._caller)

    def show(self, reached: Reached, *, single: bool = True, basic: bool = False) -> AssetOut:
        """Write an asset; the rest as `asset_out`."""
        out = asset_out(reached.kept, reached.part, self._origin, single=single, basic=basic)
        if reached.shares or self._caller.subtenant is not None:
            self._hide_above(out, reached)
        if reached.shares:
            self._hide_inside(out, reached)
        elif self._is_given(reached):
            out.sharing = Sharing([SHARER])
        return out

    def aspects(self, reached: Reached) -> list[AssetAspectOut]:
        """Write the aspects of an asset that the caller may know of."""
        every = aspects_out(reached.kept.value, reached.part, self._origin)
        found = [aspect for aspect in every if reached.covers(aspect.name)]
        if reached.shares:
            for aspect in found:
                aspect.links.asset.href += f"?{_SHARED}"
        return found

    def parent_of(self, reached: Reached) -> str:
        """Give the id of the asset above, as far as the caller may know of it; empty for none."""
        if not reached.shares and self._caller.subtenant is None:
            return reached.kept.value.parent_id or ""
        return next((above.id for above in self._seen_above(reached)[:1]), "")

    def _seen_above(self, reached: Reached) -> list[Asset]:
        """Give the assets above, the nearest first, up to the first that is not to be seen."""
        found: list[Asset] = []
        for above in list(reached.part.upwards(reached.kept.value))[1:]:
            if not self._access.sees(self._caller, reached.part, above):
                break
            found.append(above)
        return found

    def _is_given(self, reached: Reached) -> bool:
        part = reached.part
        if not part.shares:
            return False
        if part.tenant not in self._given:
            self._given[part.tenant] = self._access.given(part)
        return self._given[part.tenant](reached.kept.value)

    def _hide_above(self, out: AssetOut, reached: Reached) -> None:
        above = self._seen_above(reached)
        if not above:
            out.parent_id, out.links.parent = "", UNSET
        if out.hierarchy_path is not UNSET:
            out.hierarchy_path = [Ancestor(each.id, each.name) for each in reversed(above)]
        owner = location_owner(reached.kept.value, reached.part)
        if owner is not None and owner.id not in {out.asset_id, *(each.id for each in above)}:
            out.location = UNSET if out.location is UNSET else None
            out.links.location = Link(f"{self._origin}{BASE}/assets/{out.asset_id}/location")

    def _hide_inside(self, out: AssetOut, reached: Reached) -> None:
        out.sharing, out.sub_tenant, out.locks = Sharing([RECEIVER]), None, []
        if out.file_assignments is not UNSET:
            out.file_assignments = []
        if out.aspects is not UNSET:
            out.aspects = [aspect for aspect in out.aspects if reached.covers(aspect.name)]
        links = out.links
        for link in (links.self, links.aspects, links.variables):
            link.href += f"?{_SHARED}"
        links.children.href += f"&{_SHARED}"
        if links.parent is not UNSET:
            links.parent.href += f"?{_SHARED}"


def _of_reached(field: Field[Kept[Asset]]) -> Field[Reached]:
    return Field(lambda reached: field.text(reached.kept), field.read, field.is_time, field.has_many)


class _Kept(NamedTuple):
    """A table, and for whom it was made."""

    subtenant: str | None
    shared: list[tuple[Reached, str]]
    """What is shared, each with the parent that is shown."""
    table: Table[Reached]


_TABLES: WeakKeyDictionary[Table[Kept[Asset]], list[_Kept]] = WeakKeyDictionary()
"""By the table of the tenant's own assets, which is made anew when one of them changes: making these takes
half a second of processor time at 100,000 assets."""


def table_of(
    view: AssetView, index: TenantIndex, own: Table[Kept[Asset]], shared: Sequence[Reached]
) -> Table[Reached]:
    """Give the assets of the caller's own, and shared ones among them, in which nothing hidden is found.

    `own` is the table of the tenant; it is kept while neither side changes.
    """
    ordered = sorted(shared, key=lambda reached: reached.kept.value.id)
    seen = [(reached, view.parent_of(reached)) for reached in ordered]
    known = _TABLES.setdefault(own, [])
    for kept in known:
        if (kept.subtenant, kept.shared) == (view.subtenant, seen):
            return kept.table
    if len(known) == KEPT_MAX:
        known.clear()
    things = own.things if view.subtenant is None else view.own_assets()
    made = _table([Reached(index, thing) for thing in things], view, seen)
    known.append(_Kept(view.subtenant, seen, made))
    return made


def _table(own: Sequence[Reached], view: AssetView, shared: Sequence[tuple[Reached, str]]) -> Table[Reached]:
    # What is shown above depends on shares, so it is looked up now, and not when a filter asks for it.
    parents = {reached.kept.value.id: parent for reached, parent in shared}
    if view.subtenant is not None:
        parents |= {reached.kept.value.id: view.parent_of(reached) for reached in own}

    def parent_of(reached: Reached) -> str:
        asset = reached.kept.value
        return parents.get(asset.id, asset.parent_id or "")

    def family(reached: Reached) -> tuple[str, ...]:
        return tuple(above.id for above in reached.part.chain(reached.kept.value.type_id))

    def subtenant(reached: Reached) -> str | None:
        return None if reached.shares else reached.part.subtenant_of(reached.kept.value)

    def files(reached: Reached) -> tuple[str, ...]:
        return () if reached.shares else files_of(reached.kept)

    fields = {name: _of_reached(field) for name, field in FIELDS.items()} | {
        "parentId": Field(parent_of),
        "subTenant": Field(subtenant),
        "fileId": Field(files, has_many=True),
        "hasType": Field(family, canonical, has_many=True),
    }
    things = [*own, *(reached for reached, _ in shared)]
    things.sort(key=lambda reached: (reached.kept.value.name, reached.kept.value.id))
    return Table(things, fields, ("name", "id"))
