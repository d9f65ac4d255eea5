"""How many bytes the files of a tenant may take (wire 8, design 7)."""

from __future__ import annotations

import msgspec
import pytest

from schemas.policies import OPEN

FOLDER = "/api/iotfile/v3/files"


@pytest.fixture
async def room(service):
    """A tenant whose files may take 100 bytes; gives how to store a file."""
    small = msgspec.structs.replace(OPEN, files_bytes_max=100)
    service.door.services.index._profiles["acme"] = small
    answer = await service.http.get("/api/assetmanagement/v3/assets/root", headers=service.acme)
    asset = answer.json()["assetId"]

    async def put(path, size, **headers):
        url = f"{FOLDER}/{asset}/{path}"
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await service.http.put(url, content=b"x" * size, headers={**service.acme, **named})

    service.put, service.asset = put, asset
    return service


async def stored(service):
    """Give what the files of `acme` take."""
    return await service.door.services.files.stored_bytes("acme")


async def test_files_fill_their_room_exactly(room):
    """The last byte fits, one more does not: 429 that says how much there is and what to do."""
    assert 201 == (await room.put("a", 60)).status_code
    assert 201 == (await room.put("b", 40)).status_code

    full = await room.put("c", 1)

    assert 429 == full.status_code
    assert "100 of the 100 bytes" in full.json()["errors"][0]["message"]
    assert int(full.headers["retry-after"]) > 0
    assert 100 == await stored(room)


async def test_a_body_that_grows_too_long_leaves_nothing(room):
    """It is refused where it crosses the limit, and its bytes count no more."""
    assert 201 == (await room.put("a", 60)).status_code

    assert 429 == (await room.put("b", 41)).status_code

    assert 60 == await stored(room)
    assert [60] == [len(each) for each in room.door.services.files.store.contents.values()]
    assert 201 == (await room.put("c", 40)).status_code


async def test_what_is_removed_makes_room(room):
    """A deleted file's bytes can be used again at once; a replaced file needs room for both."""
    assert 201 == (await room.put("a", 60)).status_code
    assert 429 == (await room.put("a", 60, if_match="0")).status_code

    gone = await room.http.delete(f"{FOLDER}/{room.asset}/a", headers=room.acme)

    assert gone.status_code < 300
    assert 201 == (await room.put("b", 100)).status_code


async def test_a_count_sees_what_other_doors_store(room):
    """Within a minute, and at once where something is refused; a crash cannot make it wrong for long."""
    store = room.door.services.files.store
    assert 0 == await stored(room)
    store.contents["acme", "0" * 32] = b"x" * 90

    assert 0 == await stored(room)
    room.clock.advance(61_000)
    assert 90 == await stored(room)
    assert 429 == (await room.put("a", 20)).status_code
    store.contents.clear()
    room.clock.advance(1_000)
    assert 201 == (await room.put("a", 20)).status_code


async def test_without_a_limit_nothing_is_counted(room, monkeypatch):
    """A tenant that has none pays no walk over what it has."""
    files = room.door.services.files

    async def kept(tenant):
        raise AssertionError("counted")

    monkeypatch.setattr(files.store, "kept", kept)
    room.door.services.index._profiles["acme"] = OPEN

    assert 201 == (await room.put("a", 200)).status_code
