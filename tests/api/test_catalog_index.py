"""The catalogue in the door's memory follows the change log (design 4, catalogue)."""

import asyncio

import msgspec
import pytest

from api.catalog.index import OPEN_LINE_S, REBUILD_AFTER_S, CatalogIndex
from api.identity.setup import create_tenant
from runtime.clock import ManualClock
from schemas.aspects import AspectType, Variable, VariableType, with_ids
from schemas.assets import Asset, AssetType, TypeAspect
from schemas.errors import NotFound
from schemas.policies import PROFILES
from schemas.tenants import Tenant
from storage.memory_catalog import MemoryCatalogStore

NOW_MS = 1_767_225_600_000
ASSET = "a" * 32
ASPECT = "b" * 32


class CountingStore(MemoryCatalogStore):
    """A catalogue that counts the documents read one by one."""

    reads = 0

    async def get(self, *key):
        """Count, then read."""
        self.reads += 1
        return await super().get(*key)


class LateStore(CountingStore):
    """A catalogue whose lines stand in the log before their change applies, as Cassandra's do."""

    async def announce(self, tenant, kind, document_id, version):
        """Write a line without its change."""
        self._note(tenant, kind, document_id, version)

    async def apply(self, tenant, kind, document_id, body):
        """Apply a change whose line was written before."""
        lines = len(self._log)
        await self.create(tenant, kind, document_id, body)
        del self._log[lines:]


def aspect_type(category="dynamic"):
    """Make an aspect type."""
    variable = Variable(name="x", type=VariableType.INT)
    return with_ids(
        AspectType(id="acme.E", tenant="acme", name="E", category=category, variables=(variable,))
    )


def asset_type():
    """Make an asset type with the aspect `env`."""
    aspect = TypeAspect(name="env", aspect_type_id="acme.E", aspect_id=ASPECT)
    return AssetType(
        id="acme.T", tenant="acme", name="T", parent_type_id="core.basicasset", aspects=(aspect,)
    )


def asset(name="A"):
    """Make an asset."""
    return Asset(id=ASSET, tenant="acme", name=name, type_id="acme.T", parent_id="c" * 32)


def encoded(value):
    """Write a document's body."""
    return msgspec.json.encode(value)


async def filled(store):
    """Fill a catalogue with a tenant, types and an asset."""
    await create_tenant(store, "acme", NOW_MS)
    await store.create("acme", "aspecttype", "acme.E", encoded(aspect_type()))
    await store.create("acme", "assettype", "acme.T", encoded(asset_type()))
    await store.create("acme", "asset", ASSET, encoded(asset()))
    return store


@pytest.fixture
def clock():
    """A clock that only tests move."""
    return ManualClock(NOW_MS)


async def loaded(store, clock):
    """Build an index."""
    index = CatalogIndex(store, clock)
    await index.load()
    return index


async def test_series_of_an_asset_is_found(clock):
    """Asset and aspect name give the series and the type of its records (design 8.13)."""
    index = await loaded(await filled(MemoryCatalogStore()), clock)

    for _ in range(2):  # worked out, then remembered
        assert index.series_of("acme", ASSET, "env") == (("acme", ASSET, ASPECT), aspect_type())


@pytest.mark.parametrize(
    ("tenant", "asset_id", "aspect"),
    [
        ("acme", "0" * 32, "env"), ("acme", ASSET, "other"), ("acme", ASSET, "connectivityStatus"),
        ("acme", ASSET, ""), ("other", ASSET, "env"), ("acme", "", "env"), ("nobody", ASSET, "env"),
    ],
)  # fmt: skip
async def test_everything_else_is_not_found(clock, tenant, asset_id, aspect):
    """Unknown and foreign assets, unknown and static aspects have no series (MS-31)."""
    store = await filled(MemoryCatalogStore())
    await create_tenant(store, "other", NOW_MS)
    index = await loaded(store, clock)

    with pytest.raises(NotFound):
        index.series_of(tenant, asset_id, aspect)


async def test_a_change_is_followed(clock):
    """What another door writes is known after the next refresh, and read once (design 4)."""
    store = await filled(CountingStore())
    index = await loaded(store, clock)
    await index.refresh()
    index.take_touched()
    await store.replace("acme", "asset", ASSET, encoded(asset("B")), 0)
    store.reads = 0

    await index.refresh()
    touched = index.take_touched()
    await index.refresh()
    again = index.take_touched()

    assert index.of("acme").asset(ASSET).value.name == "B"
    assert (touched, again) == ({"asset"}, set())
    assert store.reads == 1


async def test_own_writes_are_known_at_once_and_not_read_again(clock):
    """The door's own writes need no refresh, and their lines cause no reading."""
    store = await filled(CountingStore())
    index = await loaded(store, clock)
    await index.refresh()
    stored = await store.replace("acme", "asset", ASSET, encoded(asset("B")), 0)
    index.wrote(stored)
    store.reads = 0

    await index.refresh()

    assert index.of("acme").asset(ASSET).value.name == "B"
    assert store.reads == 0


