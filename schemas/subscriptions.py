"""Subscriptions: who is told what, and where (MS-84, wire 11).

Domain structs and pure rules. A subscription to data tells which series changed, one to the model which
assets and types did, one to a topic is the dialect's message broker's and tells what is published there.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Final

import msgspec

from schemas.codes import INVALID_BODY
from schemas.errors import Problem
from schemas.ids import is_hex_id
from schemas.limits import (
    ASPECT_NAME_CHARACTERS_MAX,
    LONG_MAX,
    LONG_MIN,
    NAME_CHARACTERS_MAX,
    STRING_CHARACTERS_MAX,
    SUBSCRIPTION_NAMES_MAX,
    VARIABLE_NAME_CHARACTERS_MAX,
)
from schemas.thresholds import CROSSING, EACH, EQUALITIES, OPERATORS, Threshold

KIND: Final = "subscription"
"""The kind of their documents."""

DATA, MODEL, TOPIC = "data", "model", "topic"
KINDS: Final = (DATA, MODEL)
"""What can be asked for; `topic` is made by the message broker's routes."""

NAMES, VALUES = "names", "values"
PAYLOADS: Final = (NAMES, VALUES)

MODEL_KINDS: Final = ("asset", "assettype", "aspecttype")

NEW_DATA: Final = "mdsp.core.timeseries.v1.pubsub.newdata"
"""The topic of the notice that goes out once a minute and names the aspect types with new data (MS-84)."""

_TOPIC = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,255}")
_SUBSCRIBER = re.compile(r"[A-Za-z0-9._~-]{1,128}")


