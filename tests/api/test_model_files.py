"""Files of asset management, as existing clients store, list, fetch, change and delete them (wire 4.1)."""

import asyncio
import json
from base64 import b64encode

import pytest

from schemas.errors import NotFound, StoreUnavailable
from schemas.limits import MODEL_FILE_BYTES_MAX
from schemas.times import format_time
from tests.api.doors import NOW_MS, running_door

BASE = "/api/assetmanagement/v3"
FILES = f"{BASE}/files"
NOBODY = "0" * 32
SDK_TYPE = "multipart/form-data; boundary=--mindsphere"


def sdk_form(content="abc", name="a.txt", scope="PRIVATE", description="two words", filename=None):
    """Write a form byte by byte as the Node SDK does (wire 4.7): no line end behind the last delimiter."""
    text = (
        f'----mindsphere\r\nContent-Disposition: form-data; name="file"; filename="{filename or name}"\r\n'
        f"Content-Type: text/plain\r\n\r\n{content}\r\n"
        f'----mindsphere\r\nContent-Disposition: form-data; name="name"\r\n\r\n{name}\r\n'
    )
    if description:
        text += (
            f'----mindsphere\r\nContent-Disposition: form-data; name="description"\r\n\r\n{description}\r\n'
        )
    if scope:
        text += f'----mindsphere\r\nContent-Disposition: form-data; name="scope"\r\n\r\n{scope}\r\n'
    return f"{text}----mindsphere--".encode()


def form(end=b"\r\n", **parts):
    """Write a form with a part for each word, its value as bytes, or with a filename before them."""
    lines = []
    for name, value in parts.items():
        filename, octets = value if isinstance(value, tuple) else (None, value)
        more = "" if filename is None else f'; filename="{filename}"'
        lines.append(b'--x%bContent-Disposition: form-data; name="%b"%b%b%b%b%b' % (
            end, name.encode(), more.encode(), end, end, octets, end))  # fmt: skip
    return b"".join(lines) + b"--x--"


class ModelFiles:
    """The files of `acme`, and what the file store keeps."""

    def __init__(self, service):
        self.service = service
        self.contents = service.door.services.files.store.contents

    async def send(self, method, path="", content=None, who=None, media=SDK_TYPE, **headers):
        """Send a request; underscores of header names stand for dashes."""
        named = {name.replace("_", "-"): str(value) for name, value in headers.items()}
        typed = {} if content is None else {"content-type": media}
        return await self.service.http.request(
            method,
            f"{FILES}{path}",
            content=content,
            headers={**(who or self.service.acme), **typed, **named},
        )

    async def post(self, **parts):
        """Store a file as the SDK does; gives what is known of it."""
        answer = await self.send("POST", content=sdk_form(**parts))
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def names(self, query=""):
        """List the files; gives their names."""
        answer = await self.send("GET", query)
        assert answer.status_code == 200, answer.text
        return [each["name"] for each in answer.json()["_embedded"]["files"]]

    async def assign(self, file_id, key="logo", etag=0):
        """Refer to a file from the root asset; gives the answer."""
        root = self.service.door.services.index.tenant("acme").root_asset
        return await self.service.http.put(
            f"{BASE}/assets/{root}/fileAssignments/{key}",
            json={"fileId": file_id},
            headers={**self.service.acme, "if-match": str(etag)},
        )


@pytest.fixture
def files(service):
    """The files of `acme`."""
    return ModelFiles(service)


# -- storing ---------------------------------------------------------------------------------------


async def test_the_sdks_form_is_stored(files):
    """Exactly the bytes of the Node SDK: boundary with dashes, upper-case scope, no final line end (13.6)."""
    answer = await files.send(
        "POST", content=sdk_form("abc"), x_powered_by="meowz", enctype="multipart/form-data"
    )

    shown = answer.json()
    place = f"http://door{FILES}/{shown['id']}"
    assert (answer.status_code, answer.headers["etag"], answer.headers["location"]) == (201, '"0"', place)
    assert (
        answer.content
        == (
            f'{{"id":"{shown["id"]}","name":"a.txt","originalFileName":"a.txt","description":"two words",'
            f'"tenantId":"acme","subTenant":null,"uploaded":"{format_time(NOW_MS)}",'
            f'"lastModified":"{format_time(NOW_MS)}","isAssigned":false,"scope":"PRIVATE","etag":0,'
            f'"_links":{{"self":{{"href":"{place}"}},"download":{{"href":"{place}/file"}}}}}}'
        ).encode()
    )
    assert answer.headers["content-type"] == "application/hal+json"
    assert len(shown["id"]) == 32
    assert set(shown["id"]) <= set("0123456789abcdef")
    assert list(files.contents.values()) == [b"abc"]


