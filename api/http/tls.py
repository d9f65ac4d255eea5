"""The door's certificate: read from files, and read again when they change.

One context serves for the life of the door. A new chain put into it is what later handshakes show;
connections that are open keep what they agreed on. A renewal replaces two files, one after the other: while
they do not fit each other the old certificate serves on, and a line in the log says so.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Final

import structlog

from runtime.settings import Settings, SettingsError

log = structlog.get_logger(__name__)

PROTOCOLS: Final = ["http/1.1"]
"""What the door speaks, for clients that ask by ALPN."""

Marks = tuple[tuple[int, int, int], ...]
"""Inode, size and time of change of each file."""


class Certificate:
    """A chain and its key on disk, and the context that shows them; used on the door's loop only."""

    def __init__(self, chain: Path, key: Path | None, password: str = "") -> None:
        """Read the files; SettingsError names what is wrong with them."""
        self._files = (chain, key or chain)
        self._password = password
        self._marks: Marks = ()
        self._told: Marks = ()
        self.context = _context()
        try:
            self._marks = self._look()
            self._load(self.context)
        except (OSError, ValueError) as error:
            raise SettingsError(f"tls_certificate, tls_key: {chain}: {_words(error)}") from None

    @classmethod
    def of(cls, settings: Settings) -> Certificate | None:
        """Give the certificate that the settings name; None: the door speaks plain HTTP."""
        if not settings.tls_certificate:
            return None
        key = Path(settings.tls_key) if settings.tls_key else None
        return cls(Path(settings.tls_certificate), key, settings.tls_key_password)

    def refresh(self) -> bool:
        """Read the files again if they changed; True if the next handshake shows another certificate.

        Files that cannot be read, or do not fit each other, change nothing, and are tried again next time.
        """
        try:
            marks = self._look()
        except OSError as error:
            self._complain((), error)
            return False
        if marks == self._marks:
            return False
        try:
            self._load(_context())  # A chain without its key would leave the context with neither.
            self._load(self.context)
        except (OSError, ValueError) as error:
            self._complain(marks, error)
            return False
        self._marks = marks
        log.info("certificate_read", file=str(self._files[0]))
        return True

    def _look(self) -> Marks:
        found = [file.stat() for file in self._files]
        return tuple((one.st_ino, one.st_size, one.st_mtime_ns) for one in found)

    def _load(self, context: ssl.SSLContext) -> None:
        chain, key = self._files
        # A function, even for none: without one OpenSSL would ask for a password at the terminal.
        context.load_cert_chain(chain, key, lambda: self._password)

    def _complain(self, marks: Marks, error: Exception) -> None:
        """Say once for each state of the files that they cannot be used."""
        told = marks or ((0, 0, 0),)
        if told != self._told:
            self._told = told
            log.error("certificate_not_read", file=str(self._files[0]), reason=_words(error))


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # A client could make the door compute for it again and again on one connection.
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(PROTOCOLS)
    return context


def _words(error: Exception) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
