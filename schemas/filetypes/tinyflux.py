"""Stores of TinyFlux → chunks: a CSV whose rows name tags and fields, with long or short prefixes (TF-10).

A row is a time in UTC without zone, a measurement, then pairs of a prefixed key and a value, tags first. Both
kinds of prefixes may stand in one file, and keys may look like prefixes themselves: only the first counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from schemas.filetypes.chunks import Chunk
from schemas.filetypes.sparse import FIELD, MEASUREMENT, TAG, Gathering, Value, csv_rows
from schemas.filetypes.text import Block

_NONE = "_none"
_PREFIXES = (("_tag_", TAG), ("t_", TAG), ("_field_", FIELD), ("f_", FIELD))
_WHOLE = re.compile(r"-?[0-9]{1,20}")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[+-]?inf|nan")


def read_tinyflux(blocks: Iterator[Block], gathering: Gathering) -> Iterator[Chunk]:
    """Read every point; tags and fields without a value are left out."""
    bytes_in = 0
    for block in blocks:
        for line, cells in csv_rows(block, gathering):
            if cells:
                _add(gathering, line, cells)
            if gathering.is_full:
                yield gathering.take(block.bytes_in)
        bytes_in = block.bytes_in
    yield gathering.take(bytes_in)


def _add(gathering: Gathering, line: int, cells: Sequence[str]) -> None:
    if len(cells) < 2 or len(cells) % 2:
        reason = "the row is no point: a time, a measurement, and pairs of key and value"
        gathering.refuse(line, "", reason, ",".join(cells))
        return
    values: dict[str, Value] = {} if cells[1] == _NONE else {MEASUREMENT: cells[1]}
    for key, text in zip(cells[2::2], cells[3::2], strict=True):
        prefix = next((one for one in _PREFIXES if key.startswith(one[0])), None)
        if prefix is None:
            gathering.refuse(line, key, "the key is neither a tag's nor a field's", key)
            return
        name = prefix[1] + key.removeprefix(prefix[0])
        if text == _NONE:
            continue
        if prefix[1] == FIELD and not _NUMBER.fullmatch(text):
            gathering.refuse(line, name, "is no number", text)
            return
        values[name] = text if prefix[1] == TAG else int(text) if _WHOLE.fullmatch(text) else float(text)
    gathering.add(line, cells[0], values)
