"""Columns and rows go to the series that rules, sensors and labels name, and every row is accounted for."""

import lzma
from pathlib import Path

import msgspec
import numpy as np
import pytest

from schemas.aspects import Variable, VariableType
from schemas.columns import Column, Texts
from schemas.errors import Invalid
from schemas.filetypes.mapping import Mapper, Target, plan_columns
from schemas.filetypes.model import FileFormat, FileType, Narrow, NewColumns, Rule
from schemas.filetypes.placing import NoPlace, Placement, Placer
from schemas.filetypes.presets import PRESETS
from schemas.filetypes.reading import open_table, read_table
from schemas.sensors import Sensor
from schemas.times import format_time

BASE = FileType(
    name="x", time_columns=("t",), zone="UTC", asset="mast", aspect="wind", new_columns=NewColumns.EXTEND
)
"""The rows of one mast."""


def place(
    file_type: FileType, octets: bytes, known: dict[str, Variable] | None = None, **options
) -> Placement:
    """Read a small file and place its one chunk."""
    (chunk,) = read_table(file_type, [octets])
    mapper = Mapper(file_type, **options)
    return Placer(file_type, mapper, lambda *place: (known or {}).get(place[2].variable)).place(chunk)


def seen(placement: Placement) -> dict[tuple[str, str], dict[str, dict[str, object]]]:
    """Give what was placed: by series, by time, by variable."""
    found: dict[tuple[str, str], dict[str, dict[str, object]]] = {}
    for one in placement.placed:
        rows = found.setdefault((one.asset, one.aspect), {})
        for name, column in one.cells.items():
            for row, value in enumerate(values_of(column)):
                if value is not None:
                    rows.setdefault(format_time(int(one.time_ms[row]))[:10], {})[name] = value
    return found


def values_of(column: Column) -> list[object]:
    """Give the values of a column, None where there is none."""
    values = column.values.to_list() if isinstance(column.values, Texts) else column.values.tolist()
    there = [True] * len(values) if column.present is None else column.present.tolist()
    return [value if one else None for value, one in zip(values, there, strict=True)]


def test_names_patterns_and_skips_place_columns() -> None:
    """A rule by name, one by a pattern with groups, one that skips, and the first that fits wins."""
    rules = (
        Rule(column="Wind Speed 10m 180deg", variable="first"),
        Rule(
            pattern=r"Wind (?P<what>\w+) (?P<h>\d+)m .*", aspect="w{h}", variable="{what}_{h}", asset="{what}"
        ),
        Rule(pattern="Junk.*", skip=True),
    )
    octets = b"t,Wind Speed 10m 180deg,Wind Speed 80m 0deg,Junk,T (C)\n2020-01-01,1,2,3,4\n"

    placement = place(msgspec.structs.replace(BASE, rules=rules), octets)

    assert {
        ("mast", "wind"): {"2020-01-01": {"first": 1.0, "T_C": 4.0}},
        ("Speed", "w80"): {"2020-01-01": {"Speed_80": 2.0}},
    } == seen(placement)
    assert [True, False] == [
        one.targets[name].is_new for one in placement.placed[:1] for name in ("T_C", "first")
    ]


def test_sensors_place_columns_whatever_they_are_called() -> None:
    """Two files call one sensor by different names; its metadata bring both to one variable (SM-20)."""
    sensors = [
        Sensor(asset="m1", aspect="logger", variable="ws80", source_column="Wind Speed 80m"),
        Sensor(asset="m1", aspect="logger", variable="ws80", source_column="WS80"),
    ]
    file_type = msgspec.structs.replace(BASE, rules=(Rule(sensors=True),), new_columns=NewColumns.REFUSE)

    for name in ("Wind Speed 80m", "WS80"):
        placement = place(file_type, f"t,{name}\n2020-01-01,7\n".encode(), sensors=sensors)
        assert {("m1", "logger"): {"2020-01-01": {"ws80": 7.0}}} == seen(placement)


