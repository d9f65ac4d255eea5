"""Identity as the door uses it: keys, tokens, logins and API keys in one object."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from api.identity.accounts import Accounts
from api.identity.api_keys import KIND as API_KEY
from api.identity.api_keys import ApiKeys
from api.identity.authorization import Outcome, PageLogin, Untrusted, judge
from api.identity.brake import Brake
from api.identity.grants import TokenAnswer, TokenExchange
from api.identity.keys import KeyRing
from api.identity.logins import Issuer, Known, Login, Logins
from api.identity.passwords import HashingPool, Passwords
from api.identity.revocations import KIND as REVOKED
from api.identity.revocations import Revocations
from api.identity.tokens import Identity, Tokens
from runtime.ports import Ports
from runtime.vault import Vault
from schemas.errors import Unauthenticated
from schemas.ids import TenantId

SWEEP_S = 3_600
"""How often refresh tokens past their time are looked for; a family lives for a day."""

_HUNG_ON = frozenset({"key", REVOKED, API_KEY, "tenant", "client", "user"})
"""Kinds of documents that what is remembered of a caller hangs on."""


class IdentityService:
    """One for each door; `load` before use, `close` after."""

    def __init__(
        self,
        ports: Ports,
        is_active: Callable[[TenantId], bool],
        admit: Callable[[Identity], Identity],
    ) -> None:
        """Take the ports, the question whether a tenant may act, and what its accounts may do today."""
        self._ports = ports
        self._pool = HashingPool()
        self._swept_s = 0
        self.keys = KeyRing(ports.catalog)
        revocations = Revocations(ports.catalog)
        self.tokens = Tokens(
            self.keys,
            f"{ports.policy.public_url or 'aspectstore'}/oauth/token",
            is_active,
            revocations.names,
            admit,
        )
        self.vault = Vault(ports.policy.secrets_key)
        self.api_keys = ApiKeys(ports.catalog, self.vault, is_active)
        self._issuer = Issuer(
            Accounts(ports.catalog),
            Passwords(ports.policy.password_memory_kib),
            self.tokens,
            Brake(),
            ports.policy,
            revocations,
        )

    async def load(self) -> None:
        """Read the keys from the catalogue; make them at the first start of the installation."""
        await self.keys.load(self._ports.clock.now_ms(), self._ports.policy.signing_key_bits)
        await self._issuer.revocations.load()

    async def follow(self, touched: AbstractSet[str]) -> None:
        """Take in what the change log named, by kinds of documents."""
        if "key" in touched:
            await self.keys.reload()
        if REVOKED in touched:
            await self._issuer.revocations.load()
        if touched & _HUNG_ON:
            self.tokens.forget()
            self.api_keys.forget()

    def identify(self, authorization: bytes | str | None, now_s: float) -> Identity:
        """Tell who sends this Authorization header; Unauthenticated if it proves nobody."""
        return self.tokens.identify(authorization, now_s)

    def public_keys(self, *, lines: bool = True) -> list[dict[str, Any]]:
        """Give the public keys, the one that signs first; PEMs of several lines (wire 7.1) or one (5.3)."""
        return [key.public(lines=lines) for key in self.keys.published(self._ports.clock.now_ms())]

    async def exchange(self, form: dict[str, str], authorization: str | None, address: str) -> TokenAnswer:
        """Answer a request at the token endpoint."""
        login = self._login(form, authorization, address)
        exchange = TokenExchange(self._issuer, login, asyncio.get_running_loop())
        return await self._pool.run(exchange.run)

    async def authorize(self, parameters: Mapping[str, str] | None) -> Outcome:
        """Judge a request for the login page; None: it repeats a parameter."""
        if parameters is None:
            return Untrusted("The address that brought you here is malformed.")
        name = parameters.get("client_id")
        client = await self._issuer.accounts.find_client(name) if name else None
        return judge(client, parameters)

    async def log_in(self, form: dict[str, str], address: str) -> tuple[Outcome, Known | None]:
        """Answer the login page's form: with a code where name and password are right.

        Gives the account that was named, too, where it exists.
        """
        page = PageLogin(self._issuer, self._login(form, None, address), asyncio.get_running_loop())
        return await self._pool.run(page.run), page.known

    async def revoke(self, form: dict[str, str], authorization: str | None, address: str) -> bool:
        """Take a token of a client back (RFC 7009); False if there is no such client with this secret.

        A refresh token ends its login with all that came of it, an access token of a login likewise, one that
        a client's secret gave only itself. Foreign and unknown tokens are no error and change nothing.
        """
        logins = Logins(self._issuer, self._login(form, authorization, address), asyncio.get_running_loop())
        client = await self._pool.run(lambda: logins.public_client() or logins.client_by_secret())
        if client is not None:
            await self._end(client.id, form.get("token", ""))
        return client is not None

    async def _end(self, client_id: str, token: str) -> None:
        now_s, accounts = self._ports.clock.now_ms() // 1_000, self._issuer.accounts
        access = self._access(token, now_s)
        if access is None:
            family = await accounts.find_family(token, now_s)
            if family is None or family[0].client_id != client_id:
                return
            ended = family[0].id
        elif access.client_id == client_id:
            family = await accounts.know_family(f"{access.tenant}.{access.session}.")
            ended = access.session or access.token_id
        else:
            return
        if family is not None:
            await accounts.end_family(*family)
        await self._issuer.revocations.add(ended, now_s + self._issuer.token_s_max)
        self.tokens.forget()

    async def end_session(self, session: str, life_s: int) -> None:
        """Take back every token of a session, none of which lives longer than that; once more is harmless."""
        await self._issuer.revocations.add(session, self._ports.clock.now_ms() // 1_000 + life_s)
        self.tokens.forget()

    def _access(self, token: str, now_s: int) -> Identity | None:
        try:
            return self.tokens.verify(token, now_s)
        except Unauthenticated:
            return None

    @property
    def accounts(self) -> Accounts:
        """Give clients and users as they are stored."""
        return self._issuer.accounts

    async def hash(self, secret: str) -> str:
        """Give what to store for a secret; it waits its turn among logins, Unavailable if too many wait."""
        return await self._pool.run(lambda: self._issuer.passwords.hash(secret))

    async def sweep(self, tenants: Sequence[TenantId]) -> None:
        """Remove tokens and keys that are past their time, at most once an hour."""
        now_s = self._ports.clock.now_ms() // 1_000
        if now_s < self._swept_s + SWEEP_S:
            return
        self._swept_s = now_s
        for tenant in tenants:
            await self._issuer.accounts.sweep(tenant, now_s)
        await self._issuer.revocations.sweep(now_s)
        await self.keys.sweep(now_s * 1_000)

    def close(self) -> None:
        """Release the threads; twice is harmless."""
        self._pool.close()

    def _login(self, form: dict[str, str], authorization: str | None, address: str) -> Login:
        return Login(form, authorization, address, self._ports.clock.now_ms() // 1_000)
