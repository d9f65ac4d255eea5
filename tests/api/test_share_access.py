"""Who may do what with which asset: random shares against a plain reading of the rules (MS-88, design 7)."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.catalog.index import CatalogIndex
from api.catalog.kinds import SHARE
from api.identity.roles import ROLES
from api.identity.setup import create_tenant
from api.identity.tokens import Identity
from api.shares.access import Access
from runtime.clock import ManualClock
from schemas.assets import Asset
from schemas.builtin import root_asset
from schemas.errors import NotFound
from schemas.partials import CELL_MS
from schemas.shares import Action, Receiver, Share, within
from storage.memory_catalog import MemoryCatalogStore
from storage.port import Document
from tests.api.doors import NOW_MS
from tests.api.masts import put_types

GIVERS = ("acme", "rigid")
TREE = {name: {"top": None, "left": "top", "leaf": "left", "right": "top"} for name in GIVERS}
"""giver → asset → the asset above it; None: the root."""
IDS = {
    (giver, name): f"{number:032x}"
    for number, (giver, name) in enumerate(((g, n) for g in GIVERS for n in TREE[g]), 16)
}
ASPECTS = ("weather", "tyres")
CALLERS = {
    "admin": Identity("other", "admin", "c", frozenset(ROLES["tenant admin"]), "", 0),
    "bob": Identity("other", "bob", "c", frozenset(ROLES["viewer"]), "", 0),
    "north": Identity("other", "nora", "c", frozenset(ROLES["engineer"]), "", 0, subtenant="north"),
    "of acme": Identity("acme", "bob", "c", frozenset(ROLES["viewer"]), "", 0, subtenant="west"),
}
TIMES = tuple(cell * CELL_MS + beside for cell in range(5) for beside in (0, 1))


@pytest.fixture(scope="module")
def index():
    """Three tenants, two of which give; shares are put in and taken out as the change log would do it."""
    return asyncio.run(_index())


async def _index():
    catalog, clock = MemoryCatalogStore(), ManualClock(NOW_MS)
    for tenant in ("acme", "other", "rigid"):
        await create_tenant(catalog, tenant, 0)
        await put_types(catalog, tenant)
    for (tenant, name), asset_id in IDS.items():
        above = TREE[tenant][name]
        parent = root_asset(tenant).id if above is None else IDS[tenant, above]
        asset = Asset(
            id=asset_id, tenant=tenant, name=name, type_id=f"{tenant}.Mast", parent_id=parent,
            sub_tenant="west" if name == "right" else None,
        )  # fmt: skip
        await catalog.create(tenant, "asset", asset_id, msgspec.json.encode(asset))
    for tenant, subtenant in (("other", "north"), ("acme", "west")):
        made = {"id": subtenant, "tenant": tenant, "entity_id": "", "display_name": "", "created_ms": 0}
        await catalog.create(tenant, "subtenant", subtenant, msgspec.json.encode(made))
    index = CatalogIndex(catalog, clock)
    await index.load()
    return index


@st.composite
def shares(draw):
    """Draw a share of one of the givers."""
    giver = draw(st.sampled_from(GIVERS))
    named = draw(st.sets(st.sampled_from(list(TREE[giver])), min_size=1))
    ends = sorted(draw(st.sets(st.integers(0, 4), min_size=2, max_size=2)))
    open_ends = draw(st.tuples(st.booleans(), st.booleans()))
    part = draw(
        st.sampled_from(({}, {"user": "bob"}, {"subtenant": "north"}, {"role": "engineer"}, {"user": "nora"}))
    )
    return Share(
        id="", tenant=giver, given_ms=1, given_by="",
        receiver=Receiver(draw(st.sampled_from(("other", "acme"))), **part),
        assets=tuple(IDS[giver, name] for name in named),
        subtree=draw(st.booleans()),
        actions=tuple(draw(st.sets(st.sampled_from(Action), min_size=1, max_size=3))),
        aspects=draw(st.one_of(st.none(), st.sampled_from(ASPECTS).map(lambda name: (name,)))),
        after_ms=None if open_ends[0] else ends[0] * CELL_MS,
        until_ms=None if open_ends[1] else ends[1] * CELL_MS,
        expires_ms=draw(st.sampled_from((None, NOW_MS, NOW_MS + 1))),
    )  # fmt: skip


def above(giver, name):
    """List an asset and those above it."""
    while name is not None:
        yield name
        name = TREE[giver][name]


def allows(share, caller, giver, name, aspect, action, time_ms, now_ms):
    """Read one share as its documentation has it, member by member."""
    to = share.receiver
    if share.tenant != giver or to.tenant != caller.tenant or action not in share.actions:
        return False
    if to.user is not None and to.user != caller.subject:
        return False
    if to.role is not None and not set(ROLES[to.role]) <= caller.scopes:
        return False
    if to.subtenant is not None and caller.subtenant != to.subtenant:
        return False
    if (to.user, to.role, to.subtenant) == (None, None, None) and caller.subtenant is not None:
        return False
    named = {asset for asset, asset_id in IDS.items() if asset_id in share.assets}
    reach = list(above(giver, name)) if share.subtree else [name]
    if not any((giver, each) in named for each in reach):
        return False
    if share.aspects is not None and aspect not in share.aspects:
        return False
    if share.after_ms is not None and time_ms <= share.after_ms:
        return False
    if share.until_ms is not None and time_ms > share.until_ms:
        return False
    return share.expires_ms is None or now_ms < share.expires_ms


async def may(access, caller, asset_id, aspect, action):
    """Ask what is tested: the times of which the caller may do it, of `TIMES`."""
    try:
        granted = await access.series(caller, (asset_id, aspect), action)
    except NotFound:
        return set()
    return {time_ms for time_ms in TIMES if within(time_ms, granted.spans)}


def put(index, given):
    """Put shares into the index, as the change log would bring them."""
    for number, share in enumerate(given):
        named = msgspec.structs.replace(share, id=f"s{number}")
        body = msgspec.json.encode(named)
        index.wrote(Document(share.tenant, SHARE, named.id, 0, body))


@settings(max_examples=300)
@given(given=st.lists(shares(), min_size=1, max_size=4), later_ms=st.integers(0, 1))
def test_what_random_shares_open(index, given, later_ms):
    """Each caller may do with each series, at each time, what some share allows: no more and no less."""
    put(index, given)
    now_ms = NOW_MS + later_ms
    access = Access(index, ManualClock(now_ms))

    async def compare():
        for caller in CALLERS.values():
            for (giver, name), asset_id in IDS.items():
                own = giver == caller.tenant and (caller.subtenant is None or name == "right")
                for aspect in ASPECTS:
                    for action in (Action.RECORDS_READ, Action.RECORDS_WRITE, Action.AGGREGATES_READ):
                        expected = {
                            time_ms
                            for time_ms in TIMES
                            if own
                            or any(
                                allows(share, caller, giver, name, aspect, action, time_ms, now_ms)
                                for share in given
                            )
                        }
                        found = await may(access, caller, asset_id, aspect, action)
                        assert expected == found, (caller, giver, name, aspect, action)

    try:
        asyncio.run(compare())
    finally:
        for number, share in enumerate(given):
            index.removed(share.tenant, SHARE, f"s{number}")


@settings(max_examples=100)
@given(given=st.lists(shares(), min_size=1, max_size=4))
def test_lists_have_what_single_looks_find(index, given):
    """The assets that are listed as shared are those that are found one by one, each once."""
    put(index, given)
    access = Access(index, ManualClock(NOW_MS))
    try:
        for caller in CALLERS.values():
            for action in (Action.ASSET_READ, Action.RECORDS_READ):
                listed = access.shared_assets(caller, action)
                one_by_one = {
                    asset_id
                    for asset_id in IDS.values()
                    if not access.is_own(caller, asset_id)
                    and access.find_shared(caller, asset_id, action) is not None
                }
                assert sorted(one_by_one) == sorted(reached.kept.value.id for reached in listed)
    finally:
        for number, share in enumerate(given):
            index.removed(share.tenant, SHARE, f"s{number}")


def test_nothing_stays_behind(index):
    """After all shares are gone nobody has received anything."""
    assert not any(index.shares.givers(tenant) for tenant in ("acme", "other", "rigid"))
    assert not any(index.shares.received(tenant) for tenant in ("acme", "other", "rigid"))
