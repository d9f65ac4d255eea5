"""The rule of an inlet: every set of tags is an asset, and no two of them are the same one (IX-08)."""

import itertools

import pytest

from schemas.assets import Asset
from schemas.errors import Malformed
from schemas.lineprotocol.inlets import Inlet, OtherTags, tags_of

TEXTS = ["a", "b", "a=b", "a,b", "a b", "a\\", "\\,", "é/x", "="]


def test_no_two_sets_of_tags_name_one_asset():
    """Whatever names and values hold, what is told apart by tags is told apart as assets; and read back."""
    inlet = Inlet(name="birds")
    sets = [{one: value} for one in TEXTS for value in TEXTS]
    sets += [dict(sorted({"a": x, "b": y}.items())) for x, y in itertools.product(TEXTS, TEXTS)]
    labels = [inlet.label_of(tags) for tags in sets]

    assert len(set(labels)) == len(labels)
    for tags, label in zip(sets, labels, strict=True):
        asset = Asset(
            id="a" * 32, tenant="acme", name=inlet.asset_name(label), type_id="t", external_id=label
        )
        assert tags == tags_of(inlet, asset)


def test_tags_that_are_left_over():
    """Refused unless the rule says what they are; a tag that names the asset must be there."""
    tags = {"host": "a", "cpu": "0"}

    assert {} == Inlet(name="i").left_over(tags)
    with pytest.raises(Malformed, match="'cpu' names no asset"):
        Inlet(name="i", asset_tags=("host",)).left_over(tags)
    stored = Inlet(name="i", asset_tags=("host",), other_tags=OtherTags.STORE)
    assert {"cpu": "0"} == stored.left_over(tags)
    with pytest.raises(Malformed, match="no tag 'rack'"):
        Inlet(name="i", asset_tags=("rack",)).label_of(tags)
    with pytest.raises(Malformed, match="more than 255"):
        Inlet(name="i").label_of({"host": "a" * 300})


def test_names_of_assets_are_lawful():
    """Slashes and what does not print are replaced; the external id keeps what the tags say."""
    inlet = Inlet(name="disks")

    assert "path=_dev_sda" == inlet.asset_name(inlet.label_of({"path": "/dev/sda"}))
    assert 128 == len(inlet.asset_name("a" * 500))
    assert "disks" == inlet.asset_name(inlet.label_of({}))


def test_no_two_inlets_name_one_asset():
    """What two inlets are sent alike is of two assets, whatever they are called."""
    labels = {
        Inlet(name=name).label_of(tags)
        for name in ("a", "a:b", "a\\", "a\\:b", "b")
        for tags in ({}, {"b": "1"}, {"b:b": "1"}, {":b": "1"})
    }

    assert 20 == len(labels)
