"""Which series and variables an export has, into which files they go, and what files and columns are called.

Names are as short as they can be without meaning two things: a variable's alone in a file of one series, with
its aspect where a file has several of one asset, with the asset as well where it has several of those.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Final, NamedTuple

from api.catalog.sensor_index import sensors_meant
from api.catalog.tenant_index import TenantIndex
from api.exports.wire import ExportIn, Grouping
from schemas.aspects import DYNAMIC, AspectType, Variable
from schemas.assets import Asset
from schemas.codes import INVALID_BODY
from schemas.errors import Invalid, Problem
from schemas.exporting.manifest import MANIFEST
from schemas.exporting.model import ExportColumn, ExportFile, ExportSeries
from schemas.limits import EXPORT_COLUMNS_MAX, EXPORT_SERIES_MAX
from schemas.partials import NUMERIC
from schemas.sensors import Selector, Sensor

OTHER: Final = "other"
"""The file of variables of which no sensor says what they measure."""
ALL: Final = "readings"
"""The file of everything."""
NAME_CHARACTERS_MAX: Final = 100
OF_NAME: Final = 60
"""Characters that are left of a name that an id follows."""

_UNSAFE = re.compile(r"[^\w.-]+")


class Selected(NamedTuple):
    """What an export has."""

    series: tuple[ExportSeries, ...]
    types: tuple[AspectType, ...]
    files: tuple[ExportFile, ...]


class _Found(NamedTuple):
    """One variable of one series."""

    series: int
    variable: Variable


def select(part: TenantIndex, assets: Iterable[Asset], asked: ExportIn, suffix: str) -> Selected:
    """Find what is asked for among assets; Invalid where that is nothing, or too much."""
    meant = [asset for asset in assets if _is_asset(asset, asked.assets)]
    meant.sort(key=lambda asset: (asset.name, asset.id))
    sensors = _sensors(part, meant, asked)
    types: dict[str, AspectType] = {}
    series: list[ExportSeries] = []
    found: list[_Found] = []
    for asset in meant:
        for held in part.aspects_of(asset.type_id):
            if held.type.category != DYNAMIC or not _fits(held.aspect.name, asked.aspects):
                continue
            chosen = [
                variable
                for variable in held.type.variables
                if _fits(variable.name, asked.variables)
                and (asked.aggregate is None or variable.type in NUMERIC)
                and (asked.sensors is None or (asset.id, held.aspect.name, variable.name) in sensors)
            ]
            if not chosen:
                continue
            types.setdefault(held.type.id, held.type)
            found += [_Found(len(series), variable) for variable in chosen]
            series.append(
                ExportSeries(
                    asset=asset.id,
                    asset_name=asset.name,
                    aspect=held.aspect.name,
                    aspect_id=held.aspect.aspect_id,
                    type=list(types).index(held.type.id),
                )
            )
            _demand_few(series, found)
    if not found:
        message = "No variable of any asset is meant; look at assets, aspects, variables and sensors."
        raise Invalid([Problem("/assets", INVALID_BODY, message)])
    files = _files(series, found, asked.files, sensors, suffix)
    return Selected(tuple(series), tuple(types.values()), files)


def _is_asset(asset: Asset, wanted: Sequence[str]) -> bool:
    return not wanted or any(asset.id == word or _is_like(asset.name, word) for word in wanted)


def _fits(name: str, wanted: Sequence[str]) -> bool:
    return not wanted or any(_is_like(name, word) for word in wanted)


def _is_like(name: str, word: str) -> bool:
    """Hold a name against a name or a pattern, in which `*` and `?` alone mean something."""
    return fnmatchcase(name, word.replace("[", "[[]"))


def _sensors(
    part: TenantIndex, assets: Sequence[Asset], asked: ExportIn
) -> dict[tuple[str, str, str], Sensor]:
    """Give the sensor of each variable that has one; of several the first that is meant."""
    if asked.sensors is None and asked.files is not Grouping.QUANTITY:
        return {}
    told = sensors_meant(part, asked.sensors or Selector(), [asset.id for asset in assets])
    found: dict[tuple[str, str, str], Sensor] = {}
    for sensor in told:
        found.setdefault((sensor.asset, sensor.aspect, sensor.variable), sensor)
    return found


def _demand_few(series: Sequence[ExportSeries], found: Sequence[_Found]) -> None:
    if len(series) > EXPORT_SERIES_MAX or len(found) > EXPORT_COLUMNS_MAX:
        message = (
            f"An export has at most {EXPORT_SERIES_MAX} series with {EXPORT_COLUMNS_MAX} variables; "
            "divide it, by assets for instance."
        )
        raise Invalid([Problem("/assets", INVALID_BODY, message)])


# -- files -----------------------------------------------------------------------------------------


def _files(
    series: Sequence[ExportSeries],
    found: Sequence[_Found],
    grouping: Grouping,
    sensors: Mapping[tuple[str, str, str], Sensor],
    suffix: str,
) -> tuple[ExportFile, ...]:
    assets = {each.asset for each in series}
    named = {(each.asset, each.asset_name) for each in series}
    twice = _repeated(_safe(name).lower() for _, name in named)

    def of_asset(each: ExportSeries) -> str:
        name = _safe(each.asset_name)
        return f"{name[:OF_NAME]}-{each.asset}" if name.lower() in twice else name

    def place(one: _Found) -> str:
        each = series[one.series]
        if grouping is Grouping.ONE:
            return ALL
        if grouping is Grouping.ASSET:
            return of_asset(each)
        if grouping is Grouping.QUANTITY:
            sensor = sensors.get((each.asset, each.aspect, one.variable.name))
            return _safe(sensor.quantity) if sensor is not None and sensor.quantity else OTHER
        return _safe(each.aspect) if len(assets) == 1 else f"{of_asset(each)}/{_safe(each.aspect)}"

    grouped: dict[str, list[_Found]] = {}
    for one in found:
        grouped.setdefault(place(one), []).append(one)
    return tuple(
        ExportFile(_file_name(name, suffix), _columns(series, columns)) for name, columns in grouped.items()
    )


def _file_name(name: str, suffix: str) -> str:
    """Name a file so that it is not the manifest, on systems that make no difference of letters either."""
    taken = f"{name}.{suffix}".lower() == MANIFEST
    return f"{name}_.{suffix}" if taken else f"{name}.{suffix}"


def _safe(name: str) -> str:
    """Make a name that every system takes for a file."""
    return _UNSAFE.sub("_", name).strip("._")[:NAME_CHARACTERS_MAX] or "_"


def _columns(series: Sequence[ExportSeries], columns: Sequence[_Found]) -> tuple[ExportColumn, ...]:
    """Name the columns of a file: the shortest way in which all differ."""
    names: list[str] = []
    for name in _WAYS:
        names = [name(series[one.series], one.variable) for one in columns]
        if len(set(names)) == len(names):
            break
    return tuple(
        ExportColumn(one.series, one.variable.id, name) for one, name in zip(columns, names, strict=True)
    )


_WAYS: Final[Sequence[Callable[[ExportSeries, Variable], str]]] = (
    lambda _, variable: variable.name,
    lambda series, variable: f"{series.aspect}.{variable.name}",
    lambda series, variable: f"{series.asset_name}.{series.aspect}.{variable.name}",
    lambda series, variable: f"{series.asset}.{series.aspect}.{variable.name}",
)


def _repeated(names: Iterable[str]) -> set[str]:
    return {name for name, count in Counter(names).items() if count > 1}
