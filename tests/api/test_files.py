"""Files of an asset, as existing clients store, fetch, list and delete them (wire 8)."""

import asyncio

import pytest

from schemas.errors import NotFound, StoreUnavailable
from schemas.limits import FILE_BODY_BYTES_MAX, FILE_PART_BYTES_MIN
from tests.api.doors import NOW_MS

BASE = "/api/iotfile/v3"
NOBODY = "0" * 32
SCRIPT_TIME = "Thu Jan 01 1970 00:00:00 GMT+0000 (Coordinated Universal Time)"


class Files:
    """The files of the root asset of `acme`, and what its file store keeps."""

    def __init__(self, service, asset):
        self.service = service
        self.asset = asset
        self.store = service.door.services.files.store

    async def call(self, method, path, content=None, *, who=None, root="files", asset=None, **headers):
        """Send a request; underscores of header names stand for dashes."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.service.http.request(
            method,
            f"{BASE}/{root}/{asset or self.asset}{path}",
            content=content,
            headers={**(who or self.service.acme), **named},
        )

    async def put(self, path, content=b"abc", **headers):
        """Store a file."""
        return await self.call("PUT", f"/{path}", content, **headers)

    async def get(self, path, **headers):
        """Fetch a file."""
        return await self.call("GET", f"/{path}", **headers)

    async def list(self, **parameters):
        """List files; gives the answer."""
        url = f"{BASE}/files/{self.asset}"
        return await self.service.http.get(url, params=parameters, headers=self.service.acme)

    async def names(self, **parameters):
        """List files; gives folder and name of each."""
        return [each["path"] + each["name"] for each in (await self.list(**parameters)).json()]

    @property
    def kept(self):
        """Give the contents that the store keeps."""
        return sorted(self.store.contents.values())


@pytest.fixture
async def files(service):
    """The files of the root asset."""
    answer = await service.http.get("/api/assetmanagement/v3/assets/root", headers=service.acme)
    return Files(service, answer.json()["assetId"])


def codes(answer):
    """Give the last words of the codes of a refusal."""
    return [each["code"].rpartition(".")[2] for each in answer.json()["errors"]]


# -- one body --------------------------------------------------------------------------------------


async def test_a_file_is_stored_and_fetched(files):
    """PUT of a new file gives 201 and its version; GET gives the bytes with the type that was told."""
    stored = await files.put("bulk/a.txt", b"abc", type="text/plain")

    read = await files.get("bulk/a.txt")
    assert (stored.status_code, stored.headers["etag"], stored.content) == (201, "0", b"")
    assert (read.status_code, read.headers["etag"], read.content) == (200, "0", b"abc")
    assert read.headers["content-type"] == "text/plain"
    assert read.headers["content-length"] == "3"
    assert read.headers["accept-ranges"] == "bytes"
    assert (read.headers["vary"], read.headers["cache-control"]) == ("Authorization", "no-store")


async def test_a_file_is_never_run_by_a_browser(files):
    """Whatever a file is said to be, it goes out to be saved, and without scripts (S11)."""
    await files.put("x/\"ä'.html", b"<script>", type="text/html")

    read = await files.get("x/\"ä'.html")

    assert read.headers["content-disposition"] == "attachment; filename*=UTF-8''%22%C3%A4%27.html"
    assert read.headers["content-security-policy"] == "sandbox"
    assert read.headers["x-content-type-options"] == "nosniff"


async def test_a_listed_file_byte_for_byte(files):
    """A file is listed with all its members, times with three digits, and the etag for the next PUT."""
    await files.put(
        "bulk/a.txt",
        b"abc",
        timestamp="2025-12-31T00:00:00Z",
        description="größe".encode(),
        type="text/plain",
    )

    answer = await files.list()

    assert answer.text == (
        '[{"name":"a.txt","path":"bulk/","type":"text/plain","size":3,"timestamp":"2025-12-31T00:00:00.000Z",'
        '"created":"2026-01-01T00:00:00.000Z","updated":"2026-01-01T00:00:00.000Z","createdBy":"acme-tech",'
        '"updatedBy":"acme-tech","description":"größe","etag":0}]'
    )
    assert answer.headers["content-type"] == "application/json"


async def test_what_headers_leave_out(files):
    """Without headers a file is of the present time, of no words, and mere bytes at the top."""
    await files.put("a.bin")

    (listed,) = (await files.list()).json()

    assert (listed["path"], listed["type"], listed["description"]) == ("", "application/octet-stream", "")
    assert listed["timestamp"] == "2026-01-01T00:00:00.000Z"
    assert (await files.get("a.bin")).headers["content-type"] == "application/octet-stream"


async def test_headers_as_the_sdk_sends_them(files):
    """`ifMatch` and a JavaScript date are what the file client of the SDK sends (wire 8, 13.10)."""
    first = await files.put("a", timestamp=SCRIPT_TIME, content_type="application/octet-stream")
    second = await files.put("a", ifMatch="0", timestamp=SCRIPT_TIME, type="false")

    (listed,) = (await files.list()).json()
    assert (first.status_code, second.status_code) == (201, 204)
    assert (listed["timestamp"], listed["type"]) == ("1970-01-01T00:00:00.000Z", "false")


async def test_an_empty_file(files):
    """A file may be of no bytes; nothing is kept for it."""
    await files.put("nothing", b"")

    read = await files.get("nothing")

    assert (read.status_code, read.content, read.headers["content-length"]) == (200, b"", "0")
    assert files.kept == []


@pytest.mark.parametrize("header", ["if_match", "ifMatch"])
@pytest.mark.parametrize("etag", ["0", '"0"', 'W/"0"'])
async def test_replacing_demands_the_version(files, header, etag):
    """A file is replaced under its etag, quoted or not: 204, the next etag, and its past is kept."""
    await files.put("a", b"old")
    files.service.clock.advance(1_000)

    replaced = await files.put("a", b"new", **{header: etag})

    (listed,) = (await files.list()).json()
    assert (replaced.status_code, replaced.headers["etag"], replaced.content) == (204, "1", b"")
    assert (await files.get("a")).content == b"new"
    assert (listed["created"], listed["updated"]) == ("2026-01-01T00:00:00.000Z", "2026-01-01T00:00:01.000Z")
    assert files.kept == [b"new"]


@pytest.mark.parametrize(
    "headers",
    [{}, {"if_match": "1"}, {"if_match": "x"}, {"if_none_match": "*", "if_match": "0"}, {"ifNoneMatch": "*"}],
)
async def test_replacing_is_refused(files, headers):
    """Without the etag, with a stale one, or where only a new file is wanted: 412, and nothing changes."""
    await files.put("a", b"old")

    refused = await files.put("a", b"new", **headers)

    assert (refused.status_code, codes(refused)) == (412, ["preconditionFailed"])
    assert (await files.get("a")).content == b"old"
    assert files.kept == [b"old"]


async def test_an_etag_of_a_file_that_is_not_there_is_stale(files):
    """Who has read a file that was deleted since is told so."""
    refused = await files.put("a", b"new", if_match="0")

    assert (refused.status_code, codes(refused)) == (412, ["preconditionFailed"])
    assert files.kept == []


async def test_of_two_new_files_one_is_stored(files):
    """Of uploads of one name at the same time one wins; of the others nothing stays."""
    answers = await asyncio.gather(*(files.put("a", b"%d" % number) for number in range(5)))

    assert sorted(answer.status_code for answer in answers) == [201, 412, 412, 412, 412]
    assert files.kept == [(await files.get("a")).content]


async def test_of_two_replacements_one_is_stored(files):
    """Of replacements built on one version one wins."""
    await files.put("a", b"old")

    answers = await asyncio.gather(*(files.put("a", b"%d" % number, if_match="0") for number in range(5)))

    assert sorted(answer.status_code for answer in answers) == [204, 412, 412, 412, 412]
    assert files.kept == [(await files.get("a")).content]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("a%20b.txt", "a b.txt"),
        ("%C3%A4/%E5%90%8D", "ä/名"),
        ("x/..y/.z", "x/..y/.z"),
        ("a%2Fb", "a/b"),
        ("o'neil;x,y&z=1", "o'neil;x,y&z=1"),
        ("%25", "%"),
        ("x\\..\\y", "x\\..\\y"),
    ],
)
async def test_names_are_texts(files, path, name):
    """A name is what stands behind the percent signs, and finds its file again (S13)."""
    assert (await files.put(path)).status_code == 201

    assert (await files.get(path)).content == b"abc"
    assert await files.names() == [name]


@pytest.mark.parametrize("path", ["a/%2E%2E/b", "%2e%2e", "x/%2e", "a%00b", "a%0d%0ab", "%ff", "x" * 256])
async def test_names_that_are_none(files, path):
    """What climbs, hides or is no text is refused, on every way (S9)."""
    for method in ("PUT", "GET", "DELETE"):
        refused = await files.call(method, f"/{path}", b"" if method == "PUT" else None)
        assert (refused.status_code, codes(refused)) == (400, ["invalidParameter"])
    assert files.kept == []


async def test_bad_headers_are_refused_before_the_body(files):
    """All reasons at once; nothing is kept."""
    refused = await files.put("a", timestamp="soon", type="x" * 129)

    assert (refused.status_code, codes(refused)) == (400, ["invalidParameter"] * 2)
    assert files.kept == []


async def test_a_body_over_the_limit_is_refused_by_its_announcement(files):
    """A body that would be too large is not read at all (S7)."""
    refused = await files.put("a", b"x", content_length=str(FILE_BODY_BYTES_MAX + 1))

    assert (refused.status_code, codes(refused)) == (413, ["payloadTooLarge"])
    assert files.kept == []


async def test_a_body_over_the_limit_is_refused_on_its_way(files, monkeypatch):
    """A body that does not say its size is cut off at the limit; nothing of it stays."""
    handler = next(
        handler
        for route in files.service.door.litestar.routes
        for handler in getattr(route, "route_handlers", ())
        if "PUT" in handler.http_methods and "iotfile" in route.path
    )
    monkeypatch.setattr(handler, "resolve_request_max_body_size", lambda: 10)

    async def pieces():
        for _ in range(4):
            yield b"xxxx"

    refused = await files.put("a", pieces())

    assert (refused.status_code, codes(refused)) == (413, ["payloadTooLarge"])
    assert files.kept == []


async def test_a_compressed_body_is_refused(files):
    """Bytes are kept as they are: whoever compresses them says so in the type, not in the coding."""
    refused = await files.put("a", b"x", content_encoding="gzip")

    assert (refused.status_code, codes(refused)) == (415, ["unsupportedMediaType"])


# -- fetching --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "status", "content", "told"),
    [
        ("bytes=0-2", 206, b"012", "bytes 0-2/10"),
        ("bytes=7-", 206, b"789", "bytes 7-9/10"),
        ("bytes=-1", 206, b"9", "bytes 9-9/10"),
        ("bytes=8-99", 206, b"89", "bytes 8-9/10"),
        ("bytes=0-9", 200, b"0123456789", None),
        ("bytes=0-1,3-4", 200, b"0123456789", None),
        ("bytes=10-", 416, None, "bytes */10"),
        ("bytes=9-2", 416, None, "bytes */10"),
        ("bytes=no", 416, None, "bytes */10"),
    ],
)
async def test_a_range_is_fetched(files, wanted, status, content, told):
    """A range gives 206 and says which it is; one outside of the file gives 416 and the size (wire 8)."""
    await files.put("a", b"0123456789")

    read = await files.get("a", range=wanted)

    assert (read.status_code, read.headers.get("content-range")) == (status, told)
    if content is None:
        assert codes(read) == ["invalidParameter"]
    else:
        assert (read.content, read.headers["content-length"]) == (content, str(len(content)))


async def test_a_range_of_another_version_gives_the_whole(files):
    """`If-Range` guards a download that goes on against a file that was replaced meanwhile."""
    await files.put("a", b"0123456789")

    same = await files.get("a", range="bytes=0-2", if_range="0")
    other = await files.get("a", range="bytes=0-2", if_range="1")

    assert (same.status_code, other.status_code) == (206, 200)


@pytest.mark.parametrize("header", ["if_none_match", "ifNoneMatch"])
async def test_a_version_that_the_client_has_is_not_sent_again(files, header):
    """304 without a body for the present etag, the file for any other one."""
    await files.put("a", b"abc")

    for etag in ("0", '"0"', 'W/"0"', '"7", "0"', "*"):
        same = await files.get("a", **{header: etag})
        assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", "0")
    assert (await files.get("a", **{header: "1"})).status_code == 200


async def test_a_file_that_is_replaced_under_the_reader_is_looked_up_again(files, monkeypatch):
    """Between the row and its bytes another may come: the reader then gets the new file."""
    await files.put("a", b"old")
    read = files.store.read

    async def replaced_first(tenant, content, start, end):
        monkeypatch.setattr(files.store, "read", read)
        assert (await files.put("a", b"newer", if_match="0")).status_code == 204
        raise NotFound("There is no such content.")
        yield b""

    monkeypatch.setattr(files.store, "read", replaced_first)

    assert (await files.get("a")).content == b"newer"


async def test_a_row_without_its_bytes_is_our_fault(files):
    """A file whose bytes are gone is no file that was never there: 500, and the log says which."""
    await files.put("a")
    files.store.contents.clear()

    assert (await files.get("a")).status_code == 500


async def test_a_store_that_fails_is_not_there_for_a_moment(files, monkeypatch):
    """503 with Retry-After, before anything of the answer is out; what was there stays there."""
    await files.put("a", b"old")

    async def failing(*_):
        raise StoreUnavailable("gone")
        yield b""

    async def failing_write(*_):
        raise StoreUnavailable("gone")

    with monkeypatch.context() as broken:
        broken.setattr(files.store, "read", failing)
        broken.setattr(files.store, "write", failing_write)
        read, written = await files.get("a"), await files.put("a", b"new", if_match="0")

    assert (read.status_code, written.status_code) == (503, 503)
    assert read.headers["retry-after"] == "1"
    assert (await files.get("a")).content == b"old"


# -- deleting --------------------------------------------------------------------------------------


async def test_a_file_is_deleted(files):
    """204; then it is not there, twice is 404, and its name is free again."""
    await files.put("a")

    deleted, again = await files.call("DELETE", "/a"), await files.call("DELETE", "/a")

    assert (deleted.status_code, deleted.content, again.status_code) == (204, b"", 404)
    assert (await files.get("a")).status_code == 404
    assert (await files.names(), files.kept) == ([], [])
    assert (await files.put("a")).headers["etag"] == "0"


async def test_a_deletion_may_demand_a_version(files):
    """With a stale If-Match nothing is deleted."""
    await files.put("a")

    stale, right = (
        await files.call("DELETE", "/a", if_match="1"),
        await files.call("DELETE", "/a", if_match="0"),
    )

    assert (stale.status_code, right.status_code) == (412, 204)


async def test_bytes_that_cannot_be_removed_do_not_keep_the_file(files, monkeypatch):
    """What the store cannot delete at the moment is nobody's; the file is gone all the same."""
    await files.put("a")

    async def failing(*_):
        raise StoreUnavailable("gone")

    monkeypatch.setattr(files.store, "remove", failing)

    assert (await files.call("DELETE", "/a")).status_code == 204
    assert (await files.get("a")).status_code == 404


