"""Which series a question about many of them names: assets × aspects, as far as they exist (design 9)."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from api.identity.tokens import Identity
from api.services import Services
from api.tenant_index import TenantIndex
from schemas.aspects import DYNAMIC
from schemas.codes import INVALID_BODY, MISSING_BODY
from schemas.errors import Invalid, NotFound, Problem
from schemas.limits import QUERY_SERIES_MAX, VARIABLES_OF_ASPECT_MAX

NAMES_MAX: Final = 2 * VARIABLES_OF_ASPECT_MAX
"""Variables and codes of a question: as many as the widest aspect has. Each is looked for in each type."""


class Intervals(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """How to aggregate; every member means what it means on the route for aggregates."""

    unit: str
    """`minute`, `hour`, `day`, `week` or `month`."""
    value: int = 1
    functions: list[str] | None = None
    """Without them those of the dialect."""
    timezone: str | None = None
    """IANA zone; without it each asset's own."""


class Question(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """Which series to read, and what of each; every member means what it means for one series."""

    assets: list[str] | None = None
    """Ids of assets; without them all assets of the tenant that have the aspects."""
    aspects: list[str] | None = None
    """Names of aspects; without them all aspects with time series that the assets have."""
    variables: list[str] | None = None
    """Variables, and codes as `x_qc`; an aspect that has none of them is left out."""
    from_: str | None = msgspec.field(name="from", default=None)
    """Start, exclusive: RFC 3339. Without from and to: the newest record of each series."""
    to: str | None = None
    """End, inclusive: RFC 3339."""
    limit: int | None = None
    """Records a series at most, 1 to 2000."""
    sort: str | None = None
    """`asc` or `desc`, by time."""
    aggregate: Intervals | None = None
    """Aggregates instead of records; needs from and to, takes neither limit nor sort."""


async def places_of(services: Services, caller: Identity, question: Question) -> list[tuple[str, str]]:
    """Name the series: the aspects of the assets; NotFound for an unknown asset, and for no series at all."""
    aspects = None if question.aspects is None else list(dict.fromkeys(question.aspects))
    if not question.assets and not aspects:
        raise Invalid([Problem("/assets", MISSING_BODY, "Name assets, aspects or both.")])
    if question.variables == []:
        raise Invalid([Problem("/variables", INVALID_BODY, "Name variables, or leave the list out.")])
    _demand_few(len(question.assets or ()), "/assets")
    _demand_few(len(aspects or ()), "/aspects")
    if len(question.variables or ()) > NAMES_MAX:
        raise Invalid([Problem("/variables", INVALID_BODY, f"Name at most {NAMES_MAX} variables.")])
    if question.assets:
        assets = list(dict.fromkeys(question.assets))
        for asset in assets:
            await services.index.find_asset(caller.tenant, asset)
        index = services.index.of(caller.tenant)
    else:
        assets = await first_assets(services, caller, aspects or (), QUERY_SERIES_MAX)
        index = services.index.of(caller.tenant)
    wanted = None if aspects is None else frozenset(aspects)
    of_type: dict[str, list[str]] = {}
    places: list[tuple[str, str]] = []
    for asset in assets:
        type_id = index.asset(asset).value.type_id
        if type_id not in of_type:
            names = _dynamic_aspects(index, type_id)
            of_type[type_id] = [name for name in names if wanted is None or name in wanted]
        places += [(asset, name) for name in of_type[type_id]]
        _demand_few(len(places), "/assets")
    if not places:
        raise NotFound("There is no such aspect with time series.")
    return places


def _demand_few(count: int, pointer: str) -> None:
    if count > QUERY_SERIES_MAX:
        message = f"At most {QUERY_SERIES_MAX} series at a time; name fewer assets or aspects."
        raise Invalid([Problem(pointer, INVALID_BODY, message)])


def _dynamic_aspects(index: TenantIndex, type_id: str) -> list[str]:
    return [held.aspect.name for held in index.aspects_of(type_id) if held.type.category == DYNAMIC]


async def first_assets(services: Services, caller: Identity, aspects: Sequence[str], most: int) -> list[str]:
    """Give the beginning of `assets_with`; NotFound if there is none, also none of another door's making."""

    def find(index: TenantIndex) -> list[str]:
        found = assets_with(index, aspects, most)
        if not found:
            raise NotFound("There is no such aspect with time series.")
        return found

    return await services.index.look(caller.tenant, find)


def assets_with(index: TenantIndex, aspects: Sequence[str], most: int, after: str = "") -> list[str]:
    """List the first assets after an id, by id, that have one of the aspects: one more than `most`."""
    have: dict[str, bool] = {}

    def matching() -> Iterator[str]:
        for asset, kept in index.assets.items():
            type_id = kept.value.type_id
            has = have.get(type_id)
            if has is None:
                has = have[type_id] = not set(aspects).isdisjoint(_dynamic_aspects(index, type_id))
            if has and asset > after:
                yield asset

    return heapq.nsmallest(most + 1, matching())
