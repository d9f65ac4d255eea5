"""Minutes of Schemathesis, all checks, all phases, against a running service on each store (stack.md 3.4).

`FUZZ_SECONDS` asks for another time than five minutes; with `FUZZ_REPORT=1` the page
of the documentation that shows the result is written anew.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bench.tenant import Tenant
from tests.e2e.conftest import CREDENTIALS, clean_environ

SECONDS = int(os.environ.get("FUZZ_SECONDS", "300"))
WRITTEN = os.environ.get("FUZZ_REPORT") == "1"
CONFIG = Path(__file__).with_name("schemathesis.toml")
REPORT = Path(__file__).resolve().parents[2] / "docs" / "reference" / "contract.md"
DESCRIPTION = "/docs/openapi.json"


@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 300)
def test_no_finding(service):
    """No operation breaks its description, answers 5xx or lets a removed thing live on."""
    with Tenant(service.url, CREDENTIALS) as tenant:
        tenant.create_assets(3)
        command = [
            str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(CONFIG), "run",
            f"{service.url}{DESCRIPTION}", "--checks", "all", "--max-time", str(SECONDS),
            "--continue-on-failure", "--no-color", "--header", f"Authorization: Bearer {tenant.token}",
        ]  # fmt: skip
        said = subprocess.run(
            command, env=clean_environ(), capture_output=True, text=True, timeout=SECONDS + 240, check=False
        )
    assert said.returncode == 0, said.stdout[-20_000:] + said.stderr[-2_000:]
    if WRITTEN:
        REPORT.write_text(page(said.stdout, service.store.partition(":")[0]), encoding="utf-8")


def page(output: str, store: str) -> str:
    """Write the page of the documentation from what was printed."""
    summary = output[output.index("SUMMARY") :].partition("\n")[2]
    lines = [line.rstrip() for line in summary.splitlines() if line.strip(" =")]
    kept = "\n".join(line for line in lines if not re.search(r"https?://", line))
    return (
        "# The description, held against the service\n\n"
        f"`pytest -m slow tests/e2e/test_schemathesis.py`, {SECONDS} s on the store `{store}`, every check, "
        "every phase; what is expected otherwise than a check has it stands, with its rule, in "
        "[schemathesis.toml](../../tests/e2e/schemathesis.toml).\n\n"
        f"```\n{kept}\n```\n"
    )
