"""The how-to "from a bare board to a chart" does what it says, run as a new user would (MS-85 to MS-87)."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bench.service import free_port
from runtime import valkey_server
from tests.conftest import need
from tests.device_agent.interpreters import micropython
from tests.e2e.conftest import clean_environ

CLONE = Path(__file__).resolve().parents[2]
PAGE = CLONE / "docs" / "howto" / "from-a-bare-board-to-a-chart.md"
ENDING = "\nkill -TERM %1; wait %1\n"


def script(port: int) -> str:
    """Take the commands of the page, for a port that is free."""
    blocks = re.findall(r"```sh\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert len(blocks) == 7
    return "set -euo pipefail\n" + "".join(blocks).replace(":8080", f":{port}") + ENDING


def commands(folder: Path) -> str:
    """Make a folder with the commands that the page calls; gives the search path."""
    folder.mkdir()
    aspectstore = folder / "aspectstore"
    aspectstore.write_text(f'#!/bin/sh\nexec {sys.executable} -P -m cli.main "$@"\n')
    aspectstore.chmod(0o755)
    (folder / "micropython").symlink_to(micropython())
    return f"{folder}:{os.environ['PATH']}"


@pytest.mark.timeout(300)
def test_the_page_runs(tmp_path):
    """A service, a tenant, a station, an agent, a board that was told where to go; records, and a chart."""
    need("valkey", valkey_server.missing())
    environ = clean_environ() | {
        "PATH": commands(tmp_path / "bin"), "PYTHONPATH": str(CLONE), "CLONE": str(CLONE),
    }  # fmt: skip

    with subprocess.Popen(
        ["bash", "-c", script(free_port())], cwd=tmp_path, env=environ, text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as shell:  # fmt: skip
        try:
            said, complained = shell.communicate(timeout=270)
        finally:
            _end(shell.pid)
    assert shell.returncode == 0, complained + said

    measured = int((tmp_path / "board.txt").read_text().split()[0])
    records = json.loads((tmp_path / "records.json").read_text())
    assert json.loads((tmp_path / "status.json").read_text()) == {"status": "ONBOARDED"}
    assert measured - 10 <= len(records) <= measured  # some may be measured while the last are sent
    assert [record["temperature"] for record in records] == [
        temperature(number) for number in range(len(records))
    ]
    assert {record["pressure"] - 10 * record["temperature"] for record in records} == {101_175.0}
    assert {record["temperature_qc"] for record in records} == {"0"}
    chart = (tmp_path / "chart.txt").read_text().splitlines()
    assert chart[0].lstrip().startswith("21.0 ┤")
    assert chart[-2].lstrip().startswith("15.0 ┤")
    assert chart[-1].startswith(f"{len(records)} values of temperature, ")


def temperature(number: int) -> float:
    """Give what the board measures: up and down between 15 and 21 °C, a tenth with each sample."""
    return (210 - abs(number % 120 - 60)) / 10


def _end(session: int) -> None:
    """End what a script that was cut off has left running."""
    try:
        os.killpg(session, signal.SIGKILL)
    except ProcessLookupError:
        return
