"""Telling: from the log of a subscription to its webhook, in order, again and again until taken (MS-84).

One delivery of a subscription is under way at a time. How deliveries stand is kept beside the log and changed
by compare-and-set, so that a replay, or another process that tells the same subscription for a moment, is
never overwritten: whoever comes too late reads again. A delivery may come twice; its notices keep their ids.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import structlog

from runtime.ports import Clock
from runtime.vault import Vault
from schemas.durations import MINUTE_MS, SECOND_MS
from schemas.errors import Unavailable
from schemas.limits import (
    NOTICES_LISTED_MAX,
    NOTICES_OF_DELIVERY_MAX,
    WEBHOOK_GIVE_UP_S,
    WEBHOOK_RETRY_S_MAX,
    WEBHOOK_RETRY_S_MIN,
)
from schemas.notices import broker_digest, broker_message, delivery, lost, numbered
from schemas.standings import DeadRange, Standing, decode_standing, encode_standing
from schemas.subscriptions import TOPIC, Subscription
from schemas.webhooks import DELIVERY_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER, signature
from streams.notice_port import Kept, NoticeLog, Page
from workers.interest import Interest
from workers.noticing import log_of
from workers.webhooks import NotDelivered, Webhooks

log = structlog.get_logger("notifier")

DELIVERIES_AT_ONCE = 32
"""Under way in a process; most of the time each waits for its receiver."""


class Batch(NamedTuple):
    """What one delivery carries."""

    first: int
    last: int
    body: bytes


@dataclass(slots=True)
class Deliveries:
    """What a process has delivered, for `/metrics`."""

    delivered: int = 0
    failed: int = 0
    given_up: int = 0


class Deliverer:
    """Delivers for the subscriptions that this process tells."""

    def __init__(
        self,
        notices: NoticeLog,
        webhooks: Webhooks,
        clock: Clock,
        random: Callable[[], float],
        *,
        interest: Interest,
        vault: Vault,
    ) -> None:
        """`random` spreads repeated tries: numbers from 0 to 1; `vault` opens the secrets that sign.

        `interest` knows who is told, and of what others share; it is asked before each try.
        """
        self._notices = notices
        self._webhooks = webhooks
        self._clock = clock
        self._random = random
        self._interest = interest
        self._vault = vault
        self._room = asyncio.Semaphore(DELIVERIES_AT_ONCE)
        self.counted = Deliveries()

    async def deliver(self, told: Subscription) -> bool:
        """Deliver what is due now, once; True if there may be more at once."""
        assert told.webhook is not None
        name = log_of(told)
        before = await self._notices.standing(name)
        standing = decode_standing(before)
        now_ms = self._clock.now_ms()
        if now_ms < standing.due_ms:
            return False
        count = NOTICES_LISTED_MAX if told.digests else 1 if told.kind == TOPIC else NOTICES_OF_DELIVERY_MAX
        page = await self._notices.read(name, standing.delivered, count=count)
        batch = self._batch(told, page, standing.delivered, now_ms)
        if batch is None:
            return False
        async with self._room:
            if self._interest.active.get((told.tenant, told.id)) != told:
                return False
            failure = await self._send(told, batch, self._clock.now_ms()) if batch.body else None
        after = self._after(standing, batch, failure)
        await self._notices.note(name, before, encode_standing(after))
        return failure is None and len(page.notices) == count

    def _batch(self, told: Subscription, page: Page, delivered: int, now_ms: int) -> Batch | None:
        """Put together what is told next; None if that is nothing yet.

        Of what others shared, only what they still share: a batch of nothing else has no body.
        """
        if not told.include_shared or not page.notices:
            return _batch(told, page, delivered, now_ms)
        open_ = [kept for kept in page.notices if self._interest.still_shares(told, kept.body)]
        first, last = page.notices[0].number, page.notices[-1].number
        batch = _batch(told, page._replace(notices=open_), delivered, now_ms)
        return Batch(first, last, b"") if batch is None else batch._replace(last=last)

    async def _send(self, told: Subscription, batch: Batch, now_ms: int) -> str | None:
        """Send a batch; gives why it was not taken, and None if it was."""
        assert told.webhook is not None
        headers = {DELIVERY_HEADER: f"{told.id}-{batch.first}-{batch.last}"}
        try:
            if told.webhook.signs:
                at_s = now_ms // SECOND_MS
                headers[TIMESTAMP_HEADER] = str(at_s)
                headers[SIGNATURE_HEADER] = signature(self._secret_of(told), at_s, batch.body)
            await self._webhooks.post(told.webhook.url, headers, batch.body)
        except NotDelivered as failure:
            log.info("not_delivered", tenant=told.tenant, subscription=told.id, reason=str(failure))
            return str(failure)
        return None

    def _secret_of(self, told: Subscription) -> str:
        """Give what signs; NotDelivered, which is tried again, where this process has another key."""
        assert told.webhook is not None
        if not told.webhook.sealed:
            return told.webhook.secret
        try:
            return self._vault.open(told.secret_name, told.webhook.sealed)
        except Unavailable:
            raise NotDelivered("its secret cannot be read; the operator was told") from None

    def _after(self, before: Standing, batch: Batch, failure: str | None) -> Standing:
        """Give how deliveries stand after a try."""
        if failure is None:
            self.counted.delivered += bool(batch.body)
            return Standing(batch.last, dead=before.dead)
        self.counted.failed += 1
        now_ms = self._clock.now_ms()
        pause_s = min(WEBHOOK_RETRY_S_MIN * 2 ** min(before.tries, 30), WEBHOOK_RETRY_S_MAX)
        since_ms = before.failing_since_ms or now_ms
        delivered, dead = before.delivered, before.dead
        if now_ms >= since_ms + WEBHOOK_GIVE_UP_S * SECOND_MS:
            self.counted.given_up += 1
            delivered, dead = batch.last, before.buried(DeadRange(delivered, batch.last, now_ms, failure))
        return Standing(
            delivered,
            tries=before.tries + 1,
            failing_since_ms=since_ms,
            due_ms=now_ms + int(pause_s * SECOND_MS * (0.5 + self._random() / 2)),
            reason=failure,
            dead=dead,
        )


def _batch(told: Subscription, page: Page, delivered: int, now_ms: int) -> Batch | None:
    """Put together what is told next; None if that is nothing yet."""
    found = page.notices
    if not found:
        return None
    if told.digests:
        return _digest(told, found, now_ms)
    if told.kind == TOPIC:
        number, body = found[0]
        return Batch(number, number, broker_message(told.topic, told.tenant, body))
    bodies = [numbered(*kept) for kept in found]
    if page.dropped > delivered:
        bodies.insert(0, lost(delivered, page.dropped))
    first, last = found[0].number, found[-1].number
    return Batch(first, last, delivery(told.id, told.tenant, bodies, last))


def _digest(told: Subscription, found: list[Kept], now_ms: int) -> Batch | None:
    """Put together the oldest minute that is over (MS-84)."""
    minute_ms = found[0].number // 1_000 // MINUTE_MS * MINUTE_MS
    if now_ms < minute_ms + MINUTE_MS:
        return None
    of_it = [kept for kept in found if kept.number // 1_000 < minute_ms + MINUTE_MS]
    body = broker_digest(told.topic, told.tenant, [kept.body for kept in of_it], minute_ms)
    return Batch(of_it[0].number, of_it[-1].number, body)