@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
async def test_any_octets_are_stored_whatever_the_line_ends(files, end):
    """Bytes come back as they were sent, line ends and delimiters of others in them included."""
    octets = bytes(range(256)) + b"\r\n--y\r\n\n"
    body = b"\n" + form(end, file=("b.bin", octets))

    answer = await files.send("POST", content=body, media="multipart/form-data; boundary=x")
    read = await files.send("GET", f"/{answer.json()['id']}/file")

    assert (201, 200, octets) == (answer.status_code, read.status_code, read.content)
    assert (answer.json()["name"], answer.json()["description"]) == ("b.bin", None)


async def test_words_may_have_line_ends_around_them(files):
    """Some clients write an empty line before the end: it is no part of the last word."""
    body = sdk_form(scope="").removesuffix(b"----mindsphere--")
    body += b'----mindsphere\r\nContent-Disposition: form-data; name="scope"\r\n\r\n'
    body += b"public\r\n\r\n----mindsphere--"

    answer = await files.send("POST", content=body)

    assert (201, "PUBLIC") == (answer.status_code, answer.json()["scope"])


async def test_an_empty_file_is_a_file(files):
    """Nothing is kept of it, and nothing comes back."""
    shown = await files.post(content="")

    read = await files.send("GET", f"/{shown['id']}/file")

    assert (200, b"", "0") == (read.status_code, read.content, read.headers["content-length"])
    assert {} == files.contents


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"nothing", 400),
        (form(name=b"x"), 400),
        (form(file=("", b"abc")), 400),
        (form(file=("a", b"1"), scope=b"secret"), 400),
        (form(file=("a", b"1"), name=b"x" * 256), 400),
        (form(file=("a", b"1"), description=b"x" * 256), 400),
        (form(file=("a", b"1"), name=b"a\x00b"), 400),
        (form(file=("a" * 256, b"1")), 400),
        (form(file=("a", b"1")).removesuffix(b"--x--"), 400),
        (form(file=("a", b"1")).replace(b"--x--", b"") + form(file=("b", b"2")), 400),
        (form(file=("a", b"x" * (MODEL_FILE_BYTES_MAX + 1))), 413),
        (form(file=("a", b"x" * (MODEL_FILE_BYTES_MAX + 100_000))), 413),
        (form(**{f"p{number}": b"" for number in range(1_001)}), 413),
    ],
)
async def test_what_is_no_form_is_refused(files, body, status):
    """Cut off, without a file or a name, over a size: refused with a reason, and nothing is kept."""
    answer = await files.send("POST", content=body, media="multipart/form-data; boundary=x")

    assert status == answer.status_code, answer.text
    assert answer.json()["errors"][0]["message"]
    assert {} == files.contents
    assert [] == await files.names()


@pytest.mark.parametrize(
    ("media", "status"),
    [("application/json", 415), ("multipart/mixed; boundary=x", 415), ("multipart/form-data", 400)],
)
async def test_another_type_is_refused(files, media, status):
    """Only forms are read, and only with the boundary that they need."""
    answer = await files.send("POST", content=form(file=("a", b"1")), media=media)

    assert status == answer.status_code


async def test_the_largest_file_is_stored(files):
    """Five megabytes, to the byte (wire 4.1)."""
    octets = b"x" * MODEL_FILE_BYTES_MAX
    answer = await files.send(
        "POST", content=form(file=("a", octets)), media="multipart/form-data; boundary=x"
    )

    read = await files.send("GET", f"/{answer.json()['id']}/file")

    assert (201, True) == (answer.status_code, read.content == octets)


async def test_a_tenant_has_so_many_files(files, monkeypatch):
    """What every door knows is bounded: one more is refused."""
    monkeypatch.setattr("api.files.model_files.MODEL_FILES_MAX", 1)
    await files.post()

    answer = await files.send("POST", content=sdk_form())

    assert (429, True) == (answer.status_code, "retry-after" in answer.headers)


