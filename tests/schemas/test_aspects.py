"""Aspect types: what may be declared, and how it may change."""

from dataclasses import dataclass

import msgspec
import pytest

from schemas.aspects import (
    RESERVED_NAMES,
    AspectType,
    Variable,
    VariableType,
    check_aspect_type,
    check_change,
    with_ids,
)


def aspect(*variables, **changes) -> AspectType:
    """Make an aspect type of tenant acme."""
    usual = {"id": "acme.A", "tenant": "acme", "name": "A", "category": "dynamic"}
    return AspectType(**(usual | changes), variables=variables)


def v(name="x", type_="INT", **more) -> Variable:
    """Make a variable."""
    return Variable(name=name, type=VariableType(type_), **more)


def pointers(*variables, **changes) -> list[str]:
    """Give the places that are complained about."""
    return [problem.pointer for problem in check_aspect_type(aspect(*variables, **changes))]


def test_a_lawful_type_has_no_problem():
    """One variable of every type, with units, lengths and codes, is in order."""
    variables = [v(f"v{n}", type_.value, quality_code=True) for n, type_ in enumerate(VariableType)]
    assert (
        pointers(*variables, v("with_unit", unit="°C"), v("text", "STRING", length=1)) != []
    )  # BIG_STRING is full
    variables = [one for one in variables if one.type is not VariableType.BIG_STRING]
    assert pointers(*variables, v("with_unit", unit="°C"), v("text", "STRING", length=1)) == []
    assert pointers() == []


@pytest.mark.parametrize("name", ["a", "_", "A1", "x" * 64, "Id", "qc", "x_qc", "_qc", "time", "variable"])
def test_lawful_names(name):
    """Letters, digits and _, no digit first, at most 64 (wire 4.2)."""
    assert pointers(v(name)) == []


@pytest.mark.parametrize(
    "name",
    ["", "1a", "a-b", "a.b", "a b", "ä", "x" * 65, "_time", 'a"', "a\n", "a/b", *sorted(RESERVED_NAMES)],
)
def test_unlawful_names(name):
    """Everything else is refused, reserved words and `_time` too (MS-07, wire 4.2)."""
    assert pointers(v("ok"), v(name)) == ["/variables/1/name"]


def test_names_are_unique():
    """The same name twice is refused (MS-06)."""
    assert pointers(v("a"), v("b"), v("a")) == ["/variables/2/name"]


def test_quality_names_are_taken():
    """A variable x_qc beside x with quality is refused, in any order; without it is not (MS-10)."""
    assert pointers(v("x", quality_code=True), v("x_qc")) == ["/variables/1/name"]
    assert pointers(v("x_qc"), v("x", quality_code=True)) == ["/variables/0/name"]
    assert pointers(v("x"), v("x_qc", quality_code=True)) == []


@dataclass(frozen=True)
class Length:
    """One length of one type."""

    type: str
    length: int | None
    lawful: bool


@pytest.mark.parametrize(
    "case",
    [
        Length("STRING", 1, True), Length("STRING", 255, True), Length("STRING", 256, False),
        Length("STRING", 0, False), Length("STRING", -1, False), Length("STRING", None, True),
        Length("BIG_STRING", 1, True), Length("BIG_STRING", 100_000, True),
        Length("BIG_STRING", 100_001, False),
        Length("BIG_STRING", 0, False), Length("INT", 10, True), Length("INT", None, True),
    ],
)  # fmt: skip
def test_lengths(case):
    """STRING has 1 to 255 characters, BIG_STRING 1 to 100,000 (MS-03)."""
    assert (not pointers(v("x", case.type, length=case.length))) == case.lawful


def test_sum_of_big_strings():
    """All BIG_STRING lengths together are at most 100,000 (MS-03)."""
    assert pointers(v("a", "BIG_STRING", length=60_000), v("b", "BIG_STRING", length=40_000)) == []
    assert pointers(v("a", "BIG_STRING", length=60_000), v("b", "BIG_STRING", length=40_001)) == [
        "/variables"
    ]


def test_bytes_of_a_configuration():
    """What a record could count is at most 200,000 bytes, two a character (MS-04)."""
    assert pointers(v("a", "BIG_STRING", length=99_998), v("b", "INT")) == []
    assert pointers(v("a", "BIG_STRING", length=99_998), v("b", "INT"), v("c", "BOOLEAN")) == ["/variables"]
    counted = {
        "BOOLEAN": 1,
        "INT": 4,
        "LONG": 8,
        "DOUBLE": 8,
        "TIMESTAMP": 8,
        "STRING": 510,
        "BIG_STRING": 200_000,
    }
    assert {type_: aspect(v("x", type_)).record_bytes_max for type_ in counted} == counted


def test_static_and_dynamic():
    """BIG_STRING is for dynamic aspects; defaults for static ones (MS-03, MS-06)."""
    assert pointers(v("x", "BIG_STRING"), category="static") == ["/variables/0/dataType"]
    static = v("x", "STRING", searchable=True, default_value="y" * 255)
    assert pointers(static, category="static") == []
    assert pointers(static) == ["/variables/0/defaultValue"]
    assert pointers(v("x", "DOUBLE", searchable=True)) == []  # the dialect's own command sends it so
    for wrong in ("", "y" * 256):
        assert pointers(v("x", "STRING", default_value=wrong), category="static") == [
            "/variables/0/defaultValue"
        ]