# -- listing ---------------------------------------------------------------------------------------


async def test_a_list_is_filtered_ordered_and_cut(files):
    """Filter, order, offset and limit work together; `count` tells how many the filter finds (wire 8)."""
    for name in ("bulk/c", "a", "bulk/b", "d"):
        await files.put(name)
        files.service.clock.advance(1)

    assert await files.names() == ["a", "d", "bulk/b", "bulk/c"]
    assert await files.names(order="name desc") == ["d", "bulk/c", "bulk/b", "a"]
    assert await files.names(order="updated asc", offset=1, limit=2) == ["a", "bulk/b"]
    assert await files.names(filter="name eq b and path eq bulk/") == ["bulk/b"]
    assert await files.names(filter="name eq b and path eq ") == []
    assert await files.names(offset=4) == []
    counted = await files.list(filter="path eq 'bulk/'", limit=1, count="true")
    assert (len(counted.json()), counted.headers["x-total-count"]) == (1, "2")
    assert "x-total-count" not in (await files.list()).headers


@pytest.mark.parametrize(
    "parameters",
    [
        {"limit": 501}, {"limit": 0}, {"offset": 10_001}, {"offset": -1}, {"order": "size asc"},
        {"filter": "colour eq red"}, {"filter": "size gt big"}, {"limit": "many"},
    ],
)  # fmt: skip
async def test_a_list_that_cannot_be_asked_for(files, parameters):
    """Parameters over the limits of the dialect, or unreadable, are refused."""
    refused = await files.list(**parameters)

    assert (refused.status_code, codes(refused)) == (400, ["invalidParameter"])


