"""Deletes as things: what one would take, what became of one, and its undo (design 9.8)."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import Response, get, post
from litestar.params import PathParameter, QueryParameter

from api.deletes.service import PATH, Preview, Seen
from api.guard.tenancy import Caller
from api.http.wire import refusals
from api.identity.scopes import SERIES_DELETE, SERIES_READ, require
from api.reading.receipts import Fate
from api.routes.parts import READ_POSITION, From, To, given_parameters, named_header
from api.routes.series import APPLIED, RECEIPT, Wait
from api.series.service import write_options
from api.services import Serving
from schemas.limits import DELETES_LISTED_MAX
from schemas.times import format_time

_TAGS = ["time series"]

DeleteInPath = Annotated[str, PathParameter(description="As `Delete-Id`, or the list, gave it.")]
Asset = Annotated[str, QueryParameter(description="Asset id.")]
AssetOrAll = Annotated[str | None, QueryParameter(name="asset", description="Deletes of one asset only.")]
Aspect = Annotated[str, QueryParameter(description="Name of the aspect on the asset's type.")]
Before = Annotated[str | None, QueryParameter(description="`next` of the page before.")]
Limit = Annotated[int, QueryParameter(ge=1, le=DELETES_LISTED_MAX, description="Deletes of a page.")]

LOCATION = named_header("Location", "Where the delete is looked up.")


class PreviewOut(msgspec.Struct, rename="camel", omit_defaults=True):
    """What a delete would take; nothing was changed."""

    asset_id: str
    aspect_id: str
    from_: str = msgspec.field(name="from")
    """The range as it was asked for: exclusive …"""
    to: str
    """… to inclusive."""
    records: int
    allowed: bool
    """False: it would be refused now."""
    first: str | msgspec.UnsetType = msgspec.UNSET
    """Time of the first record; absent where there is none."""
    last: str | msgspec.UnsetType = msgspec.UNSET
    variables: dict[str, int] | msgspec.UnsetType = msgspec.UNSET
    """How many records give each variable a value; absent where too much would have to be read."""
    undoable_until: str | msgspec.UnsetType = msgspec.UNSET
    """If it were asked for now; absent where it could not be undone."""
    refusal: str | msgspec.UnsetType = msgspec.UNSET
    """Why it would be refused."""


class UndoOut(msgspec.Struct, omit_defaults=True):
    """That somebody wants the records again."""

    state: Fate
    by: str
    at: str
    receipt: str
    reason: str | msgspec.UnsetType = msgspec.UNSET
    """Why nothing came of it."""


class DeleteOut(msgspec.Struct, rename="camel", omit_defaults=True):
    """A delete, and what became of it."""

    id: str
    asset_id: str
    aspect_id: str
    aspect_name: str
    """As the request had it."""
    from_: str = msgspec.field(name="from")
    """Exclusive …"""
    to: str
    """… to inclusive."""
    by: str
    """Whose token asked for it."""
    at: str
    state: Fate
    receipt: str
    reason: str | msgspec.UnsetType = msgspec.UNSET
    """Why it was set aside, or lost."""
    records: int | msgspec.UnsetType = msgspec.UNSET
    """How many it took; absent in lists, before it is applied, and where nothing of it is kept."""
    undoable_until: str | msgspec.UnsetType = msgspec.UNSET
    """Absent where it cannot be undone."""
    undo: UndoOut | msgspec.UnsetType = msgspec.UNSET


class DeletesOut(msgspec.Struct, omit_defaults=True):
    """A page of deletes, the newest first."""

    deletes: list[DeleteOut]
    next: str | msgspec.UnsetType = msgspec.UNSET
    """What `before` must be for the next page; absent on the last one."""


@get(
    f"{PATH}/preview",
    opt=require(SERIES_DELETE),
    responses=refusals(400, 401, 403, 404, 503),
    response_headers=[READ_POSITION],
    operation_id="previewDelete",
    tags=_TAGS,
)
async def preview_delete(
    request: Caller, services: Serving, *, asset: Asset, aspect: Aspect, from_: From = None, to: To = None
) -> Response[PreviewOut]:
    """Count what a delete of (from, to] would take, everything acknowledged included; nothing is deleted."""
    parameters = given_parameters(from_=from_, to=to)
    preview = await services.deletes.preview(request.user, (asset, aspect), parameters)
    headers = {} if preview.behind is None else {"read-position": str(preview.behind)}
    return Response(_preview_out(preview), headers=headers)


@get(
    PATH,
    opt=require(SERIES_READ),
    responses=refusals(400, 401, 403, 503),
    operation_id="listDeletes",
    tags=_TAGS,
)
async def list_deletes(
    request: Caller, services: Serving, asset: AssetOrAll = None, before: Before = None, limit: Limit = 50
) -> DeletesOut:
    """List the tenant's deletes of the last weeks, the newest first."""
    found, following = await services.deletes.page(request.user, asset=asset, before=before, limit=limit)
    listed = [_delete_out(seen) for seen in found]
    return DeletesOut(listed) if following is None else DeletesOut(listed, following)