def test_assets_come_from_a_column() -> None:
    """Rows go to the asset that they name; one that names none is refused (IX-08)."""
    file_type = msgspec.structs.replace(BASE, asset="", asset_column="who")
    octets = b"t,who,a\n2020-01-01,x,1\n2020-01-01,y,2\n2020-01-01,,3\n2020-01-02,x,4\n"

    placement = place(file_type, octets)

    assert {
        ("x", "wind"): {"2020-01-01": {"a": 1.0}, "2020-01-02": {"a": 4.0}},
        ("y", "wind"): {"2020-01-01": {"a": 2.0}},
    } == seen(placement)
    assert ([4], 3) == ([row.line for row in placement.refused], placement.rows_stored)


def test_a_public_file_is_divided_among_its_areas(test_data: Path) -> None:
    """The air quality of 34 areas is that of 34 assets, every row of 24,608 in its place."""
    octets = lzma.decompress((test_data / "aqi/daily_aqi_by_cbsa_ca_2019-2020.csv.xz").read_bytes())
    file_type = msgspec.structs.replace(
        BASE,
        time_columns=("Date",),
        asset="",
        asset_column="CBSA",
        rules=(Rule(column="AQI", variable="aqi"),),
    )
    placer = Placer(file_type, Mapper(file_type), lambda *_: None)
    expected: dict[str, list[tuple[str, float]]] = {}
    for line in octets.decode().splitlines()[1:]:
        _, area, rest = line.split('"')
        expected.setdefault(area, []).append((rest.split(",")[2], float(rest.split(",")[3])))

    found: dict[str, list[tuple[str, float]]] = {}
    stored = 0
    for chunk in read_table(file_type, [octets]):
        placement = placer.place(chunk)
        stored += placement.rows_stored
        for one in placement.placed:
            times = [format_time(time)[:10] for time in one.time_ms.tolist()]
            found.setdefault(one.asset, []).extend(zip(times, one.cells["aqi"].values.tolist(), strict=True))

    assert (34, 24_608, expected) == (len(found), stored, found)


def test_a_narrow_file_becomes_wide() -> None:
    """Readings of one time are one row in any order; of two for one cell the later stands (SM-06)."""
    file_type = msgspec.structs.replace(BASE, narrow=Narrow(sensor="s", value="v"))
    octets = b"t,s,v\n2020-01-02,a,1\n2020-01-01,a,2\n2020-01-01,b,3\n2020-01-02,a,4\n2020-01-03,b,\n"

    placement = place(file_type, octets)

    assert {("mast", "wind"): {"2020-01-01": {"a": 2.0, "b": 3.0}, "2020-01-02": {"a": 4.0}}} == seen(
        placement
    )
    (one,) = placement.placed
    assert ([3, 2], 4) == (one.lines.tolist(), one.rows_in)
    assert ([6], 4) == ([row.line for row in placement.refused], placement.rows_stored)


def test_a_column_of_one_asset_meets_rows_that_name_it() -> None:
    """A rule may name an asset that the column of assets names for some rows only: each value has its row."""
    rules = (Rule(column="b", asset="x"), Rule(column="a"))
    file_type = msgspec.structs.replace(BASE, asset="", asset_column="who", rules=rules)
    octets = b"t,who,a,b\n2020-01-01,y,1,5\n2020-01-02,x,2,6\n2020-01-03,,3,7\n2020-01-04,x,4,\n"

    placement = place(file_type, octets)

    days = {"2020-01-01": {"b": 5.0}, "2020-01-02": {"a": 2.0, "b": 6.0}, "2020-01-04": {"a": 4.0}}
    assert {("x", "wind"): days, ("y", "wind"): {"2020-01-01": {"a": 1.0}}} == seen(placement)
    assert ([4], 3, 3) == (
        [row.line for row in placement.refused], placement.rows_stored, placement.rows_placed
    )  # fmt: skip


