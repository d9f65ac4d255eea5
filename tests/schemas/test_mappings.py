"""Mappings by themselves: validity, clashes, and the table of routes (MS-85)."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.aspects import AspectType, Variable, VariableType
from schemas.data_sources import NO_POINTS, Point, Points
from schemas.mappings import FedAspect, MappedAspect, Mapping, Reason, compile_routes, find_clash, judge

AGENT, ASSET, OTHER, ASPECT = "a" * 32, "b" * 32, "c" * 32, "d" * 32
KINDS = (VariableType.INT, VariableType.LONG)
TYPE = AspectType(
    id="acme.T",
    tenant="acme",
    name="T",
    category="dynamic",
    variables=(
        Variable(name="x", id=1, type=VariableType.INT, unit="K", quality_code=True),
        Variable(name="y", id=2, type=VariableType.LONG),
    ),
)
FED = FedAspect.of("aspect", TYPE)
GOOD = Points(3, "c", {"px": Point("px", VariableType.INT, "K"), "py": Point("py", VariableType.LONG, "")})
MAPPING = Mapping(id="m", data_point_id="px", variable_id=1, variable_name="x", made_under=3)


def changed(**members):
    """Give the mapping with other members."""
    return msgspec.structs.replace(MAPPING, **members)


def group(*mappings, asset=ASSET):
    """Keep mappings together."""
    return MappedAspect(
        agent_id=AGENT, asset_id=asset, aspect_id=ASPECT, aspect_name="was so", mappings=mappings
    )


@pytest.mark.parametrize(
    ("mapping", "points", "fed", "reasons"),
    [
        (MAPPING, GOOD, FED, []),
        (MAPPING, NO_POINTS, FED, ["MISSING_DATAPOINT"]),
        (MAPPING, GOOD, None, ["MISSING_PROPERTY"]),
        (changed(variable_id=9), GOOD, FED, ["MISSING_PROPERTY"]),
        (changed(variable_id=9), NO_POINTS, FED, ["MISSING_DATAPOINT", "MISSING_PROPERTY"]),
        (changed(variable_id=2), GOOD, FED, ["INVALID_TYPE", "INVALID_UNIT"]),
        (changed(data_point_id="py"), GOOD, FED, ["INVALID_TYPE", "INVALID_UNIT"]),
        (changed(data_point_id="py", variable_id=2), GOOD, FED, []),
    ],
)
def test_every_reason_against_a_mapping(mapping, points, fed, reasons):
    """Missing ends are told before differences, and all that is wrong is told (wire 6.1)."""
    assert [reason.value for reason in judge(group(mapping), mapping, points, fed).reasons] == reasons


def test_names_are_those_of_today():
    """What was renamed is called as it is now; what is gone as it was."""
    here = judge(group(MAPPING), changed(variable_name="old"), GOOD, FED)
    gone = judge(group(MAPPING), changed(variable_name="old"), GOOD, None)

    assert (here.aspect_name, here.variable_name) == ("aspect", "x")
    assert (gone.aspect_name, gone.variable_name) == ("was so", "old")


@pytest.mark.parametrize(
    ("etag", "keep", "void"), [(3, False, False), (4, False, True), (4, True, False), (2, False, False)]
)
def test_a_mapping_ends_with_its_configuration(etag, keep, void):
    """Unless it is kept; one for a configuration that is not known here yet is there already."""
    assert changed(keep=keep).is_void(GOOD._replace(etag=etag)) is void


@pytest.mark.parametrize(
    ("other", "word"),
    [
        (MAPPING, "already"),
        (changed(data_point_id="py"), "py"),
        (changed(variable_id=2, variable_name="y"), "y of the same aspect"),
        (changed(data_point_id="py", variable_id=2), ""),
    ],
)
def test_what_cannot_stand_side_by_side(other, word):
    """A variable has one data point of an agent, and a data point one variable of an aspect (MS-85)."""
    said = find_clash(changed(id="new"), [other])

    assert (word in said, bool(said)) == (True, bool(word))


def test_routes_lead_to_each_series_once():
    """Fan-out: one data point, several series; each series stands in the table once (MS-85)."""
    two = changed(id="n", data_point_id="py", variable_id=2, variable_name="y")
    lost = changed(id="l", data_point_id="p?", variable_id=2)
    dead = changed(id="v", data_point_id="py", variable_id=2, made_under=2)

    groups = [group(MAPPING, two), group(MAPPING, lost, dead, asset=OTHER)]
    routes = compile_routes(GOOD, groups, lambda *_: FED)

    assert [(one.asset_id, one.aspect_id, one.name, one.type) for one in routes.aspects] == [
        (ASSET, ASPECT, "aspect", TYPE),
        (OTHER, ASPECT, "aspect", TYPE),
    ]
    assert {
        point: [(route.place, route.variable) for route in found] for point, found in routes.by_point.items()
    } == {"px": [(0, TYPE.variables[0]), (1, TYPE.variables[0])], "py": [(0, TYPE.variables[1])]}
    (fault,) = routes.faults["p?"]
    assert (fault.mapping_id, fault.asset_id, fault.reasons) == ("l", OTHER, (Reason.MISSING_DATAPOINT,))
    assert routes.faults.keys() == {"p?"}


def test_an_asset_that_is_gone_has_no_series():
    """All its mappings are faults, and no place is given to it."""
    groups = [group(MAPPING), group(MAPPING, asset=OTHER)]

    routes = compile_routes(GOOD, groups, lambda asset, _: FED if asset == OTHER else None)

    assert [one.asset_id for one in routes.aspects] == [OTHER]
    assert [route.place for route in routes.by_point["px"]] == [0]
    assert [fault.reasons for fault in routes.faults["px"]] == [(Reason.MISSING_PROPERTY,)]


_MAPPINGS = st.lists(
    st.builds(
        Mapping,
        id=st.uuids().map(str),
        data_point_id=st.sampled_from(["px", "py", "p?"]),
        variable_id=st.integers(1, 3),
        variable_name=st.just("n"),
        keep=st.booleans(),
        made_under=st.integers(2, 4),
    ),
    max_size=6,
)


@given(st.lists(_MAPPINGS, max_size=4), st.sampled_from(KINDS), st.booleans())
def test_a_value_goes_exactly_where_a_valid_mapping_leads(lists, kind, there):
    """Routes and faults together are the living mappings, each in one of the two by its validity."""
    points = GOOD._replace(by_id={"px": Point("px", kind, "K"), "py": Point("py", kind, "")})
    groups = [group(*mappings, asset=f"{place:032x}") for place, mappings in enumerate(lists)]

    routes = compile_routes(points, groups, lambda *_: FED if there else None)

    living = [(one, each) for one in groups for each in one.mappings if each.keep or each.made_under >= 3]
    fine, wrong = [], []
    for one, each in living:
        point = points.by_id.get(each.data_point_id)
        variable = next((v for v in TYPE.variables if v.id == each.variable_id), None) if there else None
        fits = point and variable and (point.type, point.unit) == (variable.type, variable.unit)
        (fine if fits else wrong).append((one.asset_id, each))
    led = [
        (routes.aspects[route.place].asset_id, point, route.variable.id)
        for point, found in routes.by_point.items()
        for route in found
    ]
    assert sorted(led) == sorted((asset, each.data_point_id, each.variable_id) for asset, each in fine)
    told = [fault.mapping_id for found in routes.faults.values() for fault in found]
    assert sorted(told) == sorted(each.id for _, each in wrong)
    assert len({one.asset_id for one in routes.aspects}) == len(routes.aspects)
