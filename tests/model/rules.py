"""The rules of design 4 as switches: all on is the design, one off goes wrong (`pinned.py`)."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace


@dataclass(frozen=True, slots=True)
class Rules:
    """Which rules hold. The first twenty-two are the design's, the others were found by this model."""

    key: bool = True
    """4.1: the key of a delta is (last, first); off: `last` alone, so a narrow one replaces a wide one."""
    cursor: bool = True
    """3.6: a writer reads on from a cursor; off: a consumer group hands entries out, each is acknowledged."""
    cut: bool = True
    """4.5: a delta is cut before and after each clear and attach; off: all rows of a turn are one delta."""
    order: bool = True
    """4.5: deltas of a series and slice are written in position order; off: the newest first."""
    w_before_reading: bool = True
    """4.6: W is fixed before the first read of a seal; off: after the last."""
    w_filter: bool = True
    """4.4: deltas ≤ W are ignored, whoever wrote them and whenever; off: whatever is there counts."""
    grace: bool = True
    """4.7: purge at least the grace after the compare-and-set, reads give up before; off: at once, never."""
    compare_and_set: bool = True
    """4.3: a head is changed by compare-and-set on its version; off: by a plain write."""
    cursor_maximum: bool = True
    """4, stream and store: a late write of an older cursor loses; off: it wins."""
    delayed_compare_and_set: bool = True
    """4.6: a lost swap is repeated until a version above shows; off: one look decides, then own blocks go."""
    attach_in_purge: bool = True
    """4.7: blocks named by a delta > W or by an unfinished job stay; off: only a head's names count."""
    pin_in_purge: bool = True
    """4.14: blocks that a pin names stay; off: a pin counts for nothing."""
    latest_removal: bool = True
    """4.12: a clear, an attach or a row that removes a cached value drops the latest cache; off: it stays."""
    tail_order: bool = True
    """4.17: chain entries are sorted in by (last, first), those ≤ W ignored; off: they are laid on top."""

    sealed_before_delete: bool = True
    """4.14: what is kept for an undo is a head with all before the delete; off: the head as it is."""
    newer_row_counts: bool = True
    """4.14: an undo is refused once a row stands in its range; off: what it brings back is laid on top."""
    newer_delete_counts: bool = True
    """4.14: … and once another delete reached there; off: an older one is undone over it."""
    attached_if_there: bool = True
    """4.14: an import whose blocks are gone is set aside; off: it is stored, and nothing reads any more."""
    import_pin_keeps_blocks: bool = True
    """4.14: the pin of an import keeps what it attached; off: only the head before it."""
    import_undo_clears: bool = True
    """4.14: the undo of an import takes every row of its range first; off: what it brought stays below."""
    cursor_after_look: bool = True
    """4.14: a writer that finds the cursor beyond what it judged starts again; off: it says what it found."""
    parts_merge: bool = True
    """3.2: attached rows that are parts of records are merged; off: each takes the place of a record."""

    import_compared_by_rows: bool = True
    """4.14: an undo of an import is refused for other rows, sealed or not; off: for any not sealed."""
    sealed_behind_cursor: bool = True
    """A seal goes no further than the stored cursor, or that look tells nothing; off: to what is stored."""
    names_in_order: bool = True
    """The purger lists blocks, then looks at jobs, deltas, head: the way that a block's name travels."""
    job_until_applied: bool = True
    """An import job names its blocks until its attach is applied, not only acknowledged."""
    trim_restarts: bool = True
    """A writer that finds the stream trimmed above its cursor starts again: its latest caches have a gap."""
    takeover_drops_caches: bool = True
    """A writer that starts drops the latest caches of entries that were stored but never reported."""
    late_report_ignored: bool = True
    """A report from below applied changes no cache: else an older one takes a dropped one's empty place."""


DESIGN = Rules()
"""Everything on."""

NAMES = tuple(field.name for field in fields(Rules))


def without(name: str) -> Rules:
    """Switch one rule off."""
    return replace(DESIGN, **{name: False})
