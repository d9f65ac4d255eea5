"""Bodies in parts are read as existing clients write them, and no further than their sizes allow (S7)."""

import time

import pytest

from schemas.errors import Malformed, TooLarge
from schemas.limits import MULTIPART_HEADER_BYTES_MAX, MULTIPART_PARTS_MAX
from schemas.multipart import Field, Part, boundary_in, field_of, options_in, parse_parts

EXCHANGE = (
    b"--mindspheremessage\n"
    b"Content-Type:multipart/related;boundary=mindspherepart\n"
    b"\n"
    b"--mindspherepart\n"
    b"Content-Type:application/vnd.siemens.mindsphere.meta+json\n"
    b"\n"
    b'{"type":"item"}\n'
    b"\n"
    b"--mindspherepart\n"
    b"Content-Type:application/json\n"
    b"\n"
    b'[{"timestamp":"2026-01-01T00:00:00.000Z","values":[]}]\n'
    b"\n"
    b"\r\n--mindspherepart--\n"
    b"--mindspheremessage--\n"
)
"""As the Node agent sends it (wire 6.3): bare line feeds, no blank behind colons, one carriage return."""

FORM = (
    b"----mindsphere\r\n"
    b'Content-Disposition: form-data; name="file"; filename="a.txt"\r\n'
    b"Content-Type: text/plain\r\n"
    b"\r\n"
    b"abc\r\n"
    b"----mindsphere\r\n"
    b'Content-Disposition: form-data; name="scope"\r\n'
    b"\r\n"
    b"PRIVATE\r\n"
    b"----mindsphere--"
)
"""As the Node SDK sends a file (wire 4.7): the boundary begins with dashes, nothing stands behind the end."""


def form(*parts: bytes, boundary: bytes = b"b", end: bytes = b"\r\n") -> bytes:
    """Write parts with one kind of line ends."""
    lines = [b"--" + boundary + end + part + end for part in parts]
    return b"".join(lines) + b"--" + boundary + b"--" + end


def test_a_devices_message_is_parts_of_parts():
    """The agent's message is read whole, though no usual parser takes it (wire 6.3, 13.6)."""
    (outer,) = parse_parts(EXCHANGE, b"mindspheremessage")
    meta, payload = parse_parts(outer.body, boundary_in(outer.headers["content-type"]))

    assert ("multipart/related", "application/json") == (outer.media, payload.media)
    assert (meta.media, meta.body) == ("application/vnd.siemens.mindsphere.meta+json", b'{"type":"item"}\n')
    assert b'[{"timestamp":"2026-01-01T00:00:00.000Z","values":[]}]\n\n' == payload.body


def test_the_same_message_with_other_line_ends_is_the_same():
    """The C library writes carriage returns everywhere; what is in the parts is what it was."""
    strict = EXCHANGE.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")

    (outer,) = parse_parts(strict, b"mindspheremessage")

    assert 2 == len(parse_parts(outer.body, b"mindspherepart"))


def test_a_form_is_read_as_the_sdk_sends_it():
    """Two dashes more in every delimiter, and no line end behind the last one (wire 4.7, 13.6)."""
    boundary = boundary_in("multipart/form-data; boundary=--mindsphere")
    file, scope = parse_parts(FORM, boundary)

    assert (Field("file", "a.txt"), b"abc", "text/plain") == (field_of(file), file.body, file.media)
    assert (Field("scope", None), b"PRIVATE") == (field_of(scope), scope.body)


def test_what_stands_around_the_parts_is_passed_over():
    """An empty line first, as some clients have it, a preamble, and whatever follows the end."""
    for before in (b"\n", b"\r\n", b"a preamble\r\n--bx\r\n"):
        for after in (b"", b"\r\n", b"\r\nan epilogue\r\n--b\r\n"):
            body = before + form(b"A: 1\r\n\r\nx").rstrip(b"\r\n") + after

            assert [Part({"a": "1"}, b"x")] == parse_parts(body, b"b"), (before, after)


@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
@pytest.mark.parametrize(
    "octets",
    [b"", b"\n", b"\r\n", b"--", b"--b", b"x--b--", b"\n--bc\n", bytes(range(256)), b"\r\n\r\n"],
)
def test_bytes_of_a_part_are_those_that_were_sent(octets, end):
    """Whatever stands between blank line and delimiter, line ends of its own included, is kept."""
    body = form(b"Content-Type: x" + end + end + octets, boundary=b"bou", end=end)

    assert [Part({"content-type": "x"}, octets)] == parse_parts(body, b"bou")