class Filter(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel", omit_defaults=True):
    """Of what a subscription tells; what is empty lets everything through."""

    assets: tuple[str, ...] = ()
    """Ids."""
    subtree: bool = False
    """Also what stands below these assets."""
    aspects: tuple[str, ...] = ()
    """Names, as assets have them. Data only, and so are the next two."""
    variables: tuple[str, ...] = ()
    """Records that have a value of at least one of them."""
    threshold: Threshold | None = None
    kinds: tuple[str, ...] = ()
    """Of `asset`, `assettype`, `aspecttype`. Model only."""


class Webhook(msgspec.Struct, frozen=True):
    """Where deliveries go, and what signs them."""

    url: str
    secret: str = ""
    """In clear: only of one that was stored before secrets were sealed, until the notifier has seen it."""
    sealed: str = ""
    """The secret as the vault keeps it; both empty: they are not signed (the message broker's)."""

    @property
    def signs(self) -> bool:
        """Tell whether deliveries are signed."""
        return bool(self.secret or self.sealed)


class Owner(msgspec.Struct, frozen=True):
    """The account that made a subscription: it is told no more than this account may read."""

    kind: str
    """`client` or `user`; empty: its tenant does not keep it."""
    name: str
    created_ms: int = 0
    """A later account of the same name is another."""
    roles: tuple[str, ...] = ()
    """Those that bring the scope of the subscription, when it was made."""
    covers: tuple[str, ...] = ()
    """Those of which it had every scope, when it was made …"""
    role: str = ""
    scopes: tuple[str, ...] = ()
    """… with this role, or these scopes."""


class Subscription(msgspec.Struct, frozen=True, kw_only=True):
    """One subscription, as the catalogue keeps it."""

    id: str
    tenant: str
    kind: str
    owner: Owner
    scope: str
    """What the owner's account must keep: without it nothing is told any more."""
    created_ms: int
    since_us: int
    """Entries up to this position are not told: when it was made, or resumed."""
    changed_ms: int
    """When what it asks for was last changed."""
    name: str = ""
    filter: Filter = Filter()
    payload: str = NAMES
    webhook: Webhook | None = None
    """None: it is read as a stream of events."""
    suspended: bool = False
    include_shared: bool = False
    """Also what others share with its owner. Data only."""
    topic: str = ""
    subscriber: str = ""
    version: str = ""

    @property
    def secret_name(self) -> str:
        """Say whose secret its webhook's is, for the vault."""
        return f"webhook {self.tenant}/{self.id}"

    @property
    def digests(self) -> bool:
        """Tell whether it is the once-a-minute notice of new data."""
        return self.kind == TOPIC and self.topic == NEW_DATA

    @property
    def wants_data(self) -> bool:
        """Tell whether it is told of records."""
        return self.kind == DATA or self.digests

    @property
    def crosses(self) -> bool:
        """Tell whether what it is told depends on what came before."""
        return self.filter.threshold is not None and self.filter.threshold.on == CROSSING


def topic_id(subscriber: str, version: str, topic: str) -> str:
    """Give the id of a subscription to a topic: the same for the same three words."""
    digest = hashlib.sha256(f"{subscriber}/{version}/{topic}".encode()).hexdigest()
    return "-".join((digest[:8], digest[8:12], digest[12:16], digest[16:20], digest[20:32]))


def check_topic(subscriber: str, version: str, topic: str) -> list[Problem]:
    """Check the words by which the message broker knows a subscription."""
    lawful = (
        (_SUBSCRIBER, subscriber, "A subscriber's id"),
        (_SUBSCRIBER, version, "A version"),
        (_TOPIC, topic, "A topic's id"),
    )
    return [
        Problem("", INVALID_BODY, f"{what} has letters, digits, '.', '_' and '-' only.")
        for form, text, what in lawful
        if form.fullmatch(text) is None
    ]


def check_subscription(new: Subscription) -> list[Problem]:
    """Check a subscription by itself."""
    problems = [] if new.kind in KINDS else [_problem("/kind", f"One of {', '.join(KINDS)}.")]
    if new.payload not in PAYLOADS:
        problems.append(_problem("/payload", f"One of {', '.join(PAYLOADS)}."))
    if len(new.name) > NAME_CHARACTERS_MAX or not new.name.isprintable():
        problems.append(_problem("/name", f"At most {NAME_CHARACTERS_MAX} printable characters."))
    problems += _check_fitting(new) + _check_names(new.filter)
    if new.filter.threshold is not None:
        problems += _check_threshold(new.filter.threshold)
    return problems


def _check_fitting(new: Subscription) -> list[Problem]:
    """Check that nothing is asked for which this kind does not know."""
    chosen = new.filter
    data_only = {
        "/filter/aspects": chosen.aspects,
        "/filter/variables": chosen.variables,
        "/filter/threshold": chosen.threshold,
        "/payload": new.payload != NAMES,
        "/includeShared": new.include_shared,
    }
    unfit = data_only if new.kind == MODEL else {"/filter/kinds": chosen.kinds}
    problems = [_problem(at, f"Not for subscriptions to {new.kind}.") for at, given in unfit.items() if given]
    if chosen.subtree and not chosen.assets:
        problems.append(_problem("/filter/subtree", "A subtree needs assets at its top."))
    return problems


def _check_names(chosen: Filter) -> list[Problem]:
    rules: tuple[tuple[str, tuple[str, ...], Callable[[str], bool]], ...] = (
        ("assets", chosen.assets, is_hex_id),
        ("aspects", chosen.aspects, lambda name: 1 <= len(name) <= ASPECT_NAME_CHARACTERS_MAX),
        ("variables", chosen.variables, lambda name: 1 <= len(name) <= VARIABLE_NAME_CHARACTERS_MAX),
        ("kinds", chosen.kinds, lambda name: name in MODEL_KINDS),
    )
    problems = []
    for member, names, is_lawful in rules:
        if len(names) > SUBSCRIPTION_NAMES_MAX:
            problems.append(_problem(f"/filter/{member}", f"At most {SUBSCRIPTION_NAMES_MAX} of them."))
        problems += [
            _problem(f"/filter/{member}/{place}", "No such thing can be.")
            for place, name in enumerate(names[:SUBSCRIPTION_NAMES_MAX])
            if not is_lawful(name)
        ]
    return problems


def _check_threshold(threshold: Threshold) -> list[Problem]:
    at = "/filter/threshold"
    problems = []
    if threshold.op not in OPERATORS:
        problems.append(_problem(f"{at}/op", f"One of {' '.join(OPERATORS)}."))
    elif isinstance(threshold.value, bool | str) and threshold.op not in EQUALITIES:
        problems.append(_problem(f"{at}/op", "Texts and booleans are compared by = and != only."))
    if isinstance(threshold.value, int | float) and not LONG_MIN <= threshold.value <= LONG_MAX:
        message = f"A number from {LONG_MIN} to {LONG_MAX} is expected."
        problems.append(_problem(f"{at}/value", message))
    if isinstance(threshold.value, str) and len(threshold.value) > STRING_CHARACTERS_MAX:
        problems.append(_problem(f"{at}/value", f"At most {STRING_CHARACTERS_MAX} characters."))
    if threshold.on not in {EACH, CROSSING}:
        problems.append(_problem(f"{at}/on", f"One of {EACH}, {CROSSING}."))
    if not 1 <= len(threshold.variable) <= VARIABLE_NAME_CHARACTERS_MAX:
        problems.append(_problem(f"{at}/variable", "The name of a variable is expected."))
    return problems


def _problem(pointer: str, message: str) -> Problem:
    return Problem(pointer, INVALID_BODY, message)
