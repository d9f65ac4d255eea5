"""The measurement of lists runs at tiny size, and what it counts is checked."""

import pytest

from bench import assets
from runtime import valkey_server
from tests.conftest import need

pytestmark = pytest.mark.timeout(120)


@pytest.mark.valkey
def test_every_question_is_answered() -> None:
    """Each list has as many assets as there must be, and a time for before and after a change (issue 5)."""
    need("valkey", valkey_server.missing())
    lines: list[str] = []

    answers = assets.main(assets=120, rounds=2, say=lines.append)

    assert len(answers) == len(assets.questions("bench", 120, "")) == len(lines) - 1
    assert all(0 < one.median_ms <= one.worst_ms and one.first_ms > 0 for one in answers)


def test_a_wrong_total_is_no_measurement() -> None:
    """A list that leaves assets out would be fast for nothing, so its total is checked."""

    class Short:
        def ask(self, *_: str) -> dict[str, dict[str, int]]:
            return {"page": {"totalElements": 1}}

    with pytest.raises(ValueError, match="2 expected"):
        assets._asked(Short(), "/assets", 2)  # type: ignore[arg-type]