def test_what_has_no_place_is_refused_by_its_own_row() -> None:
    """Readings of one time share a record, not their fate (SM-06, SM-10)."""
    file_type = msgspec.structs.replace(BASE, narrow=Narrow(sensor="s", value="v"))
    (chunk,) = read_table(file_type, [b"t,s,v\n2020-01-01,a,1\n2020-01-01,b,2\n2020-01-01,c,3\n"])

    def find(_asset: str, _aspect: str, target: Target) -> Variable | NoPlace | None:
        return NoPlace("is not known", target.variable, "x") if target.variable == "b" else None

    placement = Placer(file_type, Mapper(file_type), find).place(chunk)

    assert {("mast", "wind"): {"2020-01-01": {"a": 1.0, "c": 3.0}}} == seen(placement)
    assert [(3, "b", "is not known", "x")] == [tuple(row) for row in placement.refused]
    assert 2 == placement.rows_placed == placement.placed[0].rows_in


@pytest.mark.parametrize("policy", NewColumns)
def test_new_columns_follow_the_policy(policy: NewColumns) -> None:
    """What no rule places is refused, kept aside or a new variable (SM-09)."""
    file_type = FileType(
        name="x", format=FileFormat.LINE_PROTOCOL, precision="s", asset="mast", aspect_column="measurement",
        rules=(Rule(column="fields.a", variable="a"),), new_columns=policy,
    )  # fmt: skip
    file_type = msgspec.convert(msgspec.to_builtins(file_type), FileType)

    placement = place(file_type, b"w a=1 86400\nw a=1,b=2 172800\nw b=3 259200\n")

    placed = seen(placement)[("mast", "w")]
    if policy is NewColumns.REFUSE:
        assert ({"1970-01-02": {"a": 1.0}}, [2, 3]) == (placed, [row.line for row in placement.refused])
    elif policy is NewColumns.QUARANTINE:
        ((column, time_ms, lines, values),) = placement.aside
        assert ("fields.b", [2, 3], [2.0, 3.0]) == (column, lines.tolist(), values.values.tolist())
        assert (2, 3) == (len(placed), placement.rows_stored)
        assert 172_800_000 == time_ms[0]
    else:
        assert {"a": 1.0, "b": 2.0} == placed["1970-01-03"]
        assert 3 == placement.rows_stored


def test_a_file_with_unplaced_columns_is_refused_before_its_rows() -> None:
    """With the policy to refuse, the head is enough to refuse the file, with every column named (SM-09)."""
    file_type = msgspec.structs.replace(BASE, new_columns=NewColumns.REFUSE, rules=(Rule(column="a"),))

    with pytest.raises(Invalid) as refused:
        plan_columns(Mapper(file_type), ("t", "a", "b", "c"), file_type.new_columns)

    assert ["Column 'b'", "Column 'c'"] == [one.message.split(":")[0] for one in refused.value.problems]


def test_two_columns_that_become_one_variable_are_refused() -> None:
    """Names that differ in other characters only would overwrite each other, so the file is refused."""
    with pytest.raises(Invalid, match="'T C' and 'T-C' both become T_C"):
        plan_columns(Mapper(BASE), ("T C", "T-C"), BASE.new_columns)


def test_two_values_of_one_variable_in_a_row_refuse_it() -> None:
    """Where a tag and a field of one name meet in a row it is refused; apart they are one variable."""
    octets = b"m,x=1 y=1 86400000000000\nm x=2 172800000000000\nm,x=3 x=4 259200000000000\n"

    placement = place(msgspec.structs.replace(PRESETS["line-protocol"], asset="a"), octets,
                      {"x": Variable(name="x", type=VariableType.DOUBLE)})  # fmt: skip

    assert {"1970-01-02": {"x": 1.0, "y": 1.0}, "1970-01-03": {"x": 2.0}} == seen(placement)[("a", "m")]
    assert [3] == [row.line for row in placement.refused]


