"""The dialect's message broker: webhooks that subscribe to topics, and messages on these (wire 11).

The topic `mdsp.core.timeseries.v1.pubsub.newdata` is the service's own: once a minute it names the aspect
types with new data (MS-84). On every other topic the tenant's programs talk to one another.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import delete, get, post, put
from litestar.params import FromPath, JSONBody, PathParameter

from api.guard.tenancy import Caller
from api.http.wire import refusals
from api.identity.scopes import SUBSCRIPTIONS_READ, SUBSCRIPTIONS_WRITE, require
from api.services import Services, Serving
from api.subscriptions.service import Subscriptions
from schemas.errors import Invalid
from schemas.limits import MESSAGE_BODY_BYTES_MAX
from schemas.subscriptions import Subscription, check_topic

BASE = "/api/messagebroker/v4"
PATH = f"{BASE}/subscribers/{{subscriber:str}}/versions/{{version:str}}/topics/{{topic:str}}"
SEND_PATH = f"{BASE}/topics/{{topic:str}}/sendmessage"

_TAGS = ["message broker"]

Topic = Annotated[str, PathParameter(description="Such as `mdsp.core.timeseries.v1.pubsub.newdata`.")]


class SubscriberIn(msgspec.Struct):
    """Where the messages of a topic go."""

    uri: str
    """`https://HOST[:PORT]/PATH`."""


class SubscriberOut(msgspec.Struct):
    """Where the messages of a topic go."""

    uri: str


class SentOut(msgspec.Struct, rename="camel"):
    """What became of a message."""

    topic_id: str
    subscribers: int
    """To whom it goes."""


@put(
    PATH,
    status_code=200,
    opt=require(SUBSCRIPTIONS_WRITE, action="topic.subscribe"),
    responses=refusals(400, 401, 403, 408, 409, 413, 415),
    operation_id="putSubscriber",
    tags=_TAGS,
)
async def put_subscriber(
    request: Caller,
    services: Serving,
    *,
    subscriber: FromPath[str],
    version: FromPath[str],
    topic: Topic,
    data: JSONBody[SubscriberIn],
) -> SubscriberOut:
    """Subscribe a webhook to a topic, or move it to another address."""
    words = (subscriber, version, topic)
    return _out(await _subscriptions(services).put_topic(request.user, words, data.uri))


@get(
    PATH,
    opt=require(SUBSCRIPTIONS_READ),
    responses=refusals(401, 403, 404),
    operation_id="getSubscriber",
    tags=_TAGS,
)
async def get_subscriber(
    request: Caller, services: Serving, *, subscriber: FromPath[str], version: FromPath[str], topic: Topic
) -> SubscriberOut:
    """Give the address to which the messages of a topic go."""
    return _out(await _subscriptions(services).topic(request.user, (subscriber, version, topic)))


@delete(
    PATH,
    opt=require(SUBSCRIPTIONS_WRITE, action="topic.unsubscribe"),
    responses=refusals(401, 403, 404, 409),
    operation_id="deleteSubscriber",
    tags=_TAGS,
)
async def delete_subscriber(
    request: Caller, services: Serving, *, subscriber: FromPath[str], version: FromPath[str], topic: Topic
) -> None:
    """End a webhook's subscription to a topic."""
    await _subscriptions(services).remove_topic(request.user, (subscriber, version, topic))


@post(
    SEND_PATH,
    status_code=200,
    opt=require(SUBSCRIPTIONS_WRITE, action="topic.publish"),
    request_max_body_size=MESSAGE_BODY_BYTES_MAX,
    responses=refusals(400, 401, 403, 408, 409, 413, 415),
    operation_id="sendMessage",
    tags=_TAGS,
)
async def send_message(
    request: Caller, services: Serving, topic: Topic, data: JSONBody[dict[str, Any]]
) -> SentOut:
    """Publish a message on a topic; its members stand beside the broker's header."""
    return await _sent(request, services, topic, data)


@get(
    SEND_PATH,
    opt=require(SUBSCRIPTIONS_WRITE, action="topic.publish"),
    responses=refusals(400, 401, 403, 409),
    operation_id="sendEmptyMessage",
    tags=_TAGS,
)
async def send_empty_message(request: Caller, services: Serving, topic: Topic) -> SentOut:
    """Publish a message without members: an existing SDK asks in this way (wire 11)."""
    return await _sent(request, services, topic, {})


ROUTES = (put_subscriber, get_subscriber, delete_subscriber, send_message, send_empty_message)


async def _sent(request: Caller, services: Services, topic: str, members: dict[str, Any]) -> SentOut:
    problems = check_topic("-", "-", topic)
    if problems:
        raise Invalid(problems)
    return SentOut(topic, await _subscriptions(services).publish(request.user, topic, members))


def _subscriptions(services: Services) -> Subscriptions:
    return Subscriptions(services.ports, services.identity.vault)


def _out(told: Subscription) -> SubscriberOut:
    return SubscriberOut("" if told.webhook is None else told.webhook.url)
