"""`aspectstore agents`: how the devices of a tenant are, as a table or one by one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import rich_click as click

from cli.complaints import Complaint
from cli.showing import FORMAT

if TYPE_CHECKING:
    from client import Client
    from client.fleet import FleetAgent, FleetPage

HEADS: Final = (
    ("name", ""), ("state", ""), ("seen", "ago"), ("backlog", "samples"), ("lost", "samples"),
    ("clock", "ms"), ("firmware", ""), ("faults", ""), ("signal", "dBm"), ("waiting", "records"), ("id", ""),
)  # fmt: skip
"""Columns of the table, and their units."""

NUMBERS: Final = frozenset(range(2, 10))
"""Columns that are aligned on the right."""

_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


class Line(NamedTuple):
    """What is printed of one member of an agent."""

    name: str
    text: str


@click.group()
def agents() -> None:
    """Agents: how your devices are, from what arrives of them.

    You need the scope agm.r.
    """


@agents.command("list")
@click.option(
    "--state", type=click.Choice(["online", "offline", "never"]), help="Only agents that are heard of so."
)
@FORMAT
def list_agents(state: str | None, form: str) -> None:
    """Print how all agents are, by name: last seen, backlog, losses, clock, firmware, faults, quarantine."""
    from cli.target import connect  # noqa: PLC0415

    with connect() as client:
        page = _all(client, {} if state is None else {"state": state})
    if form == "json":
        _print_json(page.agents)
        return
    rows = [_row(agent, page.at) for agent in sorted(page.agents, key=lambda agent: (agent.name, agent.id))]
    _print_table([[name for name, _ in HEADS], [f"[{unit}]" if unit else "" for _, unit in HEADS], *rows])


@agents.command()
@click.argument("agent", metavar="ID|NAME")
@FORMAT
def show(agent: str, form: str) -> None:
    """Print how one agent is: everything that it reported of itself, and what became of its last message."""
    from cli.target import connect  # noqa: PLC0415
    from client.fleet import fleet_agent  # noqa: PLC0415

    with connect() as client:
        found = client.call(fleet_agent(_id_of(client, agent)))
    if form == "json":
        _print_json(found)
        return
    for line in _lines(found):
        print(f"{line.name + ':':18} {_plain(line.text)}")


def _all(client: Client, wanted: dict[str, str]) -> FleetPage:
    """Read every page of the fleet as one."""
    from client.fleet import fleet_page  # noqa: PLC0415

    page = client.call(fleet_page(wanted))
    while page.next is not None:
        more = client.call(fleet_page(wanted, page.next))
        page.agents += more.agents
        page.next, page.at = more.next, more.at
    return page


def _id_of(client: Client, named: str) -> str:
    """Give the id of an agent that is named by it, or by its name."""
    if len(named) == 32 and set(named) <= set("0123456789abcdef"):
        return named
    found = [agent.id for agent in _all(client, {}).agents if agent.name == named]
    if not found:
        raise Complaint(f"no agent is called {named}; aspectstore agents list shows those that there are")
    return found[0]


def _row(agent: FleetAgent, at: str) -> list[str]:
    def value(channel: str) -> str:
        found = agent.health.get(channel)
        return "" if found is None else _number(found.value)

    return [
        agent.name,
        agent.state,
        "" if agent.last_seen is None else _since(agent.last_seen, at),
        *(value(name) for name in ("backlog", "lost", "clock_offset", "firmware", "sensor_faults", "rssi")),
        str(agent.quarantine.records or ""),
        agent.id,
    ]


def _lines(agent: FleetAgent) -> list[Line]:
    lines = [Line("name", agent.name), Line("id", agent.id), Line("state", agent.state)]
    for name, time in (("online since", agent.since), ("last seen", agent.last_seen)):
        if time is not None:
            lines.append(Line(name, f"{time} ({_since(time, agent.at)} ago)"))
    lines += [Line("boarding", agent.boarding), Line("security profile", agent.security_profile)]
    for channel, found in agent.health.items():
        unit = f" {found.unit}" if found.unit else ""
        lines.append(Line(channel, f"{_number(found.value)}{unit} ({_since(found.at, agent.at)} ago)"))
    waiting = agent.quarantine
    oldest = "" if waiting.oldest is None else f", the oldest since {_since(waiting.oldest, agent.at)}"
    text = f"{waiting.records} records, {waiting.values} values, {waiting.bytes} B{oldest}"
    lines.append(Line("quarantine", text))
    message = agent.last_message
    if message is not None:
        state = "" if message.state is None else f", {message.state}"
        text = f"{message.at}: {message.stored} values stored{state}, {message.refused} refused"
        lines += [Line("last message", text), Line("correlation id", message.correlation_id)]
        lines += [] if message.receipt is None else [Line("receipt", message.receipt)]
    return lines


def _since(time: str, at: str) -> str:
    """Write how long ago a time was, in the largest unit that fits; both are the service's times."""
    seconds = int((datetime.fromisoformat(at) - datetime.fromisoformat(time)).total_seconds())
    size, unit = next(((size, unit) for size, unit in _UNITS if abs(seconds) >= size), _UNITS[-1])
    return f"{'-' if seconds < 0 else ''}{abs(seconds) // size} {unit}"


def _number(value: Any) -> str:
    """Write a value; a whole number without a fraction, whatever the type of its variable."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _print_table(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (
            cell.rjust(width) if place in NUMBERS else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        print(_plain("  ".join(cells).rstrip()))


def _plain(text: str) -> str:
    """Keep what came over the wire from moving a terminal's cursor."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _print_json(things: object) -> None:
    import msgspec  # noqa: PLC0415

    print(msgspec.json.format(msgspec.json.encode(things)).decode())
