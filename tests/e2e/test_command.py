"""The command as a person uses it, against a whole service: files in and out, status, first start, demo."""

import csv
import lzma
import os
import re
import signal
import subprocess
import time

import pytest

from bench.service import free_port
from tests.e2e.conftest import COMMAND, clean_environ, run

TOA5 = ("--header-line", "2", "--skip", "4", "--time", "Timestamp", "--zone", "UTC")


def rows_of(text: str, skip: int) -> list[list[str]]:
    """Read cells, by a reader of their own."""
    return [row for row in csv.reader(text.splitlines()) if any(row)][skip:]


def is_equal(sent: str, read: str) -> bool:
    """Tell whether a cell came back: the same text or number; NaN and nothing are absent."""
    if sent == read:
        return True
    if sent.upper() in {"", "NAN"}:
        return read == ""
    try:
        return float(sent) == float(read)
    except ValueError:
        return False


def differences(sent: list[list[str]], read: list[list[str]]) -> list[tuple[int, int, str, str]]:
    """List the cells beside the time that did not come back, up to ten."""
    return [
        (row, column, old, new)
        for row, (before, after) in enumerate(zip(sent, read, strict=True))
        for column, (old, new) in enumerate(zip(before[1:], after[1:], strict=True), 1)
        if not is_equal(old, new)
    ][:10]


def test_small_logger_file_reads_back_equal(command, test_data):
    """A logger's file is loaded with `--create`; every value reads back, at once.

    It holds two days only, so its times might be month first: that is asked, not guessed.
    """
    path = test_data / "mast" / "toa5_small.csv"

    refused = command("load", path, "--asset", "small", "--aspect", "wind", "--create", *TOA5)
    told = (*TOA5, "--time-format", "%d/%m/%Y %H:%M:%S%z")
    loaded = command("load", path, "--asset", "small", "--aspect", "wind", "--create", *told)
    read = command("read", "--asset", "small", "--aspect", "wind", "--format", "csv")

    sent, came = rows_of(path.read_text("utf-8-sig"), 4), rows_of(read.stdout, 1)
    assert (refused.returncode, "DD/MM/YYYY or MM/DD/YYYY" in refused.stderr) == (2, True)
    assert (loaded.returncode, read.returncode) == (0, 0), loaded.stderr + read.stderr
    assert [f"{t[6:10]}-{t[3:5]}-{t[:2]}T{t[11:19]}.000Z" for t, *_ in sent] == [row[0] for row in came]
    assert differences(sent, came) == []


@pytest.mark.slow
def test_large_logger_file_reads_back_equal(command, test_data):
    """95,629 rows of 32 values, packed, with mark and CRLF: every value reads back equal."""
    path = test_data / "mast" / "toa5_full.csv.xz"

    loaded = command("load", path, "--asset", "large", "--aspect", "wind", "--create", *TOA5)
    read = command("read", "--asset", "large", "--aspect", "wind", "--format", "csv")

    with lzma.open(path, "rt", encoding="utf-8-sig", newline="") as text:
        sent = list(csv.reader(text))[4:]
    came = rows_of(read.stdout, 1)
    assert (loaded.returncode, len(sent), len(sent[0])) == (0, 95_629, 33), loaded.stderr
    assert [row[0].replace(" ", "T") + ".000Z" for row in sent] == [row[0] for row in came]
    assert differences(sent, came) == []


def test_refusal_by_the_real_service_names_the_line(command, tmp_path):
    """What only the service can refuse comes back as the line of the file, exit code 2, no traceback."""
    (tmp_path / "f.csv").write_text("t,v\n2026-01-01,1\n1969-01-01,2\n")

    result = command("load", "f.csv", "--asset", "old", "--aspect", "wind", "--create", "--zone", "UTC")

    assert result.returncode == 2
    assert "f.csv, line 3: " in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_status_tells_that_all_is_well(command):
    """`status` shows the address, the word and the parts."""
    result = command("status")

    assert (result.returncode, result.stderr) == (0, "")
    assert re.match(r"http://127\.0\.0\.1:\d+: UP\n", result.stdout)


