"""The arithmetic of aggregates once more, row by row: fractions, math.fsum, nothing shared."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import pairwise


class Row:
    """One value: time, value, and the class that its quality code means by the two highest bits."""

    def __init__(self, time_ms, value, code=None):
        self.time_ms, self.value, self.code = time_ms, value, code
        self.quality = "good" if code is None or code < 2**30 else "uncertain" if code < 2**31 else "bad"


def groups_of(rows, borders):
    """Divide ascending rows among the intervals: interval → rows with start < t <= end."""
    found = {}
    for row in rows:
        for number, (start, end) in enumerate(pairwise(borders)):
            if start < row.time_ms <= end:
                found.setdefault(number, []).append(row)
    return found


def functions(rows, classes=("good", "uncertain")):
    """Give what the dialect says of the rows of one interval; counts alone where nothing enters."""
    said = {f"count{name}": sum(row.quality == name for row in rows) for name in ("good", "uncertain", "bad")}
    used = [row for row in rows if row.quality in classes]
    if not used:
        return said
    values = [row.value for row in used]
    total = math.fsum(values) if isinstance(values[0], float) else sum(values)
    mean = sum(map(Fraction, values)) / len(values)
    variance = sum((Fraction(value) - mean) ** 2 for value in values) / len(values)
    low = min(range(len(values)), key=values.__getitem__)
    high = max(range(len(values)), key=values.__getitem__)
    return said | {
        "sum": total,
        "average": float(Fraction(total) / len(values)),
        "minvalue": values[low],
        "maxvalue": values[high],
        "firstvalue": values[0],
        "lastvalue": values[-1],
        "firsttime": used[0].time_ms,
        "lasttime": used[-1].time_ms,
        "mintime": used[low].time_ms,
        "maxtime": used[high].time_ms,
        "sd": _root(variance),
    }


def _root(variance):
    """Take the root of a fraction whose parts may be beyond a double."""
    with localcontext(prec=40):
        return float((Decimal(variance.numerator) / Decimal(variance.denominator)).sqrt())


def held(rows, borders, hold_ms, until_ms):
    """Give per interval, by class, how long values held, and the integrals; by steps over every border."""
    length = len(borders) - 1
    lasting = {name: [0] * length for name in ("good", "uncertain", "bad")}
    integral = {name: [Fraction(0)] * length for name in lasting}
    for place, row in enumerate(rows):
        follows = rows[place + 1].time_ms if place + 1 < len(rows) else until_ms
        end = min(follows, row.time_ms + hold_ms, until_ms)
        for number in range(length):
            inside = min(end, borders[number + 1]) - max(row.time_ms, borders[number])
            if inside > 0:
                lasting[row.quality][number] += inside
                integral[row.quality][number] += Fraction(row.value) * inside
    return lasting, integral
