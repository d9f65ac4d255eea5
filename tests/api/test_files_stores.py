"""Files over the real stores: rows in SQLite and in Cassandra, bytes in a folder and behind S3."""

import asyncio
import contextlib
import secrets

import pytest

from api.identity.passwords import Passwords
from api.identity.setup import Credentials, bootstrap
from runtime.clock import ManualClock
from runtime.s3_server import KEY_ID, SECRET
from schemas.limits import FILE_PART_BYTES_MIN
from storage.cassandra.catalog import CassandraCatalogStore
from storage.cassandra.session import Address
from storage.disk_files import DiskFileStore
from storage.s3_files import S3Address, S3FileStore
from storage.sqlite.catalog import SqliteCatalogStore
from tests.api.doors import NOW_MS, bearer, running_door, signing_key, token_of
from tests.api.test_files import Files

ONE, LAST = b"1" * FILE_PART_BYTES_MIN, b"last"


@contextlib.asynccontextmanager
async def embedded(request):
    """A catalogue in SQLite and a folder of files."""
    tmp_path = request.getfixturevalue("tmp_path")
    catalog = await SqliteCatalogStore.open(tmp_path / "catalog.db")
    store = DiskFileStore(tmp_path / "files", lambda: NOW_MS)
    yield catalog, store, tmp_path / "files"
    await store.close()
    await catalog.close()


@contextlib.asynccontextmanager
async def production(request):
    """A catalogue in Cassandra and a bucket of files."""
    cassandra, s3 = request.getfixturevalue("cassandra"), request.getfixturevalue("s3")
    keyspace, prefix = f"files_{secrets.token_hex(4)}", f"door-{secrets.token_hex(4)}/"
    catalog = await CassandraCatalogStore.open(Address([cassandra.host], cassandra.port, keyspace))
    place = S3Address("files", prefix, endpoint=s3.url, key_id=KEY_ID, secret=SECRET)
    yield catalog, S3FileStore.open(place), s3.data_dir / "objects" / "files" / prefix
    await catalog.close()


PRODUCTION = pytest.param(production, marks=[pytest.mark.cassandra, pytest.mark.s3])


@pytest.mark.parametrize("opened", [embedded, PRODUCTION])
async def test_a_files_life(opened, request):
    """Stored, replaced, joined out of parts, listed, fetched in ranges, deleted: rows and bytes agree."""
    async with opened(request) as (catalog, store, folder):
        await catalog.create("core", "key", "token-000001", signing_key())
        await bootstrap(catalog, Passwords(8), NOW_MS, Credentials("acme", "acme-tech", "s3cret"))
        async with running_door(catalog, ManualClock(NOW_MS)) as service:
            service.door.services.files._files = store
            await _live(
                service, lambda: [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
            )


async def _live(service, kept):
    """Go through it; `kept` lists the sizes of what the store keeps."""
    service.acme = bearer(await token_of(service.http, "acme-tech", "s3cret"))
    root = await service.http.get("/api/assetmanagement/v3/assets/root", headers=service.acme)
    files = Files(service, root.json()["assetId"])

    both = await asyncio.gather(*(files.put("bulk/a.txt", b"%d" % number * 5) for number in range(3)))
    assert sorted(answer.status_code for answer in both) == [201, 412, 412]
    assert (await files.put("bulk/a.txt", b"replaced", if_match="0")).status_code == 204
    await files.put("bulk/a.txt?upload=start", b"", if_match="1")
    parts = await asyncio.gather(*(files.put(f"bulk/a.txt?part={n}", ONE) for n in (2, 1, 2)))
    assert [part.status_code for part in parts] == [200] * 3
    joined = await files.put("bulk/a.txt?upload=complete", LAST, if_match="1")
    listed = (await files.list(filter="name eq a.txt and path eq bulk/")).json()
    ranged = await files.get("bulk/a.txt", range=f"bytes={len(ONE) * 2 - 1}-")

    assert (joined.status_code, joined.headers["etag"]) == (204, "2")
    assert [(each["size"], each["etag"]) for each in listed] == [(2 * len(ONE) + len(LAST), 2)]
    assert ranged.content == b"1" + LAST
    assert (await files.get("bulk/a.txt")).content == ONE + ONE + LAST
    assert sum(kept()) == 2 * len(ONE) + len(LAST)
    assert (await files.call("DELETE", "/bulk/a.txt", if_match="2")).status_code == 204
    assert (kept(), (await files.list()).json()) == ([], [])
