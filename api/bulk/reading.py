"""Bulk read of the dialect: a page of records, and where the next one is, in its body (wire 3.3, MS-82)."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, urlencode

import msgspec

from api.identity.tokens import Identity
from api.reading.fresh import read_page
from api.series.service import Answered, SeriesService
from api.shares.access import Access
from schemas.codes import INVALID_PARAMETER
from schemas.errors import Invalid, Problem
from schemas.limits import BULK_READ_RECORDS_MAX
from schemas.policies import Profile
from schemas.queries import parse_series_query
from schemas.render import render_records
from schemas.shares import Action

BASE = "/api/iottsbulk/v3"
PATH = f"{BASE}/timeseries"


class BulkReading:
    """Bulk reads of verified callers, of own and shared series."""

    def __init__(self, access: Access, series: SeriesService, public_url: str) -> None:
        """Read as the service of series does; links begin with the address of the installation."""
        self._access = access
        self._series = series
        self._origin = public_url.rstrip("/")

    async def read(
        self,
        caller: Identity,
        place: tuple[str, str],
        parameters: Mapping[str, str],
        *,
        profile: Profile,
        now_ms: int,
    ) -> Answered:
        """Give `{"records":[…],"nextRecord":"…"}` of (from, to]; both are required."""
        granted = await self._access.series(caller, place, Action.RECORDS_READ)
        problems = [
            Problem(f"/{name}", INVALID_PARAMETER, f"{name} is required.")
            for name in ("from", "to")
            if name not in parameters
        ]
        limit = _limit(parameters.get("limit"), problems)
        others = {name: text for name, text in parameters.items() if name != "limit"}
        query, found = parse_series_query(others, granted.aspect, now_ms=now_ms, profile=profile)
        if query is None or problems:
            raise Invalid([*problems, *found])
        query = query._replace(limit=limit)
        page = await read_page(
            granted.reading(self._series.reading), granted.series, granted.aspect, query, ()
        )
        records = render_records(page.columns, granted.aspect, query.parts)
        following = b""
        if page.next is not None:
            address = urlencode(page.next, quote_via=quote)
            text = f"{self._origin}{PATH}/{place[0]}/{quote(place[1])}?{address}"
            following = b',"nextRecord":%b' % msgspec.json.encode(text)
        headers = {"content-type": "application/json"}
        if page.behind is not None:
            headers["read-position"] = str(page.behind)
        if page.gone is not None:
            headers["summary-only"] = page.gone.header
        return Answered(200, headers, b'{"records":%b%b}' % (records, following))


def _limit(text: str | None, problems: list[Problem]) -> int:
    if text is None:
        return BULK_READ_RECORDS_MAX
    limit = int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0
    if not 1 <= limit <= BULK_READ_RECORDS_MAX:
        message = f"limit is a whole number from 1 to {BULK_READ_RECORDS_MAX}."
        problems.append(Problem("/limit", INVALID_PARAMETER, message))
    return limit
