"""Rules of retention in the catalogue: a document a tenant, read by writers, changed by doors (design 4.13).

What settings and the tenant's own document ask for becomes the rule only here, with the time and with what
the rule before it may have taken.
"""

from __future__ import annotations

import msgspec

from schemas.retention import KEEP_ALL, Rule
from storage.changing import change
from storage.port import CatalogStore, Document

KIND = "retention"
"""Kind and id of the document."""

CHANGE_TRIES_MAX = 5
"""Doors that start together want the same change: the second try finds it made."""

_decoder = msgspec.json.Decoder(Rule)


def rule_in(document: Document | None) -> Rule:
    """Read a rule; no document: everything is kept."""
    return KEEP_ALL if document is None else _decoder.decode(document.body)


async def read_rule(catalog: CatalogStore, tenant: str) -> Rule:
    """Read the rule of a tenant."""
    return rule_in(await catalog.get(tenant, KIND, KIND))


async def settle_rule(catalog: CatalogStore, tenant: str, days: int, now_ms: int) -> Rule:
    """Make so many days (0: for ever) the tenant's rule, unless they are; gives the rule that holds."""

    def following(rule: Rule) -> Rule:
        return rule if rule.days == days else rule.changed(days, now_ms)

    failed = f"the retention of tenant {tenant} could not be changed: others change it all the time"
    place = (tenant, KIND, KIND)
    return await change(catalog, place, rule_in, following, tries_max=CHANGE_TRIES_MAX, failed=failed)