async def test_a_removal_is_followed(clock):
    """A removed asset is gone, also from the memory of its series."""
    store = await filled(MemoryCatalogStore())
    index = await loaded(store, clock)
    index.series_of("acme", ASSET, "env")
    await store.remove("acme", "asset", ASSET, 0)

    await index.refresh()

    with pytest.raises(NotFound):
        index.series_of("acme", ASSET, "env")


async def test_an_id_that_is_made_anew_is_followed(clock):
    """Removed and created again between two refreshes: the new one counts, though its version is lower."""
    store = await filled(MemoryCatalogStore())
    for version in range(3):
        await store.replace("acme", "assettype", "acme.T", encoded(asset_type()), version)
    index = await loaded(store, clock)
    await store.remove("acme", "assettype", "acme.T", 3)
    renamed = msgspec.structs.replace(asset_type(), name="again")
    await store.create("acme", "assettype", "acme.T", encoded(renamed))

    await index.refresh()

    assert index.of("acme").asset_type("acme.T").value.name == "again"


async def test_a_change_of_a_type_reaches_its_series(clock):
    """A remembered series gets the new version of its type."""
    store = await filled(MemoryCatalogStore())
    index = await loaded(store, clock)
    index.series_of("acme", ASSET, "env")
    wider = with_ids(
        msgspec.structs.replace(
            aspect_type(), variables=(*aspect_type().variables, Variable(name="y", type=VariableType.INT))
        ),
        aspect_type(),
    )
    await store.replace("acme", "aspecttype", "acme.E", encoded(wider), 0)

    await index.refresh()

    assert index.series_of("acme", ASSET, "env")[1] == wider
    assert wider.version == 2


async def test_a_line_that_comes_before_its_change_is_waited_for(clock):
    """In Cassandra a line precedes its change: the reader looks until the change is there (design 4)."""
    store = await filled(LateStore())
    index = await loaded(store, clock)
    other = "d" * 32
    await store.announce("acme", "asset", other, 0)
    await index.refresh()
    await index.refresh()

    await store.apply("acme", "asset", other, encoded(msgspec.structs.replace(asset("late"), id=other)))
    await index.refresh()

    assert index.of("acme").asset(other).value.name == "late"


async def test_an_orphan_line_is_given_up(clock):
    """A line whose change never came costs nothing after the overlap (design 4)."""
    store = await filled(LateStore())
    index = await loaded(store, clock)
    await store.announce("acme", "asset", "d" * 32, 0)
    await index.refresh()
    clock.advance(int((OPEN_LINE_S + 1) * 1_000))
    await index.refresh()
    store.reads = 0

    await index.refresh()

    assert store.reads == 0


async def test_a_new_tenant_is_followed_with_all_it_has(clock):
    """A tenant made by another process may log in after the next refresh, and has its root asset."""
    store = await filled(MemoryCatalogStore())
    index = await loaded(store, clock)
    assert index.is_active("second") is False
    await create_tenant(store, "second", NOW_MS)

    await index.refresh()

    assert index.is_active("second") is True
    root = index.tenant("second").root_asset
    assert index.of("second").asset(root).value.name == "second"
    assert index.tenants() == ["acme", "second"]


async def test_a_suspended_tenant_may_not_act(clock):
    """Suspension reaches every door by the log."""
    store = await filled(MemoryCatalogStore())
    index = await loaded(store, clock)
    await index.refresh()
    index.take_touched()
    document = await store.get("core", "tenant", "acme")
    tenant = msgspec.structs.replace(msgspec.json.decode(document.body, type=Tenant), suspended=True)
    await store.replace("core", "tenant", "acme", encoded(tenant), 0)

    await index.refresh()

    assert index.take_touched() == {"tenant"}
    assert index.is_active("acme") is False


async def test_profiles(clock):
    """A tenant has its own profile, else the installation's (design 7)."""
    store = await filled(MemoryCatalogStore())
    strict = CatalogIndex(store, clock, "strict")
    await strict.load()

    assert (await loaded(store, clock)).profile_of("acme") is PROFILES["open"]
    assert strict.profile_of("acme") is PROFILES["strict"]


async def test_a_door_that_slept_reads_everything_anew(clock):
    """The log keeps a day; whoever was away for an hour does not trust it."""
    store = await filled(MemoryCatalogStore())
    index = await loaded(store, clock)
    store._documents["acme", "asset"].pop(ASSET)  # behind the log's back
    await index.refresh()
    assert index.of("acme").asset(ASSET)

    clock.advance(int((REBUILD_AFTER_S + 1) * 1_000))
    await index.refresh()

    with pytest.raises(NotFound):
        index.of("acme").asset(ASSET)


