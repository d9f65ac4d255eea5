"""Asset types and assets: names, families, changes and the limits of what they hold."""

import pytest

from schemas.aspects import RESERVED_NAMES, Variable, VariableType
from schemas.assets import (
    Asset,
    AssetType,
    FileAssignment,
    Location,
    StaticAspect,
    StaticValue,
    TypeAspect,
    check_asset,
    check_asset_type,
    check_asset_type_change,
)

ZONES = {"UTC", "Europe/Berlin"}
HEX = "0123456789abcdef" * 2


def kind(**changes) -> AssetType:
    """Make an asset type of tenant acme."""
    return AssetType(
        **(
            {"id": "acme.Pump", "tenant": "acme", "name": "Pump", "parent_type_id": "core.basicasset"}
            | changes
        )
    )


def has(name, aspect_id=HEX, type_="acme.A") -> TypeAspect:
    """Make an aspect of a type."""
    return TypeAspect(name=name, aspect_type_id=type_, aspect_id=aspect_id)


def v(name, type_="STRING", **more) -> Variable:
    """Make a static variable."""
    return Variable(name=name, type=VariableType(type_), **more)


def asset(**changes) -> Asset:
    """Make an asset of tenant acme."""
    return Asset(
        **(
            {"id": HEX, "tenant": "acme", "name": "Pump 1", "type_id": "acme.Pump", "parent_id": HEX}
            | changes
        )
    )


def places(problems) -> list[str]:
    """Give the pointers."""
    return [problem.pointer for problem in problems]


def test_lawful_type():
    """Aspects and static variables with defaults are in order (MS-07)."""
    lawful = kind(aspects=(has("wheels"),), variables=(v("serial", default_value="?", searchable=True),))
    assert check_asset_type(lawful, [kind(aspects=(has("motor"),), variables=(v("colour"),))]) == []


@pytest.mark.parametrize("name", ["", "1a", "a b", "a/b", "x" * 65, "ä", *sorted(RESERVED_NAMES)])
def test_aspect_names(name):
    """An aspect's name is part of a path: letters, digits and _, no reserved word (MS-07)."""
    assert places(check_asset_type(kind(aspects=(has(name),)))) == ["/aspects/0/name"]
    assert check_asset_type(kind(aspects=(has("x" * 64),))) == []


def test_names_are_unique_in_the_family():
    """An aspect or variable that a parent or child has cannot be there again (MS-07)."""
    family = [kind(aspects=(has("wheels"),), variables=(v("serial"),))]
    again = kind(aspects=(has("wheels"), has("b"), has("b")), variables=(v("serial"), v("c"), v("c")))
    assert places(check_asset_type(again, family)) == [
        "/aspects/0/name", "/aspects/2/name", "/variables/0/name", "/variables/2/name",
    ]  # fmt: skip


def test_static_variables_follow_the_rules_of_static_aspects():
    """A static variable is no BIG_STRING, and its default has 1 to 255 characters (MS-06)."""
    wrong = kind(variables=(v("a", "BIG_STRING"), v("b", default_value="")))
    assert places(check_asset_type(wrong)) == ["/variables/0/dataType", "/variables/1/defaultValue"]


def test_what_a_type_may_change():
    """Aspects may be added and renamed, `instantiable` may become true (wire 4.2)."""
    old = kind(aspects=(has("a"),), variables=(v("x"),), instantiable=False)
    new = kind(aspects=(has("renamed"), has("b", "f" * 32)), variables=(v("x"), v("y")), instantiable=True)
    assert check_asset_type_change(old, new) == []


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"parent_type_id": "core.basicdevice"}, "/parentTypeId"),
        ({"id": "acme.Other"}, "/id"),
        ({"instantiable": False}, "/instantiable"),
        ({"aspects": ()}, "/aspects"),
        ({"aspects": (has("a", type_="acme.B"),)}, "/aspects"),
        ({"variables": ()}, "/variables"),
        ({"variables": (v("x", "INT"),)}, "/variables"),
        ({"variables": (v("x", length=4),)}, "/variables"),
        ({"variables": (v("y", length=5),)}, "/variables"),
    ],
)
def test_what_a_type_may_not_change(changes, pointer):
    """Id, parent, aspect types and static variables stay, lengths never shrink (wire 4.2)."""
    usual = {"aspects": (has("a"),), "variables": (v("x", length=5),)}
    assert places(check_asset_type_change(kind(**usual), kind(**(usual | changes)))) == [pointer]


