"""The order in which lists of assets stand, under changes (wire 4.3)."""

import random

import pytest

from api.catalog.name_order import FEW, NameOrder


@pytest.mark.parametrize("changes", [1, FEW // 2, FEW * 4])
def test_the_order_is_right_after_any_changes(changes):
    """Few changes are brought in one by one, many by sorting: the order is always that of a sorted set."""
    draw, order, expected = random.Random(changes), NameOrder(), set()
    for _ in range(30):
        for _ in range(changes):
            named = (draw.choice("abc"), f"{draw.randrange(200):03}")
            if named in expected:
                expected.discard(named)
                order.discard(named)
            else:
                expected.add(named)
                order.add(named)
        assert order.ordered() == sorted(expected)


def test_what_comes_and_goes_between_two_looks_leaves_nothing():
    """An asset that is replaced goes and comes back; one that is made and deleted was never listed."""
    order = NameOrder()
    order.add(("a", "1"))
    assert order.ordered() == [("a", "1")]
    order.discard(("a", "1"))
    order.add(("a", "1"))
    order.add(("b", "2"))
    order.discard(("b", "2"))

    assert order.ordered() == [("a", "1")]
