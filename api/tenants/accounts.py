"""Users and technical users of a tenant: made, changed, suspended and deleted by those who may (design 7).

Nobody gives more than he has: an account is made, changed, given a new secret, shut out or let in only by a
caller whose token has every scope of it. Nobody shuts himself out: that, and changing what one may do, is for
another. A secret is shown once, in the answer to what made it, and stored as a hash.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from api.catalog.writes import refuse
from api.identity.accounts import (
    AUTHORIZATION_CODE,
    CLIENT,
    CLIENT_CREDENTIALS,
    PASSWORD,
    REFRESH_TOKEN,
    USER,
    AnyAccount,
    Client,
    User,
    scopes_of,
)
from api.identity.redirects import may_register
from api.identity.roles import ROLES
from api.identity.scopes import ALL_SCOPES
from api.identity.tokens import CLOCK_SKEW_S_MAX, Identity
from api.services import Services
from schemas import codes
from schemas.accounts import check_account_name, check_description, check_password
from schemas.errors import Conflict, Forbidden, NotFound, Problem
from schemas.ids import TenantId
from schemas.limits import ACCOUNTS_OF_TENANT_MAX, REDIRECT_URIS_MAX

UNKNOWN: Final = {CLIENT: "There is no such client.", USER: "There is no such user."}
"""The words for an unknown account, a deleted one and another tenant's (MS-31)."""

NAMES: Final = {CLIENT: "/id", USER: "/name"}
"""Where a body has the name."""

SECRET_BYTES: Final = 24
"""Of a made-up secret: 192 random bits, 32 characters."""


class Granted(NamedTuple):
    """What an account may do, as it was asked for: a role or scopes."""

    role: str | None = None
    scopes: Sequence[str] | None = None

    def check(self) -> None:
        """Raise Invalid unless exactly one is given, and known."""
        problems = []
        if (self.role is None) == (self.scopes is None):
            problems.append(Problem("/role", codes.MISSING_BODY, "Give a role or scopes, one of them."))
        if self.role is not None and self.role not in ROLES:
            problems.append(Problem("/role", codes.INVALID_BODY, f"One of {', '.join(ROLES)}."))
        for place, scope in enumerate(self.scopes or ()):
            if scope not in ALL_SCOPES:
                problems.append(Problem(f"/scopes/{place}", codes.INVALID_BODY, "There is no such scope."))
        refuse(problems)

    def stored(self) -> tuple[str, tuple[str, ...]]:
        """Give role and scopes as an account keeps them: one of the two."""
        if self.role is not None:
            return self.role, ()
        return "", tuple(scope for scope in ALL_SCOPES if scope in (self.scopes or ()))


GRANTS: Final = (CLIENT_CREDENTIALS, PASSWORD, REFRESH_TOKEN, AUTHORIZATION_CODE)
PUBLIC_GRANTS: Final = (REFRESH_TOKEN, AUTHORIZATION_CODE)
"""Of a client without a secret: its users prove themselves."""


class LogsIn(NamedTuple):
    """How a client gets tokens."""

    grants: Sequence[str] | None = None
    """None: codes for one that is public, else its own credentials."""
    redirect_uris: Sequence[str] = ()
    public: bool = False
    """True: a program on its users' own devices, which could not keep a secret."""

    @property
    def all_grants(self) -> tuple[str, ...]:
        """Give the grants in a steady order."""
        if self.grants is None:
            return PUBLIC_GRANTS if self.public else (CLIENT_CREDENTIALS,)
        return tuple(grant for grant in GRANTS if grant in self.grants)

    def check(self) -> None:
        """Raise Invalid for a grant that such a client cannot have, and for addresses that make no sense."""
        known = PUBLIC_GRANTS if self.public else GRANTS
        problems = [
            Problem(f"/grants/{place}", codes.INVALID_BODY, f"One of {', '.join(known)}.")
            for place, grant in enumerate(self.grants or ())
            if grant not in known
        ]
        problems += [
            Problem(f"/redirectUris/{place}", codes.INVALID_BODY, "An https or a loopback address.")
            for place, uri in enumerate(self.redirect_uris)
            if not may_register(uri)
        ]
        if (AUTHORIZATION_CODE in self.all_grants) != bool(self.redirect_uris):
            message = f"The grant {AUTHORIZATION_CODE} and addresses to go back to need one another."
            problems.append(Problem("/redirectUris", codes.MISSING_BODY, message))
        if len(self.redirect_uris) > REDIRECT_URIS_MAX:
            problems.append(Problem("/redirectUris", codes.INVALID_BODY, f"At most {REDIRECT_URIS_MAX}."))
        refuse(problems)


class NewAccount(NamedTuple):
    """What is asked for a new account."""

    granted: Granted
    name: str | None = None
    """None: one is made up, of the tenant's name and chance."""
    description: str = ""
    password: str | None = None
    """Of a user; None: one is made up."""
    subtenant: str | None = None
    """What it is bound to; None: nothing."""


