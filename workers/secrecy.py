"""Secrets that lie in clear are sealed where they lie: webhooks' of the days before secrets were (S16)."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import structlog
from msgspec.structs import replace

from runtime.vault import Vault
from schemas.subscriptions import KIND, Subscription, Webhook
from storage.port import CatalogStore

log = structlog.get_logger("notifier")


async def seal_secrets(catalog: CatalogStore, vault: Vault, names: Iterable[tuple[str, str]]) -> None:
    """Seal the secrets of these subscriptions, by tenant and id; what another has changed waits its turn."""
    for tenant, id_ in sorted(names):
        document = await catalog.get(tenant, KIND, id_)
        if document is None:
            continue
        told = msgspec.json.decode(document.body, type=Subscription)
        if told.webhook is None or not told.webhook.secret:
            continue
        sealed = vault.seal(told.secret_name, told.webhook.secret)
        body = msgspec.json.encode(replace(told, webhook=Webhook(told.webhook.url, sealed=sealed)))
        if await catalog.replace(tenant, KIND, id_, body, document.version) is not None:
            log.info("secret_sealed", tenant=tenant, subscription=id_)
