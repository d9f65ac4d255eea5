"""`load` and `read` against a stand-in of the service: files, types, names, order, refusals.

The same commands against the real service are in tests/e2e.
"""

import csv
import gzip
import io
import json
import lzma
import subprocess
import sys
from pathlib import Path

import pytest

from tests.client.fake_service import FakeService, refusal, served

PLAIN = "time,speed,gust,label\n2026-01-01 00:00:00,1.5,3,a\n2026-01-01 00:10:00,2.5,NaN,\n"


@pytest.fixture
def fake():
    """Give an empty stand-in."""
    return FakeService()


def write(path: Path, text: str) -> Path:
    """Write a file as it stands."""
    path.write_bytes(text.encode())
    return path


def series(fake: FakeService) -> list[dict]:
    """Give the records of the only series, by time."""
    [records] = fake.series.values()
    return [records[time] for time in sorted(records)]


def types(fake: FakeService) -> dict[str, str]:
    """Give the variables of the only aspect type."""
    [made] = fake.things["aspecttypes"].values()
    return {variable["name"]: variable["dataType"] for variable in made["variables"]}


def load(run, path: Path, *more: str, asset: str = "mast"):
    """Run `load` with `--create`."""
    return run("load", path, "--asset", asset, "--aspect", "wind", "--create", *more)


def test_plain_file_is_loaded_and_its_types_are_made(fake, run, tmp_path):
    """`--create` makes aspect type, asset type and asset; NaN and empty cells are absent."""
    result = load(run, write(tmp_path / "f.csv", PLAIN), "--zone", "UTC")

    assert (result.exit_code, result.stderr) == (0, "load: 2 of 2 records (100 %)\n")
    assert "stored 2 records, 4 values" in result.stdout
    assert types(fake) == {"speed": "DOUBLE", "gust": "INT", "label": "STRING"}
    assert series(fake) == [
        {"_time": "2026-01-01T00:00:00.000Z", "speed": 1.5, "gust": 3, "label": "a"},
        {"_time": "2026-01-01T00:10:00.000Z", "speed": 2.5},
    ]


@pytest.mark.parametrize("opener", [lzma.open, gzip.open])
def test_packed_file_with_mark_and_crlf_is_loaded(fake, run, tmp_path, opener):
    """`.xz` and `.gz` are read by Python; byte order mark and CRLF are no part of the cells."""
    path = tmp_path / "packed"
    with opener(path, "wb") as packed:
        packed.write(("\ufeff" + PLAIN.replace("\n", "\r\n")).encode())

    assert load(run, path, "--zone", "UTC").exit_code == 0
    assert types(fake) == {"speed": "DOUBLE", "gust": "INT", "label": "STRING"}
    assert len(series(fake)) == 2


def test_header_line_skip_and_time_column_are_told(fake, run, tmp_path):
    """Names may stand on any line, rows begin after `--skip` lines, the time in any column."""
    text = "TOA5,x\nA,Stamp,B\n,TS,m\n,,Avg\n1,2026-01-01 00:00:00,2.0\n"

    result = load(
        run,
        write(tmp_path / "f", text),
        *("--header-line", "2", "--skip", "4", "--time", "Stamp", "--zone", "UTC"),
    )

    assert result.exit_code == 0
    assert series(fake) == [{"_time": "2026-01-01T00:00:00.000Z", "A": 1, "B": 2.0}]


@pytest.mark.parametrize(
    ("cells", "data_type", "first"),
    [
        (["1", "-2147483648"], "INT", 1),
        (["1", "2147483648"], "LONG", 1),
        (["1", "9223372036854775807"], "LONG", 1),
        (["1", "9223372036854775808"], "STRING", "1"),
        (["1", "2.0"], "DOUBLE", 1.0),
        (["+1", ".5", "5.", "1e3", "-1E-3"], "DOUBLE", 1.0),
        (["1", "x"], "STRING", "1"),
        (["007", "8"], "STRING", "007"),
        (["1_000"], "STRING", "1_000"),
        (["1e999"], "STRING", "1e999"),
        (["٣"], "STRING", "٣"),
        ([" 5 ", "6"], "INT", 5),
        (["y" * 256], "BIG_STRING", "y" * 256),
        (["1", "", "NaN"], "INT", 1),
    ],
)
def test_type_is_inferred_over_the_whole_file(fake, run, tmp_path, cells, data_type, first):
    """A column is as narrow as every one of its cells allows, and never loses digits of text."""
    rows = "".join(f"2026-01-01 00:{minute:02},{cell}\n" for minute, cell in enumerate(cells))

    result = load(run, write(tmp_path / "f", "t,v\n" + rows), "--zone", "UTC")

    assert (result.exit_code, types(fake), series(fake)[0]["v"]) == (0, {"v": data_type}, first), (
        result.stderr
    )


