"""Parts of what is stored, as `Range` asks for them (RFC 9110, section 14)."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from litestar import Response
from litestar.exceptions import HTTPException
from litestar.response import Stream

from schemas.files import Span, parse_range


def span_of(wanted: str | None, size: int, thing: str) -> Span:
    """Give what of so many bytes is asked for, all where nothing is; 416 where that is no byte of them."""
    span = parse_range(wanted, size)
    if span is None:
        return Span(0, size)
    if span.start >= span.end:
        headers = {"content-range": f"bytes */{size}"}
        raise HTTPException(
            status_code=416, detail=f"No byte of the {thing} is in the range.", headers=headers
        )
    return span


def streamed(blocks: AsyncGenerator[bytes], span: Span, size: int, headers: dict[str, str]) -> Response[Any]:
    """Answer with a span of so many bytes: 206 with its place, 200 where it is all."""
    described = {**headers, "accept-ranges": "bytes", "content-length": str(span.end - span.start)}
    described |= {"content-security-policy": "sandbox", "x-content-type-options": "nosniff"}
    if span == Span(0, size):
        return Stream(blocks, status_code=200, headers=described)
    described["content-range"] = f"bytes {span.start}-{span.end - 1}/{size}"
    return Stream(blocks, status_code=206, headers=described)
