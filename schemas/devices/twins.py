"""Members that stand twice in what a device sent: no value is chosen for it (design 8.10). Pure.

Typed decoders take the last one without a word. Reading to the letter would find it, and takes ten times as
long; so the names are counted first, and only a text in which one is there more often than it was read, or
could be hidden behind an escape, is read again.
"""

from __future__ import annotations

from collections.abc import Mapping

from schemas.diagnosis import pointer_token, shown
from schemas.errors import Malformed
from schemas.strict_json import Members, parse_json


def demand_single(text: bytes, counts: Mapping[bytes, int]) -> None:
    """Refuse a text in which a member stands twice; Malformed with the place.

    `counts` says how often each name, in quotes, was read.
    """
    if b"\\u00" in text or any(text.count(name) != count for name, count in counts.items()):
        _look_closely(parse_json(text))


def _look_closely(root: object) -> None:
    left: list[tuple[str, object]] = [("", root)]
    while left:
        pointer, value = left.pop()
        if isinstance(value, Members):
            names = set()
            for name, member in value:
                place = f"{pointer}/{pointer_token(name)}"
                if name in names:
                    raise Malformed(f"{shown(name)} is there twice, at {place}; send it once.", place)
                names.add(name)
                left.append((place, member))
        elif isinstance(value, list):
            left += [(f"{pointer}/{place}", member) for place, member in enumerate(value)]
