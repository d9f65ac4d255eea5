"""What may come in before a handler sees it: media types, sizes, strict JSON.

* a missing Content-Type is JSON; JSON and merge-patch are read, anything else is refused (design 8.22);
* JSON may come as gzip or zstd and is limited as it is after decompression, all else comes as it is (TB-80);
* on our own routes a number in place of a truth value, and the like, is refused;
* duplicate members, NaN, NUL, lone surrogates and numbers beyond a double are refused (design 8.10).

Sizes are limited by the framework (`request_max_body_size` of a route); everything here follows the guard,
so a stranger's body is not read.
"""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any, Final, NoReturn

import msgspec
from litestar import Request
from litestar.datastructures import State

from api.http.asgi import BODILESS
from api.http.budget import HOLDING
from api.http.compression import coding_of, expand
from api.http.negotiation import Coding
from api.identity.tokens import Identity
from schemas.errors import Malformed, UnsupportedMedia
from schemas.limits import KB

JSON_TYPES: Final = frozenset({"application/json", "application/merge-patch+json", "application/hal+json"})
ANY_TYPE: Final = frozenset({"*/*"})
"""For a route that takes a body's bytes as they are."""
FORM_TYPES: Final = frozenset({"application/x-www-form-urlencoded"})
MULTIPART_TYPES: Final = frozenset({"multipart/form-data"})

IN_THREAD_BYTES: Final = 128 * KB
"""A larger body is decompressed beside the loop: it takes longer than the change of threads."""

OWN: Final = "/api/aspectstore/"
"""Begins the paths of our own routes."""

EXPANDED: Final = "expanded_body"
"""Where a decompressed body is kept while its request lasts."""

_SURROGATE: Final = re.compile("[\ud800-\udfff]")


class StrictRequest(Request[Identity, None, State]):
    """A request whose JSON is read strictly, whether it was compressed or not."""

    async def body(self) -> bytes:
        """Give the body, decompressed; raises as `compression.expand` and `budget.Holding.add` do."""
        body = await super().body()
        coding = coding_of(self.headers.get("content-encoding", ""))
        if coding is Coding.IDENTITY:
            return body
        kept: dict[str, Any] = self.scope["state"]
        if EXPANDED not in kept:
            most = self.route_handler.resolve_request_max_body_size() or 0
            if len(body) > IN_THREAD_BYTES:
                text = await asyncio.to_thread(expand, body, coding, most)
            else:
                text = expand(body, coding, most)
            kept[HOLDING].add(len(text))
            kept[EXPANDED] = text
        expanded: bytes = kept[EXPANDED]
        return expanded

    async def raw_body(self) -> bytes:
        """Give the body as it was sent."""
        return await super().body()

    async def json(self) -> Any:
        """Give the body as plain values; Malformed with a pointer for what is refused."""
        value = parse_strictly(await self.body())
        wanted = self.route_handler.parsed_data_field
        if wanted is not None and self.scope["path"].startswith(OWN):
            demand_types(value, wanted.annotation)
        return value


def check_media(request: Request[Any, Any, Any]) -> None:
    """Refuse a body that the route does not read: by its type, or by its coding."""
    if request.method in BODILESS:
        return
    headers = request.headers
    wanted = request.route_handler.opt.get("media", JSON_TYPES)
    coding = headers.get("content-encoding", "")
    compressed = wanted is JSON_TYPES or request.route_handler.opt.get("compressed", False)
    demand_media(headers.get("content-type", ""), coding, wanted, compressed=compressed)


def demand_media(
    content_type: str, encoding: str, wanted: frozenset[str] = JSON_TYPES, *, compressed: bool = False
) -> Coding:
    """Refuse a media type that is not wanted (none at all is JSON, design 8.22), and codings alike.

    Gives the coding, for `api.http.compression.expand`; it is `identity` unless the body may be `compressed`.
    """
    media = content_type.partition(";")[0].strip().lower()
    if media and media not in wanted and wanted is not ANY_TYPE:
        raise UnsupportedMedia(f"Content-Type must be one of {', '.join(sorted(wanted))}.")
    coding = coding_of(encoding)
    if coding is not Coding.IDENTITY and not compressed:
        raise UnsupportedMedia("The body must not be compressed.")
    return coding


async def check_present(request: Request[Any, Any, Any]) -> None:
    """Refuse an empty body where the route needs one."""
    if request.route_handler.parsed_data_field is not None and not await request.body():
        raise Malformed("A body is required.")


def parse_strictly(body: bytes) -> Any:
    """Read JSON that every reader understands alike; Malformed for everything else.

    An empty body gives None.
    """
    if not body:
        return None
    try:
        value = json.loads(
            body.decode("utf-8"), object_pairs_hook=_without_twins, parse_constant=_no_constant
        )
    except UnicodeDecodeError as error:
        raise Malformed("The body is not UTF-8.") from error
    except RecursionError as error:
        raise Malformed("The body is nested too deeply.") from error
    except json.JSONDecodeError as error:
        raise Malformed(f"Not JSON at byte {error.pos}: {error.msg}.") from error
    except ValueError as error:  # e.g. an integer of 5,000 digits
        raise Malformed("A number of the body is too long.") from error
    _check_values(value, "")
    return value


def demand_types(value: Any, form: Any) -> None:
    """Refuse a number or a text in place of another type, which the framework would take for one.

    Only on routes of our own: clients of the dialect are used to it. What the framework refuses as well is
    left to it, as it tells every place.
    """
    try:
        msgspec.convert(value, form, str_keys=True)
    except msgspec.ValidationError as error:
        try:
            msgspec.convert(value, form, strict=False, str_keys=True)
        except msgspec.ValidationError:
            return
        words, _, place = str(error).partition(" - at `$")
        pointer = "".join(f"/{part}" for part in re.split(r"[.\[\]`]+", place) if part)
        raise Malformed(f"{words}.", pointer) from None


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        names = [name for name, _ in pairs]
        twin = next(name for name in names if names.count(name) > 1)
        raise Malformed(f"The member {_shown(twin)} stands twice.")
    return members


def _no_constant(name: str) -> NoReturn:
    raise Malformed(f"{name} is not JSON.")


def _check_values(value: Any, pointer: str) -> None:
    """Walk the values; the parser has bounded the depth already."""
    if isinstance(value, str):
        _check_text(value, pointer)
    elif isinstance(value, float):
        if value in {float("inf"), float("-inf")}:
            raise Malformed("The number is beyond a double.", pointer)
    elif isinstance(value, dict):
        for name, member in value.items():
            _check_text(name, pointer)
            _check_values(member, f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}")
    elif isinstance(value, list):
        for index, member in enumerate(value):
            _check_values(member, f"{pointer}/{index}")


def _check_text(text: str, pointer: str) -> None:
    if "\0" in text:
        raise Malformed("The text holds NUL.", pointer)
    if not text.isascii() and _SURROGATE.search(text):
        raise Malformed("The text holds half of a surrogate pair.", pointer)


def _shown(name: str) -> str:
    return json.dumps(name[:64])
