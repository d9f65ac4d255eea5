"""What agents of a fleet send, and how their records are counted; fleets themselves: tests/e2e (wire 6.3)."""

import pytest

from bench import devices, fleet
from schemas.device_records import read_samplings
from schemas.exchange_message import parse_message

AGENTS = [devices.Agent(number, "acme", "host", key=None) for number in range(6)]


@pytest.mark.parametrize("agent", AGENTS, ids=lambda agent: str(agent.number))
def test_messages_bring_what_is_counted(agent: devices.Agent) -> None:
    """Both ways of writing bring exactly the samples with which the records are compared."""
    samples = agent.samples(3, 5)
    split = [devices.part(samples, [point]) for point in agent.points]
    written = {
        "multipart/mixed; boundary=mindspheremessage": devices.node_message(samples),
        "multipart/mixed;boundary=outer": devices.library_message(split, "outer", "inner"),
    }

    for media, body in written.items():
        brought: dict[str, dict[str, str]] = {}
        for each in parse_message(body, media):
            for sampling in read_samplings(each.payload):
                values = {value.data_point_id: value.value for value in sampling.values}
                brought.setdefault(sampling.timestamp, {}).update(values)

        assert brought == {sample.time: sample.values for sample in samples}


def test_what_is_missing_or_other_is_seen() -> None:
    """One record too few, one too many, one with another value: each is counted."""
    wanted = {"a": {"t": 1.0}, "b": {"t": 2.0}, "c": {"t": 3.0}}

    def found(*records: tuple[str, float]) -> fleet.Stored:
        return fleet.compared(wanted, [{"_time": time, "t": value} for time, value in records])

    assert found(("a", 1.0), ("b", 2.0), ("c", 3.0)) == fleet.Stored(sent=3, right=3)
    assert found(("a", 1.0), ("b", 2.0)) == fleet.Stored(sent=3, right=2)
    assert found(("a", 1.0), ("b", 2.5), ("d", 3.0)) == fleet.Stored(sent=3, right=1, strange=2)
