"""Poison in a shard: set aside at first sight with its reason, nothing else is held up (R14, design 4)."""

import random

import pytest

from api.reading.receipts import DISCARDED, Fate
from schemas.aspects import VariableType
from schemas.errors import StoreUnavailable
from schemas.jobs import ReplayDeadLetters
from schemas.receipts import Place
from storage.memory_catalog import MemoryCatalogStore
from streams.port import Entry, Settled
from tests.storage.series import OTHER, SERIES
from tests.workers.poison import (
    ASPECT_TYPE,
    GOOD,
    POISON,
    SHARD,
    aspect_type,
    catalog_with,
    doubles,
    entry,
    put_body,
    resealed,
    screening_writer,
    texts,
    variable,
)
from tests.workers.world import SHARDS, START_MS, memory_world, step
from workers import screening
from workers.folding import Folded, grouped
from workers.jobs import replay_dead_letters
from workers.screening import fold_or_set_aside
from workers.writer import TURN_BYTES_MAX


async def poisoned(kind=VariableType.DOUBLE):
    """A world with a writer that holds its shards, and its catalogue."""
    world, catalog = memory_world(), await catalog_with(variable(kind))
    writer = screening_writer(world, catalog)
    await step(writer)
    return world, writer, catalog


@pytest.mark.parametrize("name", POISON)
async def test_poison_is_set_aside_and_all_else_is_stored(name):
    """One turn: the letter has its reason, its position is applied, what stands around it is readable."""
    body, reason = POISON[name]
    world, writer, _ = await poisoned()
    await world.write(SERIES, doubles(START_MS))
    position = put_body(world, body)
    world.clock.advance(1)
    await world.write(SERIES, doubles(START_MS + 1))
    await world.write(OTHER, doubles(START_MS + 2))

    await step(writer)
    if len(body) > TURN_BYTES_MAX:  # what stands behind it is the next turn's
        await step(writer)

    [letter] = await world.stream.dead_letters(SHARD)
    assert (SHARD, position, len(body)) == (letter.shard, letter.position, letter.bytes_count)
    assert reason in letter.reason
    assert body == (await world.stream.read_letter(SHARD, position)).body
    state = await world.stream.read_state(SHARD)
    assert state.last_found == state.applied
    assert state.applied == await world.store.read_cursor(SHARD)
    assert world.expected(SERIES) == await world.read(SERIES)
    assert world.expected(OTHER) == await world.read(OTHER)
    assert 1 == writer.figures.dead_letters


@pytest.mark.parametrize("seed", range(20))
async def test_any_poison_anywhere_leaves_the_rest_in_order(seed):
    """Poison of every kind among writes of two series: the state is that of the writes alone."""
    dice = random.Random(seed)
    world, writer, _ = await poisoned()
    put = 0
    for number in range(40):
        if dice.random() < 0.3:
            put_body(world, dice.choice([body for body, _ in POISON.values() if len(body) < 1_000]))
            put += 1
        else:
            times = [START_MS + dice.randrange(6) for _ in range(dice.choice([1, 1, 3]))]
            await world.write(dice.choice([SERIES, OTHER]), doubles(*times, value=float(number)))
        world.clock.advance(dice.choice([1, 400]))
        if dice.random() < 0.2:
            await step(writer)
    await step(writer)

    assert put == len(await world.stream.dead_letters(SHARD))
    assert world.expected(SERIES) == await world.read(SERIES)
    assert world.expected(OTHER) == await world.read(OTHER)


async def test_a_letter_is_stored_by_a_replay_after_mending():
    """Doubles for an INT: once the variable is widened to DOUBLE, the replay stores them as a new append."""
    world, writer, catalog = await poisoned(VariableType.INT)
    admitted = await world.write(SERIES, doubles(START_MS, value=1.5))
    await step(writer)
    place = Place(SHARD, admitted.incarnation, admitted.position)
    assert Fate.DEAD_LETTERED is (await world.reading._receipts.fate([place]))[0]
    assert {} == await world.read(SERIES)

    await catalog.replace("acme", "aspecttype", ASPECT_TYPE, aspect_type(variable(VariableType.DOUBLE)), 0)
    done = await replay_dead_letters(world.stream, ReplayDeadLetters(), SHARDS)

    assert {"replayed": 1, "kept": 0} == done
    assert (Fate.PENDING, "") == await world.reading._receipts.fate([place])
    await step(writer)
    assert (Fate.APPLIED, "") == await world.reading._receipts.fate([place])
    assert world.expected(SERIES) == await world.read(SERIES)
    assert [] == await world.stream.dead_letters(SHARD)


