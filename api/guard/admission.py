"""Whether a token that holds may be used: what became of its accounts since it was signed.

An access token lives for minutes and says what its accounts could do when it was given. Here is what they
can do now, from the door's memory: a suspended or deleted account is out, so is one whose secret was reset
since, and a scope that was taken away is gone, in this door at once and within a second in the others; a
binding to a subtenant holds as quickly.
An account that is not in memory is one that another door has just made, or the shared client of devices: both
may act, with the binding that the token names.
"""

from __future__ import annotations

from dataclasses import replace

from api.catalog.index import CatalogIndex
from api.catalog.tenant_index import TenantIndex
from api.identity.tokens import USER, Identity
from schemas.errors import Unauthenticated


class Admission:
    """The accounts of one installation, asked for each token that is not remembered."""

    def __init__(self, index: CatalogIndex) -> None:
        """Take the index that knows tenants and accounts."""
        self._index = index

    def admit(self, identity: Identity) -> Identity:
        """Give the caller with the scopes that its accounts have today; Unauthenticated if one is out."""
        part = self._index.of(identity.tenant)
        if identity.agent is not None:
            return _admitted(identity, part)
        standings = [part.clients.get(identity.client_id)]
        if identity.category == USER:
            standings.append(part.users.get(identity.subject))
        scopes, subtenants = identity.scopes, set[str | None]()
        for kept in standings:
            if kept is None:
                subtenants.add(identity.subtenant)
                continue
            if not kept.value.may_act:
                raise Unauthenticated("The token's account is suspended or gone.")
            if identity.issued_s < kept.value.since_s:
                raise Unauthenticated("The account's sessions were ended; log in again.")
            scopes &= kept.value.granted
            subtenants.add(kept.value.subtenant)
        bound = subtenants - {None}
        if len(bound) > 1:
            raise Unauthenticated("The token's user and its client are bound to different subtenants.")
        subtenant = next(iter(bound), None)
        if scopes == identity.scopes and subtenant == identity.subtenant:
            return identity
        return replace(identity, scopes=scopes, subtenant=subtenant)


def _admitted(identity: Identity, part: TenantIndex) -> Identity:
    """Give an agent with the subtenant to which its asset belongs today; Unauthenticated if it is out.

    One that is not in memory has just registered at another door.
    """
    boarding, asset = part.boardings.get(identity.subject), part.assets.get(identity.subject)
    if identity.subject in part.deleted_assets or (boarding and boarding.value.id != identity.session):
        raise Unauthenticated("The token's agent is offboarded or gone.")
    subtenant = None if asset is None else part.subtenant_of(asset.value)
    return identity if subtenant == identity.subtenant else replace(identity, subtenant=subtenant)
