"""Whatever bytes come, a reader gives rows and reasons, or refuses the file in words; nothing else (S9)."""

import io
import random
from contextlib import suppress

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import Refused
from schemas.filetypes.mapping import Mapper
from schemas.filetypes.model import FileFormat, FileType
from schemas.filetypes.placing import Placer
from schemas.filetypes.presets import PRESETS
from schemas.filetypes.preview import preview
from schemas.filetypes.reading import read_table
from schemas.filetypes.unpacking import unpack
from schemas.sensors import read_iea43

CELLS = ["t", "a", "1", "-2.5", "1e400", "nan", "2020-01-01", "2020-01-01T00:00:00Z", '"', '""', '"x', 'x"',
         "\0", "µ", "🌬", " ", "\u2028", "true", "9" * 30]  # fmt: skip
ENDS = [",", ",", ",", "\n", "\n", "\r\n", "\r", ";", "\t"]
texts = st.lists(st.tuples(st.sampled_from(CELLS), st.sampled_from(ENDS)), max_size=60).map(
    lambda parts: "".join(cell + end for cell, end in parts)
)
TEXT = FileType(name="x", time_columns=("t",), zone="UTC", asset="a", aspect="b", rules=())
KINDS = {
    "plain": TEXT,
    "multiline": msgspec.structs.replace(TEXT, multiline=True),
    "pattern": msgspec.structs.replace(TEXT, delimiter_pattern=r"[,;]\s*"),
    "unquoted": msgspec.structs.replace(TEXT, quote="", na_values=("1",)),
    "comma": msgspec.structs.replace(TEXT, delimiter=";", decimal_comma=True),
}


def lines_of(text: str, file_type: FileType) -> int:
    """Count the lines that hold something, where a line is a line."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return sum(1 for line in lines if line)


@pytest.mark.parametrize("kind", KINDS)
@given(text=texts, piece=st.integers(1, 40))
def test_every_line_is_a_row_or_refused(kind: str, text: str, piece: int) -> None:
    """Under a good header, each line that is not empty is stored or has a reason, once, whatever it holds."""
    file_type = KINDS[kind]
    header = "t;a;c\n" if kind == "comma" else "t,a,c\n"
    octets = (header + text).encode()
    pieces = [octets[at : at + piece] for at in range(0, len(octets), piece)]
    placer = Placer(file_type, Mapper(file_type), lambda *_: None)

    found: list[int] = []
    for chunk in read_table(file_type, pieces):
        found += [*chunk.lines.tolist(), *(row.line for row in chunk.refused)]
        placement = placer.place(chunk)
        assert chunk.rows + len(chunk.refused) == placement.rows_stored + len(placement.refused)

    assert len(found) == len(set(found))
    if kind != "multiline":
        assert lines_of(text, file_type) == len(found)


@pytest.mark.parametrize("name", PRESETS)
@given(octets=st.one_of(texts.map(str.encode), st.binary(max_size=200)))
def test_any_bytes_are_read_or_refused(name: str, octets: bytes) -> None:
    """A file of any format that holds anything is read or refused, also as a preview."""
    file_type = PRESETS[name]
    with suppress(Refused):
        chunks = list(read_table(file_type, io.BytesIO(octets)))
        assert all(chunk.rows == len(chunk.lines) for chunk in chunks)
    assert preview(file_type, [octets]).rows is not None


def column_file(kind: str) -> bytes:
    """Make a small Parquet file or Arrow stream."""
    out = io.BytesIO()
    table = pa.table(
        {
            "_time": pa.array(range(50), pa.timestamp("us", "UTC")),
            "a": [1.5] * 50,
            "text": pa.array(["x", "yy"] * 25).dictionary_encode(),
            "ok": [True, None] * 25,
        }
    )
    if kind == "parquet":
        pq.write_table(table, out)
    else:
        with pa.ipc.new_stream(out, table.schema) as writer:
            writer.write_table(table)
    return out.getvalue()


@pytest.mark.parametrize("kind", ["parquet", "arrow"])
def test_damaged_column_files_are_read_or_refused(kind: str) -> None:
    """Changed bytes, by which offsets and indices point anywhere, end no process (S9)."""
    generator = random.Random(40)
    whole = column_file(kind)
    for _ in range(400):
        octets = bytearray(whole)
        for _ in range(generator.randint(1, 6)):
            octets[generator.randrange(len(octets))] = generator.randrange(256)
        with suppress(Refused):
            list(read_table(PRESETS[kind], io.BytesIO(bytes(octets))))


MAGIC = [
    b"\x1f\x8b\x08\0",
    b"\xfd7zXZ\0",
    b"\x28\xb5\x2f\xfd",
    b"PK\x03\x04",
    b"PK\x05\x06",
    b"PAR1",
    b"ARROW1\0\0",
]


@given(st.sampled_from(MAGIC), st.binary(max_size=200))
def test_any_archive_is_unpacked_or_refused(mark: bytes, rest: bytes) -> None:
    """Bytes that begin as an archive does are unpacked or refused in words."""
    for source in ([mark + rest], io.BytesIO(mark + rest)):
        with suppress(Refused):
            for member in unpack("a", source, (b"secret",)):
                assert isinstance(b"".join(member.pieces), bytes)


@given(st.binary(max_size=200))
def test_any_metadata_is_read_or_refused(octets: bytes) -> None:
    """What is no document of sensors is refused in words."""
    with pytest.raises(Refused):
        read_iea43(octets, asset="a", aspect="b")


def test_every_format_has_a_preset() -> None:
    """No format is left without a file type to begin with."""
    assert set(FileFormat) == {preset.format for preset in PRESETS.values()}
