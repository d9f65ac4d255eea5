"""Files behind the real HTTP server, in a folder: bodies pass through and are never held whole."""

import asyncio
import json

import httpx
import pytest

from api.http.budget import RETRY_AFTER_S, Holding
from schemas.limits import FILE_BODY_S_MAX, MB
from storage.disk_files import DiskFileStore
from storage.files_testing import octets
from tests.api.doors import NOW_MS
from tests.api.masts import MAST
from tests.api.served import served_site, until

PATH = f"/api/iotfile/v3/files/{MAST}"
LARGE = octets(24 * MB)


@pytest.fixture
async def site(tmp_path):
    """A site behind the real server, with files on the disk and room for half of the large body."""
    store = DiskFileStore(tmp_path / "files", lambda: NOW_MS)
    async with served_site() as running:
        running.door.services.files._files = store
        running.door.budget.bytes_max = 12 * MB
        running.folder = tmp_path / "files"
        running.token = running.open.headers["authorization"]
        base, headers = f"http://127.0.0.1:{running.port}", running.open.headers
        async with httpx.AsyncClient(base_url=base, headers=headers) as client:
            running.client = client
            yield running
    await store.close()


def kept(site):
    """Give the sizes of what lies in the folder."""
    return sorted(path.stat().st_size for path in site.folder.rglob("*") if path.is_file())


async def pieces(content, size=200_000):
    """Give a body in pieces, without a size before it."""
    for at in range(0, len(content), size):
        yield content[at : at + size]


def head(site, name, size):
    """Write the head of a PUT."""
    lines = (
        f"PUT {PATH}/{name} HTTP/1.1",
        "Host: d",
        f"Authorization: {site.token}",
        f"Content-Length: {size}",
    )
    return "\r\n".join([*lines, "", ""]).encode()


@pytest.mark.parametrize("announced", [True, False])
async def test_a_body_larger_than_the_room_passes_through(site, announced):
    """A door holds of a file what the store needs of it, whatever its size, in and out."""
    most, add = [0], Holding.add

    def watched(self, more_bytes):
        add(self, more_bytes)
        most.append(self.held_bytes)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Holding, "add", watched)
        stored = await site.client.put(f"{PATH}/big", content=LARGE if announced else pieces(LARGE))

    read = await site.client.get(f"{PATH}/big")
    part = await site.client.get(f"{PATH}/big", headers={"range": f"bytes={5 * MB}-{9 * MB}"})
    assert (stored.status_code, read.status_code, part.status_code) == (201, 200, 206)
    assert read.content == LARGE
    assert part.content == LARGE[5 * MB : 9 * MB + 1]
    assert max(most) <= 3 * MB
    assert (site.door.budget.held_bytes, kept(site)) == (0, [len(LARGE)])


async def test_without_room_an_upload_is_told_to_come_again(site):
    """503 with Retry-After, and nothing of it stays."""
    others = Holding(site.door.budget)
    others.add(site.door.budget.bytes_max - MB)

    refused = await site.client.put(f"{PATH}/a", content=b"abc")

    assert (refused.status_code, refused.headers["retry-after"]) == (503, str(RETRY_AFTER_S))
    assert kept(site) == []
    others.release()
    assert (await site.client.put(f"{PATH}/a", content=b"abc")).status_code == 201


async def test_a_body_that_keeps_coming_has_an_hour(site):
    """The half minute of other bodies is too short for a file; one that trickles ends in 408 all the same."""
    wire = await site.connect()
    await wire.send(head(site, "slow", 300_000), b"x" * 150_000)
    await until(lambda: _arrived(site) == 150_000)

    site.clock.advance(60_000)
    site.door.watch.look()
    await wire.send(b"x" * 150_000)
    status, _, _ = await wire.answer()

    assert (status, kept(site)) == (201, [300_000])


async def test_a_body_that_trickles_is_408(site):
    """After its first seconds a body comes at the least rate or not at all (S8)."""
    wire = await site.connect()
    await wire.send(head(site, "slow", 300_000), b"x" * 1_000)
    await until(lambda: _arrived(site) == 1_000)

    site.clock.advance(60_000)
    site.door.watch.look()
    status, headers, body = await wire.answer()

    assert (status, headers["connection"]) == (408, "close")
    assert json.loads(body)["errors"][0]["code"] == "aspectstore.request.tooSlow"
    assert kept(site) == []


def _arrived(site):
    """Give how much has come of the only body that is waited for."""
    waiting = list(site.door.watch._waiting)
    return waiting[0].received_bytes if waiting and waiting[0].deadline_s == FILE_BODY_S_MAX else 0


async def test_a_client_that_leaves_leaves_nothing(site):
    """Half a body is no file, and the room that it held is free."""
    wire = await site.connect()
    await wire.send(head(site, "half", 300_000), b"x" * 150_000)
    await until(lambda: _arrived(site) == 150_000)

    wire.close()
    await until(lambda: not site.server.server_state.tasks)

    assert (kept(site), site.door.budget.held_bytes) == ([], 0)
    assert (await site.client.get(f"{PATH}/half")).status_code == 404


async def test_many_uploads_side_by_side(site):
    """Bodies that come at the same time do not mix, and all room is free afterwards (R26)."""
    site.door.budget.bytes_max = 64 * MB
    bodies = [octets(MB + number) + b"%d" % number for number in range(12)]

    stored = await asyncio.gather(
        *(site.client.put(f"{PATH}/{number}", content=pieces(body)) for number, body in enumerate(bodies))
    )
    read = await asyncio.gather(*(site.client.get(f"{PATH}/{number}") for number in range(12)))

    assert [answer.status_code for answer in stored] == [201] * 12
    assert [answer.content for answer in read] == bodies
    assert site.door.budget.held_bytes == 0
