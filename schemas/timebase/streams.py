"""Streams: which aspect type one is, which asset a symbol is, and what a tenant has declared of it (TB-20).

A stream is a dynamic aspect type, a symbol an asset that has exactly one aspect of it. Without a declaration
the key of a stream is the id of its aspect type, with or without the prefix of the tenant, and messages of
unknown symbols are refused. What is declared under a key comes first. Pure.
"""

from __future__ import annotations

import hashlib
from enum import Enum
from typing import Final

import msgspec

from schemas.aspects import AspectType
from schemas.codes import INVALID_BODY
from schemas.errors import Problem
from schemas.ids import AssetId
from schemas.limits import NAME_CHARACTERS_MAX, STREAM_TYPES_MAX

KIND: Final = "timebasestream"
"""Of the documents."""


class UnknownSymbols(Enum):
    """What becomes of messages of a symbol that no asset is."""

    REFUSE = "refuse"
    CREATE = "create"
    """An asset is made for it."""


class DeclaredStream(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What a tenant says of one stream."""

    stream: str
    """Its key: what stands in addresses."""
    aspect_type: str
    """Id of the aspect type of its messages."""
    aspect: str = ""
    """Name of the aspect on the assets' types, where they have several of the aspect type."""
    types: tuple[str, ...] = ()
    """What `$type` may be beside the stream's key and the name and id of the aspect type."""
    symbol: str = ""
    """Of messages that name none (TB-24); without it these are refused."""
    unknown_symbols: UnknownSymbols = UnknownSymbols.REFUSE
    asset_type: str = ""
    """With `create`: the type of the assets that are made."""
    parent: str = ""
    """With `create`: the asset that they are put below; without it the root."""


class Stream(msgspec.Struct, frozen=True):
    """One stream as messages meet it."""

    key: str
    aspect_type: AspectType
    declared: DeclaredStream | None = None

    @property
    def type_name(self) -> str:
        """Give what `$type` says of messages that are read."""
        return self.aspect_type.name

    @property
    def types(self) -> frozenset[str]:
        """Name what `$type` may say."""
        further = () if self.declared is None else self.declared.types
        return frozenset({self.key, self.aspect_type.name, self.aspect_type.id, *further})

    @property
    def aspect(self) -> str:
        """Give the name of the aspect on assets' types; empty where it may be any of the aspect type."""
        return "" if self.declared is None else self.declared.aspect

    @property
    def symbol(self) -> str:
        """Give the symbol of messages that name none; empty where they are refused."""
        return "" if self.declared is None else self.declared.symbol


def key_of(aspect_type: AspectType, tenant: str) -> str:
    """Give the key of a stream of which nothing is declared."""
    return aspect_type.id.removeprefix(f"{tenant}.")


def asset_id_of(tenant: str, stream: str, symbol: str) -> AssetId:
    """Give the id under which the asset of an unknown symbol is made: doors that do it at once make one."""
    text = f"{tenant}\n{stream}\n{symbol}"
    return AssetId(hashlib.blake2b(text.encode(), digest_size=16, person=b"symbol").hexdigest())


def check_declared(stream: DeclaredStream) -> list[Problem]:
    """Check what needs no catalogue; gives every problem with its pointer."""
    makes = stream.unknown_symbols is UnknownSymbols.CREATE
    rules = (
        (is_lawful_key(stream.stream), "/stream", f"A key has {KEY_RULE}."),
        (len(stream.types) <= STREAM_TYPES_MAX, "/types", f"At most {STREAM_TYPES_MAX} names."),
        (
            all(len(name) <= NAME_CHARACTERS_MAX for name in stream.types),
            "/types",
            f"A name has at most {NAME_CHARACTERS_MAX} characters.",
        ),
        (not stream.symbol or is_lawful_key(stream.symbol), "/symbol", f"A symbol has {KEY_RULE}."),
        (makes or not stream.parent, "/parent", "It is for unknownSymbols `create` only."),
        (
            makes == bool(stream.asset_type),
            "/assetType",
            "It belongs to unknownSymbols `create`.",
        ),
    )
    return [Problem(pointer, INVALID_BODY, message) for lawful, pointer, message in rules if not lawful]


KEY_RULE: Final = f"1 to {NAME_CHARACTERS_MAX} printable characters, without / and \\"


def is_lawful_key(text: str) -> bool:
    """Tell whether a text can name a stream, and an asset, which keeps the same rule."""
    return 0 < len(text) <= NAME_CHARACTERS_MAX and text.isprintable() and not {"/", "\\"} & set(text)
