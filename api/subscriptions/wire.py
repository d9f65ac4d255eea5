"""The shapes of subscriptions on the wire."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from schemas.standings import DeadRange, Standing
from schemas.subscriptions import NAMES, Filter, Owner, Subscription, Webhook
from schemas.times import format_time


class WebhookIn(msgspec.Struct, forbid_unknown_fields=True):
    """Where deliveries go."""

    url: str
    """`https://HOST[:PORT]/PATH`."""


class SubscriptionIn(msgspec.Struct, forbid_unknown_fields=True):
    """What a caller wants to be told, and where."""

    kind: str
    """`data`: records came or went; `model`: assets and types changed."""
    name: str = ""
    filter: Filter = msgspec.field(default_factory=Filter)
    payload: str = NAMES
    """`names`: what changed; `values`: the records as well, up to 100 and 16 KiB a notice. Data only."""
    webhook: WebhookIn | None = None
    """None: it is read as a stream of events, which those with a webhook can be as well."""
    include_shared: bool = msgspec.field(name="includeShared", default=False)
    """Also of what others share with the caller, as far as `records.read` goes. Data only."""


class WebhookOut(msgspec.Struct, omit_defaults=True):
    """Where deliveries go."""

    url: str
    secret: str | UnsetType = UNSET
    """What signs them: shown when it is made, and never again."""


class SubscriptionOut(msgspec.Struct, rename="camel", omit_defaults=True):
    """A subscription."""

    id: str
    kind: str
    name: str
    filter: Filter
    payload: str
    suspended: bool
    owner: str
    """The account that made it."""
    created_at: str
    webhook: WebhookOut | UnsetType = UNSET
    include_shared: bool = False
    """True: also what others share with the owner is told."""
    topic: str | UnsetType = UNSET
    """Of those that the message broker's routes made, like the next two."""
    subscriber: str | UnsetType = UNSET
    version: str | UnsetType = UNSET


class DeliveriesOut(msgspec.Struct, rename="camel", omit_defaults=True):
    """How the deliveries of a subscription stand."""

    cursor: str
    """Up to this notice they were delivered, or given up."""
    tries: int = 0
    """That failed since the last success."""
    failing_since: str | UnsetType = UNSET
    next_try_at: str | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    """Of the last failure."""


class SubscriptionState(SubscriptionOut, rename="camel", omit_defaults=True):
    """A subscription, and how its deliveries stand."""

    deliveries: DeliveriesOut | UnsetType = UNSET
    """Only with a webhook."""


class SubscriptionsOut(msgspec.Struct):
    """All subscriptions of a tenant."""

    subscriptions: list[SubscriptionOut]


class DeadRangeOut(msgspec.Struct, rename="camel"):
    """A run of notices that were given up: a replay from `after` delivers them again."""

    after: str
    upto: str
    given_up_at: str
    reason: str


class DeadRangesOut(msgspec.Struct, rename="camel"):
    """What was given up, oldest first."""

    dead_letters: list[DeadRangeOut]


class ReplayIn(msgspec.Struct, forbid_unknown_fields=True):
    """From where to deliver once more."""

    after: str
    """A cursor, or the id of the last notice that is not wanted again; `0`: all that are kept."""


def subscription_from(wire: SubscriptionIn, tenant: str) -> Subscription:
    """Read what a caller asks for; id, owner and times are the service's."""
    return Subscription(
        id="",
        tenant=tenant,
        kind=wire.kind,
        owner=Owner("", ""),
        scope="",
        created_ms=0,
        since_us=0,
        changed_ms=0,
        name=wire.name,
        filter=wire.filter,
        payload=wire.payload,
        webhook=None if wire.webhook is None else Webhook(wire.webhook.url),
        include_shared=wire.include_shared,
    )


def subscription_out(told: Subscription, secret: str | None = None) -> SubscriptionOut:
    """Write a subscription; its secret only where it was just made."""
    return SubscriptionOut(**_members(told, secret))


def state_out(told: Subscription, standing: Standing | None) -> SubscriptionState:
    """Write a subscription and how its deliveries stand."""
    deliveries = UNSET if standing is None else _deliveries_out(standing)
    return SubscriptionState(**_members(told), deliveries=deliveries)


def dead_range_out(dead: DeadRange) -> DeadRangeOut:
    """Write a run of notices that were given up."""
    return DeadRangeOut(str(dead.after), str(dead.upto), format_time(dead.at_ms), dead.reason)


def _members(told: Subscription, secret: str | None = None) -> dict[str, Any]:
    webhook: WebhookOut | UnsetType = UNSET
    if told.webhook is not None:
        webhook = WebhookOut(told.webhook.url, UNSET if secret is None else secret)
    return {
        "id": told.id,
        "kind": told.kind,
        "name": told.name,
        "filter": told.filter,
        "payload": told.payload,
        "suspended": told.suspended,
        "owner": told.owner.name,
        "created_at": format_time(told.created_ms),
        "webhook": webhook,
        "include_shared": told.include_shared,
        "topic": told.topic or UNSET,
        "subscriber": told.subscriber or UNSET,
        "version": told.version or UNSET,
    }


def _deliveries_out(standing: Standing) -> DeliveriesOut:
    return DeliveriesOut(
        str(standing.delivered),
        standing.tries,
        _time(standing.failing_since_ms),
        _time(standing.due_ms),
        standing.reason or UNSET,
    )


def _time(time_ms: int) -> str | UnsetType:
    return format_time(time_ms) if time_ms else UNSET
