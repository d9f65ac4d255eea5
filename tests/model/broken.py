"""What the product does where a rule is off that stands in a function of its own: the function, replaced."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from unittest import mock

import msgspec

from schemas import latest as schemas_latest
from schemas.changes import Change, Upsert
from storage import purging, undoing
from storage.heads import decode_head
from storage.pins import decode_pin
from storage.port import Head, SeriesStore, SliceId
from streams.port import Applied
from tests.model.rules import Rules
from workers import latest as writer_latest
from workers import takeover


async def _head_as_it_is(store: SeriesStore, slice_id: SliceId, position: int) -> Head:
    return await store.read_head(slice_id, serial=True)


async def _never_overlapped(*_: object) -> bool:
    return False


def _never_dropped(cache: Any, change: Change, position: int) -> Any:
    """Carry a latest cache on as if nothing ever took a value away."""
    if cache is None or not isinstance(change, Upsert):
        return cache and msgspec.structs.replace(cache, position=position)
    with mock.patch("schemas.latest._takes_away", return_value=False):
        return _advanced(cache, change, position)


_advanced = schemas_latest.advanced


async def _keep_caches(stream: Any, shard: int, applied: int, cursor: int) -> None:
    await stream.report_applied(shard, Applied(max(applied, cursor)))


async def _always_there(*_: object) -> str:
    return ""


async def _head_of_pins(store: SeriesStore, slice_id: SliceId) -> set[bytes]:
    heads = [decode_pin(pin.body).head or b"" for pin in await store.read_pins(slice_id)]
    return {ref.block_id for head in heads for ref in decode_head(head).blocks}


async def _back_on_top(*arguments: Any) -> Any:
    back = await _judge_slice(*arguments)
    return back._replace(clears=False) if isinstance(back, tuple) else back


_judge_slice = undoing._judge_slice


async def _touched_or_changed(store: Any, slice_id: SliceId, undo: Any, pinned: Any, now: Any) -> Any:
    newer = [placed.change for placed in now.later if placed.last > undo.position]
    if any(undoing.touches(change, undo, slice_id.start_ms) for change in newer):
        return True
    return await _has_changed(store, slice_id, undo, pinned, now)


_has_changed = undoing._has_changed

BROKEN: tuple[tuple[str, Any, str, Any], ...] = (
    ("latest_removal", writer_latest, "advanced", _never_dropped),
    ("takeover_drops_caches", takeover, "_forget_stale_caches", _keep_caches),
    ("sealed_before_delete", undoing, "_head_before", _head_as_it_is),
    ("newer_row_counts", undoing, "_is_overlapped", _never_overlapped),
    ("newer_delete_counts", undoing, "_overlaps", lambda *_: False),
    ("attached_if_there", undoing, "find_missing", _always_there),
    ("import_pin_keeps_blocks", purging, "_pinned", _head_of_pins),
    ("import_undo_clears", undoing, "_judge_slice", _back_on_top),
    ("import_compared_by_rows", undoing, "_has_changed", _touched_or_changed),
)
"""Rule, module, function, and what stands for it."""


def patches(rules: Rules) -> Iterator[Any]:
    """Give what replaces the functions of the rules that are off."""
    for rule, module, name, instead in BROKEN:
        if not getattr(rules, rule):
            yield mock.patch.object(module, name, instead)