@pytest.mark.parametrize(
    ("member", "lawful", "wrong"),
    [
        ("id", "acme." + "x" * 123, "acme." + "x" * 124),
        ("id", "acme.A_1", "acme."),
        ("id", "acme.A", "other.A"),
        ("id", "acme.A", "A"),
        ("id", "acme.A", "acme.A-B"),
        ("id", "acme.A", "acme.A.B"),
        ("name", "x" * 128, "x" * 129),
        ("name", "Ölpumpe 3", ""),
        ("name", "x", "a\nb"),
        ("description", "x" * 255, "x" * 256),
        ("description", 'say "x"', "it's"),
        ("scope", "public", "PRIVATE"),
        ("category", "static", "Dynamic"),
    ],
)
def test_members(member, lawful, wrong):
    """Ids, names, descriptions, scope and category on both sides of their limits (MS-06, wire 0.4, 4.2)."""
    assert pointers(**{member: lawful}) == []
    assert pointers(**{member: wrong}) == ["/" + member]


def test_units():
    """A unit has at most 32 characters, without a quote (wire 4.2)."""
    assert pointers(v(unit="x" * 32)) == []
    assert pointers(v(unit="x" * 33), v("y", unit="'")) == ["/variables/0/unit", "/variables/1/unit"]


def test_number_of_variables():
    """A thousand variables are taken, one more is refused."""
    assert pointers(*[v(f"v{n}") for n in range(1_000)]) == []
    assert pointers(*[v(f"v{n}") for n in range(1_001)]) == ["/variables"]


# Changes.

WIDENINGS = {("INT", "LONG"), ("INT", "DOUBLE"), ("LONG", "DOUBLE")}


@pytest.mark.parametrize("before", VariableType)
@pytest.mark.parametrize("after", VariableType)
def test_types_widen_only(before, after):
    """INT → LONG → DOUBLE and nothing else (design 8.12)."""
    problems = check_change(aspect(v("x", before.value)), aspect(v("x", after.value)))
    lawful = before is after or (before.value, after.value) in WIDENINGS
    assert [problem.pointer for problem in problems] == ([] if lawful else ["/variables/0/dataType"])


def test_what_may_change():
    """Units, lengths that grow, new variables, descriptions (MS-06, wire 4.2)."""
    old = aspect(v("a", unit="m"), v("s", "STRING", length=5))
    new = aspect(v("new"), v("s", "STRING", length=6), v("a", unit="cm"), description="new")
    assert check_change(old, new) == []
    assert check_change(old, aspect(*old.variables)) == []
    assert check_change(aspect(v("s", "STRING", length=5)), aspect(v("s", "STRING"))) == []


@pytest.mark.parametrize(
    ("new", "pointer"),
    [
        (aspect(v("a", quality_code=True), v("s", "STRING", length=5)), "/variables/0/qualityCode"),
        (aspect(v("a"), v("s", "STRING", length=4)), "/variables/1/length"),
        (aspect(v("a")), "/variables"),
        (aspect(v("b"), v("s", "STRING", length=5)), "/variables"),
        (aspect(v("a"), v("s", "STRING", length=5), category="static"), "/category"),
        (aspect(v("a"), v("s", "STRING", length=5), name="B"), "/name"),
        (aspect(v("a"), v("s", "STRING", length=5), id="acme.B"), "/id"),
    ],
)
def test_what_may_not_change(new, pointer):
    """Quality, category, name and id stay, lengths never shrink, variables stay (MS-06)."""
    old = aspect(v("a"), v("s", "STRING", length=5))
    assert [problem.pointer for problem in check_change(old, new)] == [pointer]


def test_removal_and_renaming_where_allowed():
    """PATCH of variables may remove and rename; a rename brings the id and keeps the type (wire 4.1)."""
    old = with_ids(aspect(v("a"), v("b")))
    renamed = aspect(v("c", id=1))
    assert check_change(old, renamed, may_remove=True) == []
    assert with_ids(renamed, old).variable("c").id == 1
    wrong = aspect(v("c", "STRING", id=1), v("b"))
    assert [one.pointer for one in check_change(old, wrong, may_remove=True)] == ["/variables/0/dataType"]


def test_ids_are_never_reused():
    """Variables keep their id in every version, and an id is given once (design 3.2)."""
    first = with_ids(aspect(v("a"), v("b")))
    assert [(one.name, one.id) for one in first.variables] == [("a", 1), ("b", 2)]
    assert (first.version, first.ids_given) == (1, 2)
    second = with_ids(aspect(v("a")), first)
    third = with_ids(aspect(v("b"), v("a")), second)
    assert [(one.name, one.id) for one in third.variables] == [("b", 3), ("a", 1)]
    assert (second.version, third.version, third.ids_given) == (2, 3, 3)


def test_version_rises_with_the_variables_only():
    """A new description is no new version; a new unit or variable is one."""
    first = with_ids(aspect(v("a")))
    assert with_ids(aspect(v("a"), description="new"), first).version == 1
    assert with_ids(aspect(v("a", unit="m")), first).version == 2


def test_types_survive_the_catalogue():
    """An aspect type written as JSON reads back equal."""
    full = with_ids(aspect(v("a", unit="°C", quality_code=True), v("s", "STRING", length=9)))
    assert msgspec.json.decode(msgspec.json.encode(full), type=AspectType) == full
