"""A tenant's types and assets as a whole: their lock (wire 4.1), and what a change would do (TB-77)."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from litestar import get, post, put
from litestar.params import FromPath, JSONBody, QueryParameter

from api.assets.type_previews import preview_variables
from api.assets.wire_changes import ModelLockOut, TypeChangePreview, VariablePatch
from api.assets.wire_types import BASE
from api.guard.tenancy import Caller
from api.http.errors import HAL
from api.http.wire import refusals
from api.identity.scopes import ASSETS_READ, ASSETS_WRITE, require
from api.services import Serving

PATH = f"{BASE}/model/lock"
PREVIEW_PATH = "/api/aspectstore/v1/aspecttypes"

VariableChanges: TypeAlias = dict[str, VariablePatch | None]
"""By the name of a variable; null takes it away."""

Enabled: TypeAlias = Annotated[bool, QueryParameter(name="enabled", description="True: lock the model.")]


@get(
    PATH,
    opt=require(ASSETS_READ),
    media_type=HAL,
    responses=refusals(401, 403, hal=True),
    operation_id="getModelLock",
    tags=["asset management"],
    sync_to_thread=False,
)
def get_model_lock(request: Caller, services: Serving) -> ModelLockOut:
    """Tell whether types and assets are locked."""
    return ModelLockOut(services.index.of(request.user.tenant).model_lock.value.enabled)


@put(
    PATH,
    opt=require(ASSETS_WRITE, action="model.lock"),
    media_type=HAL,
    responses=refusals(400, 401, 403, 412, hal=True),
    operation_id="putModelLock",
    tags=["asset management"],
)
async def put_model_lock(request: Caller, services: Serving, *, enabled: Enabled) -> ModelLockOut:
    """Lock or unlock types and assets: while they are locked, changes of them are refused with 409."""
    lock = await services.catalogue.lock_model(request.user.tenant, enabled=enabled)
    return ModelLockOut(lock.enabled)


@post(
    f"{PREVIEW_PATH}/{{type_id:str}}/preview",
    opt=require(ASSETS_READ),
    status_code=200,
    responses=refusals(400, 401, 403, 404, 408, 413, 415),
    operation_id="previewAspectType",
    tags=["asset management"],
)
async def preview_aspect_type(
    request: Caller,
    services: Serving,
    type_id: FromPath[str],
    data: JSONBody[VariableChanges],
) -> TypeChangePreview:
    """Tell what a change of an aspect type's variables would do to stored records, and change nothing.

    The body is that of `PATCH …/aspecttypes/{id}/variables`.
    """
    tenant = request.user.tenant
    kept = await services.index.look(tenant, lambda index: index.aspect_type(type_id))
    return preview_variables(kept, data, services.index.of(tenant))


ROUTES = (get_model_lock, put_model_lock, preview_aspect_type)
