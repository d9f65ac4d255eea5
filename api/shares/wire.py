"""Shares on the wire: our own shapes, for both sides (design 7)."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType

from api.catalog.tenant_index import Kept
from api.identity.tokens import Identity
from schemas.codes import INVALID_BODY
from schemas.errors import Invalid, Malformed, Problem
from schemas.ids import AssetId, TenantId
from schemas.shares import Action, Receiver, Share
from schemas.times import format_time, parse_time


class ReceiverWire(msgspec.Struct, forbid_unknown_fields=True, rename="camel", omit_defaults=True):
    """Who receives a share; of subtenant, user and role at most one."""

    tenant: str | None = None
    """Left out: the own one, of which one of the others names a part."""
    subtenant: str | None = None
    user: str | None = None
    """Name of a user, or id of a technical user."""
    role: str | None = None
    """Whose tokens have every scope of this role."""


class ShareIn(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """A share as it is given, or changed: all of it."""

    receiver: ReceiverWire
    assets: list[str]
    """Ids."""
    actions: list[Action]
    subtree: bool = False
    """True: and everything below them."""
    aspects: list[str] | None = None
    """Names; null: all."""
    from_: str | None = msgspec.field(name="from", default=None)
    """Start of the times that are shared, exclusive: a quarter of an hour, RFC 3339."""
    to: str | None = None
    """Their end, inclusive: a quarter of an hour, RFC 3339."""
    expires: str | None = None
    """When the share ends, to the millisecond: RFC 3339."""
    note: str = ""
    """For people of both sides."""


class ShareOut(msgspec.Struct, rename="camel"):
    """A share."""

    id: str
    giver: str
    """A tenant."""
    receiver: ReceiverWire
    assets: list[str]
    actions: list[Action]
    subtree: bool
    aspects: list[str] | None
    from_: str | None = msgspec.field(name="from")
    to: str | None
    expires: str | None
    ended: bool
    """True: it has expired, and allows nothing more."""
    note: str
    given: str
    """When it was given, or last changed."""
    etag: int
    given_by: str | UnsetType = UNSET
    """For the giver's tenant only."""


class ShareList(msgspec.Struct, rename="camel", omit_defaults=True):
    """A page of shares, by id."""

    shares: list[ShareOut]
    next: str | UnsetType = UNSET
    """What `after` must be for the next page; absent on the last one."""


def share_from(wire: ShareIn, caller: Identity, now_ms: int) -> Share:
    """Read a share without its id; Invalid for times that are none, nothing else is checked yet."""
    times: dict[str, int | None] = {}
    problems: list[Problem] = []
    for name, text in (("from", wire.from_), ("to", wire.to), ("expires", wire.expires)):
        try:
            times[name] = None if text is None else parse_time(text)
        except Malformed as error:
            problems.append(Problem(f"/{name}", INVALID_BODY, error.message))
    if problems:
        raise Invalid(problems)
    receiver = wire.receiver
    tenant = caller.tenant if receiver.tenant is None else TenantId(receiver.tenant)
    return Share(
        id="",
        tenant=caller.tenant,
        receiver=Receiver(tenant, receiver.subtenant, receiver.user, receiver.role),
        assets=tuple(map(AssetId, wire.assets)),
        subtree=wire.subtree,
        actions=tuple(wire.actions),
        aspects=None if wire.aspects is None else tuple(wire.aspects),
        after_ms=times["from"],
        until_ms=times["to"],
        expires_ms=times["expires"],
        note=wire.note,
        given_ms=now_ms,
        given_by=caller.subject,
    )


def share_out(kept: Kept[Share], caller: Identity, now_ms: int) -> ShareOut:
    """Write a share as its giver or its receiver sees it."""
    share = kept.value
    receiver = share.receiver
    return ShareOut(
        id=share.id,
        giver=share.tenant,
        receiver=ReceiverWire(receiver.tenant, receiver.subtenant, receiver.user, receiver.role),
        assets=list(share.assets),
        actions=list(share.actions),
        subtree=share.subtree,
        aspects=None if share.aspects is None else list(share.aspects),
        from_=_time(share.after_ms),
        to=_time(share.until_ms),
        expires=_time(share.expires_ms),
        ended=share.is_over(now_ms),
        note=share.note,
        given=format_time(share.given_ms),
        etag=kept.version,
        given_by=share.given_by if share.tenant == caller.tenant and caller.subtenant is None else UNSET,
    )


def _time(time_ms: int | None) -> str | None:
    return None if time_ms is None else format_time(time_ms)