async def test_unknown_parameters_are_ignored(files):
    """As on every route of the dialect (design 8.22)."""
    assert (await files.list(surprise="yes")).status_code == 200


async def test_an_asset_has_as_many_files_as_a_list_shows(files, monkeypatch):
    """One more is refused; a replacement is not, and after a deletion there is room again."""
    from api.files import service

    monkeypatch.setattr(service, "FILES_OF_ASSET_MAX", 2)
    await files.put("a")
    await files.put("b")

    refused, replaced = await files.put("c"), await files.put("a", if_match="0")
    await files.call("DELETE", "/b")

    assert (refused.status_code, codes(refused), replaced.status_code) == (429, ["tooManyRequests"], 204)
    assert (await files.put("c")).status_code == 201


# -- parts -----------------------------------------------------------------------------------------

ONE, TWO, LAST = b"1" * FILE_PART_BYTES_MIN, b"2" * (FILE_PART_BYTES_MIN + 1), b"3"


async def test_a_file_in_parts(files):
    """start, parts side by side and out of order, and the last with `complete`, as the SDK sends them."""
    started = await files.put("big?upload=start", b"", timeStamp="2025-12-31T00:00:00Z", type="image/png")
    parts = await asyncio.gather(files.put("big?part=2", TWO), files.put("big?part=1", ONE))

    completed = await files.put("big?upload=complete", LAST, description="joined")

    (listed,) = (await files.list()).json()
    assert (started.status_code, [part.status_code for part in parts]) == (201, [200, 200])
    assert (completed.status_code, completed.headers["etag"]) == (201, "0")
    assert (await files.get("big")).content == ONE + TWO + LAST
    border = f"bytes={len(ONE) - 1}-{len(ONE + TWO)}"
    assert (await files.get("big", range=border)).content == b"1" + TWO + b"3"
    assert (listed["type"], listed["description"], listed["size"]) == (
        "image/png", "joined", len(ONE + TWO + LAST),
    )  # fmt: skip
    assert listed["timestamp"] == "2025-12-31T00:00:00.000Z"
    assert len(files.kept) == 3
    assert (await files.call("GET", "/big", root="fileslist")).status_code == 404


