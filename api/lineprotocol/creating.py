"""What lines of an inlet name and there is not yet: types, aspects, variables and assets.

They are made by the catalogue's own way. Doors make the same things at the same time: types are compared and
set; an asset is reserved first, under what its tags say, so that two doors make one asset of it and not two.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final, NamedTuple, TypeAlias

import msgspec

from api.assets.model import Catalogue
from api.assets.wire import AssetIn
from api.assets.wire_changes import AssetTypePatch, VariablePatch
from api.assets.wire_types import AspectTypeIn, AssetTypeIn, TypeAspectIn, VariableIn
from api.catalog.index import CatalogIndex
from api.catalog.tenant_index import TenantIndex
from api.http.hal import Preconditions
from api.identity.scopes import ASSETS_WRITE
from api.identity.tokens import Identity
from runtime.ports import Clock
from schemas.aspects import AspectType, VariableType
from schemas.errors import NotFound, PreconditionFailed, Refused, TooMany
from schemas.ids import AssetId, SeriesId, TenantId, is_hex_id
from schemas.lineprotocol.inlets import Inlet, Unknown
from schemas.lineprotocol.limits import LINES_CREATED_MAX
from schemas.lineprotocol.sorting import Addressed, lacking, refuse
from storage.port import CatalogStore

Note: TypeAlias = Callable[[], Awaitable[None]]
"""Writes down that the caller is about to change types or assets."""

RESERVED: Final = "lineasset"
"""Kind of the documents that reserve an asset for what tags say."""

ABANDONED_MS: Final = 60_000
"""A reservation without its asset is taken over after so long: its asset was erased, or never made."""

TRIES_MAX: Final = 5
"""Doors that change one type at once go on one after the other."""

_ABSENT: Final = Preconditions(None, absent=True)
_BASE_TYPE: Final = "core.basicasset"

SEVERAL: Final = "several assets are called {!r}; name one by its id, or give one the external id"


class _Reserved(msgspec.Struct, frozen=True):
    asset: AssetId
    since_ms: int


def find_asset(part: TenantIndex, inlet: Inlet, label: str) -> str | None:
    """Find the asset that lines name: by external id, and where the rule of the inlet says so by id or name.

    Refused where several are called so.
    """
    if not inlet.prefix and is_hex_id(label) and label in part.assets:
        return label
    found: Sequence[str] = part.external_ids.get(label, ())
    if not found and not inlet.prefix:
        found = part.names.ids_of(label)
    if len(found) > 1:
        raise Refused(SEVERAL.format(inlet.shown(label)))
    return found[0] if found else None


class Located(NamedTuple):
    """Where lines go, as far as that is there."""

    asset: str | None
    series: SeriesId | None = None
    type: AspectType | None = None


def locate(part: TenantIndex, inlet: Inlet, each: Addressed) -> Located:
    """Find asset and series of lines; Refused where several assets are called so."""
    asset = find_asset(part, inlet, each.label)
    if asset is None:
        return Located(None)
    try:
        return Located(asset, *part.series_of(asset, each.aspect))
    except NotFound:
        return Located(asset)


def missing(inlet: Inlet, each: Addressed, found: Located) -> str:
    """Say what is not there."""
    if found.asset is None:
        return f"there is no asset {inlet.shown(each.label)!r}"
    return f"the asset {inlet.shown(each.label)!r} has no aspect {each.aspect!r}"


def is_lacking(part: TenantIndex, inlet: Inlet, lines: Sequence[Addressed]) -> bool:
    """Tell whether something could be made for these lines."""
    return any(_wish(part, inlet, each) is not None for each in lines)


class _Wish(NamedTuple):
    """What is to be made for lines of one head."""

    asset: bool
    aspect: bool
    type: AspectType | None
    """Where there is one already: it gets the variables."""
    variables: Mapping[str, VariableType]
    words: str
    """What is not there."""


def _wish(part: TenantIndex, inlet: Inlet, each: Addressed) -> _Wish | None:
    """Say what the policy of the inlet lets make for these lines; None: nothing."""
    try:
        found = locate(part, inlet, each)
    except Refused:
        return None
    makes_variables = inlet.unknown_variables is Unknown.CREATE
    lacks = lacking(each, found.type) if makes_variables else {}
    if found.type is not None:
        words = f"the aspect {each.aspect!r} has no variable {', '.join(lacks)}"
        return _Wish(False, False, found.type, lacks, words) if lacks else None
    if found.asset is None:
        if inlet.unknown_assets is Unknown.REFUSE or inlet.asset:
            return None
        is_there = any(
            held.aspect.name == each.aspect for held in part.aspects_of(inlet.own_type(part.tenant))
        )
        if not is_there and not makes_variables:
            return None
        return _Wish(True, not is_there, None, lacks, missing(inlet, each, found))
    if not makes_variables or part.asset(found.asset).value.type_id != inlet.own_type(part.tenant):
        return None
    return _Wish(False, True, None, lacks, missing(inlet, each, found))


class Maker:
    """Makes what the lines of inlets name; one for each door."""

    def __init__(
        self, catalog: CatalogStore, index: CatalogIndex, catalogue: Catalogue, clock: Clock
    ) -> None:
        """Take the store, the index, what writes types and assets, and the clock of reservations."""
        self._catalog = catalog
        self._index = index
        self._catalogue = catalogue
        self._clock = clock
        self._turns: defaultdict[TenantId, asyncio.Lock] = defaultdict(asyncio.Lock)
        """Held while something of a tenant is made: what one request made, the door's next one finds."""

    async def make(
        self, caller: Identity, inlet: Inlet, lines: Sequence[Addressed], reasons: dict[int, str], note: Note
    ) -> None:
        """Make what lines lack, as far as policy and scopes allow; notes by line why some is not made.

        TooMany where a body names more new assets than are made at once: then it is to be sent again.
        """
        async with self._turns[caller.tenant]:
            part = self._index.of(caller.tenant)
            wishes = [(each, wish) for each in lines if (wish := _wish(part, inlet, each)) is not None]
            if wishes and ASSETS_WRITE not in caller.scopes:
                for each, wish in wishes:
                    reason = f"{wish.words}, and the credential makes none: it lacks the scope {ASSETS_WRITE}"
                    refuse(reasons, each.group.lines, reason)
                return
            if wishes:
                await note()
            await self._make_aspects(caller.tenant, inlet, wishes, reasons)
            labels = {each.label: None for each, wish in wishes if wish.asset}
            for place, label in enumerate(labels):
                if place == LINES_CREATED_MAX:
                    raise TooMany("Assets are being made; send the same lines again.", 1)
                with _noting(reasons, [each for each, _ in wishes if each.label == label]):
                    await self._make_asset(caller.tenant, inlet, label)
            await self._make_variables(caller.tenant, inlet, lines, reasons)

    async def _make_aspects(
        self,
        tenant: TenantId,
        inlet: Inlet,
        wishes: Sequence[tuple[Addressed, _Wish]],
        reasons: dict[int, str],
    ) -> None:
        aspects: dict[str, dict[str, VariableType]] = {}
        for each, wish in wishes:
            if wish.aspect:
                aspects[each.aspect] = {**wish.variables, **aspects.get(each.aspect, {})}
        for aspect, variables in aspects.items():
            with _noting(reasons, [each for each, wish in wishes if wish.aspect and each.aspect == aspect]):
                await self._make_aspect(tenant, inlet, aspect, variables)

    async def _make_variables(
        self, tenant: TenantId, inlet: Inlet, lines: Sequence[Addressed], reasons: dict[int, str]
    ) -> None:
        """Add what is lacking where the aspect is there by now."""
        part = self._index.of(tenant)
        types: dict[str, AspectType] = {}
        wanted: dict[str, dict[str, VariableType]] = {}
        of_type: dict[str, list[Addressed]] = {}
        for each in lines:
            wish = _wish(part, inlet, each)
            if wish is not None and wish.type is not None:
                types[wish.type.id] = wish.type
                wanted[wish.type.id] = {**wish.variables, **wanted.get(wish.type.id, {})}
                of_type.setdefault(wish.type.id, []).append(each)
        for type_id, variables in wanted.items():
            with _noting(reasons, of_type[type_id]):
                await self._add_variables(tenant, types[type_id], variables)

    async def _make_aspect(
        self, tenant: TenantId, inlet: Inlet, aspect: str, variables: Mapping[str, VariableType]
    ) -> None:
        """Let the inlet's own type have an aspect with these variables; Refused says why not."""
        type_id = inlet.aspect_type(tenant, aspect)
        if self._index.of(tenant).find_aspect_type(type_id) is None:
            wire = AspectTypeIn(type_id.partition(".")[2], [VariableIn(*each) for each in variables.items()])
            try:
                await self._catalogue.put_aspect_type(tenant, type_id, wire, _ABSENT)
            except PreconditionFailed:
                await self._index.refresh()
        for _ in range(TRIES_MAX):
            if await self._has_aspect(tenant, inlet, aspect, type_id):
                return
            await self._index.refresh()
        raise PreconditionFailed("the asset type of the inlet changes all the time")

    async def _has_aspect(self, tenant: TenantId, inlet: Inlet, aspect: str, type_id: str) -> bool:
        part, own = self._index.of(tenant), inlet.own_type(tenant)
        kept = part.find_asset_type(own)
        if any(held.aspect.name == aspect for held in part.aspects_of(own)):
            return True
        new = TypeAspectIn(aspect, type_id)
        try:
            if kept is None:
                wire = AssetTypeIn(own.partition(".")[2], _BASE_TYPE, aspects=[new])
                await self._catalogue.put_asset_type(tenant, own, wire, _ABSENT)
                return True
            there = [
                TypeAspectIn(each.name, each.aspect_type_id, each.aspect_id) for each in kept.value.aspects
            ]
            patch, built_on = AssetTypePatch(aspects=[*there, new]), Preconditions(kept.version, absent=False)
            await self._catalogue.patch_asset_type(tenant, own, patch, built_on)
        except PreconditionFailed:
            return False
        return True

    async def _add_variables(
        self, tenant: TenantId, aspect_type: AspectType, wanted: Mapping[str, VariableType]
    ) -> None:
        """Let an aspect type have these variables; Refused says why not."""
        for _ in range(TRIES_MAX):
            kept = self._index.of(tenant).aspect_type(aspect_type.id)
            patch: dict[str, VariablePatch | None] = {
                name: VariablePatch(data_type=kind)
                for name, kind in wanted.items()
                if kept.value.variable(name) is None
            }
            if not patch:
                return
            try:
                built_on = Preconditions(kept.version, absent=False)
                await self._catalogue.patch_aspect_variables(tenant, aspect_type.id, patch, built_on)
            except PreconditionFailed:
                await self._index.refresh()
            else:
                return
        raise PreconditionFailed("the aspect type changes all the time")

    async def _make_asset(self, tenant: TenantId, inlet: Inlet, label: str) -> None:
        """Make the asset that tags name; Refused says why not."""
        wire = AssetIn(
            name=inlet.asset_name(label),
            external_id=label,
            type_id=inlet.own_type(tenant),
            parent_id=inlet.parent or self._index.tenant(tenant).root_asset,
        )
        asset_id = await self._reserved(tenant, label)
        try:
            await self._catalogue.create_asset(tenant, wire, asset_id)
        except PreconditionFailed:
            await self._index.refresh()  # Another door was as fast.

    async def _reserved(self, tenant: TenantId, label: str) -> AssetId:
        """Give the id under which an asset of this label is made by whoever makes it."""
        name = hashlib.blake2b(label.encode(), digest_size=16).hexdigest()
        now_ms = self._clock.now_ms()
        new = _Reserved(AssetId(secrets.token_hex(16)), now_ms)
        body = msgspec.json.encode(new)
        for _ in range(TRIES_MAX):
            if await self._catalog.create(tenant, RESERVED, name, body) is not None:
                return new.asset
            document = await self._catalog.get(tenant, RESERVED, name)
            if document is None:
                continue
            found = msgspec.json.decode(document.body, type=_Reserved)
            is_dead = found.asset in self._index.of(tenant).deleted_assets
            if not is_dead and now_ms < found.since_ms + ABANDONED_MS:
                return found.asset
            if not is_dead and await self._catalog.get(tenant, "asset", found.asset) is not None:
                return found.asset
            if await self._catalog.replace(tenant, RESERVED, name, body, document.version) is not None:
                return new.asset
        raise PreconditionFailed("the asset is made and deleted all the time")


@contextmanager
def _noting(reasons: dict[int, str], lines: Sequence[Addressed]) -> Iterator[None]:
    """Refuse these lines where what they lack cannot be made."""
    try:
        yield
    except TooMany:
        raise
    except Refused as refused:
        for each in lines:
            refuse(reasons, each.group.lines, refused.message)