def test_lawful_asset():
    """Every member at its limit is in order (wire 4.2)."""
    lawful = asset(
        name="Ä" * 128,
        external_id="x" * 255,
        description="x" * 255,
        timezone="Europe/Berlin",
        twin_type="simulation",
        location=Location(country="x" * 255, longitude=-180, latitude=90),
        variables=(StaticValue(name="a", value="x" * 255), StaticValue(name="b")),
        aspects=(StaticAspect(name="s", variables=(StaticValue(name="c", value="1"),)),),
        file_assignments=(FileAssignment(key="k", file_id=HEX),),
    )
    assert check_asset(lawful, ZONES) == []


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"name": ""}, "/name"),
        ({"name": "x" * 129}, "/name"),
        ({"name": "a/b"}, "/name"),
        ({"name": "a\\b"}, "/name"),
        ({"name": "a\nb"}, "/name"),
        ({"external_id": "x" * 256}, "/externalId"),
        ({"description": "x" * 256}, "/description"),
        ({"description": "it's"}, "/description"),
        ({"timezone": "Mars/Base"}, "/timezone"),
        ({"timezone": ""}, "/timezone"),
        ({"twin_type": "PERFORMANCE"}, "/twinType"),
        ({"location": Location(longitude=180.5)}, "/location/longitude"),
        ({"location": Location(latitude=-90.5)}, "/location/latitude"),
        ({"location": Location(latitude=float("nan"))}, "/location/latitude"),
        ({"location": Location(postal_code="x" * 256)}, "/location/postalCode"),
        ({"variables": (StaticValue(name="a", value=""),)}, "/variables/0/value"),
        ({"variables": (StaticValue(name="a", value="x" * 256),)}, "/variables/0/value"),
        (
            {"aspects": (StaticAspect(name="s", variables=(StaticValue(name="a", value=""),)),)},
            "/aspects/0/variables/0/value",
        ),
    ],
)
def test_unlawful_asset(changes, pointer):
    """Every member beyond its limit is refused at its place (wire 4.2)."""
    assert places(check_asset(asset(**changes), ZONES)) == [pointer]


def test_a_static_variable_is_renamed_where_allowed():
    """A rename is told; without being told, a missing variable is a missing one (wire 4.1)."""
    old, new = kind(variables=(v("x", length=5),)), kind(variables=(v("y", length=6),))
    assert check_asset_type_change(old, new, {"x": "y"}) == []
    assert places(check_asset_type_change(old, new)) == ["/variables"]


@pytest.mark.parametrize(
    ("files", "pointers"),
    [
        ([FileAssignment(key="logo", file_id=HEX), FileAssignment(key="logo", file_id=HEX)], ["/1/key"]),
        ([FileAssignment(key="", file_id=HEX)], ["/0/key"]),
        ([FileAssignment(key="a/b", file_id=HEX)], ["/0/key"]),
        ([FileAssignment(key="x" * 129, file_id=HEX)], ["/0/key"]),
        ([FileAssignment(key="logo", file_id="x")], ["/0/fileId"]),
        ([FileAssignment(key="x" * 128, file_id=HEX)], []),
        ([FileAssignment(key=f"k{n}", file_id=HEX) for n in range(101)], [""]),
    ],
)
def test_file_assignments(files, pointers):
    """Keys are unique parts of a path, ids have 32 digits, and there are at most 100 (wire 4.2)."""
    expected = [f"/fileAssignments{pointer}" for pointer in pointers]
    assert places(check_asset(asset(file_assignments=tuple(files)), ZONES)) == expected
    assert places(check_asset_type(kind(file_assignments=tuple(files)))) == expected
