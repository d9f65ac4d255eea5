"""Quality codes: 32-bit OPC UA status words, of which the service reads the top two bits.

00 is good, 01 uncertain, 10 and 11 are bad; a value without a code is good (design 8.27, wire 1.1).
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from schemas.columns import Ints

_SEVERITY_SHIFT = 30


class Quality(IntEnum):
    """What a value is worth to an aggregate: good and uncertain ones enter, bad ones are counted."""

    GOOD = 0
    UNCERTAIN = 1
    BAD = 2


def classify(code: int) -> Quality:
    """Read one code; a negative one (`NO_QUALITY`) says that there is none: good."""
    return Quality.GOOD if code < 0 else Quality(min(code >> _SEVERITY_SHIFT, Quality.BAD))


def classify_all(codes: Ints | None, rows: int) -> NDArray[np.uint8]:
    """Give the `Quality` of each of `rows` rows; `codes` as `Column.quality` holds them, None for none."""
    if codes is None:
        return np.zeros(rows, np.uint8)
    severity: NDArray[np.uint8] = np.clip(codes >> _SEVERITY_SHIFT, 0, Quality.BAD).astype(np.uint8)
    return severity
