"""How much of a shard one page brings (design 3.6)."""

import pytest

from streams.testing.setting import SHARD, admission, append, prove
from streams.valkey import ValkeyRecordStream
from streams.valkey.connection import pack
from streams.valkey.pages import FEW_ENTRIES, PAGE_BYTES_MAX, PAGE_ENTRIES_MAX, Pages
from streams.valkey.scripts import keys_of

LARGE = 512 * 1024
"""So large that PAGE_ENTRIES_MAX of them would be far over PAGE_BYTES_MAX."""


@pytest.fixture
async def stream(valkey_factory):
    server = valkey_factory()
    stream = ValkeyRecordStream(server.url)
    await prove(stream)
    yield stream
    await stream.close()


@pytest.fixture
def pages(monkeypatch):
    """Note the size of each page: entries and bytes."""
    sizes = []
    take = Pages.take

    def noted(page, replies):
        before = len(page.found)
        take(page, replies)
        fresh = page.found[before:]
        sizes.append((len(fresh), sum(len(entry.body) for entry in fresh)))

    monkeypatch.setattr(Pages, "take", noted)
    return sizes


async def read_all(stream, bytes_max):
    found, after = [], 0
    while page := await stream.read({SHARD: after}, bytes_max=bytes_max):
        found += [entry.position for entry in page[SHARD]]
        after = found[-1]
    return found


async def test_large_entries_behind_small_ones_come_a_few_at_a_time(stream, pages):
    """What was seen says nothing of what follows: a page is short, or all that waits is little."""
    sizes = [1] * (2 * FEW_ENTRIES) + [LARGE] * (2 * PAGE_BYTES_MAX // LARGE) + [1] * 40
    positions = await append(stream, *(admission(body=bytes(size)) for size in sizes))

    assert positions == await read_all(stream, 4 * PAGE_BYTES_MAX)

    assert max(size for _, size in pages) <= PAGE_BYTES_MAX
    assert max(count for count, _ in pages) > FEW_ENTRIES


async def test_small_entries_come_many_at_a_time(stream, pages):
    """Where all that waits is little, a page is as long as it may be."""
    positions = await append(stream, *(admission(body=b"small") for _ in range(FEW_ENTRIES + 300)))

    assert positions == await read_all(stream, 4 * PAGE_BYTES_MAX)

    read_in_vain = 0
    assert [FEW_ENTRIES, PAGE_ENTRIES_MAX, 300 - PAGE_ENTRIES_MAX, read_in_vain] == [
        count for count, _ in pages
    ]


async def test_a_long_backlog_is_read_by_long_pages(stream, pages):
    """Where all that waits is much, a landmark on the way tells how far a page may go."""
    sizes = [10_000] * 1_300 + [LARGE] * (PAGE_BYTES_MAX // LARGE) + [10_000] * 300
    positions = await append(stream, *(admission(body=bytes(size)) for size in sizes))

    assert positions == await read_all(stream, 4 * PAGE_BYTES_MAX)

    assert max(size for _, size in pages) <= PAGE_BYTES_MAX
    assert len(pages) < len(positions) / (4 * FEW_ENTRIES)


async def test_a_page_is_no_longer_than_what_is_wanted(stream, pages):
    """Of entries of one size, about as many are fetched as there is room for."""
    await append(stream, *(admission(body=bytes(1_000)) for _ in range(200)))

    found = (await stream.read({SHARD: 0}, bytes_max=20_000))[SHARD]

    assert len(found) == 20
    assert [8, 12] == [count for count, _ in pages]


async def test_entries_that_do_not_say_their_bytes_come_a_few_at_a_time(stream, pages):
    """Entries of an earlier layout are read all the same."""
    places = range(10, 10 + 3 * FEW_ENTRIES)
    await stream._ask(*(pack("XADD", keys_of(SHARD).stream, f"{place}-0", "body", "old") for place in places))
    [newest] = await append(stream)

    assert [*places, newest] == await read_all(stream, PAGE_BYTES_MAX)

    assert FEW_ENTRIES == max(count for count, _ in pages)
