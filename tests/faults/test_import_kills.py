"""`kill -9` of importer, writer and store during imports: all of each or nothing, once (R21, SM-07).

Each kill falls into an import of its own, at a seeded share of the time that one takes. Beside it a reader
looks at every slice of every series: each shows the rows of one file, whole. In the fast suite two kills a
part, in `slow` twenty.
"""

import random
from collections.abc import Callable, Iterator
from time import monotonic, sleep

import pytest

from bench.service import Service
from runtime import cassandra_server, valkey_server
from runtime.cassandra_server import CassandraServer
from tests.conftest import need
from tests.faults.house import say
from tests.faults.importing import CREDENTIALS, VARIABLES, Reader, Site, running

POINTS = [
    pytest.param(2, id="2"),
    pytest.param(20, id="20", marks=[pytest.mark.slow, pytest.mark.timeout(3_600)]),
]
pytestmark = pytest.mark.timeout(600)

TRIES = 3
"""Imports for one kill: how long one takes depends on what else the machine does."""

Kill = Callable[[Site, random.Random], bool]
"""Kills a part now; False where there is none to kill."""


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Give a service with SQLite and its own stream server."""
    need("valkey", valkey_server.missing())
    data = tmp_path_factory.mktemp("embedded") / "data"
    with running(Service(data, credentials=CREDENTIALS, variables=VARIABLES)) as site:
        yield site


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CassandraServer]:
    """Give a Cassandra that is ours to kill."""
    need("cassandra", cassandra_server.missing())
    with CassandraServer(tmp_path_factory.mktemp("cassandra")) as server:
        yield server


@pytest.fixture(scope="module")
def on_cassandra(store: CassandraServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Give a service with two writers on that Cassandra."""
    need("valkey", valkey_server.missing())
    data, name = tmp_path_factory.mktemp("wide") / "data", f"cassandra://{store.address}/killed"
    variables = {**VARIABLES, "ASPECTSTORE_WRITERS": "2", "ASPECTSTORE_LEASE_S": "3"}
    with running(Service(data, name, credentials=CREDENTIALS, variables=variables)) as site:
        yield site


def kill_importer(site: Site, _: random.Random) -> bool:
    """Kill the process in which the job runs."""
    return any(list(map(site.kill, site.at_work())))


def kill_writer(site: Site, chooser: random.Random) -> bool:
    """Kill a writer; where there are two, the other one takes its shards over."""
    return site.kill(chooser.choice(site.pids("workers.main writer")))


def kill_stream_or_service(site: Site, chooser: random.Random) -> bool:
    """Kill the stream server, or everything at once and start it again."""
    if chooser.random() < 0.5:
        return site.kill(chooser.choice(site.pids("valkey-server")))
    site.service.kill()
    site.service.start(120)
    return True


def torment(site: Site, kill: Kill, points: int, seed: int) -> None:
    """Import file after file, each with a kill in it; every one comes to its end, whole and once."""
    chooser = random.Random(seed)
    reader = Reader(site)
    with reader.reading():
        whole_s = min(undisturbed(site), undisturbed(site))
        shares = [(point + chooser.random()) / points for point in range(points)]
        chooser.shuffle(shares)
        hits = sum(killed(site, kill, chooser, share * whole_s) for share in shares)
    say(f"seed {seed}: {hits} of {points} kills met a job at work, {reader.reads} reads")
    assert [] == reader.wrong
    assert hits >= points // 2
    assert reader.reads > points


def killed(site: Site, kill: Kill, chooser: random.Random, after_s: float) -> bool:
    """Import a file and kill a part so long after the job began; sooner once more where that was too late."""
    for _ in range(TRIES):
        job = site.begin()
        site.await_work(job)
        sleep(after_s)
        hit = site.is_at_work(job) and kill(site, chooser)
        site.demand(site.end_of(job))
        if hit:
            return True
        after_s /= 3
    return False


def undisturbed(site: Site) -> float:
    """Import a file; gives the seconds between the beginning of the job and its end."""
    job = site.begin()
    site.await_work(job)
    begun_s = monotonic()
    site.demand(site.end_of(job))
    return monotonic() - begun_s


@pytest.mark.parametrize("points", POINTS)
@pytest.mark.parametrize("kill", [kill_importer, kill_writer, kill_stream_or_service])
def test_a_kill_during_an_import_costs_nothing(kill: Kill, points: int, embedded: Site) -> None:
    """Importer, writer, stream server or everything, on SQLite: counts equal, no duplicate, none half."""
    torment(embedded, kill, points, seed=points)


@pytest.mark.parametrize("points", POINTS)
@pytest.mark.parametrize("kill", [kill_importer, kill_writer])
def test_a_kill_during_an_import_costs_nothing_on_cassandra(
    kill: Kill, points: int, on_cassandra: Site
) -> None:
    """Importer or one of two writers, on Cassandra, where deltas and cursor are separate writes."""
    torment(on_cassandra, kill, points, seed=points)


@pytest.mark.parametrize("points", POINTS)
def test_a_kill_of_cassandra_during_an_import_costs_nothing(
    points: int, on_cassandra: Site, store: CassandraServer
) -> None:
    """The store itself is gone for as long as it takes to start again."""

    def kill_store(_: Site, __: random.Random) -> bool:
        store.kill()
        store.start()
        return True

    torment(on_cassandra, kill_store, points, seed=points)
