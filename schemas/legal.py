"""What a tenant must tell its users by law, by regions of the world (wire 10): links in several languages."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from schemas import codes
from schemas.errors import Problem
from schemas.limits import LEGAL_TEXT_CHARACTERS_MAX


class LegalLink(msgspec.Struct, frozen=True):
    """One link in one language."""

    name: str
    value: str
    """A web address, a telephone number or a mail address."""


class LegalLinks(msgspec.Struct, frozen=True, rename="camel"):
    """One link in all its languages."""

    id: str
    type: Literal["www", "phone", "mail"]
    languages: dict[str, LegalLink]
    """By the language, as in `en` or `de-AT`."""
    sorting: int | None = None
    """Its place among the others; those without one come last."""


class LegalRegion(msgspec.Struct, frozen=True):
    """One region, as the catalogue keeps it."""

    id: str
    name: str
    countries: tuple[str, ...] = ()
    links: tuple[LegalLinks, ...] = ()
    version: int = 0


_COUNTRY: Final = re.compile(r"[A-Z]{2}", re.ASCII)
_LANGUAGE: Final = re.compile(r"[a-z]{2,3}(?:[-_][A-Za-z0-9]{2,8}){0,3}", re.ASCII)
_VALUES: Final = {
    "www": (re.compile(r"https?://[^\s<>\"]+"), "An address that begins with https:// or http://."),
    "phone": (re.compile(r"[0-9+()/ .-]+", re.ASCII), "A telephone number."),
    "mail": (re.compile(r"[^\s@<>\"]+@[^\s@<>\"]+"), "A mail address."),
}


def check_region(region: LegalRegion, pointer: str) -> list[Problem]:
    """Check a region; `pointer` is its place in the body."""
    found = []
    if not _is_text(region.name):
        found.append((f"{pointer}/regionName", f"1 to {LEGAL_TEXT_CHARACTERS_MAX} printable characters."))
    for place, country in enumerate(region.countries):
        if not _COUNTRY.fullmatch(country):
            found.append((f"{pointer}/regionCountries/{place}", "Two capital letters, as in DE."))
    for place, links in enumerate(region.links):
        found += _check_links(links, f"{pointer}/links/{place}")
    return [Problem(at, codes.INVALID_BODY, message) for at, message in found]


def links_by_language(region: LegalRegion | None) -> dict[str, list[dict[str, str]]]:
    """Give the links of a region as pages show them: by language, each list in its order (wire 10)."""
    shown: dict[str, list[dict[str, str]]] = {}
    last = float("inf")
    for links in sorted(
        region.links if region else (), key=lambda links: last if links.sorting is None else links.sorting
    ):
        for language, link in links.languages.items():
            told = {"id": links.id, "type": links.type, "name": link.name, "value": link.value}
            shown.setdefault(language, []).append(told)
    return shown


def region_of(regions: Sequence[LegalRegion], country: str) -> LegalRegion | None:
    """Give the region that a country lies in, else the first one; None where there is none."""
    fitting = (region for region in regions if country in region.countries)
    return next(fitting, regions[0] if regions else None)


def _check_links(links: LegalLinks, pointer: str) -> list[tuple[str, str]]:
    form, words = _VALUES[links.type]
    found = [] if _is_text(links.id) else [(f"{pointer}/id", "A printable text.")]
    for language, link in links.languages.items():
        at = f"{pointer}/languages/{language.replace('~', '~0').replace('/', '~1')}"
        if not _LANGUAGE.fullmatch(language):
            found.append((at, "A language is written as en or de-AT."))
        if not _is_text(link.name):
            found.append((f"{at}/name", "A printable text."))
        if not (_is_text(link.value) and form.fullmatch(link.value)):
            found.append((f"{at}/value", words))
    return found


def _is_text(text: str) -> bool:
    return 0 < len(text) <= LEGAL_TEXT_CHARACTERS_MAX and text.isprintable()
