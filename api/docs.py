"""The API's description: OpenAPI 3.1 and a page that shows it, without anything from elsewhere."""

from __future__ import annotations

from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin, YamlRenderPlugin
from litestar.router import Router

from api.scopes import opened


def openapi_config() -> OpenAPIConfig:
    return OpenAPIConfig(
        title="Aspectstore",
        version="0.1.0",
        openapi_router=Router("/docs", route_handlers=[], opt=opened(), include_in_schema=False),
        render_plugins=[JsonRenderPlugin(), YamlRenderPlugin()],
    )
