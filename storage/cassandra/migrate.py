"""Brings a keyspace to the present schema, once, however many processes start together.

The schema is the sum of `schema/NNNN_*.cql`, applied in the order of their numbers. A file is never changed
once it is released: its hash stands in the table `migrations`. Every statement in them says IF NOT EXISTS,
so that a file of which only a part was applied can be applied again.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
import string
from collections.abc import Mapping
from importlib import resources

from cassandra import InvalidRequest

from schemas.errors import StoreUnavailable
from storage.cassandra.session import Session
from storage.statements import load

STATEMENTS = load("storage.cassandra", "migrate.cql")
PREPARED = ("take_lock", "release_lock", "read_migrations", "note_migration")

KEYSPACE_PATTERN = re.compile(r"[a-z][a-z0-9_]{0,47}", re.ASCII)

LOCK_POLL_S = 0.2
LOCK_TRIES_MAX = 750
"""150 s: longer than a lock lives that nobody gives back."""

BOOTSTRAP_TRIES_MAX = 50
"""10 s: a busy node takes seconds for a schema change."""


async def migrate(session: Session) -> None:
    """Make the session's keyspace if it is missing and apply the schema files it has not seen.

    Raises StoreUnavailable if an applied file was changed since, a newer program has applied files that this
    one does not have, or the nodes do not agree.
    """
    keyspace = session.address.keyspace
    if not KEYSPACE_PATTERN.fullmatch(keyspace):
        raise StoreUnavailable(
            f"{keyspace!r} cannot name a keyspace: lowercase letters, digits and _, at most 48"
        )
    await _bootstrap(session, keyspace)
    files = schema_files()
    if await _missing(session, files):
        await _apply_locked(session, files)


def schema_files() -> dict[str, str]:
    """Read the schema files in their order, by name."""
    folder = resources.files("storage.cassandra").joinpath("schema")
    names = sorted(file.name for file in folder.iterdir() if file.name.endswith(".cql"))
    return {name: folder.joinpath(name).read_text(encoding="utf-8") for name in names}


def statements_of(source: str) -> list[str]:
    """Split a schema file at its semicolons, comments left out; schema files hold no literal with either."""
    lines = [line.split("--")[0].rstrip() for line in source.splitlines()]
    return [text.strip() for text in "\n".join(lines).split(";") if text.strip()]


def checksum(source: str) -> str:
    """Hash the text of a schema file."""
    return hashlib.sha256(source.encode()).hexdigest()


async def _bootstrap(session: Session, keyspace: str) -> None:
    """Make the keyspace and the two tables of this module, if they are missing.

    Where another process makes them in the same moment, IF NOT EXISTS can return before the node uses
    what it says exists; the statement after it is then refused, and all of it tried again.
    """
    text = string.Template(STATEMENTS["create_keyspace"].text)
    create = text.substitute(keyspace=keyspace, replicas=int(session.address.replicas))
    for attempt in range(BOOTSTRAP_TRIES_MAX):
        try:
            if keyspace not in session.cluster.metadata.keyspaces:
                await session.execute(create)
            for table in ("create_migrations", "create_migration_lock"):
                await session.execute(STATEMENTS[table].text, keyspace=keyspace)
            await session.agree()
            await session.prepare({name: STATEMENTS[name] for name in PREPARED})
        except StoreUnavailable as error:
            if attempt + 1 == BOOTSTRAP_TRIES_MAX or not isinstance(error.__cause__, InvalidRequest):
                raise
            await asyncio.sleep(LOCK_POLL_S)
        else:
            return


async def _missing(session: Session, files: Mapping[str, str]) -> list[str]:
    """Name the files that were not applied; refuse one that was changed since, and one that is not ours."""
    applied: dict[str, str] = dict(await session.rows("read_migrations", serial=False))
    newest, known = max(applied, default=""), max(files)
    if newest > known:
        raise StoreUnavailable(
            f"the keyspace {session.address.keyspace} has schema {newest}, this program knows {known}: "
            "install the newer program"
        )
    for name, noted in applied.items():
        if name in files and noted != checksum(files[name]):
            raise StoreUnavailable(
                f"the schema file {name} was changed after it was applied to {session.address.keyspace}: "
                "install the program that made it, or put the change into a new file"
            )
    return [name for name in files if name not in applied]


async def _apply_locked(session: Session, files: Mapping[str, str]) -> None:
    owner = secrets.token_hex(8)
    for _ in range(LOCK_TRIES_MAX):
        if await session.swap("take_lock", owner):
            break
        await asyncio.sleep(LOCK_POLL_S)
    else:
        raise StoreUnavailable("another process holds the schema lock and does not give it back")
    try:
        for name in await _missing(session, files):
            for text in statements_of(files[name]):
                await session.execute(text, keyspace=session.address.keyspace)
            await session.agree()
            await session.swap("note_migration", name, checksum(files[name]))
    finally:
        await session.swap("release_lock", owner)