@pytest.mark.parametrize(
    ("type_", "given", "expected", "refused"),
    [
        (VariableType.LONG, b"1,2.0,2.5", [1, 2], [4]),
        (VariableType.DOUBLE, b"1,2.5,x", [1.0, 2.5], [4]),
        (VariableType.STRING, b"1,x,true", ["1", "x", "true"], []),
        (VariableType.BOOLEAN, b"true,0,x", [True, False], [4]),
    ],
)
def test_values_become_what_the_variable_takes(
    type_: VariableType, given: bytes, expected: list[object], refused: list[int]
) -> None:
    """Values are read by the type of the variable; what it cannot hold refuses its row (MS-02)."""
    rows = b"".join(b"2020-01-0%d,%s\n" % (day, cell) for day, cell in enumerate(given.split(b","), 1))

    placement = place(BASE, b"t,a\n" + rows, {"a": Variable(name="a", type=type_)})

    assert (expected, refused) == (
        values_of(placement.placed[0].cells["a"]),
        [row.line for row in placement.refused],
    )


def test_whole_numbers_and_truth_of_typed_formats_are_converted() -> None:
    """A whole double is a LONG, a LONG a DOUBLE; true is no number."""
    octets = b"m a=2,b=3i,c=t 86400000000000\nm a=2.5 172800000000000\n"
    types = {"a": VariableType.LONG, "b": VariableType.DOUBLE, "c": VariableType.STRING}
    known = {name: Variable(name=name, type=type_) for name, type_ in types.items()}
    file_type = msgspec.structs.replace(PRESETS["line-protocol"], asset="x")

    placement = place(file_type, octets, known)

    assert {"1970-01-02": {"a": 2, "b": 3.0, "c": "true"}} == seen(placement)[("x", "m")]
    assert [(2, "a", "is no whole number", "2.5")] == [tuple(row) for row in placement.refused]
    wrong = place(file_type, b"m a=t 1\n", known)
    assert ["is true or false, no number"] == [row.reason for row in wrong.refused]


def test_quality_codes_stay_beside_their_values() -> None:
    """A column `x_qc` holds the codes of `x` (wire 1.1)."""
    placement = place(BASE, b"t,a,a_qc\n2020-01-01,1,192\n2020-01-02,2,\n2020-01-03,3,-5\n")

    (one,) = placement.placed
    assert (["a"], [192, -1, -1]) == (list(one.cells), one.cells["a"].quality.tolist())


def test_a_row_without_value_is_told() -> None:
    """A row of nothing but blanks is neither stored nor lost: it is refused with that reason."""
    placement = place(
        msgspec.structs.replace(BASE, na_values=("NAN",)), b"t,a,b\n2020-01-01,NAN,\n2020-01-02,1,\n"
    )

    assert [(2, "the row holds no value")] == [(row.line, row.reason) for row in placement.refused]


def test_times_in_other_letters_are_no_variables() -> None:
    """A column of times that the file writes in other letters is a time, not a variable."""
    table = open_table(BASE, [b"T,a\n2020-01-01,1\n"])

    mapper = Mapper(BASE, head=table.head)

    assert ["a"] == list(plan_columns(mapper, table.head.columns, BASE.new_columns))
    assert ["a"] == list(next(table.chunks()).columns)


def test_units_of_the_head_go_to_new_variables() -> None:
    """What the file says of units is the unit of a variable that it brings (SM-20)."""
    file_type = msgspec.structs.replace(BASE, units_row=1, skip_rows=1)
    table = open_table(file_type, [b"t,a\nTS,m/s\n2020-01-01,1\n"])

    targets = plan_columns(Mapper(file_type, head=table.head), table.head.columns, file_type.new_columns)

    assert {"a": Target(variable="a", unit="m/s", is_new=True)} == targets


def test_rows_are_counted_by_arrays_of_any_size() -> None:
    """A chunk without rows places nothing."""
    (chunk,) = read_table(BASE, [b"t,a\n"])

    placement = Placer(BASE, Mapper(BASE), lambda *_: None).place(chunk)

    assert ([], [], 0) == (placement.placed, placement.refused, placement.rows_stored)
    assert np.array_equal([], chunk.time_ms)


def test_a_narrow_chunk_of_refused_rows_places_nothing() -> None:
    """Every row is refused with its own reason, before any sensor is looked for (SM-06)."""
    narrow = msgspec.structs.replace(BASE, narrow=Narrow(sensor="s", value="v"))
    placement = place(narrow, b"t,s,v\nnever,a,1\n")

    assert ([], [2]) == (placement.placed, [row.line for row in placement.refused])
