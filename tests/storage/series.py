"""A series that tests of storage write to."""

from schemas.ids import AspectId, AssetId, SeriesId, TenantId

SERIES = SeriesId(TenantId("acme"), AssetId("a" * 32), AspectId("b" * 32))
OTHER = SeriesId(TenantId("other"), AssetId("a" * 32), AspectId("b" * 32))