def test_decimal_commas_are_asked_about_not_guessed(fake, run, tmp_path):
    """Numbers with a decimal comma are no text by accident: the option is named and makes them numbers."""
    path = write(tmp_path / "f", "t;v;w;s\n2026-01-01;1,5;3;a,b\n2026-01-02;-,25;4;1,5\n")

    asked = load(run, path, "--zone", "UTC")
    told = load(run, path, "--zone", "UTC", "--decimal", ",")

    assert asked.exit_code == 2
    assert "column v: its numbers have a decimal comma; give --decimal ," in asked.stderr
    assert told.exit_code == 0, told.stderr
    assert types(fake) == {"v": "DOUBLE", "w": "INT", "s": "STRING"}
    assert [record["v"] for record in series(fake)] == [1.5, -0.25]


def test_column_names_become_variable_names(fake, run, tmp_path):
    """Names that the dialect cannot have are mapped, told, and stay distinct."""
    text = "t,Wind (m/s),Wind [m/s],2m T,id,,ok\n2026-01-01,1,2,3,4,5,6\n"

    result = load(run, write(tmp_path / "f", text), "--zone", "UTC")

    assert list(types(fake)) == ["Wind_m_s", "Wind_m_s_2", "_2m_T", "id_", "column_5", "ok"]
    assert "column 'Wind (m/s)' is variable Wind_m_s (INT)" in result.stderr


def test_quality_columns_become_codes(fake, run, tmp_path):
    """An integer column `x_qc` beside `x` is the quality code of `x`."""
    text = "t,x,x_qc,y_qc\n2026-01-01,1.5,192,7\n"

    assert load(run, write(tmp_path / "f", text), "--zone", "UTC").exit_code == 0
    [made] = fake.things["aspecttypes"].values()
    assert [(one["name"], one.get("qualityCode", False)) for one in made["variables"]] == [
        ("x", True),
        ("y_qc", False),
    ]
    assert series(fake) == [{"_time": "2026-01-01T00:00:00.000Z", "x": 1.5, "x_qc": 192, "y_qc": 7}]


@pytest.mark.parametrize(
    ("time", "more", "expected"),
    [
        ("2026-01-01T00:00:00Z", [], "2026-01-01T00:00:00.000Z"),
        ("2026-01-01 00:00:00.12999", ["--zone", "UTC"], "2026-01-01T00:00:00.129Z"),
        ("2026-01-01 00:00+05:30", [], "2025-12-31T18:30:00.000Z"),
        ("2026/01/31 00:00", ["--zone", "UTC"], "2026-01-31T00:00:00.000Z"),
        ("31/01/2026 00:00:00+00:00", [], "2026-01-31T00:00:00.000Z"),
        ("01/31/2026 00:00", ["--zone", "UTC"], "2026-01-31T00:00:00.000Z"),
        ("31.01.2026 00:00", ["--zone", "UTC"], "2026-01-31T00:00:00.000Z"),
        ("05/04/2026", ["--zone", "UTC", "--time-format", "%d/%m/%Y"], "2026-04-05T00:00:00.000Z"),
        ("2026-07-01 12:00", ["--zone", "Europe/Berlin"], "2026-07-01T10:00:00.000Z"),
        ("2026-10-25 02:30", ["--zone", "Europe/Berlin", "--repeated", "first"], "2026-10-25T00:30:00.000Z"),
        ("2026-10-25 02:30", ["--zone", "Europe/Berlin", "--repeated", "second"], "2026-10-25T01:30:00.000Z"),
    ],
)
def test_times_are_read_as_they_are_written(fake, run, tmp_path, time, more, expected):
    """Usual ways of writing are found by themselves; fractions are cut to milliseconds (design 8.8, 8.21)."""
    result = load(run, write(tmp_path / "f", f"t,v\n{time},1\n"), *more)

    assert result.exit_code == 0, result.stderr
    assert series(fake)[0]["_time"] == expected


