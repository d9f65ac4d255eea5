"""What travels on the wire, as typed values (names of the wire in camel case, ours in snake case).

Members that the service adds later are ignored; only what a caller of this package needs is named.
"""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct, field

Value: TypeAlias = bool | int | float | str | None
"""One cell of a record as JSON has it."""

Record: TypeAlias = dict[str, Value]
"""`_time` and the values of one aspect; `<variable>_qc` where the variable has quality codes."""

Aggregate: TypeAlias = dict[str, str | dict[str, int | float | str]]
"""One interval: `starttime`, `endtime`, and for each variable its functions (`average`, `countgood` …)."""


class Problem(Struct, frozen=True):
    """One reason of a refusal."""

    code: str = ""
    message: str = ""
    logref: str = ""
    pointer: str = ""
    """JSON pointer to the place in the body."""


class Variable(Struct, frozen=True, rename="camel", omit_defaults=True):
    """One typed column of an aspect type."""

    name: str
    data_type: str
    """BOOLEAN, INT, LONG, DOUBLE, STRING, BIG_STRING or TIMESTAMP."""
    unit: str | None = None
    length: int | None = None
    """Longest text of a STRING or BIG_STRING."""
    quality_code: bool = False


class AspectType(Struct, frozen=True, rename="camel"):
    """A named group of variables that share a timestamp."""

    id: str
    name: str
    variables: list[Variable]
    category: str = "dynamic"
    scope: str = "private"
    description: str | None = None
    tenant_id: str = ""
    etag: int = 0


class AssetAspect(Struct, frozen=True, rename="camel"):
    """An aspect of an asset type: the name used in series requests, and its type."""

    name: str
    aspect_type: AspectType
    aspect_id: str = ""


class AssetType(Struct, frozen=True, rename="camel"):
    """The template of an asset."""

    id: str
    name: str
    parent_type_id: str | None = None
    aspects: list[AssetAspect] = field(default_factory=list)
    tenant_id: str = ""
    etag: int = 0


class Asset(Struct, frozen=True, rename="camel"):
    """One thing in the world that has data."""

    asset_id: str
    name: str
    type_id: str
    parent_id: str | None = None
    description: str | None = None
    timezone: str | None = None
    tenant_id: str = ""
    etag: int = 0


class Written(Struct, frozen=True):
    """An acknowledged write."""

    receipt: str = ""
    """Opaque; pass it as `after` to a read that must contain the write."""
    applied: bool | None = None
    """Whether the store has it already; known only when the write waited for it."""


class Refused(Struct, frozen=True, rename="camel"):
    """One pair of a multiple write that was not stored."""

    entity_id: str = ""
    property_set_name: str = ""
    status_code: int = 0
    code: str = ""
    message: str = ""


class MultiPut(Struct, frozen=True):
    """The answer to a multiple write: one receipt a pair in the order sent, "-" for a refused one."""

    receipts: list[str]
    refused: list[Refused]


class Page(Struct, frozen=True):
    """Some records of a read, and where it goes on."""

    records: list[Record]
    next: str | None = None
    """Path and query of the next page; None on the last one."""


class Pair(Struct, frozen=True, rename="camel"):
    """Records of one series inside a multiple write."""

    entity_id: str
    property_set_name: str
    data: list[Record]


class Token(Struct, frozen=True):
    """What the token route grants."""

    access_token: str
    expires_in: float


class Health(Struct, frozen=True):
    """How the service is: `UP` or `DOWN`, and its parts where we may see them."""

    status: str
    parts: dict[str, str] = field(default_factory=dict)
