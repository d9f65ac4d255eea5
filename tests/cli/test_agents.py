"""`agents` against a stand-in of the service: the table with its units, one agent, pages, names."""

import json
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.client.fake_service import FakeService, answer, refusal

FLEET = "/api/aspectstore/v1/fleet"
AT = "2026-01-01T12:00:00.000Z"


def agent(number, **more):
    """Write an agent as the service does."""
    return {
        "id": f"{number:032x}", "name": f"board-{number}", "state": "never", "boarding": "NOT_ONBOARDED",
        "securityProfile": "SHARED_SECRET", "health": {},
        "quarantine": {"records": 0, "values": 0, "bytes": 0}, **more,
    }  # fmt: skip


def value(number, unit="", at="2026-01-01T11:59:30.000Z"):
    """Write the newest value of a channel."""
    return {"value": number, "unit": unit, "at": at}


WELL = agent(
    2,
    state="online",
    boarding="ONBOARDED",
    since="2026-01-01T10:00:00.000Z",
    lastSeen="2026-01-01T11:59:58.000Z",
    reported="2026-01-01T11:59:30.000Z",
    health={
        "backlog": value(12, "samples"), "clock_offset": value(-350, "ms"), "firmware": value(4.0),
        "lost": value(0, "samples"), "rssi": value(-71, "dBm"), "sensor_faults": value(3),
    },
    quarantine={"records": 2, "values": 40, "bytes": 4096, "oldest": "2025-12-30T12:00:00.000Z"},
    lastMessage={
        "at": "2026-01-01T11:59:58.000Z", "correlationId": "ab-1-9", "stored": 9, "refused": 1,
        "receipt": "r.1", "state": "applied",
    },
)  # fmt: skip


class FakeFleet(FakeService):
    """A stand-in that has agents, given out in pages of two."""

    def __init__(self):
        super().__init__()
        self.agents = [agent(1, name="zebra\x1b[2J"), WELL, agent(3, name="adder")]
        self.asked = []

    def handle(self, method, target, headers, body):
        """Answer a page or an agent, or as the other stand-in does."""
        parts = urlsplit(target)
        if not parts.path.startswith(FLEET):
            return super().handle(method, target, headers, body)
        query = dict(parse_qsl(parts.query))
        self.asked.append((parts.path, query))
        if parts.path != FLEET:
            found = [one for one in self.agents if parts.path.endswith(one["id"])]
            return answer(200, {**found[0], "at": AT}) if found else refusal(404, "There is no such agent.")
        wanted = [one for one in self.agents if query.get("state", one["state"]) == one["state"]]
        left = [one for one in wanted if one["id"] >= query.get("after", "")]
        more = {"next": left[2]["id"]} if len(left) > 2 else {}
        return answer(200, {"at": AT, "agents": left[:2], **more})


@pytest.fixture
def fake():
    """Give a stand-in with three agents."""
    return FakeFleet()


@pytest.fixture
def run(run):
    """Give a function that runs this group of the command."""
    return lambda *words, **more: run("agents", *words, **more)


def test_a_table_has_a_line_an_agent_and_says_its_units(run):
    """By name over all pages; numbers on the right, units under the names, no control characters."""
    result = run("list")

    assert result.exit_code == 0, result.output
    lines = [line.rstrip() for line in result.output.splitlines()]
    assert lines[:2] == [
        "name       state    seen    backlog       lost  clock  firmware  faults  signal    waiting  id",
        "                   [ago]  [samples]  [samples]   [ms]                     [dBm]  [records]",
    ]
    rows = [
        ("adder      never", 3),
        ("board-2    online    2 s         12          0   -350         4       3     -71          2", 2),
        ("zebra?[2J  never", 1),
    ]
    assert lines[2:] == [f"{text:90}  {number:032x}" for text, number in rows]


def test_a_list_may_keep_to_a_state(run, fake):
    """The service chooses; every page is asked for with it."""
    result = run("list", "--state", "never")

    assert [line.split()[0] for line in result.output.splitlines()[2:]] == ["adder", "zebra?[2J"]
    assert fake.asked == [(FLEET, {"state": "never", "limit": "100"})]


def test_json_has_every_member(run):
    """What a program reads is what the service said, over all pages."""
    found = json.loads(run("list", "--format", "json").output)

    assert [one["id"] for one in found] == [f"{number:032x}" for number in (1, 2, 3)]
    assert found[1]["health"]["clock_offset"] == value(-350, "ms")
    assert found[1]["lastMessage"]["receipt"] == "r.1"


@pytest.mark.parametrize("named", ["board-2", f"{2:032x}"])
def test_one_agent_with_everything(run, named):
    """By name or id: each value with its unit and age, what waits, and the last message."""
    result = run("show", named)

    assert result.exit_code == 0, result.output
    assert result.output.splitlines() == [
        "name:              board-2",
        f"id:                {2:032x}",
        "state:             online",
        "online since:      2026-01-01T10:00:00.000Z (2 h ago)",
        "last seen:         2026-01-01T11:59:58.000Z (2 s ago)",
        "boarding:          ONBOARDED",
        "security profile:  SHARED_SECRET",
        "backlog:           12 samples (30 s ago)",
        "clock_offset:      -350 ms (30 s ago)",
        "firmware:          4 (30 s ago)",
        "lost:              0 samples (30 s ago)",
        "rssi:              -71 dBm (30 s ago)",
        "sensor_faults:     3 (30 s ago)",
        "quarantine:        2 records, 40 values, 4096 B, the oldest since 2 d",
        "last message:      2026-01-01T11:59:58.000Z: 9 values stored, applied, 1 refused",
        "correlation id:    ab-1-9",
        "receipt:           r.1",
    ]


def test_one_agent_as_json(run):
    """With the time at which it was said."""
    found = json.loads(run("show", "board-2", "--format", "json").output)

    assert (found["at"], found["quarantine"]["oldest"]) == (AT, "2025-12-30T12:00:00.000Z")


def test_a_name_or_an_id_that_nobody_has(run):
    """One line on stderr and exit code 2, with what to do or what the service said."""
    name, agent_id = run("show", "nobody"), run("show", "f" * 32)

    assert (name.exit_code, agent_id.exit_code) == (2, 2)
    assert "no agent is called nobody; aspectstore agents list shows" in name.stderr
    assert "There is no such agent." in agent_id.stderr