@pytest.mark.parametrize(
    ("text", "more", "said"),
    [
        ("t,v\n2026-01-01 00:00,1\n", [], "line 2: the time '2026-01-01 00:00' cannot be read"),
        ("t,v\n2026-01-01 00:00,1\n", ["--zone", "Mars/Base"], "--zone Mars/Base is no time zone"),
        ("t,v\n05/04/2026,1\n", ["--zone", "UTC"], "the times may be DD/MM/YYYY or MM/DD/YYYY"),
        ("t,v\n31/12/2026,1\n12/31/2026,2\n", ["--zone", "UTC"], "line 3: the time '12/31/2026' cannot"),
        ("t,v\n2026-02-30,1\n", ["--zone", "UTC"], "line 2: the time '2026-02-30' cannot be read"),
        ("t,v\n2026-03-29 02:30,1\n", ["--zone", "Europe/Berlin"], "cannot be read"),
        ("t,v\n2026-01-01,1\n2026-01-02,1,2\n", ["--zone", "UTC"], "line 3: 3 cells where the names are 2"),
        ("t;v\n2026-01-01,1\n", ["--zone", "UTC"], "line 2: 1 cells where the names are 2; give --delimiter"),
        ('t,v\n2026-01-01,"1\n', ["--zone", "UTC"], "line 2: unexpected end of data"),
        ("t,v\n", [], "holds no rows"),
        ("", [], "line 1 holds no column names; give --header-line"),
        ("t\n2026-01-01\n", ["--zone", "UTC"], "has no column beside the time"),
        ("t,v\n2026-01-01,1\n", ["--time", "when"], "has no column 'when'; it has: t, v"),
        ("t,v\n2026-01-01,1\n", ["--delimiter", "ab"], "--delimiter is one character"),
        ("t,v\n2026-01-01,1\n", ["--encoding", "klingon"], "--encoding klingon is not known"),
    ],
)
def test_bad_files_are_refused_in_one_line_before_anything_is_sent(fake, run, tmp_path, text, more, said):
    """What cannot be read to its end is not begun: exit code 2, one line, no traceback, nothing made."""
    result = load(run, write(tmp_path / "f", text), *more)

    assert result.exit_code == 2
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not any(fake.things.values())


@pytest.mark.parametrize(
    "octets",
    [
        b"t,v\n2026-01-01,\xe9\n",
        b"\xfd7zXZ\x00damaged",
        b"\x1f\x8bdamaged",
        lzma.compress(b"t,v\n" * 999)[:-9],
    ],
)
def test_damaged_files_are_refused_in_one_line(run, tmp_path, octets):
    """Wrong encodings and broken archives are one line each."""
    (tmp_path / "f").write_bytes(octets)

    result = load(run, tmp_path / "f", "--zone", "UTC")

    assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1), result.stderr


def test_latin_1_is_read_when_told(fake, run, tmp_path):
    """Another encoding is a choice, never a guess."""
    (tmp_path / "f").write_bytes("t,v\n2026-01-01,é\n".encode("latin-1"))

    assert load(run, tmp_path / "f", "--zone", "UTC", "--encoding", "latin-1").exit_code == 0
    assert series(fake)[0]["v"] == "é"


def test_file_is_sent_in_bounded_bodies_and_nothing_is_lost(fake, run, tmp_path):
    """Bodies stay below a megabyte; every row arrives once, also with several requests on their way."""
    rows = "".join(
        f"2026-01-{1 + n // 1440:02} {n // 60 % 24:02}:{n % 60:02},{'x' * 200},{n}\n" for n in range(12_000)
    )

    result = load(run, write(tmp_path / "f", "t,s,n\n" + rows), "--zone", "UTC")

    assert result.exit_code == 0, result.stderr
    assert [record["n"] for record in series(fake)] == list(range(12_000))
    assert len(fake.bodies) == 4
    assert max(fake.bodies) <= 1_000_000


def test_later_row_wins_wherever_it_stands(fake, run, tmp_path):
    """Of two rows of one time, far apart, the later one remains, though requests overtake one another."""
    filler = "x" * 250
    order = [*range(5_000), *range(5_000)]
    rows = "".join(
        f"2026-01-{1 + n // 1440:02} {n // 60 % 24:02}:{n % 60:02},{filler},{i}\n"
        for i, n in enumerate(order)
    )

    assert load(run, write(tmp_path / "f", "t,s,n\n" + rows), "--zone", "UTC").exit_code == 0
    assert [record["n"] for record in series(fake)] == list(range(5_000, 10_000))