class Made(NamedTuple):
    """An account and the secret that is shown this once."""

    account: AnyAccount
    secret: str | None
    """None: the caller chose it, or there is none."""


class AccountService:
    """The accounts of the caller's tenant."""

    def __init__(self, services: Services) -> None:
        """Take what the door works with."""
        self._accounts = services.identity.accounts
        self._identity = services.identity
        self._index = services.index
        self._ports = services.ports

    # Reading.

    async def page(
        self, tenant: TenantId, kind: str, after: str, limit: int
    ) -> tuple[list[AnyAccount], bool]:
        """Give the next accounts by name, and whether there are more."""
        left = [account for account in await self._accounts.all_of(tenant, kind) if account.name > after]
        return left[:limit], len(left) > limit

    async def get(self, tenant: TenantId, kind: str, name: str) -> AnyAccount:
        """Give an account; NotFound for an unknown, a deleted and a foreign one alike."""
        found = await self._accounts.read(tenant, kind, name)
        if found is None:
            raise NotFound(UNKNOWN[kind])
        return found[1]

    # Changing.

    async def create_user(self, caller: Identity, wanted: NewAccount) -> Made:
        """Make a user; Conflict if the name is taken anywhere in the installation."""
        name = self._new_name(caller, USER, wanted)
        secret = wanted.password or secrets.token_urlsafe(SECRET_BYTES)
        role, scopes = wanted.granted.stored()
        user = User(
            name, caller.tenant, await self._identity.hash(secret), scopes, role=role,
            subtenant=wanted.subtenant, description=wanted.description, created_ms=self._ports.clock.now_ms(),
        )  # fmt: skip
        await self._add(user)
        return Made(user, None if wanted.password else secret)

    async def create_client(self, caller: Identity, wanted: NewAccount, logs_in: LogsIn) -> Made:
        """Make a technical user; Conflict if the id is taken. A public one has no secret to show."""
        logs_in.check()
        name = self._new_name(caller, CLIENT, wanted)
        secret = None if logs_in.public else secrets.token_urlsafe(SECRET_BYTES)
        hashed = "" if secret is None else await self._identity.hash(secret)
        role, scopes = wanted.granted.stored()
        client = Client(
            name, caller.tenant, hashed, scopes, logs_in.all_grants, tuple(logs_in.redirect_uris), role=role,
            subtenant=wanted.subtenant, description=wanted.description, created_ms=self._ports.clock.now_ms(),
        )  # fmt: skip
        await self._add(client)
        return Made(client, secret)

    async def change(
        self,
        caller: Identity,
        kind: str,
        name: str,
        granted: Granted | None,
        description: str | None,
        *,
        subtenant: str | UnsetType | None = UNSET,
    ) -> AnyAccount:
        """Change what an account may do, or what is said of it; tokens that it has may do less at once."""
        if subtenant is not UNSET:
            refuse(self._check_subtenant(caller, subtenant))
            demand_other(caller, name)
        if granted is not None:
            granted.check()
            self._demand_scopes(caller, *granted.stored())
            demand_other(caller, name)
        refuse(check_description(description or ""))

        def changed(old: AnyAccount) -> AnyAccount:
            if description is not None:
                old = msgspec.structs.replace(old, description=description)
            if subtenant is not UNSET:
                old = msgspec.structs.replace(old, subtenant=subtenant)
            if granted is None:
                return old
            role, scopes = granted.stored()
            return msgspec.structs.replace(old, role=role, scopes=scopes)

        return await self._change(caller, kind, name, changed)

    async def suspend(self, caller: Identity, kind: str, name: str, *, suspended: bool) -> AnyAccount:
        """Shut an account out, with all its tokens, or let it in again; twice is harmless."""
        if suspended:
            demand_other(caller, name)
        account = await self._change(
            caller, kind, name, lambda old: msgspec.structs.replace(old, suspended=suspended)
        )
        if suspended:
            await self._accounts.end_families(caller.tenant, kind, name)
        return account

    async def rotate_secret(self, caller: Identity, client_id: str, grace_s: int) -> Made:
        """Give a client a new secret; the old one stays good for so many seconds.

        Without such a time refresh tokens that were given through it end. Access tokens live to their end,
        unless the client is suspended.
        """
        seen = await self.get(caller.tenant, CLIENT, client_id)
        self._demand_scopes(caller, seen.role, seen.scopes)
        if isinstance(seen, Client) and not seen.secret_hash:
            raise Conflict("The client is a public one: it has no secret.")
        secret = secrets.token_urlsafe(SECRET_BYTES)
        hashed = await self._identity.hash(secret)
        until_s = self._ports.clock.now_ms() // 1_000 + grace_s

        def changed(old: AnyAccount) -> AnyAccount:
            assert isinstance(old, Client)
            assert isinstance(seen, Client)
            _demand_same(old.secret_hash, seen.secret_hash)
            kept = (old.secret_hash, until_s) if grace_s else ("", 0)
            return msgspec.structs.replace(
                old, secret_hash=hashed, old_secret_hash=kept[0], old_until_s=kept[1]
            )

        client = await self._change(caller, CLIENT, client_id, changed)
        if not grace_s:
            await self._accounts.end_families(caller.tenant, CLIENT, client_id)
        return Made(client, secret)

    async def rotate_password(self, caller: Identity, name: str, password: str | None) -> Made:
        """Give a user a new password, made up unless one is given; his refresh tokens end."""
        if password is not None:
            refuse(check_password(password))
        seen = await self.get(caller.tenant, USER, name)
        self._demand_scopes(caller, seen.role, seen.scopes)
        secret = password or secrets.token_urlsafe(SECRET_BYTES)
        hashed = await self._identity.hash(secret)

        def changed(old: AnyAccount) -> AnyAccount:
            assert isinstance(old, User)
            assert isinstance(seen, User)
            _demand_same(old.password_hash, seen.password_hash)
            return msgspec.structs.replace(old, password_hash=hashed)

        user = await self._change(caller, USER, name, changed)
        await self._accounts.end_families(caller.tenant, USER, name)
        return Made(user, None if password else secret)

    async def delete(self, caller: Identity, kind: str, name: str) -> None:
        """Delete an account: its secret, its refresh tokens, and at once every token that it has.

        Its name is not given again before the last of these would have ended.
        """
        demand_other(caller, name)
        policy = self._ports.policy
        life_s = max(policy.access_token_s, policy.device_token_s) + CLOCK_SKEW_S_MAX
        free_s = self._ports.clock.now_ms() // 1_000 + life_s

        def deleted(old: AnyAccount) -> AnyAccount:
            if isinstance(old, Client):
                return Client(old.id, old.tenant, "", (), (), suspended=True, free_s=free_s)
            return User(old.name, old.tenant, "", (), suspended=True, free_s=free_s)

        await self._change(caller, kind, name, deleted)
        await self._accounts.end_families(caller.tenant, kind, name)

    # Inside.

    def _new_name(self, caller: Identity, kind: str, wanted: NewAccount) -> str:
        """Check all that is asked for a new account and give its name."""
        wanted.granted.check()
        name = wanted.name or f"{caller.tenant}-{secrets.token_hex(4)}"
        problems = check_account_name(name, NAMES[kind]) + check_description(wanted.description)
        problems += self._check_subtenant(caller, wanted.subtenant)
        refuse(problems + ([] if wanted.password is None else check_password(wanted.password)))
        self._demand_scopes(caller, *wanted.granted.stored())
        part = self._index.of(caller.tenant)
        if len(part.clients if kind == CLIENT else part.users) >= ACCOUNTS_OF_TENANT_MAX:
            raise Conflict(f"A tenant has at most {ACCOUNTS_OF_TENANT_MAX} {kind}s; delete some.")
        return name

    def _check_subtenant(self, caller: Identity, subtenant: str | None) -> list[Problem]:
        """Refuse a subtenant that is none; a door may learn a second late of another door's."""
        if subtenant is None or subtenant in self._index.of(caller.tenant).subtenants:
            return []
        return [Problem("/subtenant", codes.INVALID_BODY, "There is no such subtenant.")]

    async def _add(self, account: AnyAccount) -> None:
        self._index.wrote(await self._accounts.add(account, self._ports.clock.now_ms() // 1_000))

    async def _change(
        self, caller: Identity, kind: str, name: str, change: Callable[[AnyAccount], AnyAccount]
    ) -> AnyAccount:
        """Store what `change` makes of the account; Conflict if others are always faster.

        Callers that this door remembers are looked at anew, so it takes effect with the answer.
        """

        def following(old: AnyAccount) -> AnyAccount:
            self._demand_scopes(caller, old.role, old.scopes)
            return change(old)

        document, account = await self._accounts.change(
            caller.tenant, kind, name, following, unknown=UNKNOWN[kind]
        )
        self._index.wrote(document)
        await self._identity.follow({kind})
        return account

    def _demand_scopes(self, caller: Identity, role: str, scopes: tuple[str, ...]) -> None:
        """Raise Forbidden unless the caller has every scope of such an account."""
        lacking = [scope for scope in scopes_of(role, scopes) if scope not in caller.scopes]
        if lacking:
            raise Forbidden(f"The account has what the token lacks: {', '.join(lacking)}.")


def demand_other(caller: Identity, name: str) -> None:
    """Raise Conflict if the account is one that the caller acts with."""
    if name in {caller.subject, caller.client_id}:
        raise Conflict("An account does not suspend, change or delete itself; let another one do it.")


def _demand_same(now: str, seen: str) -> None:
    """Raise Conflict if another rotation came in between: its caller was shown a secret that is to hold."""
    if now != seen:
        raise Conflict("Another request has just changed the secret.")
