"""The S3 adapter of files keeps the promises of its port over a real server."""

import secrets

import pytest

from runtime.s3_server import KEY_ID, SECRET
from schemas.errors import Corrupt, StoreUnavailable
from schemas.files import Content
from schemas.limits import MB
from storage.files_testing import FileStoreContract, body, octets, whole
from storage.s3_files import PIECE_BYTES, S3Address, S3FileStore


def address(server, **changes):
    """Give where the tests' bucket is."""
    given = {"bucket": "files", "prefix": "site/", "endpoint": server.url, "key_id": KEY_ID, "secret": SECRET}
    return S3Address(**{**given, **changes})


class TestS3Files(FileStoreContract):
    """The contract over a bucket that all tests share."""

    @pytest.fixture(autouse=True)
    async def _open(self, s3):
        self._objects = s3.data_dir / "objects" / "files" / "site"
        self.store = S3FileStore.open(address(s3))
        self.broken = S3FileStore.open(address(s3, bucket="nothing-here"))
        yield
        await self.store.close()

    def left(self, tenant):
        """Count the objects of a tenant."""
        return sum(1 for path in (self._objects / tenant).rglob("*") if path.is_file())


async def test_a_piece_is_an_object_below_the_prefix(s3):
    """What lies in the bucket can be found by tenant and content, in whole pieces."""
    store = S3FileStore.open(address(s3, prefix="place/of/files/"))

    content = await store.write("pieces", secrets.token_hex(16), body(octets(2 * PIECE_BYTES + 5)))

    folder = s3.data_dir / "objects" / "files" / "place" / "of" / "files" / "pieces" / content.id
    sizes = {path.name: path.stat().st_size for path in folder.iterdir()}
    assert sizes == {"00000": PIECE_BYTES, "00001": PIECE_BYTES, "00002": 5}


async def test_a_wrong_secret_is_a_store_that_fails(s3):
    """A key that the server does not take is the operator's to mend, not the client's."""
    store = S3FileStore.open(address(s3, secret="wrong"))

    with pytest.raises(StoreUnavailable):
        await store.write("acme", secrets.token_hex(16), body(b"x"))


async def test_a_content_that_is_too_short_is_corrupt(s3):
    """Bytes that should be there and are not are no end of a file."""
    store = S3FileStore.open(address(s3))
    content = await store.write("acme", secrets.token_hex(16), body(octets(MB - 5)))

    with pytest.raises(Corrupt):
        await whole(store, "acme", Content(content.id, MB))
