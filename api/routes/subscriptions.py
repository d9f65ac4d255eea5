"""Subscriptions: make, read, change, suspend, remove; their events, dead letters and replays (MS-84)."""

from __future__ import annotations

import re
from functools import partial
from typing import Annotated, Any, Final

from litestar import Response, delete, get, post, put
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.response import Stream

from api.guard.signed import KEY_HEADER
from api.guard.tenancy import Caller, demand
from api.http.wire import refusals
from api.identity.scopes import SUBSCRIPTIONS_READ, SUBSCRIPTIONS_WRITE, require
from api.identity.tokens import Identity
from api.services import Services, Serving
from api.shares.access import Access
from api.subscriptions.feeds import Feed, Passes
from api.subscriptions.service import Subscriptions
from api.subscriptions.wire import (
    DeadRangesOut,
    ReplayIn,
    SubscriptionIn,
    SubscriptionOut,
    SubscriptionsOut,
    SubscriptionState,
    dead_range_out,
    state_out,
    subscription_from,
    subscription_out,
)
from schemas import codes
from schemas.errors import Forbidden, Invalid, Problem
from schemas.notices import SharedNotice, may_tell
from schemas.shares import EVER, Action, Spans, spans_of
from schemas.subscriptions import Subscription
from streams.notice_port import LogId

PATH = "/api/aspectstore/v1/subscriptions"

EVENT_STREAM: Final = "text/event-stream"

LOOK_S: Final = 2.0
"""How often a stream of events looks whether its subscription is still there."""

_TAGS = ["notifications"]
_NUMBER = re.compile(r"[0-9]{1,16}", re.ASCII)
_NEWEST: Final = 2**53

After = Annotated[
    str | None, QueryParameter(description="As `Last-Event-ID`, for clients that cannot send it; `0`: all.")
]


@get(
    PATH,
    opt=require(SUBSCRIPTIONS_READ),
    responses=refusals(400, 401, 403),
    operation_id="listSubscriptions",
    tags=_TAGS,
)
async def list_subscriptions(request: Caller, services: Serving) -> SubscriptionsOut:
    """List the tenant's subscriptions, at most 50, by id."""
    found = await _subscriptions(services).all_of(request.user)
    return SubscriptionsOut([subscription_out(told) for told in found])


@post(
    PATH,
    opt=require(SUBSCRIPTIONS_WRITE, action="subscription.create"),
    responses=refusals(400, 401, 403, 408, 409, 413, 415),
    operation_id="createSubscription",
    tags=_TAGS,
)
async def create_subscription(
    request: Caller, services: Serving, data: JSONBody[SubscriptionIn]
) -> Response[SubscriptionOut]:
    """Subscribe to new data or to changes of the model.

    The caller needs the scope to read what it is to be told: `iot.tim.r` for data, `asm.r` for the model.
    With a webhook the answer shows the secret that signs its deliveries, once.
    """
    asked = subscription_from(data, request.user.tenant)
    made = await _subscriptions(services).create(request.user, asked)
    headers = {"location": f"{PATH}/{made.told.id}"}
    return Response(subscription_out(*made), status_code=201, headers=headers)


@get(
    f"{PATH}/{{subscription:str}}",
    opt=require(SUBSCRIPTIONS_READ),
    responses=refusals(400, 401, 403, 404),
    operation_id="getSubscription",
    tags=_TAGS,
)
async def get_subscription(
    request: Caller, services: Serving, subscription: FromPath[str]
) -> SubscriptionState:
    """Give a subscription, and how its deliveries stand."""
    subscriptions = _subscriptions(services)
    told = await subscriptions.get(request.user, subscription)
    return state_out(told, None if told.webhook is None else await subscriptions.standing(told))


