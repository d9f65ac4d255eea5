"""Subscriptions and the message broker.

What a filter names is not looked up, so no id stands in a body. A stream of events has no end: its row
asks for that of a suspended subscription. Names of subscribers and topics are a tenant's own.
"""

from api.identity.scopes import SUBSCRIPTIONS_READ, SUBSCRIPTIONS_WRITE
from tests.security.table import SHARED, STRANGER, Row

PATH = "/api/aspectstore/v1/subscriptions"
BROKER = "/api/messagebroker/v4"
_TOPIC = f"{BROKER}/subscribers/{{subscriber}}/versions/{{version}}/topics/{{topic}}"
_ASKED = {"kind": "data", "webhook": {"url": "https://acme.example/hook"}}


def _of_one(
    method: str, part: str, status: int, scope: str = SUBSCRIPTIONS_WRITE, body: object = None
) -> Row:
    thing = {"/events": "still_subscription"}.get(part, "subscription")
    return Row(
        route=f"{method} {PATH}/{{subscription}}{part}",
        scope=scope,
        status=status,
        path=f"{PATH}/<{'spare_subscription' if method == 'DELETE' else thing}>{part}",
        body=body,
    )


def _subscriber(method: str, status: int, scope: str, body: object = None) -> Row:
    thing = {"DELETE": "spare_subscriber", "PUT": "new_subscriber"}.get(method, "subscriber")
    places = (f"{thing} in path", "topic in path")
    taken = method == "PUT"
    return Row(
        route=f"{method} {_TOPIC}",
        scope=scope,
        status=status,
        path=f"{BROKER}/subscribers/<{thing}>/versions/v1/topics/<topic>",
        body=body,
        foreign=dict.fromkeys(places, 200) if taken else {},
        callers={STRANGER: 200, SHARED: 200} if taken else {},
    )


def _message(method: str, body: object = None) -> Row:
    return Row(
        route=f"{method} {BROKER}/topics/{{topic}}/sendmessage",
        scope=SUBSCRIPTIONS_WRITE,
        status=200,
        path=f"{BROKER}/topics/<topic>/sendmessage",
        body=body,
        foreign={"topic in path": 200},
        callers={STRANGER: 200, SHARED: 200},
    )


ROWS = [
    Row(route=f"GET {PATH}", scope=SUBSCRIPTIONS_READ, status=200, path=PATH),
    Row(route=f"POST {PATH}", scope=SUBSCRIPTIONS_WRITE, status=201, path=PATH, body=_ASKED),
    _of_one("GET", "", 200, SUBSCRIPTIONS_READ),
    _of_one("PUT", "", 200, body=_ASKED),
    _of_one("POST", "/suspend", 200),
    _of_one("POST", "/resume", 200),
    _of_one("POST", "/secret", 200),
    _of_one("GET", "/dead-letters", 200, SUBSCRIPTIONS_READ),
    _of_one("POST", "/replay", 202, body={"after": "0"}),
    _of_one("GET", "/events", 409, SUBSCRIPTIONS_READ),
    _of_one("DELETE", "", 204),
    _subscriber("PUT", 200, SUBSCRIPTIONS_WRITE, {"uri": "https://acme.example/hook"}),
    _subscriber("GET", 200, SUBSCRIPTIONS_READ),
    _subscriber("DELETE", 204, SUBSCRIPTIONS_WRITE),
    _message("POST", {"alarm": {"level": 1}}),
    _message("GET"),
]