def test_a_part_needs_no_headers():
    """A part that begins with a blank line has none (RFC 2046, 5.1)."""
    assert [Part({}, b"x")] == parse_parts(form(b"\r\nx"), b"b")


def test_a_part_may_be_empty_without_a_line_for_it():
    """The blank line may be the line end that belongs to the delimiter."""
    body = b"--b\r\nA: 1\r\n\r\n--b--"

    assert [Part({"a": "1"}, b"")] == parse_parts(body, b"b")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"abc",
        b"--b",
        b"--b\r\n",
        b"--b\r\nA: 1\r\n\r\nx\r\n",
        b"--b\r\nA: 1\r\n\r\nx\r\n--b",
        b"--b\r\nA: 1\r\n--b--",
        b"--b\r\nno name\r\n\r\nx\r\n--b--",
        b"--b\r\n: 1\r\n\r\nx\r\n--b--",
        b"--b\r\n--b--",
    ],
)
def test_what_was_cut_off_or_is_none_is_refused(body):
    """No delimiter, no end, no blank line, no name: the client hears that it is malformed."""
    with pytest.raises(Malformed):
        parse_parts(body, b"b")


def test_a_body_of_only_the_end_has_no_parts():
    """Nothing was sent, and that is well-formed."""
    assert [] == parse_parts(b"--b--", b"b")


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        ("multipart/form-data; boundary=--mindsphere", b"--mindsphere"),
        ("multipart/mixed;boundary=mindspheremessage", b"mindspheremessage"),
        ('multipart/mixed; charset=utf-8; Boundary="a b;c"', b"a b;c"),
        ("multipart/mixed; boundary=x ; y=z", b"x"),
    ],
)
def test_the_boundary_is_found(content_type, expected):
    """Quoted or bare, with or without blanks, whatever else is named."""
    assert expected == boundary_in(content_type)


@pytest.mark.parametrize(
    "content_type",
    ["", "multipart/form-data", "multipart/x; boundary=", "a; boundary=" + "b" * 201, 'a; boundary="b\nc"'],
)
def test_a_boundary_that_is_none_is_refused(content_type):
    """Without one nothing can be read; a longer one than any client sends is not tried."""
    with pytest.raises(Malformed):
        boundary_in(content_type)


def test_names_are_read_as_browsers_write_them():
    """Quotes inside are escaped in one of two ways; a bare value ends at the semicolon."""
    header = r'form-data; name=file; filename="a \"b\" %22c%22 ü.txt"; x'

    assert {"name": "file", "filename": 'a "b" "c" ü.txt'} == options_in(header)


def test_a_part_without_a_name_is_no_field():
    """A form's part says which one it is."""
    with pytest.raises(Malformed):
        field_of(Part({"content-disposition": "form-data"}, b""))


def test_headers_may_be_of_another_time():
    """Names that are no UTF-8 are taken as Latin-1."""
    (part,) = parse_parts(form(b'Content-Disposition: form-data; name="\xe9"\r\n\r\nx'), b"b")

    assert "é" == field_of(part).name


def test_more_parts_than_are_read_are_too_many():
    """A thousand parts are read, ten thousand are refused, and soon (S7)."""
    part = b"A: 1\r\n\r\nx"
    begun = time.process_time()

    with pytest.raises(TooLarge, match="1000"):
        parse_parts(form(*[part] * 10_000), b"b")
    assert 1_000 == MULTIPART_PARTS_MAX == len(parse_parts(form(*[part] * 1_000), b"b"))
    assert time.process_time() - begun < 0.1


def test_headers_have_a_size():
    """A part whose headers do not end is refused by their size, not read to the end."""
    with pytest.raises(TooLarge, match="headers"):
        parse_parts(form(b"A: " + b"x" * 100_000 + b"\r\n\r\nx"), b"b")
    (part,) = parse_parts(form(b"A: " + b"x" * (MULTIPART_HEADER_BYTES_MAX - 7) + b"\r\n\r\nx"), b"b")
    assert b"x" == part.body


@pytest.mark.parametrize("piece", [b"\n--b ", b"\n--bb", b"--b", b"\r\n", b"\n", b"\n--b \t"])
def test_what_looks_like_delimiters_costs_little(piece):
    """Five megabytes of almost-delimiters are refused within a fraction of a second (S7)."""
    body = piece * (5_000_000 // len(piece))
    begun = time.process_time()

    with pytest.raises((Malformed, TooLarge)):
        parse_parts(body, b"b")

    assert time.process_time() - begun < 2
