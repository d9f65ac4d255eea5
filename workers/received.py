"""What is shared with those who subscribe: the door's rules (`api.shares.access`) for records, once more.

Knows the shares of the whole installation, but only once somebody subscribes to what others share: the shares
of a tenant lie with its giver, so they are read from all of them.
"""

from __future__ import annotations

import msgspec

from schemas.shares import Action, Share
from schemas.subscriptions import Subscription
from storage.port import Document

KIND = "share"


class Received:
    """Shares by who receives them."""

    def __init__(self) -> None:
        """Know nothing before `put`."""
        self.is_followed = False
        """Whether the shares of the installation were read, and are followed."""
        self._shares: dict[tuple[str, str], Share] = {}
        self._named: dict[str, dict[tuple[str, str], dict[str, Share]]] = {}
        """receiver → giver and asset that is named → id → share."""

    def clear(self) -> None:
        """Forget everything."""
        self.is_followed = False
        self._shares.clear()
        self._named.clear()

    def put(self, document: Document) -> None:
        """Take in a new or changed share."""
        self.drop(document.tenant, document.id)
        share = msgspec.json.decode(document.body, type=Share)
        if Action.RECORDS_READ not in share.actions or share.receiver.tenant == share.tenant:
            return  # Of its own assets a tenant is told anyway.
        self._shares[document.tenant, document.id] = share
        named = self._named.setdefault(share.receiver.tenant, {})
        for asset in share.assets:
            named.setdefault((share.tenant, asset), {})[share.id] = share

    def drop(self, giver: str, share_id: str) -> None:
        """Forget a share; unknown ones are ignored."""
        share = self._shares.pop((giver, share_id), None)
        if share is None:
            return
        named = self._named[share.receiver.tenant]
        for asset in share.assets:
            del named[share.tenant, asset][share_id]
            if not named[share.tenant, asset]:
                del named[share.tenant, asset]

    def givers(self, receiver: str) -> set[str]:
        """Name the tenants that share records with a tenant."""
        return {giver for giver, _ in self._named.get(receiver, {})}

    def naming(self, receiver: str, giver: str, asset: str) -> list[Share]:
        """List the shares with a tenant that name an asset."""
        return list(self._named.get(receiver, {}).get((giver, asset), {}).values())


def reaches(share: Share, told: Subscription, *, is_unchanged: bool) -> bool:
    """Tell whether the owner of a subscription is one of those who receive a share.

    Who subscribes is bound to no subtenant. A share to a role reaches an account that had every scope of it
    when it subscribed, and may do what it could then.
    """
    receiver = share.receiver
    if receiver.subtenant is not None:
        return False
    if receiver.user is not None:
        return receiver.user == told.owner.name
    return receiver.role is None or (is_unchanged and receiver.role in told.owner.covers)