async def test_an_asset_of_this_moment_is_found(clock):
    """Another door may have made asset and type a moment ago: a miss is looked up before it is one."""
    store = MemoryCatalogStore()
    await create_tenant(store, "acme", NOW_MS)
    index = await loaded(store, clock)
    await filled(store)

    with pytest.raises(NotFound):
        index.series_of("acme", ASSET, "env")
    assert (await index.find_series("acme", ASSET, "env"))[0].asset == ASSET
    assert (await index.find_asset("acme", ASSET)).value == asset()


async def test_an_aspect_of_this_moment_is_found(clock):
    """The same for an aspect that another door gave to the asset's type a moment ago."""
    store = await filled(MemoryCatalogStore())
    index = await loaded(store, clock)
    second = TypeAspect(name="second", aspect_type_id="acme.E", aspect_id="e" * 32)
    grown = msgspec.structs.replace(asset_type(), aspects=(*asset_type().aspects, second))
    await store.replace("acme", "assettype", "acme.T", encoded(grown), 0)

    assert (await index.find_series("acme", ASSET, "second"))[0].aspect == "e" * 32


@pytest.mark.parametrize("asset_id", ["0" * 32, "", "../../etc", "A" * 32, "x" * 10_000])
async def test_what_is_nowhere_is_not_found(clock, asset_id):
    """Ids of no form are not even looked for."""
    store = await filled(CountingStore())
    index = await loaded(store, clock)
    store.reads = 0

    with pytest.raises(NotFound):
        await index.find_series("acme", asset_id, "env")
    with pytest.raises(NotFound):
        await index.find_asset("acme", asset_id)
    assert store.reads == (2 if asset_id == "0" * 32 else 0)


async def test_refresh_tokens_are_not_followed(clock):
    """Each login changes one; no door reads them all."""
    store = await filled(CountingStore())
    index = await loaded(store, clock)
    await store.create("acme", "token", "t", b"{}")
    await index.refresh()
    index.take_touched()
    store.reads = 0

    await index.refresh()
    assert index.take_touched() == set()
    assert store.reads == 0


async def test_what_anybody_took_in_is_told_to_who_must_know(clock):
    """A client revoked while assets are written: the refresh of the asset's route does not swallow it."""
    store = await filled(MemoryCatalogStore())
    index = await loaded(store, clock)
    await index.refresh()
    index.take_touched()
    await store.create("acme", "client", "c", b"{}")

    await index.refresh()  # asked for by a route
    await index.refresh()  # asked for by the door's own tick

    assert index.take_touched() == {"client"}
    assert index.take_touched() == set()


class SlowLog(MemoryCatalogStore):
    """A catalogue whose log is read when the test says so."""

    def __init__(self):
        """Let every reading wait."""
        super().__init__()
        self.readings = 0
        self.gate = asyncio.Event()

    async def changes(self, after):
        """Count, wait, read."""
        self.readings += 1
        await self.gate.wait()
        return await super().changes(after)


async def test_who_comes_while_the_log_is_read_shares_the_next_reading(clock):
    """Nobody gets a reading that began before it asked, and a hundred writers cost two readings."""
    store = await filled(SlowLog())
    store.gate.set()
    index = await loaded(store, clock)
    store.gate.clear()
    store.readings = 0
    first = asyncio.create_task(index.refresh())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    others = [asyncio.create_task(index.refresh()) for _ in range(100)]
    others[0].cancel()
    await store.replace("acme", "asset", ASSET, encoded(asset("B")), 0)
    store.gate.set()

    await asyncio.gather(first, *others[1:])

    assert store.readings == 2
    assert index.of("acme").asset(ASSET).value.name == "B"


async def test_lines_that_the_log_no_longer_repeats_are_let_go(clock):
    """What was followed is remembered for as long as its line may come again, and not longer."""
    store = await filled(MemoryCatalogStore())
    index = await loaded(store, clock)
    await index.refresh()
    remembered = len(index._settled)
    clock.advance(int((OPEN_LINE_S + 1) * 1_000))

    await index.refresh()

    assert remembered > 0
    assert len(index._settled) <= remembered
    clock.advance(int((OPEN_LINE_S + 1) * 1_000))
    await store.create("acme", "token", "t", b"{}")
    await index.refresh()
    assert all(at_s + OPEN_LINE_S >= clock.monotonic_s() for at_s in index._settled.values())


async def test_a_hit_costs_about_a_microsecond(clock):
    """The single-record path asks this for each request (design 10)."""
    import timeit

    index = await loaded(await filled(MemoryCatalogStore()), clock)

    best_s = min(timeit.repeat(lambda: index.series_of("acme", ASSET, "env"), number=5_000, repeat=5))

    assert best_s / 5_000 < 10e-6  # about 0.5 µs here; the bound leaves room for a busy machine
