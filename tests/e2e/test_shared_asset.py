"""The how-to "from nothing to a shared asset" does what it says, run as a new user would (MS-88, MS-91)."""

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
from tests.e2e.conftest import clean_environ

PAGE = Path(__file__).resolve().parents[2] / "docs" / "howto" / "from-nothing-to-a-shared-asset.md"
ENDING = "\nkill -TERM %1; wait %1\n"


def script(port: int) -> str:
    """Take the commands of the page, for a port that is free."""
    blocks = re.findall(r"```sh\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert len(blocks) == 8
    return "set -euo pipefail\n" + "".join(blocks).replace(":8080", f":{port}") + ENDING


@pytest.mark.timeout(180)
def test_the_page_runs(tmp_path):
    """Two tenants, a loaded file, a share of a month, a viewer who reads it and writes nothing, an end."""
    need("valkey", valkey_server.missing())
    command = tmp_path / "bin" / "aspectstore"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -P -m cli.main "$@"\n')
    command.chmod(0o755)
    paths = f"{command.parent}:{os.environ['PATH']}"
    environ = clean_environ() | {"PATH": paths, "PYTHONPATH": str(PAGE.parents[2])}

    with subprocess.Popen(
        ["bash", "-c", script(free_port())], cwd=tmp_path, env=environ, text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as shell:  # fmt: skip
        try:
            said, complained = shell.communicate(timeout=150)
        finally:
            _end(shell.pid)
    assert shell.returncode == 0, complained + said

    read = {name: json.loads((tmp_path / f"{name}.json").read_text()) for name in ("seen", "shown", "gone")}
    assert [record["wind_speed"] for record in read["seen"]] == [7.4, 8.1]
    assert "mast-1" in {asset["name"] for asset in read["shown"]["_embedded"]["assets"]}
    assert (tmp_path / "written.txt").read_text().strip() == "403"
    assert (tmp_path / "gone.txt").read_text().strip() == "404"
    assert read["gone"]["errors"][0]["code"] == "mdsp.core.generic.noMatch"
    assert "share.create" in said
    assert "share.delete" in said


def _end(session: int) -> None:
    """End what a script that was cut off has left running."""
    try:
        os.killpg(session, signal.SIGKILL)
    except ProcessLookupError:
        return
