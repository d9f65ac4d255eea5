"""A small plot for a terminal: a line of dots in Braille characters, two by four dots a character."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

BLANK = 0x2800
DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""Bit of the dot in row 0 … 3 and column 0 … 1 of a character."""


def plot(values: Sequence[float], *, columns: int = 64, rows: int = 8) -> list[str]:
    """Draw values from left to right, lowest to highest over the height, with both at the left edge.

    Several values that share a column of dots become one stroke from their least to their greatest.
    Fewer than two values give no lines.
    """
    if len(values) < 2:
        return []
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    width, height = min(2 * columns, len(values)), 4 * rows
    cells = np.full((rows, -(-width // 2)), BLANK)
    levels = [round((value - low) / span * (height - 1)) for value in values]
    previous = levels[0]
    for x in range(width):
        part = levels[x * len(levels) // width : (x + 1) * len(levels) // width]
        for level in range(min(*part, previous), max(*part, previous) + 1):
            y = height - 1 - level
            cells[y // 4, x // 2] |= DOTS[y % 4][x % 2]
        previous = part[-1]
    labels = [f"{high:8.1f} ┤", *["         │"] * (rows - 2), f"{low:8.1f} ┤"]
    return [label + "".join(map(chr, line)) for label, line in zip(labels, cells.tolist(), strict=True)]