async def test_a_file_in_parts_replaces_another(files):
    """The version is demanded at the start and at the end; the old bytes go."""
    await files.put("big", b"old")

    refused = await files.put("big?upload=start", b"")
    assert (await files.put("big?upload=start", b"", if_match="0")).status_code == 201
    await files.put("big?part=1", ONE)
    late = await files.put("big?upload=complete", LAST)
    completed = await files.put("big?upload=complete", LAST, if_match="0")

    assert (refused.status_code, late.status_code) == (412, 412)
    assert (completed.status_code, completed.headers["etag"]) == (204, "1")
    assert files.kept == sorted([ONE, LAST])


async def test_the_last_part_may_have_come_before(files):
    """An empty body completes with what is there."""
    await files.put("big?upload=start", b"")
    await files.put("big?part=1", ONE)
    await files.put("big?part=2", LAST)

    assert (await files.put("big?upload=complete", b"")).status_code == 201
    assert (await files.get("big")).content == ONE + LAST


async def test_a_part_may_come_again(files):
    """The last one with its number counts; of the others nothing stays."""
    await files.put("big?upload=start", b"")
    await files.put("big?part=1", TWO)
    files.service.clock.advance(1)
    await files.put("big?part=1", ONE)

    await files.put("big?upload=complete", LAST)

    assert (await files.get("big")).content == ONE + LAST
    assert files.kept == sorted([ONE, LAST])


