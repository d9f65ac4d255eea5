"""Inlets: named ways in for line protocol, each with the rule of what lines are about. Pure.

Clients call an inlet a bucket, or a database. A line names a measurement and tags; the rule says which aspect
the measurement is and which asset the tags name. Where it says nothing, every set of tags is an asset of its
own, so that two things that are measured at one time can never write into each other (IX-08).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from enum import Enum
from typing import Annotated, Final

import msgspec

from schemas.aspects import check_type_id, is_lawful_name
from schemas.assets import Asset
from schemas.codes import INVALID_BODY
from schemas.errors import Malformed, Problem
from schemas.ids import TenantId, is_hex_id
from schemas.limits import (
    ASPECT_NAME_CHARACTERS_MAX,
    EXTERNAL_ID_CHARACTERS_MAX,
    NAME_CHARACTERS_MAX,
    VARIABLE_NAME_CHARACTERS_MAX,
)
from schemas.lineprotocol.limits import INLET_NAMES_MAX
from schemas.sensors import variable_name

KIND: Final = "inlet"

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=NAME_CHARACTERS_MAX)]
Text = Annotated[str, msgspec.Meta(max_length=NAME_CHARACTERS_MAX)]
Names = Annotated[dict[Name, Name], msgspec.Meta(max_length=INLET_NAMES_MAX)]

_WORD: Final = r"(?:[^\\,= ]|\\.)"
_PAIRS: Final = re.compile(rf"({_WORD}+)=({_WORD}*)", re.DOTALL)
_PAIRS_ONLY: Final = re.compile(rf"{_WORD}+={_WORD}*(?:,{_WORD}+={_WORD}*)*", re.DOTALL)
_UNESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)


class Unknown(Enum):
    """What becomes of a line that names something that there is not."""

    CREATE = "create"
    """It is made, by whoever may make assets and types."""
    REFUSE = "refuse"


class OtherTags(Enum):
    """What becomes of tags that do not name the asset."""

    REFUSE = "refuse"
    """A line with one is refused: two lines that differ in it alone would write into each other."""
    STORE = "store"
    """They are variables, as text."""
    IGNORE = "ignore"


class Inlet(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True
):
    """One inlet and its rule."""

    name: Name
    description: Annotated[str, msgspec.Meta(max_length=255)] = ""
    measurements: Names = {}
    """By measurement the name of its aspect; one that is not named has its own name, made lawful."""
    fields: Names = {}
    """By field the name of its variable; one that is not named has its own name, made lawful."""
    asset: Text = ""
    """The asset of all lines, by id, external id or name; tags name none then."""
    asset_tags: Annotated[tuple[Name, ...], msgspec.Meta(max_length=INLET_NAMES_MAX)] = ()
    """Tags that name the asset: the value of one, or `name=value` of several; empty: all tags."""
    other_tags: OtherTags = OtherTags.REFUSE
    """Where `asset` or `assetTags` leave tags over."""
    unknown_assets: Unknown = Unknown.CREATE
    unknown_variables: Unknown = Unknown.CREATE
    """And aspects, of assets that the inlet has made."""
    asset_type: Annotated[str, msgspec.Meta(max_length=128)] = ""
    """Of assets that are made; empty: the inlet's own, which gets an aspect for each measurement."""
    parent: Annotated[str, msgspec.Meta(max_length=32)] = ""
    """The asset below which they are made; empty: the root."""

    @property
    def document_id(self) -> str:
        """Give the id of its document: its name may hold what an id may not."""
        return inlet_id(self.name)

    def aspect_of(self, measurement: str) -> str:
        """Name the aspect of a measurement."""
        return self.measurements.get(measurement) or variable_name(measurement)

    def variable_of(self, field: str) -> str:
        """Name the variable of a field."""
        return self.fields.get(field) or variable_name(field)

    def label_of(self, tags: Mapping[str, str]) -> str:
        """Name the asset of a line, as `externalId` of what is made has it; Malformed with the reason.

        The tags come by name, in the order of names: the same set of tags is always the same asset.
        """
        if self.asset:
            return self.asset
        missing = [name for name in self.asset_tags if name not in tags]
        if missing:
            raise Malformed(f"the line has no tag {missing[0]!r}, which names the asset")
        if len(self.asset_tags) == 1:
            label = tags[self.asset_tags[0]]
        else:
            named = {name: tags[name] for name in sorted(self.asset_tags)} if self.asset_tags else tags
            label = ",".join(f"{_escaped(name)}={_escaped(value)}" for name, value in named.items())
        label = self.prefix + label
        if len(label) > EXTERNAL_ID_CHARACTERS_MAX:
            raise Malformed(f"its tags name an asset with more than {EXTERNAL_ID_CHARACTERS_MAX} characters")
        return label

    @property
    def prefix(self) -> str:
        """Give what labels begin with, so that no two inlets mean one asset; none where a rule names it."""
        if self.asset or self.asset_tags:
            return ""
        return "".join(f"\\{each}" if each in "\\:" else each for each in self.name) + ":"

    def shown(self, label: str) -> str:
        """Give what people are shown of a label: the tags, or the inlet's name where there were none."""
        return label.removeprefix(self.prefix) or self.name

    def asset_name(self, label: str) -> str:
        """Make a lawful name of a label; what two names lose alike, `externalId` keeps apart."""
        lawful = "".join(
            "_" if each in "/\\" or not each.isprintable() else each for each in self.shown(label)
        )
        return lawful[:NAME_CHARACTERS_MAX]

    def left_over(self, tags: Mapping[str, str]) -> dict[str, str]:
        """Give the tags that do not name the asset and are stored; Malformed where there may be none."""
        if not self.asset and not self.asset_tags:
            return {}
        over = {name: value for name, value in tags.items() if name not in self.asset_tags}
        if over and self.other_tags is OtherTags.REFUSE:
            name = next(iter(over))
            raise Malformed(
                f"the tag {name!r} names no asset; add it to assetTags, or say what otherTags are"
            )
        return over if self.other_tags is OtherTags.STORE else {}

    def own_type(self, tenant: TenantId) -> str:
        """Name the type of assets that are made."""
        return self.asset_type or f"{tenant}.lines_{variable_name(self.name)}"

    def aspect_type(self, tenant: TenantId, aspect: str) -> str:
        """Name the type of an aspect that is made."""
        name = f"lines_{variable_name(self.name)}_{aspect}"
        if len(name) > NAME_CHARACTERS_MAX - len(tenant) - 1:
            digest = hashlib.blake2b(name.encode(), digest_size=8).hexdigest()
            name = f"{name[: NAME_CHARACTERS_MAX - len(tenant) - 18]}_{digest}"
        return f"{tenant}.{name}"


