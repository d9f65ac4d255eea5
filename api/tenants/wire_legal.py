"""Legal information on the wire (wire 10)."""

from __future__ import annotations

import msgspec

from schemas.legal import LegalLinks, LegalRegion


class RegionIn(msgspec.Struct, rename="camel"):
    """A region as it is sent; its id and etag are the service's to set."""

    region_name: str
    region_countries: list[str] = msgspec.field(default_factory=list)
    links: list[LegalLinks] = msgspec.field(default_factory=list)


class LegalConfigurationIn(msgspec.Struct):
    """All regions of a tenant, as they are sent."""

    regions: list[RegionIn]


class RegionOut(msgspec.Struct, rename="camel"):
    """A region."""

    etag: int = msgspec.field(name="ETag")
    links: list[LegalLinks]
    region_countries: list[str]
    region_id: str
    region_name: str


class LegalConfigurationOut(msgspec.Struct):
    """All regions of a tenant; an empty list where nothing was said."""

    regions: list[RegionOut]


class LegalInfoLink(msgspec.Struct):
    """One link in the language under which it stands."""

    id: str
    type: str
    name: str
    value: str


def region_from(wire: RegionIn) -> LegalRegion:
    """Read a region, which has no id yet; nothing is checked."""
    return LegalRegion("", wire.region_name, tuple(wire.region_countries), tuple(wire.links))


def region_out(region: LegalRegion) -> RegionOut:
    """Write a region."""
    return RegionOut(region.version, list(region.links), list(region.countries), region.id, region.name)
