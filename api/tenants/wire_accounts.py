"""Users and technical users on the wire: our own shapes. A hash never is in one, a secret in two."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import UNSET, UnsetType

from api.identity.accounts import Client, User, scopes_of
from schemas.limits import GRACE_S_MAX, PASSWORD_CHARACTERS_MAX
from schemas.times import format_time

Password = Annotated[str, msgspec.Meta(max_length=PASSWORD_CHARACTERS_MAX)]


class UserIn(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """A new user: with a role or with scopes, never more than the caller has."""

    name: str | None = None
    """Unique in the installation; left out, one is made up."""
    role: str | None = None
    scopes: list[str] | None = None
    description: str = ""
    password: Password | None = None
    """Left out, one is made up and shown in the answer, once."""
    subtenant: str | None = None
    """Its tokens reach this subtenant's assets only."""


class ClientIn(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """A new technical user: with a role or with scopes, never more than the caller has."""

    id: str | None = None
    """Unique in the installation; left out, one is made up."""
    role: str | None = None
    scopes: list[str] | None = None
    description: str = ""
    grants: list[str] | None = None
    """`client_credentials` where it is left out; users log in by `password`, `refresh_token` and
    `authorization_code`."""
    redirect_uris: list[str] = msgspec.field(default_factory=list)
    """Where the login page may send users back to."""
    public: bool = False
    """True: it has no secret, and its users log in by codes."""
    subtenant: str | None = None
    """Its tokens reach this subtenant's assets only."""


class AccountPatch(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """What changes; members that are left out stay."""

    role: str | None = None
    scopes: list[str] | None = None
    description: str | None = None
    subtenant: str | UnsetType | None = UNSET
    """null: it reaches the whole tenant."""


class PasswordIn(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """The next password."""

    password: Password | None = None
    """Left out, one is made up and shown in the answer, once."""


class SecretIn(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """How a secret is changed."""

    grace_seconds: Annotated[int, msgspec.Meta(ge=0, le=GRACE_S_MAX)] = 0
    """How long the old one stays good, too."""


class UserOut(msgspec.Struct, rename="camel"):
    """A user."""

    name: str
    role: str | None
    """None: it has scopes of its own choice."""
    scopes: list[str]
    """What it may do today."""
    description: str
    suspended: bool
    created: str | None
    """None: before there were such dates."""
    subtenant: str | UnsetType = UNSET
    """Only where it is bound to one."""
    password: str | UnsetType = UNSET
    """Only in the answer that made it up."""


class ClientOut(msgspec.Struct, rename="camel"):
    """A technical user."""

    id: str
    role: str | None
    scopes: list[str]
    description: str
    grants: list[str]
    redirect_uris: list[str]
    public: bool
    suspended: bool
    created: str | None
    subtenant: str | UnsetType = UNSET
    """Only where it is bound to one."""
    old_secret_until: str | UnsetType = UNSET
    """Only while the secret before the last rotation is good, too."""
    secret: str | UnsetType = UNSET
    """Only in the answer that made it up."""


class UserList(msgspec.Struct, rename="camel", omit_defaults=True):
    """A page of users, by name."""

    users: list[UserOut]
    next: str | UnsetType = UNSET
    """What `after` must be for the next page; absent on the last one."""


class ClientList(msgspec.Struct, rename="camel", omit_defaults=True):
    """A page of technical users, by id."""

    clients: list[ClientOut]
    next: str | UnsetType = UNSET
    """What `after` must be for the next page; absent on the last one."""


def user_out(user: User, password: str | None = None) -> UserOut:
    """Write a user."""
    return UserOut(
        name=user.name,
        role=user.role or None,
        scopes=list(scopes_of(user.role, user.scopes)),
        description=user.description,
        suspended=user.suspended,
        created=_time(user.created_ms),
        subtenant=UNSET if user.subtenant is None else user.subtenant,
        password=UNSET if password is None else password,
    )


def client_out(client: Client, now_s: int, secret: str | None = None) -> ClientOut:
    """Write a technical user."""
    has_two = len(client.hashes(now_s)) > 1
    return ClientOut(
        id=client.id,
        role=client.role or None,
        scopes=list(scopes_of(client.role, client.scopes)),
        description=client.description,
        grants=list(client.grants),
        redirect_uris=list(client.redirect_uris),
        public=not client.secret_hash,
        suspended=client.suspended,
        created=_time(client.created_ms),
        subtenant=UNSET if client.subtenant is None else client.subtenant,
        old_secret_until=format_time(client.old_until_s * 1_000) if has_two else UNSET,
        secret=UNSET if secret is None else secret,
    )


def _time(time_ms: int) -> str | None:
    return format_time(time_ms) if time_ms else None
