"""Which store of files an installation gets by its settings."""

import secrets

import pytest

from runtime import addresses, settings, wiring
from runtime.s3_server import KEY_ID, SECRET
from storage.disk_files import DiskFileStore
from storage.files_testing import body, whole
from storage.s3_files import S3FileStore


def chosen(tmp_path, **given):
    """Give settings."""
    return settings.load({"ASPECTSTORE_CONFIG": ""}, {"data": str(tmp_path), **given})


async def test_embedded_files_lie_in_the_data_folder(tmp_path):
    """Without a word they are below `files` there, closed to others."""
    store = wiring.open_files(chosen(tmp_path))

    content = await store.write("acme", secrets.token_hex(16), body(b"abc"))

    assert isinstance(store, DiskFileStore)
    assert (tmp_path / "files" / "acme" / content.id[:2] / content.id).read_bytes() == b"abc"
    await store.close()


async def test_files_lie_in_the_bucket_that_is_named(tmp_path, s3):
    """With `s3://BUCKET/PREFIX`, endpoint and key they are there, and nothing of them on this machine."""
    given = {"files_endpoint": s3.url, "files_key_id": KEY_ID, "files_secret": SECRET}
    store = wiring.open_files(chosen(tmp_path, files="s3://files/opened", **given))

    content = await store.write("acme", secrets.token_hex(16), body(b"abc"))

    assert isinstance(store, S3FileStore)
    assert await whole(store, "acme", content) == b"abc"
    folder = s3.data_dir / "objects" / "files" / "opened" / "acme" / content.id
    assert [path.name for path in folder.iterdir()] == ["00000"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"files": "tape"}, r"s3://BUCKET\[/PREFIX\]"),
        ({"files": "s3://"}, r"s3://BUCKET\[/PREFIX\]"),
        ({"files": "s3://Bad_Name"}, r"s3://BUCKET\[/PREFIX\]"),
        ({"files": "http://bucket"}, r"s3://BUCKET\[/PREFIX\]"),
        ({"files_key_id": "me"}, "go together"),
        ({"files_secret": "mine"}, "go together"),
    ],
)
def test_a_place_that_is_none_is_refused(given, reason, tmp_path):
    """One line says what is expected, and no secret is in it."""
    with pytest.raises(settings.SettingsError, match=reason) as refused:
        chosen(tmp_path, **given)

    assert "mine" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "bucket"),
    [("s3://files", ("files", "")), ("s3://my.files/", ("my.files", "")), ("s3://b-1/x/y/", ("b-1", "x/y/"))],
)
def test_a_bucket_and_its_prefix(text, bucket):
    """A prefix ends with one slash, however it was written."""
    found = addresses.parse_bucket(text)

    assert bucket == (found.name, found.prefix)
