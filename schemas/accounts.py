"""Names, secrets and descriptions of accounts: what is taken (design 8.13)."""

from __future__ import annotations

import re

from schemas import codes
from schemas.errors import Problem
from schemas.limits import (
    ACCOUNT_NAME_CHARACTERS_MAX,
    DESCRIPTION_CHARACTERS_MAX,
    PASSWORD_CHARACTERS_MAX,
    PASSWORD_CHARACTERS_MIN,
)

# No colon, which ends a client's id in a Basic header, and nothing that a form would have to escape (TB-04).
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]*", re.ASCII)


def check_account_name(name: str, pointer: str) -> list[Problem]:
    """Check the id of a client or the name of a user."""
    if len(name) <= ACCOUNT_NAME_CHARACTERS_MAX and _NAME.fullmatch(name):
        return []
    message = f"1 to {ACCOUNT_NAME_CHARACTERS_MAX} letters, digits and . _ @ -, a letter or a digit at first."
    return [Problem(pointer, codes.INVALID_BODY, message)]


def check_password(password: str) -> list[Problem]:
    """Check a password that somebody has chosen; the message never repeats it."""
    if PASSWORD_CHARACTERS_MIN <= len(password) <= PASSWORD_CHARACTERS_MAX and password.isprintable():
        return []
    message = f"{PASSWORD_CHARACTERS_MIN} to {PASSWORD_CHARACTERS_MAX} printable characters."
    return [Problem("/password", codes.INVALID_BODY, message)]


def check_description(description: str) -> list[Problem]:
    """Check what an account is said to be for."""
    if len(description) <= DESCRIPTION_CHARACTERS_MAX and description.isprintable():
        return []
    message = f"At most {DESCRIPTION_CHARACTERS_MAX} printable characters."
    return [Problem("/description", codes.INVALID_BODY, message)]
