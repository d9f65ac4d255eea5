"""The pure rules of files (wire 8): names, headers, ranges, parts, filters and orders."""

import pytest

from schemas.errors import Invalid, Malformed
from schemas.file_queries import parse_filter, path_in, predicate_of, sorter
from schemas.files import (
    Content,
    FileEntry,
    Span,
    StoredFile,
    UploadPart,
    cut,
    describe_file,
    joined,
    media_type,
    newest_of,
    parse_date,
    parse_path,
    parse_range,
)
from schemas.limits import FILE_BYTES_MAX, FILE_PART_BYTES_MIN, MB

DAY_MS = 86_400_000


def entry(path, version=0, **changes):
    """Give a file; what is not said of it is always the same."""
    given = {
        "contents": (Content("0" * 32, 3),), "type": "text/plain", "description": "",
        "timestamp_ms": 0, "created_ms": 0, "updated_ms": 0, "created_by": "ann", "updated_by": "bob",
    }  # fmt: skip
    return FileEntry(path, StoredFile(**{**given, **changes}), version)


# -- names -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["a", "bulk/a.txt", "ä/名 b.txt", "a..b/.c", "a" * 255, "o'neil\\x;drop"])
def test_a_sound_path_is_taken_as_it_is(path):
    """A name is a text: quotes, blanks, other scripts and backslashes mean nothing."""
    assert path == parse_path(path)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "a//b",
        "../a",
        "a/..",
        "./a",
        "a/.",
        "a\0b",
        "a\nb",
        "\x7f",
        "\ufffd",
        "a" * 256,
        "a/" * 512 + "b",
    ],
)
def test_an_unsound_path_is_refused(path):
    """What would climb, hide or be no text is no name (S9, S10)."""
    with pytest.raises(Invalid, match="path"):
        parse_path(path)


@pytest.mark.parametrize(
    ("path", "folder", "name"), [("a.txt", "", "a.txt"), ("x/a.txt", "x/", "a.txt"), ("x/y/a", "x/y/", "a")]
)
def test_a_folder_ends_with_a_slash(path, folder, name):
    """Lists show folder and name; the top is the empty folder (wire 8)."""
    assert (folder, name) == (entry(path).folder, entry(path).name)


# -- headers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "time_ms"),
    [
        ("1970-01-02T00:00:00.000Z", DAY_MS),
        ("1970-01-02T01:00:00+01:00", DAY_MS),
        ("Fri Jan 02 1970 00:00:00 GMT+0000 (Coordinated Universal Time)", DAY_MS),
        ("Fri Jan 02 1970 02:00:00 GMT+0200 (Central European Summer Time)", DAY_MS),
        ("Thu Jan 01 1970 00:00:00 GMT+0000", 0),
        ("Fri, 02 Jan 1970 00:00:00 GMT", DAY_MS),
    ],
)
def test_times_are_read_as_clients_write_them(text, time_ms):
    """RFC 3339, JavaScript's own text and that of HTTP name the same instants (wire 8)."""
    assert time_ms == parse_date(text)


@pytest.mark.parametrize(
    "text", ["", "now", "Thu Foo 01 1970 00:00:00 GMT+0000", "Thu Feb 30 1970 00:00:00 GMT+0000", "0"]
)
def test_what_is_no_time_is_refused(text):
    """A time that nobody can read is not taken for the present one."""
    with pytest.raises(Malformed):
        parse_date(text)


def test_what_headers_do_not_say_is_none():
    """An upload without headers says nothing of its file."""
    said = describe_file(None, None, None)

    assert (None, None, None) == (said.type, said.description, said.timestamp_ms)


def test_a_description_of_utf8_is_read():
    """Headers come as Latin-1; UTF-8 inside them is understood, and other bytes are kept as they came."""
    assert describe_file(None, "größe".encode().decode("latin-1"), None).description == "größe"
    assert describe_file(None, "gr\xf6\xdfe", None).description == "größe"


def test_every_bad_header_is_named():
    """All reasons come at once."""
    with pytest.raises(Invalid) as refused:
        describe_file("t" * 129, "d\x01", "soon")

    named = [problem.message.split("`")[1] for problem in refused.value.problems]
    assert named == ["type", "description", "timestamp"]