async def test_bytes_that_cannot_be_stored_leave_nothing(files, monkeypatch):
    """With the file store away a file is refused with 503 and none is known."""

    async def away(*given):
        raise StoreUnavailable("the disk is full")

    monkeypatch.setattr(files.service.door.services.files.store, "write", away)

    answer = await files.send("POST", content=sdk_form())

    assert (503, []) == (answer.status_code, await files.names())


# -- showing and listing ---------------------------------------------------------------------------


async def test_a_file_is_shown_and_known_to_be_the_same(files):
    """GET gives what POST gave; 304 where the client has this version."""
    shown = await files.post()

    read = await files.send("GET", f"/{shown['id']}")
    same = await files.send("GET", f"/{shown['id']}", if_none_match=0)

    assert (200, shown, '"0"') == (read.status_code, read.json(), read.headers["etag"])
    assert (304, b"") == (same.status_code, same.content)


async def test_files_are_listed_by_name_on_pages(files):
    """HAL as every list of asset management; a page past the end, and pages of no size (wire 0.6)."""
    for name in ("c", "a", "b"):
        await files.post(name=name)

    answer = await files.send("GET", "?page=0&size=2")
    past = await files.send("GET", "?page=7&size=2")
    none = await files.send("GET", "?page=0&size=0&sort=DESC")

    body = answer.json()
    assert ["a", "b"] == [each["name"] for each in body["_embedded"]["files"]]
    assert {"size": 2, "totalElements": 3, "totalPages": 2, "number": 0} == body["page"]
    assert body["_links"]["next"]["href"] == f"http://door{FILES}?page=1&size=2&sort=name,id,asc"
    assert ([], []) == (past.json()["_embedded"]["files"], none.json()["_embedded"]["files"])
    assert (200, 200) == (past.status_code, none.status_code)


@pytest.mark.parametrize(
    ("criteria", "expected"),
    [
        ({"and": {"name": {"endsWith": ".text"}}}, ["a.text"]),
        ({"name": {"in": {"value": ["b", "c"]}}}, ["b", "c"]),
        ({"scope": "public"}, ["c"]),
        ({"scope": "PRIVATE", "not": {"name": "b"}}, ["a.text"]),
        ({"description": {"contains": "two"}, "name": {"startsWith": "a"}}, ["a.text"]),
        ({"uploaded": {"after": format_time(NOW_MS + 1_500)}}, ["c"]),
        ({"unknown": "x"}, ["a.text", "b", "c"]),
    ],
)
async def test_files_are_filtered(files, criteria, expected):
    """By the fields that a file has, with the functions of every list (wire 4.4)."""
    for name, scope in (("a.text", "private"), ("b", "Private"), ("c", "PUBLIC")):
        await files.post(name=name, scope=scope)
        files.service.clock.advance(1_000)

    assert expected == await files.names(f"?filter={json.dumps(criteria)}")


async def test_files_are_sorted(files):
    """By any of the fields, either way."""
    for name in ("b", "c", "a"):
        await files.post(name=name)
        files.service.clock.advance(1_000)

    assert ["a", "c", "b"] == await files.names("?sort=uploaded,desc")
    assert ["c", "b", "a"] == await files.names("?sort=name,desc")


# -- fetching --------------------------------------------------------------------------------------


async def test_a_file_goes_out_as_something_to_save(files):
    """Bytes under its name, never run by a browser (S11)."""
    shown = await files.post(content="<script>", name='a"é.html')

    read = await files.send("GET", f"/{shown['id']}/file")

    assert (b"<script>", "application/octet-stream") == (read.content, read.headers["content-type"])
    assert read.headers["content-disposition"] == "attachment; filename*=UTF-8''a%22%C3%A9.html"
    assert read.headers["x-content-type-options"] == "nosniff"
    assert read.headers["content-security-policy"] == "sandbox"
    assert read.headers["etag"] == '"0"'


@pytest.mark.parametrize("size", [0, 1, 2, 3, 2_000, 3 * 65_536 + 1])
async def test_a_file_goes_out_as_base64(files, size):
    """Where `Accept` asks for it (wire 4.1), in one piece whatever the blocks of the store."""
    octets = bytes(number % 251 for number in range(size))
    answer = await files.send(
        "POST", content=form(file=("a", octets)), media="multipart/form-data; boundary=x"
    )

    read = await files.send("GET", f"/{answer.json()['id']}/file", accept="application/base64")

    assert (b64encode(octets), "application/base64") == (read.content, read.headers["content-type"])
    assert read.headers["content-length"] == str(len(read.content))


