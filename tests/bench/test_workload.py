"""Workload A is what design 10 says, in every round."""

import msgspec
import numpy as np
import pytest

from bench.workload import (
    ROUND_MS,
    START_MS,
    decimal_texts,
    dialect_template,
    draw,
    rfc3339_texts,
    single_record,
    time_texts,
)


def test_the_machine_is_drawn_as_design_10_says() -> None:
    """Asset a uses generator 1000 + a, and the values are drawn in the written order."""
    g = np.random.default_rng(1003)
    times = START_MS + 1000 * np.arange(10_000) + g.integers(0, 4, 10_000)
    temperature = np.round(20 + np.cumsum(g.normal(0, 0.05, 10_000)), 2)

    machine = draw(3)

    assert times.tolist() == machine.time_ms.tolist()
    assert temperature.tolist() == machine.temperature.tolist()
    assert [1] * 20 == [len(set(held)) for held in machine.setpoint.reshape(20, 500).tolist()]


def test_batches_hold_the_records_in_time_order() -> None:
    """Ten bodies of a thousand records each, as a client would write them."""
    machine = draw(0)

    bodies = [msgspec.json.decode(dialect_template(part).in_round(0)) for part in machine.cut(1_000)]

    assert [1_000] * 10 == [len(body) for body in bodies]
    assert machine.records() == [record for body in bodies for record in body]
    assert {"_time", "temperature", "pressure", "rpm", "running", "setpoint"} == set(bodies[0][0])


@pytest.mark.parametrize("number", [1, 2, 30])
def test_a_later_round_moves_the_times_and_nothing_else(number: int) -> None:
    """Round r repeats the workload with start + r · 10,000 s (design 10)."""
    batch = dialect_template(draw(1, records=200).cut(100)[1])
    first = msgspec.json.decode(batch.in_round(0))

    moved = msgspec.json.decode(batch.in_round(number))

    assert [_shifted(record, number) for record in first] == moved


def test_a_single_record_has_five_values() -> None:
    """The single-record load sends one record of five values a request."""
    (record,) = msgspec.json.decode(single_record(7, START_MS + 5))

    assert "2024-01-01T00:00:00.005Z" == record.pop("_time")
    assert 5 == len(record)


def test_times_are_written_as_numpy_and_python_write_them() -> None:
    """Both ways of writing a time give the digits that slower libraries give, at every border."""
    edges = [START_MS, START_MS - 1, START_MS + 86_399_999, START_MS + 86_400_000, 1_000_000_000_000]
    times = np.array([*edges, *np.random.default_rng(1).integers(10**12, 2 * 10**12, 500).tolist()])

    assert time_texts(times).tolist() == [text.decode() for text in rfc3339_texts(times).tolist()]
    assert [str(time).encode() for time in times.tolist()] == decimal_texts(times).tolist()


def _shifted(record: dict[str, object], number: int) -> dict[str, object]:
    time = np.datetime64(str(record["_time"]).removesuffix("Z"), "ms") + number * np.timedelta64(
        ROUND_MS, "ms"
    )
    return {**record, "_time": f"{time}Z"}