@get(
    f"{PATH}/{{delete_id:str}}",
    opt=require(SERIES_READ),
    responses=refusals(401, 403, 404, 503),
    operation_id="getDelete",
    tags=_TAGS,
)
async def get_delete(request: Caller, services: Serving, delete_id: DeleteInPath) -> DeleteOut:
    """Tell what became of a delete, how many records it took, and until when it can be undone."""
    return _delete_out(await services.deletes.find(request.user, delete_id))


@post(
    f"{PATH}/{{delete_id:str}}/undo",
    status_code=202,
    opt=require(SERIES_DELETE, action="record.undelete"),
    responses=refusals(400, 401, 403, 404, 409, 410, 429, 503),
    response_headers=[RECEIPT, APPLIED, LOCATION],
    operation_id="undoDelete",
    tags=_TAGS,
)
async def undo_delete(
    request: Caller, services: Serving, delete_id: DeleteInPath, wait: Wait = None
) -> Response[DeleteOut]:
    """Bring back exactly the records that a delete took; 409 once something newer lies in its range.

    It takes effect in the order of its receipt. What is newer and not seen at this door yet makes the undo
    come to nothing later: then the delete says so, and its receipt.
    """
    options = write_options(given_parameters(wait=wait), None)
    seen, answered = await services.deletes.undo(request.user, delete_id, options)
    headers = {**answered.headers, "location": f"{PATH}/{seen.record.id}"}
    return Response(_delete_out(seen), status_code=202, headers=headers)


ROUTES = (preview_delete, list_deletes, get_delete, undo_delete)


def _preview_out(preview: Preview) -> PreviewOut:
    taken = preview.taken
    names = {variable.id: variable.name for variable in preview.aspect.variables}
    out = PreviewOut(
        asset_id=preview.series.asset,
        aspect_id=preview.series.aspect,
        from_=format_time(preview.range.start_ms - 1),
        to=format_time(preview.range.end_ms - 1),
        records=taken.records,
        allowed=not preview.refusal,
    )
    if taken.first_ms is not None and taken.last_ms is not None:
        out.first, out.last = format_time(taken.first_ms), format_time(taken.last_ms)
    if taken.values is not None:
        out.variables = {name: taken.values.get(number, 0) for number, name in names.items()}
    if preview.until_ms:
        out.undoable_until = format_time(preview.until_ms)
    if preview.refusal:
        out.refusal = preview.refusal
    return out


def _delete_out(seen: Seen) -> DeleteOut:
    record = seen.record
    out = DeleteOut(
        id=record.id,
        asset_id=record.asset,
        aspect_id=record.aspect,
        aspect_name=record.aspect_name,
        from_=format_time(record.start_ms - 1),
        to=format_time(record.end_ms - 1),
        by=record.by,
        at=format_time(record.at_ms),
        state=seen.fate,
        receipt=seen.receipt,
    )
    if seen.reason:
        out.reason = seen.reason
    if seen.records is not None:
        out.records = seen.records
    if seen.undoable_ms:
        out.undoable_until = format_time(seen.undoable_ms)
    if record.undo is not None and seen.undo_fate is not None:
        out.undo = UndoOut(seen.undo_fate, record.undo.by, format_time(record.undo.at_ms), seen.undo_receipt)
        if seen.undo_reason:
            out.undo.reason = seen.undo_reason
    return out