def test_later_words_win():
    """What the completion of an upload says goes over what its start said."""
    start = describe_file("text/plain", "first", "1970-01-02T00:00:00Z")
    end = describe_file(None, "second", None)

    said = end.over(start)

    assert ("text/plain", "second", DAY_MS) == (said.type, said.description, said.timestamp_ms)


@pytest.mark.parametrize(
    ("given", "served"),
    [
        ("text/plain", "text/plain"),
        ("text/plain; charset=utf-8", "text/plain; charset=utf-8"),
        ('text/plain;charset="utf-8"', 'text/plain;charset="utf-8"'),
        ("false", "application/octet-stream"),
        ("", "application/octet-stream"),
        ("text/plain\r\nset-cookie: x", "application/octet-stream"),
        ("a/b/c", "application/octet-stream"),
    ],
)
def test_only_media_types_are_served(given, served):
    """A client that does not know the type says `false`; nothing but a type becomes a header (S10)."""
    assert served == media_type(given)


# -- ranges and parts ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "span"),
    [
        (None, None),
        ("bytes=0-0", (0, 1)),
        ("bytes=2-5", (2, 6)),
        ("bytes=2-", (2, 10)),
        ("bytes=0-99", (0, 10)),
        ("bytes=-3", (7, 10)),
        ("bytes=-99", (0, 10)),
        ("bytes = 2 - 5", (2, 6)),
        ("bytes=10-", (0, 0)),
        ("bytes=5-2", (0, 0)),
        ("bytes=-0", (10, 10)),
        ("bytes=x-y", (0, 0)),
        ("bytes=", (0, 0)),
        ("bytes=-", (0, 0)),
        ("bytes=0-1,4-5", None),
        ("lines=1-2", None),
    ],
)
def test_a_range_of_ten_bytes(header, span):
    """One range is cut to the file; one without a byte of it is empty; anything else means the whole."""
    assert span == parse_range(header, 10)


@pytest.mark.parametrize("header", ["bytes=0-", "bytes=-1", "bytes=0-0"])
def test_an_empty_file_has_no_range(header):
    """No byte of nothing can be asked for."""
    span = parse_range(header, 0)

    assert span.start >= span.end


def test_a_span_is_cut_into_contents():
    """A span touches contents and the places in them; borders belong to one of them only."""
    contents = [Content("a", 3), Content("b", 4), Content("c", 3)]
    for start in range(11):
        for end in range(start, 11):
            pieces = list(cut(contents, Span(start, end)))
            begins = {"a": 0, "b": 3, "c": 7}
            covered = [begins[c.id] + at for c, first, last in pieces for at in range(first, last)]
            assert covered == list(range(start, end))
            assert all(first < last for _, first, last in pieces)


def part(number, size=FILE_PART_BYTES_MIN, updated_ms=0, name=None):
    """Give a part as it was sent once."""
    return UploadPart(number=number, content=Content(name or f"{number}", size), updated_ms=updated_ms)


def test_the_newest_of_each_number_counts():
    """Parts come in any order and more than once; the last of each makes the file."""
    sent = [part(2, name="b"), part(1, name="a2", updated_ms=2), part(1, name="a1", updated_ms=1)]

    assert ["a2", "b"] == [each.content.id for each in newest_of(sent)]


def test_parts_and_the_last_are_joined():
    """The last part, which may be small, comes with the completion or is among the others."""
    last = Content("z", 1)

    assert ["1", "2", "z"] == [content.id for content in joined([part(1), part(2)], last)]
    assert ["1", "2"] == [content.id for content in joined([part(1), part(2, 1)], None)]
    assert ["z"] == [content.id for content in joined([], last)]
    assert joined([], None) == ()


@pytest.mark.parametrize(
    ("parts", "last", "reason"),
    [
        ([part(2)], None, "missing"),
        ([part(1), part(3)], Content("z", 1), "missing"),
        ([part(1, FILE_PART_BYTES_MIN - 1)], Content("z", 1), "at least"),
        ([part(1, FILE_PART_BYTES_MIN - 1), part(2)], None, "at least"),
        ([part(1, FILE_BYTES_MAX), part(2, 1)], None, "at most"),
    ],
)
def test_what_makes_no_file_is_refused(parts, last, reason):
    """Gaps, small parts in the middle and too many bytes are no file."""
    with pytest.raises(Invalid, match=reason):
        joined(parts, last)


