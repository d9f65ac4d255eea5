"""Where webhooks may lead, as tables, and how they are signed (S9, MS-84)."""

import hashlib
import hmac

import pytest

from schemas.webhooks import Target, is_literal, may_reach, parse_networks, parse_url, signature

PUBLIC = [
    "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255",
    "169.253.255.255", "172.15.255.255", "172.32.0.0", "192.167.255.255", "192.169.0.0", "223.255.255.255",
    "2606:4700:4700::1111", "2a00:1450:4001::1", "::ffff:1.1.1.1", "64:ff9b::101:101",
]  # fmt: skip

NOT_PUBLIC = [
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "127.0.0.1", "127.255.255.254",
    "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.8", "192.0.2.1", "192.168.1.1",
    "192.88.99.1", "198.18.0.1", "198.51.100.7", "203.0.113.9", "224.0.0.1", "239.1.1.1", "240.0.0.1",
    "255.255.255.255",
    "::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254",
    "64:ff9b::a00:1", "64:ff9b::7f00:1", "64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1", "2002:7f00:1::",
    "2002:a00:1::1", "fc00::1", "fd12:3456::1", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1",
]  # fmt: skip


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_may_be_reached(address):
    """By https; in clear nothing public is reached."""
    assert may_reach(address, (), secure=True)
    assert not may_reach(address, (), secure=False)


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_what_only_the_service_reaches_may_not(address):
    """This machine, its networks, metadata services, tunnels into them: in each form of writing (S9)."""
    assert not may_reach(address, (), secure=True)
    assert not may_reach(address, (), secure=False)


@pytest.mark.parametrize("address", ["10.1.2.3", "::ffff:10.1.2.3", "64:ff9b::a01:203", "fd00::1"])
def test_a_setting_names_networks_beside(address):
    """These are reached, also in clear, and what lies next to them is not."""
    allowed = parse_networks("10.1.0.0/16, fd00::/64")

    assert may_reach(address, allowed, secure=False)
    assert not may_reach("10.2.0.1", allowed, secure=True)
    assert not may_reach("fd00:0:0:1::1", allowed, secure=True)


@pytest.mark.parametrize("text", ["10.0.0.1/8", "10.0.0.0/33", "all", "10.0.0.0/8;11.0.0.0/8"])
def test_a_setting_that_is_none_is_refused(text):
    """An address with bits behind its network is a slip that could open more than was meant."""
    with pytest.raises(ValueError):
        parse_networks(text)


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://hooks.example/in?a=1", Target(True, "hooks.example", 443, "hooks.example", "/in?a=1")),
        ("https://Hooks.Example:8443", Target(True, "hooks.example", 8443, "hooks.example:8443", "/")),
        ("http://[::1]:80/x", Target(False, "::1", 80, "[::1]:80", "/x")),
    ],
)
def test_a_url_is_taken_apart(url, target):
    """Into what is resolved, what is said to the receiver, and whether it is secure."""
    assert target == parse_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "", "hooks.example", "ftp://hooks.example/", "file:///etc/passwd", "gopher://x/", "https://",
        "https:///x",
        "https://user:pass@hooks.example/", "https://hooks.example/#x", "https://hooks.example:0/",
        "https://hooks.example:99999/", "https://hooks.example:x/", "https://hooks example/",
        "https://hooks.example/\r\nX: y", "https://hooks.example/\n", "https://hooks.example\\@10.0.0.1/",
        "https://häkchen.example/", "https://[::1", "https://a]b/", "https://exa mple/",
        "https://x/" + "a" * 2048,
        "HTTPS//x", "javascript:alert(1)", "https://hooks.example/\x00", "https://%31%30.0.0.1/",
    ],
)  # fmt: skip
def test_what_is_no_webhook_is_refused(url):
    """Other schemes, users, fragments, and whatever a parser and a server could read differently."""
    with pytest.raises(ValueError):
        parse_url(url)


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "127.1", "0177.0.0.1", "localhost", "nip.io"])
def test_other_writings_of_addresses_are_names(host):
    """They are resolved as any name, and what they stand for is judged then."""
    assert parse_url(f"https://{host}/").host == host
    assert not is_literal(host)


def test_a_signature_is_that_of_the_manual():
    """HMAC-SHA256 over the timestamp, a dot and the body, in hexadecimal."""
    body = b'{"notices":[]}'
    expected = hmac.new(b"s3cret", b"1767225600." + body, hashlib.sha256).hexdigest()

    assert f"v1={expected}" == signature("s3cret", 1_767_225_600, body)
