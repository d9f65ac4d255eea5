"""Limits of a job's process: a job that bursts its memory fails alone (S9)."""

import subprocess
import sys

from schemas.jobs import ARGUMENTS, RUN_JOB
from workers.import_jobs import functions

PROGRAM = """
from workers.import_jobs import confined

def burst(arguments):
    return len(bytearray(int(arguments["mb"]) * 1_048_576))

run = confined({"burst": burst}, 256)["burst"]
assert run({"mb": 64}) == 64 * 1_048_576
try:
    run({"mb": 2_048})
except MemoryError:
    print("refused")
"""


def test_a_process_takes_no_more_memory_than_its_job_may():
    """What is beyond is refused to the process itself, and it goes on to say so."""
    ran = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert "refused\n" == ran.stdout


def test_the_job_has_its_function():
    """The name that a door submits is one that workers know."""
    assert [RUN_JOB] == list(functions(None))
    assert RUN_JOB in ARGUMENTS
