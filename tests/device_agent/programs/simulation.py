"""A board's life in accelerated time, with everything that can go wrong, against the simulator's own log.

    simulation.py FOLDER SEED HOURS SECTORS

Every sample that the journal accepted is stored once, in order, or was dropped by a full flash and told as a
gap: the two are counted apart, and must add up (TB-30, TB-49 to TB-62).
"""

import small_heap  # noqa: F401 - first

# isort: split

import gc
import sys

from agent.clock import Clock
from agent.config import NAME
from agent.identity import BOARDING
from agent.start import composed
from agent.update import Update
from fake_server import Server, Stream
from nor_flash import Flash, PowerLoss
from slots import Slots
from store import Store
from world import Board, Flashed, Network, Sensor, WatchedJournal, World


def memory():
    """Give what the heap has, used and free; on an interpreter that cannot say: nothing used."""
    return (gc.mem_alloc(), gc.mem_free()) if hasattr(gc, "mem_alloc") else (0, 1)


def started(world, server, store):
    """Start a board as `main.py` does, with other hardware."""
    world.boot()
    journal = WatchedJournal(world, world.flash, 0x51)
    clock = Clock(world.ticks_ms, world.ticks_diff, journal.last_ms)
    network = Network(world, lambda tend: Stream(world, server, tend))
    sensors = (Sensor(world, (0, 1)), Sensor(world, (2, 3, 4)))
    update = Update("/", Slots(store), None, 1)
    board = Board(world, memory, gc.collect)
    return composed(board, network, sensors, journal, clock, store, world.odds.octets, update), journal


def live(world, server, store):
    """Let boards come and go until the end, and then one until all is sent."""
    journal = None
    while world.now_ms < world.end_ms or journal is None:
        try:
            agent, journal = started(world, server, store)
            while world.now_ms < world.end_ms:
                world.wait(agent.turn())
                world.perhaps_cut(300_000)
        except PowerLoss:
            world.saw("reboot")
            agent = None
            gc.collect()
    agent, journal = started(world, server, store)
    deadline_ms = world.now_ms + 7_200_000
    while world.now_ms < deadline_ms and (journal.backlog > 5 or agent._uplink.failures):
        world.wait(agent.turn())
    return journal


def verdict(world, server, journal):
    """Count: what was accepted is what was stored, what is still there, and what was told as lost."""
    log = world.log
    kept_samples = kept_health = 0
    reader = journal.reader()
    while reader.read():
        kept_samples += reader.source == 0
        kept_health += reader.source == 1
    stored = missing = surplus = 0
    for at in range(len(log.stored)):
        both = log.stored[at] | log.accepted[at]
        for bit in range(8):
            if both >> bit & 1:
                is_stored = log.stored[at] >> bit & 1
                stored += is_stored
                missing += not is_stored
                surplus += is_stored and not log.accepted[at] >> bit & 1
    lost_health = log.health - log.health_stored - kept_health
    say = sys.stdout.write
    say(
        "accepted %d, stored %d, waiting %d, dropped %d\n"
        % (log.accepted_count, stored, kept_samples, missing - kept_samples)
    )
    say(
        "told as lost %d (health among them: at most %d), repeats merged %d, of uncertain time %d\n"
        % (log.told_lost, max(0, lost_health), log.repeats, log.uncertain)
    )
    say(
        "whole though nobody was told %d, boots %d, worst time error %d ms\n"
        % (surplus, world.boots, log.error_ms_max)
    )
    say("faults %s\nrequests %s\n" % (world.faults_seen, server.counts))
    say("erased per sector %d to %d\n" % (min(world.flash.erased), max(world.flash.erased)))
    say("peak heap %d bytes\n" % world.heap_max)
    dropped = missing - kept_samples
    assert journal.lost == log.told_lost, (journal.lost, log.told_lost)
    assert dropped + lost_health <= log.told_lost + surplus, "a loss was not told"
    assert log.told_lost <= dropped + max(0, lost_health) + world.boots, "more was told than was lost"
    assert (dropped > 0) == (log.told_lost > 0)
    return dropped


def main():
    folder, seed, hours, sectors = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
    world = World(seed, hours, Flash(sectors, 4096, folder + "/flash"))
    server = Server(world)
    plain = Store(folder)
    plain.save("identity", None)
    plain.save(NAME, None)
    server.operator = lambda content: plain.save(BOARDING, content)
    server.operator(server.boarding())
    journal = live(world, server, Flashed(world, plain))
    verdict(world, server, journal)
    sys.stdout.write("ok\n")


main()
