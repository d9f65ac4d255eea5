"""The measurement of exports, at a tiny size: it runs, and what it finds is right."""

import pytest

from bench import exports
from bench.ours import Aspectstore


@pytest.mark.slow
def test_exports_are_measured(tmp_path):
    """Every value that was fetched is the one that was generated."""
    found = exports.measure(Aspectstore("sqlite", "everysec"), exports.TINY, tmp_path)
    assert [[], []] == [each.wrong for each in found]
    assert all(each.octets and each.export_s for each in found)
    assert "| every value" not in exports.report("here", found, exports.TINY)
