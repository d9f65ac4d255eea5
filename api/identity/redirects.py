"""Where the login page may send a user back to: what may be registered, and what counts as registered.

An address is compared as a whole, never by its parts, so no parser can be made to read another host out of
it (S4). Only the port of a loopback address is free, as native programs take whichever is (RFC 8252, 7.3).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from schemas.limits import REDIRECT_URI_CHARACTERS_MAX

_PATH: Final = r"(?:/[A-Za-z0-9._~!$&'()*+=:@%/-]*)?(?:\?[A-Za-z0-9._~!$&'()*+=:@%/?-]*)?"
"""Neither a fragment, nor what would end a header or a directive of a page's rules."""
_PORT: Final = r"(?::[0-9]{1,5})?"

_WEB: Final = re.compile(rf"https://[A-Za-z0-9.-]+{_PORT}{_PATH}", re.ASCII)
_LOOPBACK: Final = re.compile(rf"(http://(?:127\.0\.0\.1|\[::1\])){_PORT}({_PATH})", re.ASCII)
_LOCALHOST: Final = re.compile(rf"http://localhost{_PORT}{_PATH}", re.ASCII)
_PRIVATE: Final = re.compile(rf"[a-z][a-z0-9-]*(?:\.[a-z0-9-]+)+:{_PATH}", re.ASCII)
"""A program's own scheme is the name of a domain turned round (RFC 8252, 7.1)."""

_ORIGIN: Final = re.compile(r"https?://(?:[A-Za-z0-9.-]+|\[::1\])(?::[0-9]{1,5})?", re.ASCII)


def may_register(uri: str) -> bool:
    """Tell whether an address may be registered: https, loopback, or a scheme of a program's own."""
    forms = (_WEB, _LOOPBACK, _LOCALHOST, _PRIVATE)
    return len(uri) <= REDIRECT_URI_CHARACTERS_MAX and any(form.fullmatch(uri) for form in forms)


def is_registered(uri: str, registered: Iterable[str]) -> bool:
    """Tell whether an address is one of those: the same text, but for the port of a loopback address."""
    if not may_register(uri):
        return False
    return any(uri == one or (_without_port(uri) or "") == _without_port(one) for one in registered)


def source_of(uri: str) -> str:
    """Give what a page's rules call the place that an address leads to: an origin, or a scheme."""
    origin = _ORIGIN.match(uri)
    return origin[0] if origin else uri.partition(":")[0] + ":"


def _without_port(uri: str) -> str | None:
    found = _LOOPBACK.fullmatch(uri)
    return None if found is None else found[1] + found[2]
