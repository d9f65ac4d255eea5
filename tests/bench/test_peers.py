"""Each peer is asked every question at tiny size where it is on the machine, and gives what it was sent."""

from pathlib import Path

import msgspec
import pytest

from bench import disk, speed
from bench.figures import COLUMNS, QUESTIONS, cell
from bench.peers import install, tinyflux
from bench.peers.found import PEERS
from bench.peers.lines import lines_template, single_line
from bench.workload import ROUND_MS, START_MS, VARIABLES, Single, draw

NOT_ASKED = "bytes/value on disk"
"""Settling takes longer than a test may: `test_a_peer_is_asked_for_its_bytes` is slow."""


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", ["victoriametrics", "influxdb", "questdb"])
def test_a_peer_answers_every_question_at_tiny_size(name: str, tmp_path: Path) -> None:
    """Every record that was acknowledged is counted by the peer before a figure stands in the table."""
    _ask(name, tmp_path)


@pytest.mark.slow
@pytest.mark.cassandra
def test_kairosdb_answers_every_question_at_tiny_size(tmp_path: Path) -> None:
    """KairosDB 1.3 runs on a Cassandra 5, which it was not made for, and counts every record."""
    _ask("kairosdb", tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(PEERS))
def test_a_peer_is_asked_for_its_bytes(name: str, tmp_path: Path) -> None:
    """Once settled, a peer's files hold something, and not absurdly much for a small load."""
    peer = PEERS[name]()
    _skip_without(peer.lacking())

    found = disk.measure(peer, tmp_path, 2, 2_000)

    assert 0 < found.stored < 10_000


def test_tinyflux_answers_every_question_at_tiny_size(tmp_path: Path) -> None:
    """The library is asked in process, and counts every record too."""
    _skip_without(tinyflux.lacking())

    figures = tinyflux.measure(speed.TINY, tmp_path)

    texts = {question.head: cell(question, figures) for question in QUESTIONS}
    assert {"idle memory", "memory under load", "sustained values/s"} == {
        k for k, v in texts.items() if v == "-"
    }


def test_a_peer_that_is_not_there_says_what_fetches_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty cache and an empty PATH: every peer is absent, each with a reason that can be acted upon."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)

    reasons = [lacking() for lacking, _ in install.FETCHERS.values()]

    assert all("bench-peers" in str(reason) or "install" in str(reason) for reason in reasons)


def test_lines_hold_the_records_of_the_workload() -> None:
    """Line protocol: one line a record, in time order, moved by whole rounds and by nothing else."""
    machine = draw(5, 20)

    first, moved = (lines_template(5, machine).in_round(number).splitlines() for number in (0, 3))

    assert machine.time_ms.tolist() == [int(line.split()[-1]) for line in first]
    assert (machine.time_ms + 3 * ROUND_MS).tolist() == [int(line.split()[-1]) for line in moved]
    assert [line.split()[:2] for line in first] == [line.split()[:2] for line in moved]
    fields = dict(field.split(b"=") for field in first[0].split()[1].split(b","))
    assert machine.temperature[0] == float(fields[b"temperature"])
    assert b"%di" % machine.rpm[0] == fields[b"rpm"]


def test_kairosdb_is_sent_the_records_of_the_workload() -> None:
    """JSON: a metric a variable, each with all times and values of the batch."""
    machine = draw(5, 20)

    metrics = msgspec.json.decode(PEERS["kairosdb"]().template(5, machine).in_round(2))

    assert [name for name, _, _ in VARIABLES] == [metric["name"] for metric in metrics]
    times = (machine.time_ms + 2 * ROUND_MS).tolist()
    for metric, (_, values) in zip(metrics, machine.values(), strict=True):
        assert [[time, value] for time, value in zip(times, values, strict=True)] == metric["datapoints"]


def test_a_single_record_is_the_same_in_every_dialect() -> None:
    """The single-record load sends the same five values to every system."""
    values = Single.of(7, START_MS)
    points = msgspec.json.decode(PEERS["kairosdb"]().single(7, START_MS))

    assert [getattr(values, name) for name, _, _ in VARIABLES] == [p["datapoints"][0][1] for p in points]
    assert b"temperature=%r," % values.temperature in single_line(7, START_MS)


def _ask(name: str, directory: Path) -> None:
    peer = PEERS[name]()
    _skip_without(peer.lacking())

    figures = speed.measure(peer, speed.TINY, directory)

    texts = {question.head: cell(question, figures) for question in QUESTIONS}
    assert {NOT_ASKED} == {head for head in COLUMNS if texts[head] == "-"}


def _skip_without(reason: str | None) -> None:
    if reason is not None:
        pytest.skip(reason)
