"""Changes of single variables, and what they do to stored records (TB-77)."""

import pytest

from schemas.aspects import AspectType, Variable, VariableType, with_ids
from schemas.type_changes import changed, effects_of


def aspect(*variables, category="dynamic") -> AspectType:
    """Make an aspect type whose variables have their numbers."""
    return with_ids(AspectType(id="acme.A", tenant="acme", name="A", category=category, variables=variables))


def v(name="x", type_="INT", **more) -> Variable:
    """Make a variable."""
    return Variable(name=name, type=VariableType(type_), **more)


def effects(old, changes):
    """Apply changes; give (variable, effect, name afterwards)."""
    new = with_ids(changed(old, changes), old)
    return [(effect.variable, effect.effect, effect.name) for effect in effects_of(old, new)]


OLD = aspect(v("a"), v("s", "STRING", length=5, unit="m"))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"a": {}}, []),
        ({"nothing": None}, []),
        ({"a": {"name": "b"}}, [("a", "renamed", "b")]),
        ({"a": None}, [("a", "removed", None)]),
        ({"b": {"type": VariableType.INT}}, [("b", "added", "b")]),
        ({"a": {"type": VariableType.LONG}}, [("a", "widened", "a")]),
        ({"s": {"length": 6}}, [("s", "lengthened", "s")]),
        ({"s": {"length": None}}, [("s", "lengthened", "s")]),
        ({"s": {"unit": ""}}, [("s", "unitChanged", "s")]),
        ({"s": {"name": "t", "unit": "km"}}, [("s", "renamed", "t"), ("s", "unitChanged", "t")]),
        ({"a": {"name": "s"}, "s": {"name": "a"}}, [("a", "renamed", "s"), ("s", "renamed", "a")]),
        ({"a": None, "s": {"name": "a"}}, [("a", "removed", None), ("s", "renamed", "a")]),
    ],
)
def test_effects(changes, expected):
    """Each difference is named once, by the name before and the name after."""
    assert effects(OLD, changes) == expected


def test_numbers_stay():
    """A variable keeps its number; that of a removed one is never given again (design 3.2)."""
    renamed = with_ids(changed(OLD, {"a": {"name": "b"}, "s": None}), OLD)
    anew = with_ids(changed(renamed, {"s": {"type": VariableType.STRING}}), renamed)

    assert [(variable.name, variable.id) for variable in anew.variables] == [("b", 1), ("s", 3)]
    assert effects_of(renamed, anew)[0].effect == "added"


def test_a_rounded_widening_says_so():
    """LONG to DOUBLE rounds whole numbers beyond 2^53; INT to DOUBLE does not (design 8.12)."""
    old = aspect(v("i"), v("l", "LONG"))
    changes = {name: {"type": VariableType.DOUBLE} for name in ("i", "l")}

    first, second = effects_of(old, with_ids(changed(old, changes), old))

    assert "rounded" not in first.stored
    assert "rounded" in second.stored


def test_words_for_static_variables():
    """What is stored of a static variable are values of assets, not records."""
    changes = {"a": None, "b": {"type": VariableType.INT}}
    words = {}
    for category in ("static", "dynamic"):
        old = aspect(v("a"), category=category)
        words[category] = [each.stored for each in effects_of(old, with_ids(changed(old, changes), old))]

    assert all("Assets" in text for text in words["static"])
    assert not any("Assets" in text for text in words["dynamic"])
