"""Which shard an asset belongs to: pinned, because moving an asset would lose its order."""

import pytest

from streams.shards import SHARDS, shard_of

GOLDEN = [
    ("windco", "00000000000000000000000000000000", 64, 42),
    ("windco", "0123456789abcdef0123456789abcdef", 64, 52),
    ("sunco", "0123456789abcdef0123456789abcdef", 64, 3),
    ("t_1", "ffffffffffffffffffffffffffffffff", 64, 7),
    ("windco", "0123456789abcdef0123456789abcdef", 16, 4),
    ("windco", "0123456789abcdef0123456789abcdef", 1, 0),
]


@pytest.mark.parametrize(("tenant", "asset", "shards", "shard"), GOLDEN)
def test_an_asset_stays_in_its_shard(tenant, asset, shards, shard):
    """The rule never changes: these values were written by the first version (design 3.5)."""
    assert shard == shard_of(tenant, asset, shards)


def test_assets_spread_over_all_shards():
    """No shard gets more than twice its share of 20,000 consecutive ids, none gets nothing."""
    counts = [0] * SHARDS
    for number in range(20_000):
        counts[shard_of("windco", f"{number:032x}")] += 1

    assert max(counts) < 2 * 20_000 / SHARDS
    assert min(counts) > 20_000 / SHARDS / 2


def test_tenants_do_not_share_the_place_of_an_id():
    """The tenant is part of what is hashed."""
    places = {shard_of(f"tenant{number}", "a" * 32) for number in range(9)}

    assert len(places) > 4