async def test_the_parts_that_have_come_are_listed(files):
    """A client that goes on later sees what is there, by number."""
    await files.put("big?upload=start", b"")
    for number, content in ((3, b"ccc"), (1, b"a")):
        await files.put(f"big?part={number}", content)

    listed = await files.call("GET", "/big", root="fileslist")

    when = "2026-01-01T00:00:00.000Z"
    assert listed.json() == [
        {"part": 1, "size": 1, "timestamp": when},
        {"part": 3, "size": 3, "timestamp": when},
    ]


@pytest.mark.parametrize("parts", [{2: ONE}, {1: b"small"}, {1: ONE, 3: ONE}])
async def test_parts_that_make_no_file_are_refused_and_kept(files, parts):
    """A gap, or a small part before the last, is told; the upload goes on and can be completed."""
    await files.put("big?upload=start", b"")
    for number, content in parts.items():
        await files.put(f"big?part={number}", content)

    refused = await files.put("big?upload=complete", LAST)

    assert (refused.status_code, codes(refused)) == (400, ["invalidParameter"])
    assert files.kept == sorted(parts.values())
    files.service.clock.advance(1)
    for number in (1, 2, 3):
        await files.put(f"big?part={number}", ONE)
    assert (await files.put("big?upload=complete", LAST)).status_code == 201
    assert files.kept == sorted([ONE, ONE, ONE, LAST])


