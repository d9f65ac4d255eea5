"""What a caller reads: `Accept` and `Accept-Encoding` with their weights (RFC 9110, 12.4 and 12.5)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import Enum
from functools import lru_cache

from schemas.errors import NotAcceptable

_WEIGHT = re.compile(r"q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)", re.ASCII | re.IGNORECASE)

KEPT_MAX = 256
"""Headers whose meaning is remembered: clients send a handful of different ones."""

ENTRIES_MAX = 64
"""Browsers send ten. A header of 60 kB would hold up everybody for 20 ms, before its token is looked at."""


class Format(Enum):
    """The formats of records, by media type; the first is what a caller without wishes gets."""

    JSON = "application/json"
    CSV = "text/csv"
    ARROW = "application/vnd.apache.arrow.stream"
    PARQUET = "application/vnd.apache.parquet"


class Coding(Enum):
    """The codings of bodies; of equally wanted ones the first is taken."""

    ZSTD = "zstd"
    GZIP = "gzip"
    IDENTITY = "identity"


_ALIASES = {"x-gzip": "gzip"}  # RFC 9110, 8.4.1.3


@lru_cache(maxsize=KEPT_MAX)
def choose_format(accept: str | None) -> Format:
    """Choose by `Accept`; NotAcceptable with the list if it names none of the formats."""
    ranges = _weights(accept or "*/*")
    best = max(Format, key=lambda offered: _weight_of(offered.value, ranges))
    if _weight_of(best.value, ranges) == 0:
        listed = ", ".join(offered.value for offered in Format)
        raise NotAcceptable(f"The answer can be had as {listed}.")
    return best


def _weight_of(media: str, ranges: dict[str, float]) -> float:
    """Give the weight of the range that names the media type most exactly."""
    for named in (media, media.partition("/")[0] + "/*", "*/*"):
        if named in ranges:
            return ranges[named]
    return 0.0


@lru_cache(maxsize=KEPT_MAX)
def choose_coding(accept_encoding: str | None) -> Coding:
    """Choose by `Accept-Encoding`; without one nothing is compressed.

    NotAcceptable if it refuses `identity` and names none of the others.
    """
    if accept_encoding is None:
        return Coding.IDENTITY
    weights = _weights(accept_encoding)
    others = weights.get("*", 0.0)
    codings = {coding: weights.get(coding.value, others) for coding in (Coding.ZSTD, Coding.GZIP)}
    best = max(codings, key=lambda coding: codings[coding])
    plain = weights.get("identity")
    if codings[best] > 0 and codings[best] >= (plain or 0.0):
        return best
    if plain == 0 or (plain is None and weights.get("*") == 0):
        raise NotAcceptable("The answer can be had as zstd, gzip or identity.")
    return Coding.IDENTITY


def _weights(header: str) -> dict[str, float]:
    """Read names and weights; a name without a weight has 1, one with a malformed weight is left out.

    What stands behind `ENTRIES_MAX` of them is not read.
    """
    weights: dict[str, float] = {}
    for entry in header.split(",", ENTRIES_MAX)[:ENTRIES_MAX]:
        name, *parameters = (part.strip() for part in entry.split(";", ENTRIES_MAX)[:ENTRIES_MAX])
        weight = _weight(parameters)
        if name and weight is not None:
            known = name.lower()
            weights[_ALIASES.get(known, known)] = weight
    return weights


def _weight(parameters: Sequence[str]) -> float | None:
    for parameter in parameters:
        if parameter[:2].lower() == "q=":
            found = _WEIGHT.fullmatch(parameter)
            return None if found is None else float(found[1])
    return 1.0