@put(
    f"{PATH}/{{subscription:str}}",
    opt=require(SUBSCRIPTIONS_WRITE, action="subscription.change"),
    responses=refusals(400, 401, 403, 404, 408, 409, 413, 415),
    operation_id="putSubscription",
    tags=_TAGS,
)
async def put_subscription(
    request: Caller, services: Serving, subscription: FromPath[str], data: JSONBody[SubscriptionIn]
) -> SubscriptionOut:
    """Change what a subscription tells, and where; its kind, owner and secret stay.

    A first webhook gets a secret, which no answer shows: renew it to see one.
    """
    asked = subscription_from(data, request.user.tenant)
    return subscription_out(await _subscriptions(services).change(request.user, subscription, asked))


@delete(
    f"{PATH}/{{subscription:str}}",
    opt=require(SUBSCRIPTIONS_WRITE, action="subscription.delete"),
    responses=refusals(400, 401, 403, 404, 409),
    operation_id="deleteSubscription",
    tags=_TAGS,
)
async def delete_subscription(request: Caller, services: Serving, subscription: FromPath[str]) -> None:
    """Remove a subscription and all notices that are kept for it."""
    await _subscriptions(services).remove(request.user, subscription)


@post(
    f"{PATH}/{{subscription:str}}/suspend",
    status_code=200,
    opt=require(SUBSCRIPTIONS_WRITE, action="subscription.suspend"),
    responses=refusals(400, 401, 403, 404, 409),
    operation_id="suspendSubscription",
    tags=_TAGS,
)
async def suspend_subscription(
    request: Caller, services: Serving, subscription: FromPath[str]
) -> SubscriptionOut:
    """Stop telling; what happens until it is resumed is not told later."""
    return subscription_out(await _subscriptions(services).suspend(request.user, subscription))


@post(
    f"{PATH}/{{subscription:str}}/resume",
    status_code=200,
    opt=require(SUBSCRIPTIONS_WRITE, action="subscription.resume"),
    responses=refusals(400, 401, 403, 404, 409),
    operation_id="resumeSubscription",
    tags=_TAGS,
)
async def resume_subscription(
    request: Caller, services: Serving, subscription: FromPath[str]
) -> SubscriptionOut:
    """Tell again: what waited before it was suspended, and what happens from now on."""
    return subscription_out(await _subscriptions(services).resume(request.user, subscription))


@post(
    f"{PATH}/{{subscription:str}}/secret",
    status_code=200,
    opt=require(SUBSCRIPTIONS_WRITE, action="subscription.renew_secret"),
    responses=refusals(400, 401, 403, 404, 409),
    operation_id="renewSubscriptionSecret",
    tags=_TAGS,
)
async def renew_secret(request: Caller, services: Serving, subscription: FromPath[str]) -> SubscriptionOut:
    """Sign deliveries with a new secret from now on, and show it, once."""
    renewed = await _subscriptions(services).renew_secret(request.user, subscription)
    return subscription_out(*renewed)


@get(
    f"{PATH}/{{subscription:str}}/dead-letters",
    opt=require(SUBSCRIPTIONS_READ),
    responses=refusals(400, 401, 403, 404),
    operation_id="listDeadNotices",
    tags=_TAGS,
)
async def list_dead_notices(request: Caller, services: Serving, subscription: FromPath[str]) -> DeadRangesOut:
    """List what the webhook did not take within a day of failures, oldest first, at most 100 runs."""
    subscriptions = _subscriptions(services)
    standing = await subscriptions.standing(await subscriptions.get(request.user, subscription))
    return DeadRangesOut([dead_range_out(dead) for dead in standing.dead])


@post(
    f"{PATH}/{{subscription:str}}/replay",
    status_code=202,
    opt=require(SUBSCRIPTIONS_WRITE, action="subscription.replay"),
    responses=refusals(400, 401, 403, 404, 408, 409, 413, 415),
    operation_id="replaySubscription",
    tags=_TAGS,
)
async def replay_subscription(
    request: Caller, services: Serving, subscription: FromPath[str], data: JSONBody[ReplayIn]
) -> None:
    """Deliver once more everything that is kept after a cursor, at once, with the ids that it had."""
    if _NUMBER.fullmatch(data.after) is None:
        raise Invalid([Problem("/after", codes.INVALID_BODY, "A cursor is expected, or the id of a notice.")])
    await _subscriptions(services).replay(request.user, subscription, int(data.after))


