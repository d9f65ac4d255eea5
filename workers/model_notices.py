"""The catalogue's change log → notices about assets and types (MS-84).

Made by whoever holds the first shard. The place in the log moves on only behind lines whose change was seen:
on Cassandra a line stands before its change, and a change that failed leaves a line of nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from runtime.ports import Clock
from schemas.durations import HOUR_MS, SECOND_MS
from schemas.notices import GapNotice, ModelNotice, encode_notice
from schemas.subscriptions import KIND, MODEL_KINDS, Subscription
from storage.port import CatalogStore, Change, Document
from streams.notice_port import LogId, Move, NoticeLog, Posting
from workers.interest import Interest
from workers.noticing import log_of

PLACE: Final = "model"

OPEN_LINE_MS: Final = 15 * SECOND_MS
"""A change whose line is older and that is still not to be seen has failed; the log overlaps by 10 s."""

LOG_MS: Final = 20 * HOUR_MS
"""The change log keeps a day; whose place is older than this may have missed something."""

MOVED_AFTER_MS: Final = HOUR_MS
"""The place is written anew so often where nothing happens, so that its age says how long nobody looked."""

LINES_AT_ONCE: Final = 500

_MISSED = GapNotice("Nobody followed the catalogue for so long that its changes are no longer known.")


class _Deletion(msgspec.Struct):
    """Of an asset: whether it was deleted, which leaves its document."""

    deleted_ms: int | None = None


class ModelNotices:
    """Follows the change log from a kept place on."""

    def __init__(self, catalog: CatalogStore, log: NoticeLog, interest: Interest, clock: Clock) -> None:
        """Take where to look, where to keep, and who wants to know."""
        self._catalog = catalog
        self._log = log
        self._interest = interest
        self._clock = clock
        self._seen_ms: dict[Change, int] = {}
        """Since when lines hold up the place."""
        self._passed: dict[Change, int] = {}
        """Lines that were passed lately: the log may repeat them."""

    async def make(self) -> int:
        """Keep notices of what changed since the last time; gives how many."""
        models = self._interest.models
        if not models:
            return 0
        before = (await self._log.places()).get(PLACE, "")
        then_ms, _, sequence = before.partition(" ")
        now_ms = self._clock.now_ms()
        found = await self._catalog.changes(sequence or None)
        lines = [line for line in found if line not in self._passed][:LINES_AT_ONCE]
        upto, documents = await self._settled(lines, now_ms)
        made = self._made(lines[:upto], documents, models)
        if before and now_ms > int(then_ms) + LOG_MS:
            for told in models:
                made.setdefault(log_of(told), []).insert(0, encode_notice(_MISSED))
        reached = max([sequence, *(line.sequence for line in lines[:upto])])
        is_idle = reached == sequence and not made
        if is_idle and before and now_ms < int(then_ms) + MOVED_AFTER_MS:
            return 0
        kept = await self._log.post(Posting(Move(PLACE, before, f"{now_ms} {reached}"), made))
        if kept:
            self._pass(lines[:upto], now_ms)
        return sum(map(len, made.values())) if kept else 0

    async def _settled(
        self, lines: Sequence[Change], now_ms: int
    ) -> tuple[int, Mapping[Change, Document | None]]:
        """Give how many lines can be passed, and the documents of those that tell of something."""
        tenants = {told.tenant for told in self._interest.models}
        documents: dict[Change, Document | None] = {}
        for number, line in enumerate(lines):
            if line.kind not in MODEL_KINDS or line.tenant not in tenants:
                continue
            document = await self._catalog.get(line.tenant, line.kind, line.id)
            is_seen = line.version > 0 if document is None else document.version >= line.version
            if is_seen:
                documents[line] = document
            elif now_ms <= self._seen_ms.setdefault(line, now_ms) + OPEN_LINE_MS:
                return number, documents
        return len(lines), documents

    def _made(
        self,
        lines: Sequence[Change],
        documents: Mapping[Change, Document | None],
        models: Sequence[Subscription],
    ) -> dict[LogId, list[bytes]]:
        begins = {(line.tenant, line.id): number for number, line in enumerate(lines) if _begins(line)}
        last = {(line.tenant, line.kind, line.id): line for line in lines if line in documents}
        fresh = {line[1:4] for line in lines if line in documents and line.version == 0}
        made: dict[LogId, list[bytes]] = {}
        for number, line in enumerate(lines):
            if last.get((line.tenant, line.kind, line.id)) != line:
                continue
            body = encode_notice(_notice(line, documents[line], is_fresh=line[1:4] in fresh))
            for told in models:
                begun = number > begins.get((told.tenant, told.id), -1)
                if begun and told.tenant == line.tenant and self._wants(told, line):
                    made.setdefault(log_of(told), []).append(body)
        return made

    def _wants(self, told: Subscription, line: Change) -> bool:
        chosen = told.filter
        kinds = chosen.kinds or (("asset",) if chosen.assets else MODEL_KINDS)
        return line.kind in kinds and (line.kind != "asset" or self._interest.covers(told, line.id))

    def _pass(self, lines: Sequence[Change], now_ms: int) -> None:
        self._passed |= dict.fromkeys(lines, now_ms)
        for known in (self._passed, self._seen_ms):
            for line, then_ms in list(known.items()):
                if now_ms > then_ms + 2 * OPEN_LINE_MS:
                    del known[line]


def _begins(line: Change) -> bool:
    """Tell whether a line is that of a new subscription, which is told nothing of what was before it."""
    return line.kind == KIND and line.version == 0


def _notice(line: Change, document: Document | None, *, is_fresh: bool) -> ModelNotice:
    if document is None:
        return ModelNotice("deleted", line.kind, line.id, line.version)
    change = "created" if is_fresh else "changed"
    if line.kind == "asset" and msgspec.json.decode(document.body, type=_Deletion).deleted_ms is not None:
        change = "deleted"
    return ModelNotice(change, line.kind, line.id, document.version)
