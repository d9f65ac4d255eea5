"""A tenant's subscriptions: read from the catalogue whenever they are asked for, changed by compare-and-set.

They are few. Whoever makes one is its owner and needs the scope to read what it tells; notices stop when this
account may read it no more, which the notifier sees to (`workers.interest`).
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec
from msgspec.structs import replace

from api.events.service import new_id
from api.guard.tenancy import demand
from api.identity.roles import ROLES
from api.identity.scopes import ASSETS_READ, SERIES_READ, SUBSCRIPTIONS_READ
from api.identity.tokens import USER, Identity
from runtime.ports import Ports
from runtime.vault import Vault
from schemas import codes
from schemas.errors import Conflict, Invalid, NotFound, Problem, Unavailable
from schemas.limits import SUBSCRIPTIONS_OF_TENANT_MAX
from schemas.notices import Published, encode_notice
from schemas.standings import Standing, decode_standing, encode_standing
from schemas.subscriptions import (
    KIND,
    MODEL,
    NEW_DATA,
    TOPIC,
    Owner,
    Subscription,
    Webhook,
    check_subscription,
    check_topic,
    topic_id,
)
from schemas.webhooks import is_literal, may_reach, parse_url
from storage.port import Document
from streams.notice_port import LogId, NoticeLog, Posting

SECRET_BYTES: Final = 32

CHANGE_TRIES_MAX: Final = 5
"""The notifier notes how deliveries stand some times a second; a replay finds a moment between."""

NO_SUBSCRIPTION: Final = "There is no such subscription."

_STALE: Final = "Somebody else has just changed it; read it and try again."


class Made(NamedTuple):
    """A subscription, and the secret of its webhook that is shown this once; None: it has none."""

    told: Subscription
    secret: str | None


class Subscriptions:
    """Subscriptions of one installation."""

    def __init__(self, ports: Ports, vault: Vault) -> None:
        """Take the catalogue, the log of notices, the stream's clock, the policy, and what seals secrets."""
        self._ports = ports
        self._vault = vault
        self._catalog = ports.catalog

    @property
    def notices(self) -> NoticeLog:
        """Give the log of notices; Unavailable where the installation has none."""
        if self._ports.notices is None:
            raise Unavailable("This door keeps no notices.")
        return self._ports.notices

    # Reading.

    async def get(self, caller: Identity, subscription_id: str) -> Subscription:
        """Give a subscription; NotFound for an unknown and a foreign one alike."""
        return (await self._read(caller, subscription_id))[1]

    async def all_of(self, caller: Identity) -> list[Subscription]:
        """List the tenant's subscriptions by id."""
        return [_decoded(document) for document in await self._catalog.list(caller.tenant, KIND)]

    async def standing(self, told: Subscription) -> Standing:
        """Tell how the deliveries of a subscription stand."""
        return decode_standing(await self.notices.standing(LogId(told.tenant, told.id)))

    def demand_awake(self, told: Subscription) -> None:
        """Raise Conflict while a subscription is suspended."""
        if told.suspended:
            raise Conflict("It is suspended; resume it first.")

    # Changing.

    async def create(self, caller: Identity, asked: Subscription) -> Made:
        """Make a subscription of the caller's own; with a new secret if it has a webhook."""
        self._check(asked)
        scope = ASSETS_READ if asked.kind == MODEL else SERIES_READ
        made = self._signed(replace(asked, id=new_id()))
        return made._replace(told=await self._store(caller, made.told, scope))

    async def change(self, caller: Identity, subscription_id: str, asked: Subscription) -> Subscription:
        """Give a subscription another name, filter, payload or URL; the caller needs its scope."""
        document, before = await self._own(caller, subscription_id)
        demand(caller, before.scope)
        self._check(asked)
        if asked.kind != before.kind:
            message = f"It cannot change; it is {before.kind!r}."
            raise Invalid([Problem("/kind", codes.INVALID_BODY, message)])
        webhook = asked.webhook
        if webhook is not None and before.webhook is not None:
            webhook = replace(before.webhook, url=webhook.url)
        changed = replace(
            before,
            name=asked.name,
            filter=asked.filter,
            payload=asked.payload,
            webhook=webhook,
            include_shared=asked.include_shared,
            changed_ms=self._ports.clock.now_ms(),
        )
        if webhook is not None and before.webhook is None:
            changed = self._signed(changed).told
        return await self._replace(document, changed)

    async def suspend(self, caller: Identity, subscription_id: str) -> Subscription:
        """Stop telling; what happens meanwhile is not told later."""
        document, before = await self._read(caller, subscription_id)
        return before if before.suspended else await self._replace(document, replace(before, suspended=True))

    async def resume(self, caller: Identity, subscription_id: str) -> Subscription:
        """Tell again, of what happens from now on."""
        document, before = await self._read(caller, subscription_id)
        if not before.suspended:
            return before
        now_ms, since_us = self._ports.clock.now_ms(), await self._now_us()
        return await self._replace(
            document, replace(before, suspended=False, since_us=since_us, changed_ms=now_ms)
        )

    async def renew_secret(self, caller: Identity, subscription_id: str) -> Made:
        """Sign with another secret from now on."""
        document, before = await self._own(caller, subscription_id)
        if before.webhook is None:
            raise Conflict("It has no webhook, so nothing is signed.")
        made = self._signed(before)
        return made._replace(told=await self._replace(document, made.told))

    async def remove(self, caller: Identity, subscription_id: str) -> None:
        """Remove a subscription and what was kept for it."""
        document, told = await self._read(caller, subscription_id)
        if not await self._catalog.remove(document.tenant, KIND, document.id, document.version):
            raise Conflict(_STALE)
        await self.notices.drop(LogId(told.tenant, told.id))

    async def replay(self, caller: Identity, subscription_id: str, after: int) -> None:
        """Deliver everything that is kept after a number once more."""
        told = await self.get(caller, subscription_id)
        if told.webhook is None:
            raise Conflict("It has no webhook; read its events from there on.")
        name = LogId(told.tenant, told.id)
        for _ in range(CHANGE_TRIES_MAX):
            before = await self.notices.standing(name)
            following = encode_standing(decode_standing(before).rewound(after))
            if await self.notices.note(name, before, following):
                return
        raise Unavailable("Deliveries go on all the time; try again.")

    # The message broker's (wire 11).

    async def topic(self, caller: Identity, words: tuple[str, str, str]) -> Subscription:
        """Give the subscription of a subscriber, a version and a topic; NotFound where there is none."""
        return await self.get(caller, topic_id(*words))

    async def put_topic(self, caller: Identity, words: tuple[str, str, str], uri: str) -> Subscription:
        """Subscribe a webhook to a topic, or move it."""
        subscriber, version, topic = words
        problems = check_topic(*words) + self._check_url(uri, "/uri")
        if problems:
            raise Invalid(problems)
        scope = SERIES_READ if is_published_by_us(topic) else SUBSCRIPTIONS_READ
        demand(caller, scope)
        found = await self._catalog.get(caller.tenant, KIND, topic_id(*words))
        now_ms = self._ports.clock.now_ms()
        if found is not None:
            owner = await self._owner(caller, scope)
            moved = replace(_decoded(found), webhook=Webhook(uri), owner=owner, changed_ms=now_ms)
            return await self._replace(found, moved)
        asked = Subscription(
            id=topic_id(*words),
            tenant=caller.tenant,
            kind=TOPIC,
            owner=Owner("", ""),
            scope="",
            created_ms=now_ms,
            since_us=0,
            changed_ms=now_ms,
            webhook=Webhook(uri),
            topic=topic,
            subscriber=subscriber,
            version=version,
        )
        return await self._store(caller, asked, scope)

    async def remove_topic(self, caller: Identity, words: tuple[str, str, str]) -> None:
        """Remove a subscription to a topic; NotFound where there is none."""
        await self.remove(caller, topic_id(*words))

    async def publish(self, caller: Identity, topic: str, members: Mapping[str, Any]) -> int:
        """Keep a message for every subscriber of a topic in the tenant; gives how many these are."""
        if is_published_by_us(topic):
            raise Conflict("Only the service publishes on this topic.")
        told = [each for each in await self.all_of(caller) if each.topic == topic and not each.suspended]
        body = encode_notice(Published(msgspec.Raw(msgspec.json.encode(members))))
        if told:
            kept = {LogId(each.tenant, each.id): [body] for each in told}
            await self.notices.post(Posting(notices=kept))
        return len(told)

    # Inside.

    async def _store(self, caller: Identity, asked: Subscription, scope: str) -> Subscription:
        demand(caller, scope)
        tenant = caller.tenant
        if len(await self._catalog.list(tenant, KIND)) >= SUBSCRIPTIONS_OF_TENANT_MAX:
            raise Conflict(f"A tenant has at most {SUBSCRIPTIONS_OF_TENANT_MAX} subscriptions.")
        now_ms = self._ports.clock.now_ms()
        made = replace(
            asked,
            tenant=tenant,
            owner=await self._owner(caller, scope),
            scope=scope,
            created_ms=now_ms,
            since_us=await self._now_us(),
            changed_ms=now_ms,
        )
        if await self._catalog.create(tenant, KIND, made.id, msgspec.json.encode(made)) is None:
            raise Conflict(_STALE)
        return made

    async def _owner(self, caller: Identity, scope: str) -> Owner:
        """Name the account that subscribes, as the notifier will look for it."""
        kind = "user" if caller.category == USER else "client"
        document = await self._catalog.get(caller.tenant, kind, caller.subject)
        if document is None:
            return Owner("", caller.subject)
        account = msgspec.json.decode(document.body, type=_Account)
        return Owner(
            kind,
            caller.subject,
            account.created_ms,
            tuple(role for role in ROLES if scope in ROLES[role]),
            tuple(role for role in ROLES if caller.scopes.issuperset(ROLES[role])),
            account.role,
            account.scopes,
        )

    async def _read(self, caller: Identity, subscription_id: str) -> tuple[Document, Subscription]:
        document = await self._catalog.get(caller.tenant, KIND, subscription_id)
        if document is None:
            raise NotFound(NO_SUBSCRIPTION)
        return document, _decoded(document)

    async def _own(self, caller: Identity, subscription_id: str) -> tuple[Document, Subscription]:
        """Read one that is changed here, and not by the message broker's routes."""
        document, told = await self._read(caller, subscription_id)
        if told.kind == TOPIC:
            raise Conflict("It is the message broker's; change it there.")
        return document, told

    def _signed(self, told: Subscription) -> Made:
        """Give the webhook of a subscription, if it has one, a new secret; Conflict if none can be kept."""
        if told.webhook is None:
            return Made(told, None)
        secret = secrets.token_urlsafe(SECRET_BYTES)
        sealed = self._vault.seal(told.secret_name, secret)
        return Made(replace(told, webhook=Webhook(told.webhook.url, sealed=sealed)), secret)

    async def _replace(self, over: Document, changed: Subscription) -> Subscription:
        body = msgspec.json.encode(changed)
        if await self._catalog.replace(over.tenant, KIND, over.id, body, over.version) is None:
            raise Conflict(_STALE)
        return changed

    async def _now_us(self) -> int:
        """Give the time by the clock that gives positions."""
        return (await self._ports.stream.read_state(0)).time_us

    def _check(self, asked: Subscription) -> None:
        problems = check_subscription(asked)
        if asked.webhook is not None:
            problems += self._check_url(asked.webhook.url, "/webhook/url")
        if problems:
            raise Invalid(problems)

    def _check_url(self, url: str, pointer: str) -> list[Problem]:
        """Refuse at once what could never be delivered to; where a name leads is judged at each try."""
        allowed = self._ports.policy.webhook_networks
        try:
            target = parse_url(url)
        except ValueError as wrong:
            return [Problem(pointer, codes.INVALID_BODY, str(wrong))]
        if not target.secure and not allowed:
            return [Problem(pointer, codes.INVALID_BODY, "A webhook is reached by https.")]
        if is_literal(target.host) and not may_reach(target.host, allowed, secure=target.secure):
            return [Problem(pointer, codes.INVALID_BODY, "Webhooks may not reach this address.")]
        return []


class _Account(msgspec.Struct):
    """Of an account: when it was made, and what it may do."""

    created_ms: int = 0
    role: str = ""
    scopes: tuple[str, ...] = ()


def is_published_by_us(topic: str) -> bool:
    """Tell whether nobody else may publish on a topic."""
    return topic == NEW_DATA


def _decoded(document: Document) -> Subscription:
    return msgspec.json.decode(document.body, type=Subscription)
