"""The asset and aspect that a file goes into: looked up, or made with `--create`."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from cli.complaints import Complaint
from cli.inference import DATA_TYPES, TAKEN_BY, Kind, clean_name
from client import AspectType, Asset, Client, NotFound, PreconditionFailed, Variable

NUMBERS_MISSING = frozenset({Kind.NOTHING, Kind.NOT_A_NUMBER})
QUALITY = "_qc"
TYPE_NAME_LENGTH_MAX = 100
NAMES_SHOWN = 8


class Column(NamedTuple):
    """One column of a file: its variable name, what its cells allow, and where it stood."""

    name: str
    kind: Kind
    title: str
    boolean: bool


@dataclass(slots=True, frozen=True)
class Place:
    """Where records go, and the type that each of their members has there."""

    asset: Asset
    aspect: str
    data_types: dict[str, str]
    """Variable (or `<variable>_qc`) → type."""


def tenant_of(client: Client) -> str:
    """Read the tenant out of our own token."""
    payload = client.token().split(".")[1]
    claims = msgspec.json.decode(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return str(claims["ten"])


def is_asset_id(text: str) -> bool:
    """Tell whether a text has the form of an asset's id."""
    return re.fullmatch(r"[0-9a-f]{32}", text) is not None


def find_asset(client: Client, text: str) -> Asset | None:
    """Find an asset by its id or its name; None if there is none, a Complaint if there are several."""
    if is_asset_id(text):
        try:
            return client.get_asset(text)
        except NotFound:
            return None
    criteria = json.dumps({"name": {"eq": text}}, ensure_ascii=False)
    found = [asset for asset in client.list_assets(criteria) if asset.name == text]
    if len(found) > 1:
        ids = ", ".join(asset.asset_id for asset in found)
        raise Complaint(f"{len(found)} assets are called {text!r}; give --asset with an id: {ids}")
    return found[0] if found else None


def find_aspect(client: Client, asset: Asset, aspect: str) -> AspectType:
    """Find the type of an aspect that an asset has; a Complaint names those that it has."""
    having = {one.name: one.aspect_type for one in client.get_asset_type(asset.type_id).aspects}
    if aspect not in having:
        names = ", ".join(sorted(having)) or "none"
        raise Complaint(f"asset {asset.name!r} has no aspect {aspect!r}; it has: {names}")
    return having[aspect]


def find_place(
    client: Client, asset_text: str, aspect: str, columns: Sequence[Column], *, create: bool
) -> Place:
    """Find where a file goes, making what lacks if told to; a Complaint where columns do not fit."""
    asset = find_asset(client, asset_text)
    if asset is None:
        if not create:
            raise Complaint(f"no asset {asset_text!r}; add --create to make it, or give another --asset")
        asset = create_asset_with(client, asset_text, aspect, columns)
    aspect_type = find_aspect(client, asset, aspect)
    return Place(asset, aspect, check_columns(aspect_type, columns))


def check_columns(aspect_type: AspectType, columns: Sequence[Column]) -> dict[str, str]:
    """Give the type of each column; a Complaint names those that the aspect does not have or cannot take."""
    types = {variable.name: variable.data_type for variable in aspect_type.variables}
    types |= {one.name + QUALITY: "LONG" for one in aspect_type.variables if one.quality_code}
    unknown = [column.title for column in columns if column.name not in types]
    if unknown:
        raise Complaint(
            f"aspect type {aspect_type.id} has no variable for column {_some(unknown)}; it has:"
            f" {_some(list(types))}. Leave the column out, or give another --asset with --create"
        )
    for column in columns:
        wanted = types[column.name]
        fits = column.kind in NUMBERS_MISSING or column.kind in TAKEN_BY[wanted]
        if not fits or (wanted == "BOOLEAN" and not column.boolean):
            raise Complaint(
                f"column {column.title}:{_hint(column)} its cells are {DATA_TYPES[column.kind]},"
                f" its variable in {aspect_type.id} is {wanted}"
            )
    return {column.name: types[column.name] for column in columns}


def _hint(column: Column) -> str:
    return " its numbers have a decimal comma; give --decimal ," if column.kind is Kind.COMMA else ""


def _some(names: Sequence[str]) -> str:
    """List names, but not a screenful."""
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return ", ".join(names[:NAMES_SHOWN]) + more


def to_variables(columns: Sequence[Column]) -> list[Variable]:
    """Declare a variable for each column; an integer column `x_qc` beside `x` is its quality code."""
    for column in columns:
        if column.kind is Kind.COMMA:
            raise Complaint(f"column {column.title}:{_hint(column)}")
    names = {column.name for column in columns}
    codes = {
        column.name
        for column in columns
        if column.name.endswith(QUALITY)
        and column.name.removesuffix(QUALITY) in names
        and column.kind in TAKEN_BY["LONG"]
    }
    return [
        Variable(
            column.name,
            data_type := DATA_TYPES[column.kind],
            length={"STRING": 255, "BIG_STRING": 100_000}.get(data_type),
            quality_code=column.name + QUALITY in codes,
        )
        for column in columns
        if column.name not in codes
    ]


def create_asset_with(client: Client, asset_name: str, aspect: str, columns: Sequence[Column]) -> Asset:
    """Make aspect type, asset type and asset; types of the same id are taken if they fit.

    Without columns the aspect has no variables yet.
    """
    tenant = tenant_of(client)
    aspect_type_id = _create_aspect_type(client, tenant, asset_name, aspect, columns)
    asset_type_id = f"{tenant}.{_type_name(asset_name)}"
    try:
        client.create_asset_type(asset_type_id, asset_name, {aspect: aspect_type_id})
    except PreconditionFailed:
        having = {one.name for one in client.get_asset_type(asset_type_id).aspects}
        if aspect not in having:
            raise Complaint(
                f"asset type {asset_type_id} exists without the aspect {aspect!r}; give another --asset name"
            ) from None
    return client.create_asset(asset_name, asset_type_id)


def _create_aspect_type(
    client: Client, tenant: str, asset_name: str, aspect: str, columns: Sequence[Column]
) -> str:
    """Make or find the aspect type: named as the aspect, else, where that is another one, by both names."""
    plain, own = _type_name(aspect), _type_name(f"{asset_name}_{aspect}")
    variables = to_variables(columns)
    try:
        client.create_aspect_type(f"{tenant}.{plain}", plain, variables)
    except PreconditionFailed:
        with suppress(Complaint):
            check_columns(client.get_aspect_type(f"{tenant}.{plain}"), columns)
            return f"{tenant}.{plain}"
    else:
        return f"{tenant}.{plain}"
    try:
        client.create_aspect_type(f"{tenant}.{own}", own, variables)
    except PreconditionFailed:
        check_columns(client.get_aspect_type(f"{tenant}.{own}"), columns)
    return f"{tenant}.{own}"


def _type_name(text: str) -> str:
    return clean_name(text, TYPE_NAME_LENGTH_MAX) or "type_"
