"""Many series at a steady pace, at tiny size: all is acknowledged, and each second is looked at."""

from pathlib import Path

import pytest

from bench import pace
from bench.ours import SOON, Aspectstore
from runtime import valkey_server
from tests.conftest import need

pytestmark = pytest.mark.timeout(120)


@pytest.mark.valkey
def test_a_pace_is_kept_and_shown(tmp_path: Path) -> None:
    """Every series gets its record each period; reads go beside; lag, backlog and τ are printed."""
    need("valkey", valkey_server.missing())
    plan = pace.TINY

    (paced,) = pace.measure(Aspectstore("sqlite", "everysec", SOON), plan, tmp_path)

    writes = int(plan.seconds / plan.periods_s[0]) * plan.series // pace.PAIRS
    assert paced.answers[pace.WRITES].statuses == {202: writes}
    reads = int(plan.seconds * plan.reads_a_second / 2)
    assert all(paced.answers[name].statuses == {200: reads} for name in (pace.NEWEST, pace.RAW))
    assert max(paced.looks.turn_s) > 0
    text = pace.report("ours", plan, [paced])
    assert "| 1 s | 40 |" in text


def test_a_pace_that_is_not_kept_is_said() -> None:
    """A late answer or a refused one fails its line."""
    late, refused = pace.Answers(), pace.Answers()
    late.take((202, b"", b""), int(2e9))
    refused.take((429, b"", b""), 1)
    answers = {pace.WRITES: late, pace.NEWEST: refused, pace.RAW: pace.Answers()}

    judged = pace.verdicts([pace.Paced(1.0, 1.0, answers, pace.Looks())])

    assert [holds for _, _, holds in judged] == [False, False]
