"""Identity as the door uses it: keys, tokens and the token endpoint in one object."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from api.identity.accounts import Accounts
from api.identity.brake import Brake
from api.identity.grants import Issuer, TokenAnswer, TokenExchange, TokenRequest
from api.identity.keys import KeyRing
from api.identity.passwords import HashingPool, Passwords
from api.identity.tokens import Identity, Tokens
from runtime.ports import Ports
from schemas.ids import TenantId

SWEEP_S = 3_600
"""How often refresh tokens past their time are looked for; a family lives for a day."""


class IdentityService:
    """One for each door; `load` before use, `close` after."""

    def __init__(self, ports: Ports, is_active: Callable[[TenantId], bool]) -> None:
        """Take the ports and the question whether a tenant may act."""
        self._ports = ports
        self._pool = HashingPool()
        self._swept_s = 0
        self.keys = KeyRing(ports.catalog)
        self.tokens = Tokens(self.keys, f"{ports.policy.public_url or 'aspectstore'}/oauth/token", is_active)
        self._issuer = Issuer(
            Accounts(ports.catalog),
            Passwords(ports.policy.password_memory_kib),
            self.tokens,
            Brake(),
            ports.policy,
        )

    async def load(self) -> None:
        """Read the keys from the catalogue; make them at the first start of the installation."""
        await self.keys.load(self._ports.clock.now_ms(), self._ports.policy.signing_key_bits)

    async def reload_keys(self) -> None:
        """Read the token keys again, after the change log named one."""
        await self.keys.reload()
        self.tokens.forget()

    def identify(self, authorization: bytes | str | None, now_s: float) -> Identity:
        """Tell who sends this Authorization header; Unauthenticated if it proves nobody."""
        return self.tokens.identify(authorization, now_s)

    def public_keys(self) -> dict[str, Any]:
        """Give the answer of `/token_keys` (wire 7.1)."""
        return {"keys": self.keys.public()}

    async def exchange(self, form: dict[str, str], authorization: str | None, address: str) -> TokenAnswer:
        """Answer a request at the token endpoint."""
        now_s = self._ports.clock.now_ms() // 1_000
        request = TokenRequest(form, authorization, address, now_s)
        exchange = TokenExchange(self._issuer, request, asyncio.get_running_loop())
        return await self._pool.run(exchange.run)

    async def sweep(self, tenants: Sequence[TenantId]) -> None:
        """Remove refresh tokens that are past their time, at most once an hour."""
        now_s = self._ports.clock.now_ms() // 1_000
        if now_s < self._swept_s + SWEEP_S:
            return
        self._swept_s = now_s
        for tenant in tenants:
            await self._issuer.accounts.sweep(tenant, now_s)

    def close(self) -> None:
        """Release the threads; twice is harmless."""
        self._pool.close()