# -- lists -----------------------------------------------------------------------------------------

FILES = [
    entry("a.txt", updated_ms=3),
    entry("bulk/a.txt", updated_ms=1, type="text/csv"),
    entry("bulk/b and c.txt", updated_ms=2, contents=(Content("0" * 32, 2 * MB),), created_ms=DAY_MS),
    entry("bulk/deep/o'neil.bin", updated_ms=4, created_by="eve"),
]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", [0, 1, 2, 3]),
        ("name eq a.txt", [0, 1]),
        ("name eq a.txt and path eq bulk/", [1]),
        ("path eq bulk/ and name eq a.txt", [1]),
        ("name eq 'a.txt' and path eq 'bulk/'", [1]),
        ("name = a.txt and path=bulk/", [1]),
        ("name eq a.txt and path eq ", [0]),
        ("name eq a.txt and path eq", [0]),
        ("path eq and name eq a.txt", [0]),
        ("path eq  and name eq a.txt", [0]),
        ("path eq ''", [0]),
        ("path eq /", [0]),
        ("name eq b and c.txt", [2]),
        ("name eq b and c.txt and path eq bulk/", [2]),
        ("name eq 'b and c.txt' and size gt 1", [2]),
        ("name eq 'o''neil.bin'", [3]),
        ("name eq o'neil.bin", [3]),
        ("name eq *.txt", [0, 1, 2]),
        ("path eq bulk/*", [1, 2, 3]),
        ("name eq *a*t", [0, 1, 2]),
        ("name eq a*a.txt", []),
        ("size gt 3", [2]),
        ("size gte 3 and size lte 3", [0, 1, 3]),
        ("size lt 3", []),
        ("updated gte 1970-01-01T00:00:00.003Z", [0, 3]),
        ("created = 1970-01-02T00:00:00Z", [2]),
        ("createdBy eq eve and updatedBy eq bob", [3]),
        ("type eq text/csv", [1]),
        ("name gt b", [2, 3]),
        ("timestamp lt 1970-01-01T00:00:00Z", []),
    ],
)
def test_filters(text, found):
    """Conditions in the words of clients, with and without quotes, choose files (wire 8)."""
    test = predicate_of(parse_filter(text))

    assert found == [place for place, each in enumerate(FILES) if test(each)]


@pytest.mark.parametrize(
    "text",
    [
        "name", "name is a", "colour eq red", "name eq 'a' or name eq 'b'", "size gt big", "updated gt soon",
        "and", "name eq 'a' and", " and ".join(["size gt 1"] * 11), "name eq " + "x" * 2_000,
    ],
)  # fmt: skip
def test_what_is_no_filter_is_refused(text):
    """A filter that cannot be read is told so, and never taken for none."""
    with pytest.raises(Invalid, match=r"^filter: "):
        predicate_of(parse_filter(text))


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("name eq a.txt and path eq bulk/", "bulk/a.txt"),
        ("path = '' and name = a.txt and size gt 3", "a.txt"),
        ("name eq a.txt", None),
        ("name eq * and path eq bulk/", None),
        ("name gt a and path eq bulk/", None),
    ],
)
def test_a_filter_that_names_a_file(text, path):
    """The question that clients ask before each upload is answered by one row."""
    assert path == path_in(parse_filter(text))


@pytest.mark.parametrize(
    ("order", "found"),
    [
        ("", [0, 1, 2, 3]),
        ("name asc", [0, 1, 2, 3]),
        ("name desc", [3, 2, 1, 0]),
        ("path desc", [3, 2, 1, 0]),
        ("updated asc", [1, 2, 0, 3]),
        ("updated DESC", [3, 0, 2, 1]),
        ("updated", [1, 2, 0, 3]),
    ],
)
def test_orders(order, found):
    """Name, path and time of change order a list, both ways."""
    assert found == [FILES.index(each) for each in sorter(order)(reversed(FILES))]


@pytest.mark.parametrize("order", ["size asc", "name up", "name asc desc", "asc"])
def test_what_is_no_order_is_refused(order):
    """An order that cannot be read is told so."""
    with pytest.raises(Invalid, match=r"^order: "):
        sorter(order)
