"""Whether a fleet of agents loses nothing and is answered quickly: 2,000 of them, 200 uploads a second.

    python -m bench.fleet --store sqlite --minutes 5

Half of the agents have a secret, half a key from a pool of 20. Each is made by an operator, configured and
mapped, fetches its token, and uploads what it measured every 10 s as published clients write it; in the
middle of that every agent gets a new token by an assertion that it has signed. Asked: every message is taken,
its p99 is below 500 ms, counted from the moment when it was due, and afterwards every asset has exactly the
records that its agent sent.
"""

from __future__ import annotations

import secrets
import sys
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import msgspec
import numpy as np

from bench.devices import AGENTS, CONFIGURATION, POINTS, SAMPLE_MS, Agent, draw_keys
from bench.generator import drive, request_bytes
from bench.ours import Aspectstore, Dialect
from bench.report import surroundings
from bench.schedule import Answer, Answers, Device, Due, Talk, drive_on_time
from bench.speed import scratch_directory
from bench.tenant import MODEL, SERIES, Refused, Tenant
from bench.verdict import Verdict, conclude, store_arguments, verdict_table
from bench.workload import START_MS, time_texts

MAPPINGS = "/api/mindconnect/v3/dataPointMappings"
ASPECT = "weather"
UPLOADS, TOKENS, ONBOARDING = "uploads", "tokens", "onboarding"
P99_MS_MAX = 500.0
TRIES_MAX = 5
"""Of one upload; what is refused as often is lost."""


@dataclass(slots=True, frozen=True)
class Plan:
    """How many agents, for how long."""

    agents: int = 2_000
    keys: int = 20
    minutes: float = 5.0
    period_s: float = 10.0
    samples: int = 5
    """Of an upload: one each 2 s."""
    connections: int = 16
    """Over which agents are made, and over which tokens are renewed; each uploads over its own."""

    @property
    def turns(self) -> int:
        """Count the uploads of one agent."""
        return max(1, round(60 * self.minutes / self.period_s))


TINY = Plan(agents=20, keys=2, minutes=1 / 20, period_s=0.5, connections=4)


@dataclass(slots=True)
class Stored:
    """What the assets of all agents have afterwards."""

    sent: int = 0
    right: int = 0
    strange: int = 0
    """Records that no agent sent, or with other values."""


@dataclass(slots=True)
class Found:
    """What came back."""

    name: str
    onboarded_s: float
    answers: dict[str, Answers]
    stored: Stored
    busy: float
    """Share of one core that the generator took."""


def measure(system: Dialect, plan: Plan, directory: Path) -> Found:
    """Start a service, let the agents in, let them send, count, stop."""
    system.start(directory)
    try:
        agents = _agents(system.tenant, plan)
        began = perf_counter()
        _onboard(system.tenant, agents, plan)
        onboarded_s = perf_counter() - began
        began, worked = perf_counter(), process_time()
        answers = drive_on_time(system.address, list(_devices(agents, plan)))
        busy = (process_time() - worked) / (perf_counter() - began)
        system.tenant.refresh_token()
        stored = _count(system.tenant, agents, plan)
    finally:
        system.stop()
    return Found(system.name, onboarded_s, answers, stored, busy)


# The way in.