@pytest.mark.parametrize(
    ("accept", "status"),
    [("*/*", 200), ("image/png, */*;q=0.1", 200), ("application/*", 200), ("text/html", 406)],
)
async def test_a_reader_says_what_it_reads(files, accept, status):
    """406 for a reader that takes neither bytes nor their base64 (wire 4.1)."""
    shown = await files.post()

    assert status == (await files.send("GET", f"/{shown['id']}/file", accept=accept)).status_code


async def test_a_reader_that_meets_a_replacement_reads_the_new_file(files, monkeypatch):
    """Bytes that another door has just replaced are looked up once more, not missed."""
    shown = await files.post()
    store = files.service.door.services.files.store
    read, tries = store.read, []

    async def once_gone(*given):
        tries.append(given)
        if len(tries) == 1:
            raise NotFound("There is no such content.")
        async for block in read(*given):
            yield block

    monkeypatch.setattr(store, "read", once_gone)

    answer = await files.send("GET", f"/{shown['id']}/file")

    assert (200, b"abc", 2) == (answer.status_code, answer.content, len(tries))


# -- changing and deleting -------------------------------------------------------------------------


async def test_a_file_is_replaced_under_its_version(files):
    """PUT with the SDK's form gives the new metadata; the old bytes are gone, the id and upload time stay."""
    old = await files.post()
    files.service.clock.advance(5_000)

    answer = await files.send("PUT", f"/{old['id']}", sdk_form("abcabc", "b.txt", "PUBLIC", ""), if_match=0)

    changed = {
        **old, "name": "b.txt", "originalFileName": "b.txt", "scope": "PUBLIC", "etag": 1,
        "lastModified": format_time(NOW_MS + 5_000),
    }  # fmt: skip
    assert (200, changed, '"1"') == (answer.status_code, answer.json(), answer.headers["etag"])
    assert [b"abcabc"] == list(files.contents.values())


async def test_a_form_without_bytes_changes_the_words_only(files):
    """What the form does not have stays as it is."""
    old = await files.post()

    answer = await files.send(
        "PUT", f"/{old['id']}", form(name=b"new"), media="multipart/form-data; boundary=x", if_match=0
    )

    assert {**old, "name": "new", "etag": 1} == answer.json()
    assert [b"abc"] == list(files.contents.values())


@pytest.mark.parametrize(("headers", "status"), [({}, 400), ({"if_match": 7}, 412), ({"if_match": "x"}, 412)])
@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_a_version_is_demanded(files, method, headers, status):
    """Without If-Match 400, with another version 412, and nothing changes (wire 0.5)."""
    shown = await files.post()
    body = sdk_form("other") if method == "PUT" else None

    answer = await files.send(method, f"/{shown['id']}", body, **headers)

    assert status == answer.status_code
    assert [b"abc"] == list(files.contents.values())


async def test_one_of_many_changes_wins(files):
    """Of replacements that build on one version one applies; the bytes of the others are removed."""
    shown = await files.post()

    answers = await asyncio.gather(
        *(files.send("PUT", f"/{shown['id']}", sdk_form(f"new {number}"), if_match=0) for number in range(5))
    )

    statuses = sorted(answer.status_code for answer in answers)
    assert [200, 412, 412, 412, 412] == statuses
    winner = next(number for number, answer in enumerate(answers) if answer.status_code == 200)
    assert [b"new %d" % winner] == list(files.contents.values())


async def test_a_file_is_deleted(files):
    """204 without a body; then it is not found on any way, and its bytes are gone."""
    shown = await files.post()

    answer = await files.send("DELETE", f"/{shown['id']}", if_match=0)

    gone = [await files.send("GET", f"/{shown['id']}{path}") for path in ("", "/file")]
    assert (204, b"", [404, 404]) == (
        answer.status_code, answer.content, [each.status_code for each in gone],
    )  # fmt: skip
    assert ({}, []) == (files.contents, await files.names())


# -- what refers to it -----------------------------------------------------------------------------


