"""Addresses as settings write them: where the door listens, where a store lies."""

from __future__ import annotations

import re

from msgspec import Struct

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", re.ASCII)


class Bucket(Struct, frozen=True):
    """Where files' bytes lie in a store that speaks S3."""

    name: str
    prefix: str
    """Empty, or ends with a slash."""


class CassandraAddress(Struct, frozen=True):
    """Where a Cassandra cluster is reached, and the keyspace in it."""

    hosts: tuple[str, ...]
    port: int
    keyspace: str


def parse_listen(text: str) -> tuple[str, int]:
    """Read `HOST:PORT` (an IPv6 host in brackets); ValueError says what is expected."""
    host, colon, port = text.rpartition(":")
    if not (colon and host and port.isascii() and port.isdigit() and int(port) < 1 << 16):
        raise ValueError(f"`listen` is HOST:PORT, such as 127.0.0.1:8080; it reads {text!r}")
    return host.removeprefix("[").removesuffix("]"), int(port)


def parse_store(text: str) -> CassandraAddress:
    """Read `cassandra://HOST[,HOST…][:PORT]/KEYSPACE`; ValueError says what is expected."""
    scheme, _, rest = text.partition("://")
    authority, _, keyspace = rest.partition("/")
    hosts, colon, port = authority.rpartition(":")
    if not colon:
        hosts, port = authority, "9042"
    names = tuple(host for host in hosts.split(",") if host)
    sound = scheme == "cassandra" and names and port.isascii() and port.isdigit()
    if not sound or not (keyspace.isascii() and keyspace.isidentifier() and len(keyspace) <= 48):
        raise ValueError("`store` is `sqlite` or `cassandra://HOST[,HOST]:PORT/KEYSPACE`")
    return CassandraAddress(names, int(port), keyspace)


def parse_bucket(text: str) -> Bucket:
    """Read `s3://BUCKET[/PREFIX]`; ValueError says what is expected."""
    scheme, _, rest = text.partition("://")
    name, _, prefix = rest.partition("/")
    if scheme != "s3" or _BUCKET.fullmatch(name) is None:
        raise ValueError("`files` is `disk` or `s3://BUCKET[/PREFIX]`")
    prefix = prefix.strip("/")
    return Bucket(name, f"{prefix}/" if prefix else "")
