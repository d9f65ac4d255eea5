"""Which series a question about many of them names: assets × aspects, as far as they exist (design 9)."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from api.assets.sensors import Sensors
from api.catalog.tenant_index import Kept, TenantIndex
from api.identity.tokens import Identity
from api.shares.access import NO_SERIES, Granted, Reached
from schemas.aspects import DYNAMIC
from schemas.assets import Asset
from schemas.codes import INVALID_BODY, MISSING_BODY
from schemas.errors import Invalid, NotFound, Problem
from schemas.limits import QUERY_SERIES_MAX, VARIABLES_OF_ASPECT_MAX
from schemas.sensors import Selector
from schemas.shares import Action

if TYPE_CHECKING:
    from api.services import Services

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
    """Ids of assets, own or shared; without them all own assets that have the aspects."""
    aspects: list[str] | None = None
    """Names of aspects; without them all aspects with time series that the assets have."""
    sensors: Selector | None = None
    """In place of assets, aspects and variables: those that the metadata of sensors mean, such as
    `{"quantity":"wind_speed","heightM":80}`."""
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
    include_shared: bool = False
    """Without `assets`: shared ones, too."""

    @property
    def action(self) -> Action:
        """Give what must be allowed of a shared asset."""
        return Action.RECORDS_READ if self.aggregate is None else Action.AGGREGATES_READ


class Named(NamedTuple):
    """One series of a question."""

    place: tuple[str, str]
    granted: Granted
    variables: tuple[str, ...] | None = None
    """Variables, and codes, to read; None: all of them."""


async def series_named(services: Services, caller: Identity, question: Question) -> list[Named]:
    """Find the series: the aspects of the assets; NotFound for an unknown asset, and for no series at all."""
    if question.sensors is not None:
        return _series_meant(services, caller, question, question.sensors)
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
        reached = [await services.access.asset(caller, asset, question.action) for asset in assets]
    else:
        shared = question.action if question.include_shared else None
        reached = await assets_with(services, caller, aspects or (), QUERY_SERIES_MAX, shared=shared)
    wanted = None if aspects is None else frozenset(aspects)
    of_type: dict[tuple[str, str], list[str]] = {}
    named: list[Named] = []
    for one in reached:
        asset, key = one.kept.value, (one.part.tenant, one.kept.value.type_id)
        if key not in of_type:
            names = _dynamic_aspects(one.part, asset.type_id)
            of_type[key] = [name for name in names if wanted is None or name in wanted]
        given = None if question.variables is None else tuple(question.variables)
        named += [
            Named((asset.id, name), one.series(name), given) for name in of_type[key] if one.covers(name)
        ]
        _demand_few(len(named), "/assets")
    if not named:
        raise NotFound(NO_SERIES)
    return named


def _series_meant(
    services: Services, caller: Identity, question: Question, selector: Selector
) -> list[Named]:
    """Find the series of the variables that sensors mean, by asset; NotFound where none is meant."""
    others = {"assets": question.assets, "aspects": question.aspects, "variables": question.variables}
    problems = [
        Problem(f"/{name}", INVALID_BODY, f"sensors mean them already; leave {name} out.")
        for name, value in others.items()
        if value is not None
    ]
    if problems:
        raise Invalid(problems)
    meant = Sensors(services.ports.catalog, services.index, services.access).variables(caller, selector)
    of_series: dict[tuple[str, str], list[str]] = {}
    for each in meant:
        of_series.setdefault((each.asset, each.aspect), []).append(each.variable)
    if not of_series:
        raise NotFound("No sensor is meant, or none whose variable is there.")
    _demand_few(len(of_series), "/sensors")
    part = services.index.of(caller.tenant)
    return [
        Named(place, Granted(*part.series_of(*place)), tuple(variables))
        for place, variables in of_series.items()
    ]


def _demand_few(count: int, pointer: str) -> None:
    if count > QUERY_SERIES_MAX:
        message = f"At most {QUERY_SERIES_MAX} series at a time; name fewer assets or aspects."
        raise Invalid([Problem(pointer, INVALID_BODY, message)])


def _dynamic_aspects(index: TenantIndex, type_id: str) -> list[str]:
    return [held.aspect.name for held in index.aspects_of(type_id) if held.type.category == DYNAMIC]


async def assets_with(
    services: Services,
    caller: Identity,
    aspects: Sequence[str],
    most: int,
    after: str = "",
    *,
    shared: Action | None = None,
) -> list[Reached]:
    """List the first assets after an id, by id, that have one of the aspects: one more than `most`.

    With `shared` also those that are shared with the caller for it. NotFound if there is none at all, also
    none of another door's making.
    """

    def find(index: TenantIndex) -> list[Reached]:
        own = _first_with(index, services.access.own_assets(caller), aspects, most, after)
        found = [Reached(index, index.assets[asset]) for asset in own]
        if shared is not None:
            others = services.access.shared_assets(caller, shared)
            found += [one for one in others if _has_one(one, aspects) and one.kept.value.id > after]
            found.sort(key=lambda one: one.kept.value.id)
        if not found and not after:
            raise NotFound(NO_SERIES)
        return found[: most + 1]

    return await services.index.look(caller.tenant, find)


def _has_one(one: Reached, aspects: Sequence[str]) -> bool:
    names = _dynamic_aspects(one.part, one.kept.value.type_id)
    return any(name in aspects and one.covers(name) for name in names)


def _first_with(
    index: TenantIndex, assets: Iterable[Kept[Asset]], aspects: Sequence[str], most: int, after: str
) -> list[str]:
    have: dict[str, bool] = {}

    def matching() -> Iterator[str]:
        for kept in assets:
            type_id = kept.value.type_id
            has = have.get(type_id)
            if has is None:
                has = have[type_id] = not set(aspects).isdisjoint(_dynamic_aspects(index, type_id))
            if has and kept.value.id > after:
                yield kept.value.id

    return heapq.nsmallest(most + 1, matching())