def _agents(tenant: Tenant, plan: Plan) -> list[Agent]:
    keys = draw_keys(plan.keys)
    return [
        Agent(number, tenant.name, tenant.host, keys[number // 2 % len(keys)] if number % 2 else None)
        for number in range(plan.agents)
    ]


def _onboard(tenant: Tenant, agents: Sequence[Agent], plan: Plan) -> None:
    """Make every agent and let it register; Refused where one is."""
    type_id = _create_types(tenant)
    root = tenant.ask("GET", f"{MODEL}/assets/root")["assetId"]
    asset = {"typeId": type_id, "parentId": root}
    talks = [
        Talk(_welcomed(tenant, agents[first :: plan.connections], asset)) for first in range(plan.connections)
    ]
    drive_on_time(tenant.address, [talk.as_device(ONBOARDING) for talk in talks])


def _create_types(tenant: Tenant) -> str:
    aspect_id, type_id = f"{tenant.name}.fleet_weather", f"{tenant.name}.fleet_station"
    variables = [{"name": name, "dataType": "DOUBLE", "unit": ""} for name in POINTS.values()]
    aspect = {"name": "fleet_weather", "category": "dynamic", "scope": "private", "variables": variables}
    asset_type = {
        "name": "fleet_station", "parentTypeId": "core.mclib", "instantiable": True, "scope": "private",
        "aspects": [{"name": ASPECT, "aspectTypeId": aspect_id}], "variables": [],
    }  # fmt: skip
    tenant.ask("PUT", f"{MODEL}/aspecttypes/{aspect_id}", aspect, **{"If-None-Match": "*"})
    tenant.ask("PUT", f"{MODEL}/assettypes/{type_id}", asset_type, **{"If-None-Match": "*"})
    return type_id


def _welcomed(tenant: Tenant, agents: Sequence[Agent], asset: dict[str, str]) -> Generator[Due, Answer, None]:
    """Let agents in, one after the other: what an operator does for each, and what it does itself."""
    operator = partial(_asked, tenant.host, tenant.token)
    for agent in agents:
        name = f"station-{agent.number:06}"
        agent.id = (yield from operator("POST", f"{MODEL}/assets", {"name": name, **asset}))["assetId"]
        made = {"name": name, "securityProfile": agent.profile, "entityId": agent.id}
        yield from operator("POST", f"{AGENTS}/agents", made)
        path = f"{AGENTS}/agents/{agent.id}"
        yield from operator(
            "PUT", f"{path}/dataSourceConfiguration", _configuration(agent), headers='If-Match: "0"\r\n'
        )
        for point in agent.points:
            yield from operator("POST", MAPPINGS, _mapping(agent, point))
        content = (yield from operator("GET", f"{path}/boarding/configuration"))["content"]
        device = partial(_asked, tenant.host, content["iat"])
        agent.secret = (yield from device("POST", f"{AGENTS}/register", agent.keys())).get(
            "client_secret", ""
        )
        agent.token = _demanded((yield 0.0, agent.token_request()))["access_token"]
        agent.spare = [agent.token_request()]


def _asked(
    host: str, token: str, method: str, path: str, content: object = None, *, headers: str = ""
) -> Generator[Due, Answer, Any]:
    """Send JSON and give what the answer has."""
    body = None if content is None else msgspec.json.encode(content)
    return _demanded((yield 0.0, request_bytes(method, path, host, token, body, headers=headers)))


def _demanded(answer: Answer) -> Any:
    status, _, body = answer
    if not 200 <= status < 300:
        raise Refused(f"{status} {body[:500]!r}")
    return msgspec.json.decode(body) if body else None


def _configuration(agent: Agent) -> dict[str, Any]:
    points = [{"id": point, "name": point, "type": "DOUBLE", "unit": ""} for point in agent.points]
    return {"configurationId": CONFIGURATION, "dataSources": [{"name": "DS", "dataPoints": points}]}


def _mapping(agent: Agent, point: str) -> dict[str, Any]:
    target = {"entityId": agent.id, "propertySetName": ASPECT, "propertyName": POINTS[point]}
    return {"agentId": agent.id, "dataPointId": point, **target, "keepMapping": True}


# What they send.


def _devices(agents: Sequence[Agent], plan: Plan) -> Iterator[Device]:
    """Give every agent's uploads; agents begin at times of their own, and renew their tokens at others."""
    chance = np.random.default_rng(7)
    for agent, begin_s in zip(agents, chance.uniform(0, plan.period_s, len(agents)).tolist(), strict=True):
        yield Talk(_uploads(agent, begin_s, plan)).as_device(UPLOADS)
    renewed_s = np.sort(chance.uniform(0, plan.turns * plan.period_s, len(agents))).tolist()
    for first in range(plan.connections):
        mine = slice(first, None, plan.connections)
        yield Talk(_renewed(list(zip(renewed_s[mine], agents[mine], strict=True)))).as_device(TOKENS)


def _uploads(agent: Agent, begin_s: float, plan: Plan) -> Generator[Due, Answer, None]:
    """Send what was measured, and send it again where it was not taken, as agents do."""
    for turn in range(plan.turns):
        due_s = begin_s + turn * plan.period_s
        for attempt in range(TRIES_MAX):
            status, _, _ = yield due_s + attempt * plan.period_s / 2, agent.upload(turn, plan.samples)
            if status == 200:
                break


def _renewed(due: Sequence[tuple[float, Agent]]) -> Generator[Due, Answer, None]:
    for at_s, agent in due:
        agent.token = _demanded((yield at_s, agent.spare.pop()))["access_token"]


# What is there afterwards.


def _count(tenant: Tenant, agents: Sequence[Agent], plan: Plan) -> Stored:
    """Read every asset's records, and compare them with what its agent sent."""
    found = Stored()
    until_ms = START_MS + SAMPLE_MS * plan.turns * plan.samples
    begin, end = (f"{text}Z" for text in time_texts(np.array([START_MS - 1, until_ms])).tolist())
    window = f"from={begin}&to={end}&limit=2000"
    for agent in agents:
        request = tenant.request("GET", f"{SERIES}/{agent.id}/{ASPECT}?{window}")
        records = _demanded(drive(tenant.address, [[request]], keep=True).answers[0])
        of_agent = compared(_wanted(agent, plan), records)
        found.sent += of_agent.sent
        found.right += of_agent.right
        found.strange += of_agent.strange
    return found


def _wanted(agent: Agent, plan: Plan) -> dict[str, dict[str, float]]:
    return {
        sample.time: {POINTS[point]: float(text) for point, text in sample.values.items()}
        for turn in range(plan.turns)
        for sample in agent.samples(turn, plan.samples)
    }


def compared(wanted: dict[str, dict[str, float]], records: list[dict[str, Any]]) -> Stored:
    """Compare records with what they should be, by time; takes the times out of them."""
    right = sum(wanted.get(record.pop("_time")) == record for record in records)
    return Stored(len(wanted), right, len(records) - right)


def verdicts(found: Found) -> list[Verdict]:
    """Judge what was seen."""
    uploads, tokens, stored = found.answers[UPLOADS], found.answers[TOKENS], found.stored
    p99_ms = uploads.quantile_ms(0.99)
    return [
        ("every upload is taken at once", _share(uploads), uploads.done == uploads.statuses.total()),
        ("every token is renewed", f"{_share(tokens)}, p99 {tokens.quantile_ms(0.99):.1f} ms",
         tokens.done == tokens.statuses.total()),
        ("p99 of an upload < 500 ms", f"{p99_ms:.1f} ms, median {uploads.quantile_ms(0.5):.1f} ms",
         p99_ms < P99_MS_MAX),
        ("no sample lost, none changed or added",
         f"{stored.right} of {stored.sent} stored, {stored.strange} others",
         stored.right == stored.sent and not stored.strange),
    ]  # fmt: skip


def _share(answers: Answers) -> str:
    others = (f", {count} × {status}" for status, count in answers.statuses.items() if status >= 300)
    return f"{answers.done} of {answers.statuses.total()}{''.join(others)}"


def report(found: Found, plan: Plan) -> str:
    """Write the section of `results.md`."""
    head = (
        f"{found.name}: {plan.agents} agents, half with a secret, half with one of {plan.keys} keys, let in "
        f"within {found.onboarded_s:.0f} s; each uploads {plan.samples} samples every {plan.period_s:g} s, "
        f"{plan.minutes:g} minutes; the generator took {found.busy:.0%} of a core; {surroundings()}"
    )
    return f"{head}\n\n{verdict_table(verdicts(found))}"


def main(arguments: list[str] | None = None) -> int:
    """Measure one store; 1 when a bound does not hold."""
    parser = store_arguments("bench.fleet", __doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--agents", type=int, default=2_000)
    options = parser.parse_args(arguments)
    plan = Plan(agents=options.agents, minutes=options.minutes)
    key = {"ASPECTSTORE_SECRETS_KEY": secrets.token_hex(32)}  # without it none is kept on Cassandra
    with scratch_directory() as directory:
        found = measure(Aspectstore(options.store, options.durability, key), plan, directory)
    return conclude(
        f"fleet-{options.store}", report(found, plan), verdicts(found), lambda: None,
        written=not options.no_report,
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
