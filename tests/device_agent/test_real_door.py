"""The agent at a real door, over real sockets: from a bare board to its rows (MS-85 to MS-87, TB-62)."""

from __future__ import annotations

import asyncio
import json
import os
import re

from tests.api.devices import Device
from tests.api.masts import MAST
from tests.api.served import served_site
from tests.api.stations import Station, put_agents
from tests.device_agent.interpreters import AGENT, HEAP, PROGRAMS, micropython

HEAP_BYTES_MAX = 120_000
"""What the README promises for the 64-bit port, with sockets and all: half on a board."""

POINTS = {"am2320_temp": ("DOUBLE", ""), "bmp180_pressure": ("DOUBLE", ""), "gap": ("LONG", "")}


async def boarded(site, folder):
    """Make an agent, say where its values go, and put its boarding configuration on the board."""
    await put_agents(site, "acme")
    station = Station(site.open)
    await station.configured(points=POINTS)
    await station.mapped("am2320_temp", "temperature")
    await station.mapped("bmp180_pressure", "pressure")
    path = f"/api/agentmanagement/v3/agents/{MAST}/boarding/configuration"
    content = (await site.open.send("GET", path)).json()["content"]
    content["baseUrl"] = f"http://127.0.0.1:{site.port}"
    (folder / "boarding.json").write_text(json.dumps({"content": content}))


async def lived(folder, *arguments):
    """Let a board live; gives what it says at its end."""
    running = await asyncio.create_subprocess_exec(
        micropython(), "-X", HEAP, str(PROGRAMS / "unix_board.py"), str(folder), *map(str, arguments),
        env={**os.environ, "MICROPYPATH": f"{AGENT}:{PROGRAMS}:.frozen"},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said = (await asyncio.wait_for(running.communicate(), 120))[0].decode()
    assert running.returncode == 0, said
    return {name: int(count) for name, count in re.findall(r"(\w+) (\d+)", said)}


async def test_from_a_bare_board_to_its_rows(tmp_path):
    """A board that was given its boarding configuration registers and sends; no sample is lost by reboots.

    The door's clock stands still, so that the times of three starts run into each other: no two meet.
    """
    async with served_site() as site:
        await boarded(site, tmp_path)

        said = await lived(tmp_path, 90, 30)

        rows = await Device(site).rows()
    temperatures = [row["temperature"] for row in rows]
    assert said["boots"] == 3
    assert said["peak"] <= HEAP_BYTES_MAX
    assert said["sampled"] - 1 <= len(rows) <= said["sampled"]
    assert sorted(temperatures) == [round(10 + number / 10, 1) for number in range(1, len(rows) + 1)]
    assert {row["pressure"] for row in rows} == {rows[0]["pressure"]}
    assert len({row["_time"] for row in rows}) == len(rows)