async def test_a_replay_that_fails_again_is_a_letter_again():
    """The old receipt follows the entry: dead-lettered again, with the new reason, and to be replayed."""
    world, writer, _ = await poisoned(VariableType.INT)
    admitted = await world.write(SERIES, doubles(START_MS, value=1.5))
    await step(writer)
    await replay_dead_letters(world.stream, ReplayDeadLetters(SHARD, (admitted.position,)), SHARDS)
    world.clock.advance(1)
    await step(writer)

    [letter] = await world.stream.dead_letters(SHARD)
    assert letter.position > admitted.position
    place = Place(SHARD, admitted.incarnation, admitted.position)
    assert (Fate.DEAD_LETTERED, letter.reason) == await world.reading._receipts.fate([place])


async def test_a_replay_that_was_cut_off_appends_nothing_twice():
    """A job that died between the append and the note runs again: the entry has one effect (R13)."""
    world, writer, catalog = await poisoned(VariableType.INT)
    await world.write(SERIES, doubles(START_MS, value=1.5))
    await step(writer)
    await catalog.replace("acme", "aspecttype", ASPECT_TYPE, aspect_type(variable(VariableType.DOUBLE)), 0)
    settle = world.stream.settle

    async def dies(*_arguments):
        raise StoreUnavailable("killed here")

    world.stream.settle = dies
    with pytest.raises(StoreUnavailable):
        await replay_dead_letters(world.stream, ReplayDeadLetters(), SHARDS)
    world.stream.settle = settle
    once = (await world.stream.read_state(SHARD)).last_found
    world.clock.advance(1)

    assert {"replayed": 1, "kept": 0} == await replay_dead_letters(world.stream, ReplayDeadLetters(), SHARDS)
    assert once == (await world.stream.read_state(SHARD)).last_found


async def test_a_replay_keeps_to_its_tenant():
    """Another tenant's letters, and those of which nobody knows whose they are, stay where they are."""
    world, writer, _ = await poisoned()
    ours = put_body(world, POISON["texts for a number"][0])
    unknown = put_body(world, POISON["undecodable"][0])
    await step(writer)

    done = await replay_dead_letters(world.stream, ReplayDeadLetters(tenant="other"), SHARDS)
    assert {"replayed": 0, "kept": 0} == done
    assert [ours, unknown] == [letter.position for letter in await world.stream.dead_letters(SHARD)]

    done = await replay_dead_letters(world.stream, ReplayDeadLetters(tenant="acme"), SHARDS)
    assert {"replayed": 1, "kept": 0} == done
    assert [unknown] == [letter.position for letter in await world.stream.dead_letters(SHARD)]


async def test_a_discarded_letter_is_told_by_its_receipt():
    """Nobody is told that something is stored which is not."""
    world, writer, _ = await poisoned(VariableType.INT)
    admitted = await world.write(SERIES, doubles(START_MS, value=1.5))
    await step(writer)

    await world.stream.settle(SHARD, admitted.position, Settled())

    place = Place(SHARD, admitted.incarnation, admitted.position)
    assert (Fate.DEAD_LETTERED, DISCARDED) == await world.reading._receipts.fate([place])


async def test_a_catalogue_that_does_not_answer_makes_the_shard_wait():
    """Nothing is judged by guesses: an unavailable store never counts against an entry (design 4)."""
    world, writer, catalog = await poisoned()
    listed = catalog.list

    async def down(*_arguments):
        raise StoreUnavailable("the catalogue does not answer")

    catalog.list = down
    await world.write(SERIES, texts("north"))
    with pytest.raises(StoreUnavailable):
        await step(writer)
    assert [] == await world.stream.dead_letters(SHARD)

    catalog.list = listed
    await step(writer)
    assert 1 == len(await world.stream.dead_letters(SHARD))


