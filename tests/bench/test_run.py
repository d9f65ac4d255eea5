"""The measurements run against anything that speaks the dialect, and refuse to measure failures."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench import ingest, reads, run, speed
from bench.figures import COLUMNS, figures_table
from bench.generator import drive, parse_answer, request_bytes
from bench.ours import Dialect
from bench.peers.influx import InfluxDB
from bench.report import replace_section, table
from bench.tenant import Credentials, Refused
from runtime import valkey_server
from tests.conftest import need
from tests.faults.fake_service import FakeService, Mischief, serving


def test_every_question_gets_an_answer_at_tiny_size(capsys: pytest.CaptureFixture[str]) -> None:
    """`python -m bench.run --tiny` prints one line with every figure that needs no process of ours."""
    with serving() as fake:
        code = run.main(["--tiny", "--url", f"http://127.0.0.1:{fake.port}", "--credentials", "t1:t1-c:s"])

    assert 0 == code
    printed = capsys.readouterr().out
    for column in COLUMNS[:7]:
        assert f"  {column}: " in printed
        assert f"  {column}: -" not in printed


@pytest.mark.valkey
@pytest.mark.timeout(120)
def test_the_service_itself_is_measured_at_tiny_size(capsys: pytest.CaptureFixture[str]) -> None:
    """`python -m bench.run --tiny` starts the embedded service and asks every question of it."""
    need("valkey", valkey_server.missing())

    assert 0 == run.main(["--tiny"])
    printed = capsys.readouterr().out
    assert "Aspectstore, sqlite, `always`" in printed
    for column in COLUMNS[:9]:
        assert f"  {column}: -" not in printed
        assert f"  {column}: " in printed


def test_an_unknown_system_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """A system or question that does not exist ends the run before anything starts."""
    with pytest.raises(SystemExit):
        run.main(["--systems", "sqlite,opentsdb", "--questions", "speed"])

    assert "unknown: opentsdb" in capsys.readouterr().err


def test_a_system_that_lacks_something_is_reported_as_absent(tmp_path: Path) -> None:
    """A peer that is not on this machine has a line with the reason, and no figures."""

    class Nowhere(InfluxDB):
        name = "Nowhere"

        def lacking(self) -> str | None:
            return "no nowhere found"

    absent = run.measured(Nowhere(), speed.TINY)

    assert "no nowhere found" == absent.absent
    assert "- Nowhere was not measured: no nowhere found." in figures_table([absent])


def test_a_lost_write_is_not_measured_as_visible() -> None:
    """Visible means that the hourly aggregates count every record (design 10)."""
    with serving(Mischief.LOSE) as fake, _started(fake) as system:
        load = ingest.Load(system, 2, records=400, batch=100)
        drive(system.address, load.plans(range(1)))
        with pytest.raises(Refused, match="records are counted"):
            ingest.wait_until_visible(system, load.expected(0, 1), seconds_max=0.2)


def test_a_refused_request_ends_the_measurement() -> None:
    """A run with answers that are not 2xx measures nothing."""
    with serving(Mischief.REFUSE_AND_DO) as fake, _started(fake) as system:
        load = ingest.Load(system, 2, records=400, batch=100)
        with pytest.raises(Refused, match="were refused, the first with 400"):
            ingest.measure(load)


def test_reads_that_lack_records_are_not_timed() -> None:
    """An answer is counted before the clock starts: a fast wrong answer is no figure."""
    with serving(Mischief.TWICE_IN_READ) as fake, _started(fake) as system:
        load = ingest.Load(system, 2, records=400, batch=100)
        ingest.measure(load)
        with pytest.raises(Refused, match="latest: 2 of 1 records"):
            reads.measure(load, 1, repeats=2)


def test_the_generator_keeps_every_answer_apart() -> None:
    """Several connections, bodies larger than a socket buffer, answers with bodies."""
    with serving() as fake:
        address = ("127.0.0.1", fake.port)
        large = b'[{"_time":"2024-01-01T00:00:00.000Z","text":"' + b"y" * 2_000_000 + b'"}]'
        path = "/api/iottimeseries/v3/timeseries/" + "a" * 32 + "/machine"
        put = request_bytes("PUT", path, "h", "t1", large)
        get = request_bytes("GET", path, "h", "t1")

        outcome = drive(address, [[put, get], [put, get]], keep=True)

    assert {204: 2, 200: 2} == dict(outcome.statuses)
    assert [2, 2] == [len(latencies) for latencies in outcome.by_plan]
    assert [2_000_000] * 2 == [body.count(b"y") for status, _, body in outcome.answers if status == 200]


def test_answers_are_split_by_length_and_by_chunks() -> None:
    """Both framings of HTTP/1.1, and nothing before the last byte is there."""
    plain = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
    chunked = b"HTTP/1.1 202 X\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"

    assert (200, b"hello") == _status_and_body(plain)
    assert (202, b"hello") == _status_and_body(chunked)
    for answer in (plain, chunked):
        assert [None] * len(answer) == [parse_answer(answer[:n]) for n in range(len(answer))]


def test_a_section_of_the_results_is_replaced_alone(tmp_path: Path) -> None:
    """Each question owns the text between its markers."""
    path = tmp_path / "results.md"
    replace_section("a", "one", path)
    replace_section("b", "two", path)

    replace_section("a", table(["x"], [["\\1"]]), path)

    text = path.read_text()
    assert "one" not in text
    assert "| \\1 |" in text
    assert text.index("begin a") < text.index("begin b") < text.index("two")


def _status_and_body(answer: bytes) -> tuple[int, bytes]:
    parsed = parse_answer(answer)
    assert parsed is not None
    return parsed[0], parsed[2]


@contextmanager
def _started(fake: FakeService) -> Iterator[Dialect]:
    system = Dialect(f"http://127.0.0.1:{fake.port}", Credentials("t1", "t1-c", "s"))
    system.start(Path())
    try:
        system.prepare(2)
        yield system
    finally:
        system.stop()
