"""What the routes of records and of aggregates share: parameters, headers, answers."""

from __future__ import annotations

from typing import Annotated

from litestar import Response
from litestar.datastructures import ResponseHeader
from litestar.params import HeaderParameter, PathParameter, QueryParameter

from api.series.service import Answered

AssetInPath = Annotated[str, PathParameter(description="Asset id, 32 lowercase hexadecimal digits.")]
AspectInPath = Annotated[str, PathParameter(description="Name of the aspect on the asset's type.")]
From = Annotated[
    str | None,
    QueryParameter(
        name="from", description="Start, exclusive: RFC 3339.", schema_extra={"format": "date-time"}
    ),
]
To = Annotated[
    str | None,
    QueryParameter(name="to", description="End, inclusive: RFC 3339.", schema_extra={"format": "date-time"}),
]
Select = Annotated[str | None, QueryParameter(description="Variables, divided by commas; `x_qc` is one too.")]
Sort = Annotated[str | None, QueryParameter(description="By time.", schema_extra={"enum": ["asc", "desc"]})]
ReadAfter = Annotated[
    str | None, HeaderParameter(name="Read-After", description="A receipt whose write must be in the answer.")
]


def named_header(name: str, description: str) -> ResponseHeader:
    """Describe a header of an answer, which the handler sets itself."""
    return ResponseHeader(name, documentation_only=True, description=description)


LINK = named_header("Link", '`<…>; rel="next"`; absent on the last page.')
READ_POSITION = named_header("Read-Position", "Only where the newest acknowledged writes may be missing.")
SUMMARY_ONLY = named_header(
    "Summary-Only",
    "Only where retention has left summaries: times of the first and the last such record, divided by `/`.",
)


def given_parameters(**given: str | None) -> dict[str, str]:
    """Leave out what is not given; `from_` stands for `from`."""
    return {name.rstrip("_"): value for name, value in given.items() if value is not None}


def response_of(answered: Answered) -> Response[bytes]:
    """Give an answer to the framework."""
    headers = dict(answered.headers)
    media = headers.pop("content-type", None)
    return Response(answered.body, status_code=answered.status, headers=headers, media_type=media)
