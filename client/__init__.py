"""The typed Python client: it knows the wire and nothing else of this project.

`Client` blocks, `AsyncClient` awaits; both drive the same calls (`calls`), by the same rules (`session`).

    with Client("http://127.0.0.1:8080", "loader", "secret") as client:
        client.put_records(asset_id, "wind", [{"_time": "2026-01-01T00:00:00Z", "speed": 7.3}])
        for record in client.read_all(asset_id, "wind", start="2026-01-01T00:00:00Z"):
            print(record)
"""

from client.blocking import Client
from client.errors import (
    ApiError,
    BadRequest,
    CannotConnect,
    ClientError,
    Conflict,
    Forbidden,
    Gone,
    NotFound,
    PreconditionFailed,
    TooLarge,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    UnreadableAnswer,
)
from client.models import (
    Aggregate,
    AspectType,
    Asset,
    AssetAspect,
    AssetType,
    Health,
    MultiPut,
    Page,
    Problem,
    Record,
    Value,
    Variable,
    Written,
)
from client.nonblocking import AsyncClient

__all__ = [
    "Aggregate",
    "ApiError",
    "AspectType",
    "Asset",
    "AssetAspect",
    "AssetType",
    "AsyncClient",
    "BadRequest",
    "CannotConnect",
    "Client",
    "ClientError",
    "Conflict",
    "Forbidden",
    "Gone",
    "Health",
    "MultiPut",
    "NotFound",
    "Page",
    "PreconditionFailed",
    "Problem",
    "Record",
    "TooLarge",
    "TooManyRequests",
    "Unauthorized",
    "Unavailable",
    "UnreadableAnswer",
    "Value",
    "Variable",
    "Written",
]