@get(
    f"{PATH}/{{subscription:str}}/events",
    opt=require(SUBSCRIPTIONS_READ),
    media_type=EVENT_STREAM,
    responses=refusals(400, 401, 403, 404, 409, 429),
    operation_id="readSubscriptionEvents",
    tags=_TAGS,
)
async def read_events(
    request: Caller, services: Serving, subscription: FromPath[str], after: After = None
) -> Stream:
    """Read the notices of a subscription as Server-Sent Events, from now on or from `Last-Event-ID` on.

    Needs the scope of what it tells as well. The stream ends with the token; come back with a new one.
    """
    subscriptions = _subscriptions(services)
    told = await subscriptions.get(request.user, subscription)
    demand(request.user, told.scope)
    subscriptions.demand_awake(told)
    name = LogId(told.tenant, told.id)
    services.feeds.demand_room(name)
    begin = _begin(request, after)
    if begin is None:
        begin = (await subscriptions.notices.read(name, _NEWEST, count=1)).last
    feed = Feed(name, begin, _Judge(request, services, told))
    pieces = services.feeds.events(subscriptions.notices, feed)
    return Stream(pieces, media_type=EVENT_STREAM, headers={"x-accel-buffering": "no"})


ROUTES = (
    list_subscriptions, create_subscription, get_subscription, put_subscription, delete_subscription,
    suspend_subscription, resume_subscription, renew_secret, list_dead_notices, replay_subscription,
    read_events,
)  # fmt: skip


def _subscriptions(services: Services) -> Subscriptions:
    return Subscriptions(services.ports, services.identity.vault)


def _begin(request: Caller, after: str | None) -> int | None:
    """Read from where a reader goes on; None: from now on."""
    text = request.headers.get("last-event-id") or after
    if text is None:
        return None
    if _NUMBER.fullmatch(text) is None:
        message = "Last-Event-ID, after: the id of a notice is expected."
        raise Invalid([Problem("", codes.INVALID_PARAMETER, message)])
    return int(text)


def _may_read(access: Access, caller: Identity, body: bytes) -> bool:
    """Tell whether a reader may see a kept notice: what is shared, as far as it is shared with him now."""

    def times_of(notice: SharedNotice) -> Spans | None:
        reached = access.find_shared(caller, notice.asset_id, Action.RECORDS_READ)
        if reached is None or reached.part.tenant != notice.giver or not reached.covers(notice.aspect):
            return None
        return spans_of(share for share in reached.shares if share.covers(notice.aspect)) or (EVER,)

    return may_tell(body, times_of)


class _Judge:
    """Raises what a new request of a reader would be refused with; the store is asked now and then."""

    def __init__(self, request: Any, services: Services, told: Subscription) -> None:
        self._headers = request.headers
        self._services = services
        self._told = told
        self._looked_s = services.ports.clock.monotonic_s()

    async def __call__(self) -> Passes:
        caller = await self._identify()
        demand(caller, SUBSCRIPTIONS_READ)
        demand(caller, self._told.scope)
        if caller.subtenant is not None:
            raise Forbidden("The token is bound to a subtenant; this is for the whole tenant.")
        now_s = self._services.ports.clock.monotonic_s()
        if now_s >= self._looked_s + LOOK_S:
            self._looked_s = now_s
            subscriptions = _subscriptions(self._services)
            subscriptions.demand_awake(await subscriptions.get(caller, self._told.id))
        return partial(_may_read, self._services.access, caller)

    async def _identify(self) -> Identity:
        identity, now_s = self._services.identity, self._services.ports.clock.now_ms() / 1_000
        header = self._headers.get("authorization")
        if header is None and KEY_HEADER in self._headers:
            return (await identity.api_keys.signer(self._headers[KEY_HEADER], now_s)).identity
        return identity.identify(header, now_s)