async def test_a_file_in_use_stays(files):
    """While an asset or a type refers to it, it is shown as assigned and not deleted (wire 4.1)."""
    shown = await files.post()
    assert 200 == (await files.assign(shown["id"])).status_code

    refused = await files.send("DELETE", f"/{shown['id']}", if_match=0)
    used = (await files.send("GET", f"/{shown['id']}")).json()["isAssigned"]
    listed = (await files.send("GET")).json()["_embedded"]["files"][0]["isAssigned"]
    root = files.service.door.services.index.tenant("acme").root_asset
    await files.service.http.delete(
        f"{BASE}/assets/{root}/fileAssignments/logo", headers={**files.service.acme, "if-match": "1"}
    )
    deleted = await files.send("DELETE", f"/{shown['id']}", if_match=0)

    assert (400, True, True, 204) == (refused.status_code, used, listed, deleted.status_code)
    assert "aspectstore.files.inUse" == refused.json()["errors"][0]["code"]


async def test_a_file_of_a_type_is_in_use_too(files):
    """What a type refers to is assigned as well."""
    shown = await files.post()
    body = {
        "name": "T", "parentTypeId": "core.basicdevice",
        "fileAssignments": [{"key": "plan", "fileId": shown["id"]}],
    }  # fmt: skip
    made = await files.service.http.put(f"{BASE}/assettypes/acme.T", json=body, headers=files.service.acme)

    refused = await files.send("DELETE", f"/{shown['id']}", if_match=0)

    assert (201, 400) == (made.status_code, refused.status_code)


async def test_what_is_not_there_cannot_be_assigned(files, service):
    """An unknown file, and another tenant's, are refused in the same words and with the place."""
    theirs = (await files.send("POST", content=sdk_form(), who=service.other)).json()["id"]
    answers = [await files.assign(file_id) for file_id in (NOBODY, theirs)]

    for answer in answers:
        (reason,) = answer.json()["errors"]
        assert (400, "/fileId", "There is no such file.") == (
            answer.status_code, reason["pointer"], reason["message"],
        )  # fmt: skip


async def test_a_link_of_an_assignment_leads_to_the_file(files):
    """The links that an asset shows are those of the file: metadata and download."""
    shown = await files.post()
    assigned = (await files.assign(shown["id"])).json()["fileAssignments"][0]["_links"]

    for name, expected in (("metadata", shown["id"].encode()), ("download", b"abc")):
        path = assigned[name]["href"].removeprefix("http://door")
        answer = await files.service.http.get(path, headers=files.service.acme)
        assert (200, True) == (answer.status_code, expected in answer.content)


# -- others ----------------------------------------------------------------------------------------


async def test_another_tenants_file_is_not_there(files, service):
    """Every way to it answers 404, as for an id that nobody has, and it is in no list (MS-31)."""
    shown = await files.post()
    for method, path, body in (
        ("GET", "", None), ("GET", "/file", None), ("PUT", "", sdk_form()), ("DELETE", "", None),
    ):  # fmt: skip
        answers = [
            await files.send(method, f"/{each}{path}", body, who=service.other, if_match=0)
            for each in (shown["id"], NOBODY)
        ]
        assert [404, 404] == [answer.status_code for answer in answers]
        assert 1 == len({answer.json()["errors"][0]["message"] for answer in answers})
    listed = await files.send("GET", who=service.other)
    assert [] == listed.json()["_embedded"]["files"]


async def test_every_door_knows_every_file(files, service):
    """What is stored at one door is shown, listed and fetched at another, and gone there when it is gone."""
    store = service.door.services.files.store
    async with running_door(service.catalog, service.clock) as second:
        second.door.services.files._files = store
        shown = await files.post()
        there = ModelFiles(second)
        there.service.acme = service.acme

        read = await there.send("GET", f"/{shown['id']}/file")
        assert (200, b"abc") == (read.status_code, read.content)
        assert ["a.txt"] == await there.names()
        await files.send("DELETE", f"/{shown['id']}", if_match=0)
        await second.door.services.refresh()

        assert 404 == (await there.send("GET", f"/{shown['id']}")).status_code
        assert [] == await there.names()


async def test_the_billboard_leads_to_the_files(files):
    """The list stands where the billboard says."""
    board = (await files.service.http.get(f"{BASE}/", headers=files.service.acme)).json()

    assert f"http://door{FILES}" == board["files"]["href"]