def test_rows_without_values_are_left_out_and_counted(fake, run, tmp_path):
    """A row that has only a time stores nothing."""
    result = load(run, write(tmp_path / "f", "t,v\n2026-01-01,\n2026-01-02,1\n"), "--zone", "UTC")

    assert "left out 1 rows without any value" in result.stdout
    assert len(series(fake)) == 1


def test_second_load_goes_into_what_is_there(fake, run, tmp_path):
    """The asset is found by name or id; a file that fits is loaded, also with fewer columns."""
    load(run, write(tmp_path / "a", PLAIN), "--zone", "UTC")
    [asset] = fake.things["assets"]

    by_name = run(
        *("load", write(tmp_path / "b", "t,gust\n2026-02-01,NaN\n2026-02-02,5\n")),
        *("--asset", "mast", "--aspect", "wind", "--zone", "UTC"),
    )
    by_id = load(run, write(tmp_path / "c", "t,speed\n2026-03-01,5\n"), "--zone", "UTC", asset=asset)

    assert (by_name.exit_code, by_id.exit_code) == (0, 0), by_name.stderr + by_id.stderr
    assert series(fake)[-1] == {"_time": "2026-03-01T00:00:00.000Z", "speed": 5.0}
    assert len(fake.things["assets"]) == 1


def test_same_aspect_of_another_asset_shares_its_type_or_gets_its_own(fake, run, tmp_path):
    """A second asset with the aspect takes the type if it fits, else one that is named after both."""
    load(run, write(tmp_path / "a", PLAIN), "--zone", "UTC")

    alike = load(run, write(tmp_path / "b", PLAIN), "--zone", "UTC", asset="twin")
    other = load(run, write(tmp_path / "c", "t,lull\n2026-01-01,1\n"), "--zone", "UTC", asset="ship")

    assert (alike.exit_code, other.exit_code) == (0, 0), alike.stderr + other.stderr
    assert list(fake.things["aspecttypes"]) == ["acme.wind", "acme.ship_wind"]
    taken = [one["aspects"][0]["aspectType"]["id"] for one in fake.things["assettypes"].values()]
    assert taken == ["acme.wind", "acme.wind", "acme.ship_wind"]


@pytest.mark.parametrize(
    ("text", "more", "said"),
    [
        ("t,gust\n2026-01-01,1.5\n", ["--asset", "mast"], "column gust: its cells are DOUBLE, its variable"),
        (
            "t,lull\n2026-01-01,1.5\n",
            ["--asset", "mast"],
            "has no variable for column lull; it has: speed, gust",
        ),
        ("t,gust\n2026-01-01,1\n", ["--asset", "mast", "--aspect", "sun"], "no aspect 'sun'; it has: wind"),
        ("t,gust\n2026-01-01,1\n", ["--asset", "ship"], "no asset 'ship'; add --create"),
        ("t,gust\n2026-01-01,1\n", ["--asset", "0" * 32], "no asset '00000000000000000000000000000000'"),
    ],
)
def test_what_does_not_fit_is_refused(run, tmp_path, text, more, said):
    """Columns, aspects and assets that are not there are named, with what is there."""
    load(run, write(tmp_path / "a", PLAIN), "--zone", "UTC")

    result = run("load", write(tmp_path / "b", text), "--aspect", "wind", "--zone", "UTC", *more)

    assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1)
    assert said in result.stderr


def test_refusal_by_the_service_names_the_line_of_the_file(fake, run, tmp_path):
    """The pointer of a problem becomes a line; what was stored before is told."""
    path = write(tmp_path / "f", PLAIN)
    load(run, path, "--zone", "UTC")
    fake.refusals[:] = []
    original = fake.on_series
    fake.on_series = lambda *arguments: (
        refusal(400, "aspectstore.records.range", "Too large.")
        if arguments[0] == "PUT"
        else original(*arguments)
    )

    result = load(run, path, "--zone", "UTC")

    assert result.exit_code == 2
    assert "f, line 2: Too large. (HTTP 400" in result.stderr
    assert "0 records were stored before" in result.stderr


def test_wrong_credentials_and_missing_server_are_one_line(run, monkeypatch, tmp_path):
    """What is wrong with the surroundings is said in one line with the remedy."""
    path = write(tmp_path / "f", PLAIN)
    monkeypatch.setenv("ASPECTSTORE_SECRET", "wrong")
    refused = load(run, path, "--zone", "UTC")
    monkeypatch.delenv("ASPECTSTORE_SECRET")
    unset = load(run, path, "--zone", "UTC")
    monkeypatch.delenv("ASPECTSTORE_URL")
    nowhere = load(run, path, "--zone", "UTC")

    assert [result.exit_code for result in (refused, unset, nowhere)] == [2, 2, 2]
    assert "Bad credentials" in refused.stderr
    assert "set ASPECTSTORE_CLIENT and ASPECTSTORE_SECRET" in unset.stderr
    assert "start `make demo`" in nowhere.stderr


