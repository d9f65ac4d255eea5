"""Files of asset management (wire 4.1, 4.2): pictures and papers that assets and types refer to by an id.

Pure. Not to be mixed up with the files of an asset (`schemas.files`), which have paths: these belong to the
tenant and are at most 5 MB. What they share is where bytes lie: contents of the file store.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from msgspec import Struct

from schemas import codes
from schemas.errors import Invalid, Problem, TooLarge
from schemas.files import Content, is_plain
from schemas.limits import DESCRIPTION_CHARACTERS_MAX, FILE_NAME_CHARACTERS_MAX, MODEL_FILE_BYTES_MAX
from schemas.multipart import Part, field_of

PRIVATE: Final = "PRIVATE"
SCOPES: Final = (PRIVATE, "PUBLIC")
"""As existing clients know the visibility of a file in answers; in requests in any case (wire 4.7)."""

FILE: Final = "file"
FIELDS: Final = (FILE, "name", "description", "scope")
"""Parts of the form that are read; others are passed over."""


class ModelFile(Struct, frozen=True, kw_only=True):
    """What the catalogue knows of a file; its row version is the ETag."""

    id: str
    """32 lowercase hexadecimal digits."""
    tenant: str
    name: str
    original_name: str
    """What it was called where it was uploaded from."""
    description: str
    scope: str
    content: Content | None
    """None for an empty file."""
    uploaded_ms: int
    modified_ms: int


class Form(NamedTuple):
    """A form that was sent; None for what it does not have."""

    file: bytes | None
    original_name: str | None
    name: str | None
    description: str | None
    scope: str | None


def read_form(parts: Sequence[Part]) -> Form:
    """Read the parts of a form.

    Invalid with every reason, TooLarge for a file above 5 MB, Malformed for a part without a name.
    """
    found: dict[str, Part] = {}
    names: dict[str, str | None] = {}
    for part in parts:
        field = field_of(part)
        if field.name in found:
            raise Invalid([_problem(field.name, "It stands twice in the form.")])
        if field.name in FIELDS:
            found[field.name], names[field.name] = part, field.filename
    file = found.get(FILE)
    if file is not None and len(file.body) > MODEL_FILE_BYTES_MAX:
        raise TooLarge(f"A file has at most {MODEL_FILE_BYTES_MAX} bytes.")
    texts = {name: _text(found[name].body) for name in FIELDS[1:] if name in found}
    form = Form(
        file=None if file is None else file.body,
        original_name=None if file is None else names[FILE],
        name=texts.get("name"),
        description=texts.get("description"),
        scope=None if "scope" not in texts else texts["scope"].upper(),
    )
    problems = _check(form)
    if problems:
        raise Invalid(problems)
    return form


def new_file(form: Form, file_id: str, tenant: str, content: Content | None, now_ms: int) -> ModelFile:
    """Make what is known of a new file; Invalid where the form brings none, or no name for it."""
    problems = []
    if form.file is None:
        problems.append(_problem(FILE, "The form has no part with a file."))
    name = form.name or form.original_name
    if not name:
        problems.append(_problem("name", "Name the file, or give the part a filename."))
    if problems or name is None:
        raise Invalid(problems)
    return ModelFile(
        id=file_id,
        tenant=tenant,
        name=name,
        original_name=form.original_name or name,
        description=form.description or "",
        scope=form.scope or PRIVATE,
        content=content,
        uploaded_ms=now_ms,
        modified_ms=now_ms,
    )


def changed_file(old: ModelFile, form: Form, content: Content | None, now_ms: int) -> ModelFile:
    """Make what is known of a file after a change: what the form does not have stays."""
    replaced = form.file is not None
    return ModelFile(
        id=old.id,
        tenant=old.tenant,
        name=form.name or old.name,
        original_name=form.original_name or old.original_name,
        description=old.description if form.description is None else form.description,
        scope=form.scope or old.scope,
        content=content if replaced else old.content,
        uploaded_ms=old.uploaded_ms,
        modified_ms=now_ms,
    )


def _check(form: Form) -> list[Problem]:
    limits: Mapping[str, tuple[str | None, int]] = {
        "name": (form.name, FILE_NAME_CHARACTERS_MAX),
        FILE: (form.original_name, FILE_NAME_CHARACTERS_MAX),
        "description": (form.description, DESCRIPTION_CHARACTERS_MAX),
    }
    problems = [
        _problem(name, f"At most {most} characters, none of them a control character.")
        for name, (text, most) in limits.items()
        if text is not None and not (len(text) <= most and is_plain(text))
    ]
    if form.scope is not None and form.scope not in SCOPES:
        problems.append(_problem("scope", "One of private and public."))
    return problems


def _text(octets: bytes) -> str:
    """Read a part that is a word; line ends that a client puts around it are none of it."""
    try:
        return octets.decode("utf-8").strip()
    except UnicodeDecodeError:
        return octets.decode("latin-1").strip()


def _problem(field: str, message: str) -> Problem:
    return Problem(f"/{field}", codes.INVALID_BODY, message)
