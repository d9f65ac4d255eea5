"""The agent off the board: its programs of checks, by both interpreters (TB-40 to TB-64, MS-85 to MS-87)."""

from __future__ import annotations

import re

import pytest

from tests.device_agent.interpreters import AGENT, CPYTHON, MICROPYTHON, PROGRAMS, run

CHECKS = sorted(path.name for path in PROGRAMS.glob("*_checks.py"))


@pytest.mark.parametrize("interpreter", [CPYTHON, MICROPYTHON])
@pytest.mark.parametrize("program", CHECKS)
def test_what_the_parts_promise_holds(interpreter, program):
    """Each check of a part holds; its docstring says what it is."""
    written = (PROGRAMS / program).read_text()

    said = run(interpreter, program)

    assert said == f"ok: {len(re.findall(r'^def check_', written, re.MULTILINE))} checks\n"


@pytest.mark.parametrize(("interpreter", "stride"), [(CPYTHON, 1), (MICROPYTHON, 9)])
def test_power_may_fail_at_every_byte(interpreter, stride):
    """A journal that is cut at any byte, and again while it is opened, loses nothing it accepted (TB-52)."""
    said = run(interpreter, "journal_cuts.py", stride)

    assert int(said.split()[1]) >= 1_400 // stride


@pytest.mark.parametrize("seed", [1, 2])
def test_a_board_lives_through_faults(tmp_path, seed):
    """Half an hour with reboots, refusals, lost and repeated answers: each sample is stored once (TB-62)."""
    said = run(MICROPYTHON, "simulation.py", tmp_path, seed, 0.5, 12)

    assert "dropped 0" in said


def test_a_board_is_wired_as_its_modules_want_it(tmp_path):
    """`main.py`, `run.py` and both hardware files start, light, measure, keep; held, they do not (TB-42)."""
    said = run(MICROPYTHON, "wiring_run.py", tmp_path)

    assert said.endswith("ok: 2 samples\n")


def test_what_a_full_flash_drops_is_told(tmp_path):
    """An outage of an hour and a flash for half of it: what is dropped is told, and nothing else is lost."""
    said = run(CPYTHON, "simulation.py", tmp_path, 3, 3, 6)

    assert int(re.search(r"dropped (\d+)", said)[1]) > 400


@pytest.mark.slow
@pytest.mark.timeout(3_000)
@pytest.mark.parametrize("seed", [5, 6])
def test_a_board_lives_a_day_through_faults(tmp_path, seed):
    """24 hours of 2-second samples, an outage longer than the flash: told, counted, nothing twice (TB-62)."""
    said = run(MICROPYTHON, "simulation.py", tmp_path, seed, 24, 64, timeout_s=3_000)

    assert int(re.search(r"accepted (\d+)", said)[1]) > 42_000
    assert int(re.search(r"dropped (\d+)", said)[1]) > 1_000


def test_a_day_without_a_network_fits_into_the_flash(tmp_path):
    """24 hours of samples every two seconds and health every five minutes fit into 1.5 MB, with room."""
    said = run(CPYTHON, "capacity.py", tmp_path / "flash")

    hours = float(re.search(r"hours ([\d.]+)", said)[1])
    assert hours >= 30


def test_a_part_is_small_and_has_one_subject():
    """Modules of the agent stay below 350 lines, for a board compiles each in one piece."""
    sizes = {path.name: path.read_text().count("\n") for path in AGENT.rglob("*.py")}

    assert {name: lines for name, lines in sizes.items() if lines > 350} == {}


def test_hardware_sits_in_two_files():
    """Only `board.py` and `wifi.py` know what only a board has; all else runs off it."""
    hardware = re.compile(r"^\s*(import|from) (machine|network|esp32|esp)\b", re.MULTILINE)

    found = {path.name for path in AGENT.rglob("*.py") if hardware.search(path.read_text())}

    assert found == {"board.py", "wifi.py"}
