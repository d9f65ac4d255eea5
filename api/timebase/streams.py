"""Which stream a key is and which asset a symbol is, by the catalogue in a door's memory (TB-20).

What is declared of a stream says what becomes of symbols that no asset is: an asset may be made of them,
under an id that follows from the symbol, so that doors that do it at once make one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final, NamedTuple

from api.assets.model import Catalogue
from api.assets.wire import AssetIn
from api.catalog.index import CatalogIndex
from api.catalog.tenant_index import TenantIndex
from api.identity.tokens import Identity
from api.shares.access import Access, Granted
from schemas.aspects import DYNAMIC
from schemas.codes import INVALID_PARAMETER
from schemas.diagnosis import shown
from schemas.errors import Invalid, NotFound, PreconditionFailed, Problem, Refused
from schemas.ids import TenantId
from schemas.timebase.streams import (
    KEY_RULE,
    Stream,
    UnknownSymbols,
    asset_id_of,
    is_lawful_key,
    key_of,
)

NO_SYMBOL: Final = "There is no asset of this symbol with an aspect of the stream."
_SEVERAL: Final = "Several assets, or several aspects of one, have this symbol; name the asset by its id."
_DELETED: Final = "The asset that was made of this symbol was deleted."
_NO_NAME: Final = f"No asset is made of this symbol: a name has {KEY_RULE}."

Note = Callable[[Mapping[str, str]], Awaitable[None]]
"""Writes down that an asset is going to be made: the things that its line in the audit log names."""


class Held(NamedTuple):
    """The series of a symbol."""

    place: tuple[str, str]
    """Asset, and the name of its aspect."""
    granted: Granted


class Listed(NamedTuple):
    """A stream and how many symbols it has."""

    stream: Stream
    symbols: int


class Streams:
    """The streams of every tenant; one for each door."""

    def __init__(self, index: CatalogIndex, access: Access, catalogue: Catalogue) -> None:
        """Take what knows types and assets, who reaches them, and what makes them."""
        self._index = index
        self._access = access
        self._catalogue = catalogue

    async def find(self, tenant: TenantId, key: str) -> Stream:
        """Give a stream; Invalid, as its clients expect, where there is none (TB-27)."""
        try:
            return await self._index.look(tenant, lambda part: _stream_of(part, key))
        except NotFound:
            raise Invalid([Problem("", INVALID_PARAMETER, f"Unknown stream {shown(key)[1:-1]}.")]) from None

    def all_of(self, caller: Identity) -> list[Listed]:
        """List the streams by key, each with its symbols: an own type without a declared key has its own."""
        part = self._index.of(caller.tenant)
        keys = set(part.streams)
        declared = {kept.value.aspect_type for kept in part.streams.values()}
        keys |= {
            key_of(kept.value, caller.tenant)
            for kept in part.own_aspect_types.values()
            if kept.value.category == DYNAMIC and kept.value.id not in declared
        }
        having = self._counts(caller, part)
        found = []
        for key in sorted(keys):
            try:
                stream = _stream_of(part, key)
            except NotFound:
                continue  # Its aspect type is gone.
            found.append(Listed(stream, having[stream.aspect_type.id, stream.aspect]))
        return found

    def _counts(self, caller: Identity, part: TenantIndex) -> Counter[tuple[str, str]]:
        """Count the caller's assets by aspect type and name of the aspect, and by aspect type and no name."""
        found: Counter[tuple[str, str]] = Counter()
        of_type = Counter(kept.value.type_id for kept in self._access.own_assets(caller))
        for type_id, count in of_type.items():
            held = part.aspects_of(type_id)
            for place in {(each.type.id, name) for each in held for name in ("", each.aspect.name)}:
                found[place] += count
        return found

    def symbols_of(self, caller: Identity, stream: Stream) -> list[str]:
        """List the symbols of a stream: names of assets, and ids where several have one name."""
        part = self._index.of(caller.tenant)
        having: dict[str, bool] = {}
        names: dict[str, list[str]] = {}
        for kept in self._access.own_assets(caller):
            type_id = kept.value.type_id
            if type_id not in having:
                having[type_id] = bool(_aspects_of(part, stream, type_id))
            if having[type_id]:
                names.setdefault(kept.value.name, []).append(kept.value.id)
        listed = [ids if len(ids) > 1 else [name] for name, ids in names.items()]
        return sorted(symbol for symbols in listed for symbol in symbols)

    async def series_of(
        self, caller: Identity, stream: Stream, symbols: Iterable[str], note: Note | None = None
    ) -> dict[str, Held | str]:
        """Find the series of each symbol, or say why there is none.

        Symbols that no asset is become assets where the stream says so and `note` is given.
        """
        found = {symbol: self._look(caller, stream, symbol) for symbol in symbols}
        if NO_SYMBOL in found.values():
            await self._index.refresh()
            found |= {
                symbol: self._look(caller, stream, symbol)
                for symbol, one in found.items()
                if one == NO_SYMBOL
            }
        declared = stream.declared
        if declared is None or declared.unknown_symbols is UnknownSymbols.REFUSE or note is None:
            return found
        for symbol in [symbol for symbol, one in found.items() if one == NO_SYMBOL]:
            found[symbol] = await self._make(caller, stream, symbol, note)
        return found

    def _look(self, caller: Identity, stream: Stream, symbol: str) -> Held | str:
        part = self._index.of(caller.tenant)
        ids = part.names.ids_of(symbol)
        if symbol in part.assets and symbol not in ids:
            ids.append(symbol)
        places = list(islice(_places(caller, self._access, part, stream, ids), 2))
        if len(places) != 1:
            return _SEVERAL if places else NO_SYMBOL
        return Held(places[0], Granted(*part.series_of(*places[0])))

    async def _make(self, caller: Identity, stream: Stream, symbol: str, note: Note) -> Held | str:
        """Make the asset of a symbol; a reason where that is refused."""
        assert stream.declared is not None
        if not is_lawful_key(symbol):
            return _NO_NAME
        tenant = caller.tenant
        parent = stream.declared.parent or self._index.tenant(tenant).root_asset
        asset_id = asset_id_of(tenant, stream.key, symbol)
        if asset_id in self._index.of(tenant).deleted_assets:
            return _DELETED
        wire = AssetIn(name=symbol, type_id=stream.declared.asset_type, parent_id=parent)
        try:
            if caller.subtenant is not None:
                await self._access.own_asset(caller, parent)
            await note({"asset_id": asset_id, "stream": stream.key, "symbol": symbol})
            await self._catalogue.create_asset(tenant, wire, asset_id)
        except PreconditionFailed:
            await self._index.refresh()  # Another door was as fast, or it is there under another name.
        except Refused as error:
            return f"No asset was made of this symbol: {error.message}"
        return self._look(caller, stream, symbol)


def _stream_of(part: TenantIndex, key: str) -> Stream:
    kept = part.streams.get(key)
    declared = None if kept is None else kept.value
    ids: Sequence[str] = (key, f"{part.tenant}.{key}") if declared is None else (declared.aspect_type,)
    for type_id in ids:
        found = part.find_aspect_type(type_id)
        if found is not None and found.value.category == DYNAMIC:
            return Stream(key, found.value, declared)
    raise NotFound("There is no such stream.")


def _aspects_of(part: TenantIndex, stream: Stream, type_id: str) -> list[str]:
    """Name the aspects of an asset type that hold messages of a stream."""
    return [
        held.aspect.name
        for held in part.aspects_of(type_id)
        if held.type.id == stream.aspect_type.id and stream.aspect in {"", held.aspect.name}
    ]


def _places(
    caller: Identity, access: Access, part: TenantIndex, stream: Stream, ids: Iterable[str]
) -> Iterator[tuple[str, str]]:
    for asset_id in ids:
        asset = part.assets[asset_id].value
        if access.owns(caller, part, asset):
            for name in _aspects_of(part, stream, asset.type_id):
                yield asset_id, name
