"""Quality codes: the top two bits decide (design 8.27)."""

import numpy as np
import pytest

from schemas.quality import Quality, classify, classify_all

CODES = {
    -1: Quality.GOOD,
    0: Quality.GOOD,
    0x00BA0000: Quality.GOOD,
    0x3FFFFFFF: Quality.GOOD,
    0x40000000: Quality.UNCERTAIN,
    0x40920000: Quality.UNCERTAIN,
    0x7FFFFFFF: Quality.UNCERTAIN,
    0x80000000: Quality.BAD,
    0xBFFFFFFF: Quality.BAD,
    0xC0000000: Quality.BAD,
    0xFFFFFFFF: Quality.BAD,
}


@pytest.mark.parametrize(("code", "expected"), CODES.items())
def test_classifies(code, expected):
    """00 is good, 01 uncertain, 1x bad, no code good."""
    assert classify(code) is expected


def test_classifies_many():
    """A column of codes is classified as each of them."""
    assert classify_all(np.array(list(CODES), np.int64), len(CODES)).tolist() == list(CODES.values())


def test_no_codes_are_good():
    """A column without codes is good throughout."""
    assert classify_all(None, 3).tolist() == [Quality.GOOD] * 3