async def test_types_are_read_again_before_anything_is_judged_by_them():
    """A variable that was widened while the writer knew it as INT takes its doubles at once (design 8.12)."""
    world, writer, catalog = await poisoned(VariableType.INT)
    await world.write(OTHER, doubles(START_MS))
    await step(writer)
    await catalog.replace("acme", "aspecttype", ASPECT_TYPE, aspect_type(variable(VariableType.DOUBLE)), 0)

    await world.write(SERIES, doubles(START_MS, value=2.5))
    await step(writer)

    assert [] == await world.stream.dead_letters(SHARD)
    assert world.expected(SERIES) == await world.read(SERIES)


async def test_a_series_without_a_type_is_stored_all_the_same():
    """A type that was deleted meanwhile is no fault of the entry."""
    world = memory_world()
    writer = screening_writer(world, MemoryCatalogStore())
    await step(writer)
    await world.write(SERIES, doubles(START_MS))
    await step(writer)

    assert [] == await world.stream.dead_letters(SHARD)
    assert world.expected(SERIES) == await world.read(SERIES)


async def test_a_broken_document_holds_up_nothing():
    """A type that does not decode judges nothing; the others judge on."""
    world, writer, catalog = await poisoned()
    await catalog.create("acme", "aspecttype", "acme.broken", b"{")
    await catalog.create("acme", "assettype", "acme.broken_type", b"[]")
    await world.write(SERIES, texts("north"))
    await world.write(OTHER, doubles(START_MS))
    await step(writer)

    assert 1 == len(await world.stream.dead_letters(SHARD))
    assert world.expected(OTHER) == await world.read(OTHER)


def test_a_change_that_cannot_be_folded_is_found_among_the_others(monkeypatch):
    """Whatever goes wrong in folding one change, the others of its series are folded."""
    bodies = [entry(doubles(START_MS + number)) for number in range(5)]
    entries = [Entry(10 + number, 0, body) for number, body in enumerate(bodies)]
    folded = Folded()
    [(series, changes)] = grouped([entries[0]], folded).items()
    changes += [grouped([each], folded)[series][0] for each in entries[1:]]
    fold = screening.fold_series

    def fragile(series, changes, listed, folded):
        fold(series, changes[:1], listed, folded)
        if any(placed.first == 12 for placed in changes):
            raise ZeroDivisionError
        fold(series, changes[1:], listed, folded)

    monkeypatch.setattr(screening, "fold_series", fragile)
    fold_or_set_aside(series, changes, frozenset(), folded, entries)

    assert [(12, bodies[2], "it cannot be folded: ZeroDivisionError")] == folded.failed
    assert 4 == sum(rows for _, rows in folded.slices.values())
    assert {10, 11, 13, 14} >= {delta.first for delta in folded.deltas}


@pytest.mark.parametrize("seed", range(300))
def test_no_content_stops_a_writer(seed):
    """Entries whose checksum holds over any garbage are folded or set aside, each on its own."""
    dice = random.Random(seed)
    good = [GOOD, entry(texts("nörd", "süd")), entry(doubles(*range(START_MS, START_MS + 70)))]
    body = bytearray(dice.choice(good))
    for _ in range(dice.choice([1, 1, 2, 5])):
        at = dice.randrange(56, len(body))
        body[at : at + dice.choice([0, 1, 1, 9])] = dice.randbytes(dice.choice([0, 1, 1, 9]))
        body += b"\0" * max(0, 57 - len(body))
    bodies = [GOOD, resealed(bytes(body)), GOOD]
    entries = [Entry(10 + number, 0, each) for number, each in enumerate(bodies)]
    folded = Folded()

    for series, changes in grouped(entries, folded).items():
        fold_or_set_aside(series, changes, frozenset(), folded, entries)

    failed = [position for position, _, _ in folded.failed]
    assert failed in ([], [11])
    assert folded.deltas
