"""A preview tells what reading would give, also where it would be refused (design 9.7)."""

import io

import msgspec
import pytest

from schemas.aspects import VariableType
from schemas.filetypes import limits
from schemas.filetypes.model import FileType, Narrow, NewColumns, Rule
from schemas.filetypes.presets import PRESETS
from schemas.filetypes.preview import SeenColumn, preview
from schemas.sensors import Sensor

TYPE = FileType(
    name="x", time_columns=("t",), zone="UTC", asset_column="who", aspect="a", units_row=1, skip_rows=1,
    rules=(Rule(column="a", variable="first", type=VariableType.LONG), Rule(column="junk", skip=True)),
    new_columns=NewColumns.QUARANTINE,
)  # fmt: skip
OCTETS = b"t,who,a,a_qc,junk,new\n,,m/s,,,\n2020-01-01,x,1,192,j,n\nnever,x,2,0,j,n\n2020-01-02,y,3,0,j,\n"


def test_every_column_is_told_with_its_use() -> None:
    """Times, places, values, codes, skipped and unplaced columns are told apart."""
    found = preview(TYPE, [OCTETS])

    assert ["time", "place", "value", "quality", "skipped", "unplaced"] == [one.use for one in found.columns]
    assert ("first", VariableType.LONG, "m/s") == (
        found.columns[2].target.variable,
        found.columns[2].target.type,
        found.columns[2].unit,
    )
    assert SeenColumn(name="new", type=VariableType.STRING, use="unplaced") == found.columns[5]


def test_first_rows_and_problems_are_told() -> None:
    """Rows are told as texts, refused ones with line and reason."""
    found = preview(TYPE, [OCTETS])

    assert (("2020-01-01T00:00:00.000Z", "x", "1.0", "192.0", "j", "n"),
            ("2020-01-02T00:00:00.000Z", "y", "3.0", "0.0", "j", "")) == found.rows  # fmt: skip
    assert [(4, "t")] == [(row.line, row.column) for row in found.refused]
    assert (2, 1, "") == (found.rows_read, found.refused_count, found.problem)


def test_sensors_of_a_narrow_file_are_told_as_columns() -> None:
    """Each with what its values look like, where it goes, and the aspects that its rows name (SM-06)."""
    file_type = msgspec.structs.replace(
        TYPE, narrow=Narrow(sensor="s", value="v"), asset_column="", asset="x", aspect_column="what",
        units_row=None, skip_rows=0,
    )  # fmt: skip
    octets = b"t,what,s,v\n2020-01-01,p,a,1\n2020-01-01,q,a,2\n2020-01-01,p,new,n\n2020-01-01,,junk,n\n"

    found = {one.name: (one.use, one.type, one.aspects) for one in preview(file_type, [octets]).columns}

    assert ("place", VariableType.STRING, ()) == found["s"]
    assert ("value", VariableType.DOUBLE, ("p", "q")) == found["a"]
    assert ("unplaced", VariableType.STRING, ()) == found["new"]
    assert ("skipped", VariableType.STRING, ()) == found["junk"]


@pytest.mark.parametrize(
    ("change", "octets", "problem"),
    [
        ({}, b"time;x\n1;2\n", "No timeColumns"),
        ({"encoding": "utf-8"}, b"t,who,a\n\n2020-01-01,x,\xff\n", "is not utf-8"),
        ({"new_columns": NewColumns.REFUSE}, OCTETS, "no rule places it"),
        ({}, b"", "No timeColumns"),
    ],
)
def test_a_file_that_would_be_refused_says_why(change: dict, octets: bytes, problem: str) -> None:
    """The reason is told beside the first lines, from which the type can be mended."""
    found = preview(msgspec.structs.replace(TYPE, **change), [octets])

    assert problem in found.problem
    assert list(found.lines) == octets.decode("utf-8", "replace").splitlines()[:10]


def test_sensors_take_part() -> None:
    """Columns that sensors' metadata place are told with their variable (SM-20)."""
    file_type = msgspec.structs.replace(TYPE, rules=(Rule(sensors=True),))
    sensors = [Sensor(asset="m", aspect="logger", variable="ws80", source_column="new")]

    found = preview(file_type, [OCTETS], sensors)

    assert ("m", "ws80") == (found.columns[5].target.asset, found.columns[5].target.variable)


def test_a_preview_reads_the_beginning_only() -> None:
    """Of a file without end a preview takes a few megabytes."""
    taken = 0

    def endless():
        nonlocal taken
        yield OCTETS
        while True:
            taken += 100_000
            yield b"2020-01-02,y,3,0,j,n\n" * 5_000

    found = preview(TYPE, endless())

    assert (limits.PREVIEW_ROWS, "") == (len(found.rows), found.problem)
    assert taken <= limits.PREVIEW_BYTES_MAX + 100_000


def test_a_sought_file_is_previewed() -> None:
    """A file that can be sought is read from its beginning; what is no Parquet says so."""
    assert "is no whole parquet file" in preview(PRESETS["parquet"], io.BytesIO(b"PAR1 junk")).problem
    assert 2 == preview(TYPE, io.BytesIO(OCTETS)).rows_read


@pytest.mark.parametrize("before", ["", "x\n"])
def test_a_head_with_an_endless_cell_says_what_is_wrong(before: str) -> None:
    """It is no name, whatever the library would say of it (S9)."""
    file_type = FileType(name="x", time_columns=("t",), metadata_names=("a",))
    seen = preview(file_type, [f"{before}t,{'x' * 200_000}\n".encode()])

    assert "more than 255 characters" in seen.problem
