"""All shares of the installation by their receivers; fed by `catalog_index`, used on its event loop only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from api.catalog.tenant_index import Kept, TenantIndex
from schemas.ids import TenantId
from schemas.shares import Share

Named = dict[str, dict[str, Kept[Share]]]
"""By the id of an asset that is named, then by the share's own."""

_NONE: Mapping[TenantId, Named] = {}


class ShareIndex:
    """Which tenants share what with which; the shares a tenant has given are in its own index, too."""

    def __init__(self, parts: Iterable[TenantIndex] = ()) -> None:
        """Take in what these tenants have given."""
        self._received: dict[str, dict[str, Kept[Share]]] = {}
        """receiver → id → share."""
        self._givers: dict[str, dict[TenantId, Named]] = {}
        """receiver → giver → what it shares."""
        self._known: dict[str, Share] = {}
        for part in parts:
            self.put_all(part)

    def put_all(self, part: TenantIndex) -> None:
        """Take in what a tenant has given."""
        for kept in part.shares.values():
            self.put(kept)

    def put(self, kept: Kept[Share]) -> None:
        """Take in a new or changed share."""
        share = kept.value
        self.drop(share.id)
        self._known[share.id] = share
        receiver = share.receiver.tenant
        self._received.setdefault(receiver, {})[share.id] = kept
        named = self._givers.setdefault(receiver, {}).setdefault(share.tenant, {})
        for asset in share.assets:
            named.setdefault(asset, {})[share.id] = kept

    def drop(self, share_id: str) -> None:
        """Forget a share; unknown ones are ignored."""
        share = self._known.pop(share_id, None)
        if share is None:
            return
        receiver = share.receiver.tenant
        del self._received[receiver][share_id]
        named = self._givers[receiver][share.tenant]
        for asset in share.assets:
            del named[asset][share_id]
            if not named[asset]:
                del named[asset]
        if not named:
            del self._givers[receiver][share.tenant]
        if not self._received[receiver]:
            del self._received[receiver], self._givers[receiver]

    def received(self, tenant: str) -> Mapping[str, Kept[Share]]:
        """Give what a tenant, or a part of it, has received."""
        return self._received.get(tenant, {})

    def givers(self, tenant: str) -> Mapping[TenantId, Named]:
        """Give what a tenant has received by giver and by asset; mostly nothing."""
        return self._givers.get(tenant, _NONE)