@pytest.mark.parametrize("step", ["big?part=1", "big?upload=complete"])
async def test_nothing_goes_on_that_did_not_start(files, step):
    """Parts and ends of no upload are refused; nothing of them stays."""
    refused = await files.put(step, b"x")

    assert (refused.status_code, files.kept) == (404, [])


async def test_an_abort_forgets_the_parts(files):
    """204, also where nothing is under way: clients send it before they try again."""
    await files.put("big?upload=start", b"")
    await files.put("big?part=1", ONE)

    first, second = await files.put("big?upload=abort", b""), await files.put("big?upload=abort", b"")

    assert (first.status_code, second.status_code, files.kept) == (204, 204, [])
    assert (await files.put("big?part=2", ONE)).status_code == 404


async def test_a_new_start_forgets_the_parts_of_the_old_one(files):
    """An upload that is begun again has no parts yet."""
    await files.put("big?upload=start", b"")
    await files.put("big?part=1", ONE)

    assert (await files.put("big?upload=start", b"")).status_code == 201

    assert (files.kept, (await files.call("GET", "/big", root="fileslist")).json()) == ([], [])


async def test_a_part_that_comes_too_late_leaves_nothing(files, monkeypatch):
    """A part whose upload ended while it came is refused, and is not in the file."""
    await files.put("big?upload=start", b"")
    await files.put("big?part=1", ONE)
    write = files.store.write

    async def completed_meanwhile(tenant, content_id, body):
        monkeypatch.setattr(files.store, "write", write)
        content = await write(tenant, content_id, body)
        assert (await files.put("big?upload=complete", LAST)).status_code == 201
        return content

    monkeypatch.setattr(files.store, "write", completed_meanwhile)

    late = await files.put("big?part=1", TWO)

    assert late.status_code == 404
    assert (await files.get("big")).content == ONE + LAST
    assert files.kept == sorted([ONE, LAST])


async def test_of_two_completions_one_makes_the_file(files):
    """Of ends at the same time one is told 201; of the others nothing stays."""
    await files.put("big?upload=start", b"")
    await files.put("big?part=1", ONE)

    answers = await asyncio.gather(*(files.put("big?upload=complete", b"%d" % each) for each in range(4)))

    statuses = sorted(answer.status_code for answer in answers)
    assert statuses[0] == 201
    assert set(statuses[1:]) <= {404, 412}
    (winner,) = [number for number, answer in enumerate(answers) if answer.status_code == 201]
    assert files.kept == sorted([ONE, b"%d" % winner])