def inlet_id(name: str) -> str:
    """Give the id that clients of InfluxDB know an inlet, or an organisation, by: 16 hexadecimal digits."""
    return hashlib.blake2b(name.encode(), digest_size=8, person=b"inlet").hexdigest()


def check_inlet(inlet: Inlet, tenant: TenantId) -> list[Problem]:
    """Check an inlet by itself."""
    problems = []
    if not inlet.name.isprintable() or inlet.name.startswith("_"):
        message = "A name is printable and does not begin with _, which stands for those of the system."
        problems.append(Problem("/name", INVALID_BODY, message))
    for member, names, most in (
        ("measurements", inlet.measurements, ASPECT_NAME_CHARACTERS_MAX),
        ("fields", inlet.fields, VARIABLE_NAME_CHARACTERS_MAX),
    ):
        problems += [
            Problem(f"/{member}", INVALID_BODY, f"{name!r} is no lawful name.")
            for name in names.values()
            if not is_lawful_name(name, most)
        ]
    if inlet.asset and inlet.asset_tags:
        message = "Either one asset is that of all lines, or tags name it."
        problems.append(Problem("/assetTags", INVALID_BODY, message))
    if inlet.asset_type:
        problems += [each._replace(pointer="/assetType") for each in check_type_id(inlet.asset_type, tenant)]
    if inlet.parent and not is_hex_id(inlet.parent):
        problems.append(Problem("/parent", INVALID_BODY, "It is the id of an asset."))
    return problems


def _escaped(text: str) -> str:
    """Write a name or value so that no other pair of them reads the same."""
    for each in "\\,= ":
        text = text.replace(each, f"\\{each}")
    return text


def tags_of(inlet: Inlet, asset: Asset) -> dict[str, str] | None:
    """Give the tags that name an asset, as lines of the inlet would have them; None: none could."""
    if inlet.asset:
        return {} if inlet.asset in {asset.id, asset.external_id, asset.name} else None
    label = asset.external_id or asset.name
    if len(inlet.asset_tags) == 1:
        return {inlet.asset_tags[0]: label}
    if not label.startswith(inlet.prefix):
        return None
    text = label.removeprefix(inlet.prefix)
    if not text and not inlet.asset_tags:
        return {}
    if _PAIRS_ONLY.fullmatch(text) is None:
        return None
    unescaped = [_UNESCAPED.sub(r"\1", each) for pair in _PAIRS.findall(text) for each in pair]
    tags = dict(zip(unescaped[::2], unescaped[1::2], strict=True))
    return None if inlet.asset_tags and tags.keys() != set(inlet.asset_tags) else tags