def test_first_start_without_credentials_prints_some_once(tmp_path):
    """`init` makes the schema and prints made-up credentials; a second one, and `serve`, print none."""
    environ = clean_environ()
    first = run(("init", "--data", "data"), environ, tmp_path)
    second = run(("init", "--data", "data"), environ, tmp_path)

    said = re.match(r"first start: tenant (\w+), client (\S+), secret (\S+) ", first.stdout)
    assert said is not None
    assert (second.returncode, second.stdout) == (0, "the store is ready\n")

    words = [*COMMAND, "serve", "--data", "data", "--listen", f"127.0.0.1:{free_port()}"]
    service = subprocess.Popen(words, env=environ, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    assert service.stdout is not None
    lines = list(iter_until_ready(service))
    _, client, secret = said.groups()
    url = lines[-1].split()[1]
    told = environ | {"ASPECTSTORE_URL": url, "ASPECTSTORE_CLIENT": client, "ASPECTSTORE_SECRET": secret}
    status = run(("status",), told, tmp_path)
    service.terminate()
    service.stdout.close()

    assert status.returncode == 0, status.stderr
    assert not [line for line in lines if "secret" in line]
    assert service.wait(30) == 0


def iter_until_ready(process):
    """Give the lines up to the ready one."""
    for line in process.stdout:
        yield line.strip()
        if line.startswith("ready "):
            return


def test_demo_shows_everything_and_ends(tmp_path):
    """`DEMO_ONCE=1`: loaded, read back equal, table, plot, addresses, credentials, exit code 0."""
    listen = f"127.0.0.1:{free_port()}"

    result = run(("demo", "--listen", listen), clean_environ() | {"DEMO_ONCE": "1"}, tmp_path)

    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.startswith(f"ready http://{listen} (")
    assert "read back 8,640 records: all equal" in result.stdout
    assert "load: 8,640 of 8,640 records (100 %)" in result.stderr
    assert "wind_speed_qc" in result.stdout
    assert "┤" in result.stdout
    assert f"API docs     http://{listen}/docs" in result.stdout
    assert re.search(r"secret {7}\S{24} ", result.stdout)
    assert (tmp_path / ".demo" / "credentials.json").stat().st_mode & 0o77 == 0


def test_demo_serves_until_interrupted_and_lends_its_credentials(tmp_path):
    """Made anew over old data, it serves; `read` in the same folder finds it; Ctrl-C ends it, exit code 0."""
    (tmp_path / ".demo" / "data").mkdir(parents=True)
    (tmp_path / ".demo" / "data" / "series.db").write_text("left over")
    environ = clean_environ() | {"http_proxy": "http://127.0.0.1:1", "HTTP_PROXY": "http://127.0.0.1:1"}
    words = [*COMMAND, "demo", "--listen", f"127.0.0.1:{free_port()}"]
    demo = subprocess.Popen(words, env=environ, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    assert demo.stdout is not None
    for line in demo.stdout:
        if line.startswith("serving until"):
            break

    read = run(
        ("read", "--asset", "weather-mast", "--aspect", "weather", "--format", "csv", "--limit", "3"),
        environ,
        tmp_path,
    )
    second = run(("demo",), environ, tmp_path)
    demo.send_signal(signal.SIGINT)
    demo.stdout.close()

    assert (read.returncode, len(read.stdout.splitlines())) == (0, 4), read.stderr
    assert second.returncode == 2
    assert "a demo is running" in second.stderr
    assert demo.wait(60) == 0


def test_service_that_is_killed_leaves_nothing_and_starts_again(tmp_path):
    """Kill -9 of `serve` ends the whole tree, and the same folder can be served at once."""
    words = [*COMMAND, "serve", "--data", "data", "--listen", "127.0.0.1:0"]
    for _ in range(2):
        environ = clean_environ() | {"ASPECTSTORE_BOOTSTRAP": "acme:c:s"}
        process = subprocess.Popen(words, env=environ, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert list(iter_until_ready(process))[-1].startswith("ready ")
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        deadline = time.monotonic() + 30
        while process.stdout.read(4096):  # every part holds our pipe open until it is gone
            assert time.monotonic() < deadline
        process.stdout.close()