@pytest.mark.parametrize(
    "query", ["part=0", "part=1001", "part=x", "upload=pause", "upload=start&part=1", "part=1.5"]
)
async def test_steps_that_are_none(files, query):
    """Parts are numbered from 1 to 1000; a step is start, complete or abort."""
    refused = await files.put(f"big?{query}", b"x")

    assert (refused.status_code, codes(refused)) == (400, ["invalidParameter"])
    assert files.kept == []


async def test_an_empty_part_is_refused(files):
    """A part of nothing is a mistake."""
    await files.put("big?upload=start", b"")

    assert (await files.put("big?part=1", b"")).status_code == 400


async def test_uploads_that_nobody_ends_make_room(files, monkeypatch):
    """An asset has so many uploads under way; those of last week end when another begins."""
    from api.files import uploads as service

    monkeypatch.setattr(service, "FILE_UPLOADS_OF_ASSET_MAX", 2)
    for name in ("a", "b"):
        await files.put(f"{name}?upload=start", b"")
        await files.put(f"{name}?part=1", b"x")

    assert (await files.put("c?upload=start", b"")).status_code == 429
    assert (await files.put("a?upload=start", b"")).status_code == 201
    monkeypatch.setattr(service, "FILE_UPLOAD_AGE_MS_MAX", 10)
    files.service.clock.advance(11)
    assert (await files.put("c?upload=start", b"")).status_code == 201
    assert files.kept == []


async def test_an_upload_that_a_crash_left_can_be_begun_again(files):
    """A row of an upload that ended without being forgotten does not stand in the way."""
    await files.put("big?upload=start", b"")
    catalog = files.service.catalog
    (row,) = await catalog.list("acme", f"upload:{files.asset}")
    (upload_kind,) = {kind for _, kind in catalog._documents if kind.startswith("part:")}
    await catalog.remove("acme", upload_kind, "open", 0)

    assert (await files.put("big?upload=start", b"")).status_code == 201

    assert (await catalog.get("acme", row.kind, "big")).version == 1
    assert (await files.put("big?upload=complete", b"x")).status_code == 201


# -- whose they are --------------------------------------------------------------------------------

ROUTES = [
    ("PUT", "files", "/a"),
    ("PUT", "files", "/a?upload=start"),
    ("PUT", "files", "/a?part=1"),
    ("PUT", "files", "/a?upload=complete"),
    ("PUT", "files", "/a?upload=abort"),
    ("GET", "files", "/a"),
    ("DELETE", "files", "/a"),
    ("GET", "files", ""),
    ("GET", "fileslist", "/a"),
]


@pytest.mark.parametrize(("method", "root", "path"), ROUTES)
async def test_another_tenants_asset_is_unknown(files, method, root, path):
    """Its id answers 404 in the same words as one that nobody has, on every route (S1)."""
    await files.put("a", b"mine")
    await files.put("a?upload=start", b"", if_match="0")
    content = b"theirs" if method == "PUT" else None

    def words(answer):
        return [(each["code"], each["message"]) for each in answer.json()["errors"]]

    foreign = await files.call(method, path, content, root=root, who=files.service.other)
    nobody = await files.call(method, path, content, root=root, who=files.service.other, asset=NOBODY)

    assert (foreign.status_code, nobody.status_code) == (404, 404)
    assert words(foreign) == words(nobody)
    assert (await files.get("a")).content == b"mine"
    assert files.kept == [b"mine"]


async def test_files_of_two_assets_do_not_meet(files):
    """The same path on another asset is another file."""
    asset = await files.service.http.post(
        "/api/assetmanagement/v3/assets",
        json={"name": "P", "typeId": "core.basicarea", "parentId": files.asset},
        headers=files.service.acme,
    )
    other = Files(files.service, asset.json()["assetId"])

    await files.put("a", b"one")
    await other.put("a", b"two")

    assert (await files.get("a")).content == b"one"
    assert (await other.get("a")).content == b"two"
    assert NOW_MS == files.service.clock.now_ms()