def test_server_that_is_not_there_is_said_at_once(run, monkeypatch, tmp_path):
    """A closed port is one line, without waiting for a server that nobody has started."""
    monkeypatch.setenv("ASPECTSTORE_URL", "http://127.0.0.1:1")

    result = load(run, write(tmp_path / "f", PLAIN), "--zone", "UTC")

    assert result.exit_code == 2
    assert result.stderr.startswith("aspectstore: no answer from http://127.0.0.1:1 to GET /health: ")
    assert len(result.stderr.splitlines()) == 1


def test_demo_credentials_are_used(fake, run, monkeypatch, tmp_path):
    """Without variables, `.demo/` of the present folder tells server and credentials."""
    demo = tmp_path / ".demo"
    demo.mkdir()
    with served(fake.handle) as url:
        monkeypatch.delenv("ASPECTSTORE_URL")
        (demo / "credentials.json").write_text(
            json.dumps({"url": url, "client": "loader", "secret": "s3cret"})
        )

        assert load(run, write(tmp_path / "f", PLAIN), "--zone", "UTC").exit_code == 0


@pytest.fixture
def loaded(run, tmp_path):
    """Load 60 rows whose `n` is their number."""
    rows = "".join(f"2026-01-01 00:{n:02},{n},{'yes' if n % 2 else ''}\n" for n in range(60))
    assert load(run, write(tmp_path / "f", "t,n,odd\n" + rows), "--zone", "UTC").exit_code == 0


@pytest.mark.usefixtures("loaded")
def test_csv_reads_back_everything(run, fake):
    """CSV has a header, every record of every page, and empty cells where a value is absent."""
    fake.page_limit = 7

    result = run("read", "--asset", "mast", "--aspect", "wind", "--format", "csv")

    rows = list(csv.reader(io.StringIO(result.stdout)))
    assert rows[0] == ["_time", "n", "odd"]
    assert [row[1:] for row in rows[1:]] == [[str(n), "yes" if n % 2 else ""] for n in range(60)]


@pytest.mark.usefixtures("loaded")
def test_json_reads_a_range_and_a_selection(run):
    """JSON is one array; `--from` is exclusive, `--to` inclusive, `--limit` exact."""
    interval = ("--from", "2026-01-01T00:09:00.000Z", "--to", "2026-01-01T00:12:00.000Z")
    chosen = ("read", "--asset", "mast", "--aspect", "wind", "--format", "json", "--select", "n")

    assert [record["n"] for record in json.loads(run(*chosen, *interval).stdout)] == [10, 11, 12]
    assert [record["n"] for record in json.loads(run(*chosen, "--limit", "2").stdout)] == [0, 1]
    assert json.loads(run(*chosen, "--from", "2027").stdout) == []


@pytest.mark.usefixtures("loaded")
def test_table_shows_a_screen_and_says_if_there_is_more(run):
    """A table has 50 rows unless told otherwise, and says on stderr that it was cut."""
    result = run("read", "--asset", "mast", "--aspect", "wind")
    short = run("read", "--asset", "mast", "--aspect", "wind", "--limit", "60")

    assert (len(result.stdout.splitlines()), len(short.stdout.splitlines())) == (52, 62)
    assert "and more" in result.stderr
    assert short.stderr == ""
    assert result.stdout.splitlines()[3] == "2026-01-01T00:01:00.000Z   1  yes"


def test_reading_what_is_not_there_is_one_line(run):
    """An unknown asset is refused with the remedy."""
    result = run("read", "--asset", "ship", "--aspect", "wind")

    assert (result.exit_code, result.stderr) == (
        2,
        "aspectstore: no asset 'ship'; give --asset with an id or a name that exists\n",
    )


def test_closed_pipe_is_no_error(run, fake, tmp_path, loaded):
    """`aspectstore read … | head -1` ends quietly."""
    command = [
        sys.executable,
        "-m",
        "cli.main",
        "read",
        "--asset",
        "mast",
        "--aspect",
        "wind",
        "--format",
        "csv",
    ]
    fake.page_limit = 1
    root = Path(__file__).resolve().parents[2]

    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=root)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()

    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 0
