"""Tenants on the wire: our own shapes, and those of the dialect's tenant management (wire 10)."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import UNSET, UnsetType

from api.tenants.wire_accounts import ClientOut
from schemas.retention import DAYS_MAX
from schemas.tenants import Tenant
from schemas.times import format_time

BASE = "/api/tenantmanagement/v4"

Days = Annotated[int, msgspec.Meta(ge=0, le=DAYS_MAX)]


class SettingsPatch(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """What a tenant changes of itself; members that are left out stay."""

    company: str | UnsetType = msgspec.field(name="companyName", default=UNSET)
    display_name: str | UnsetType = UNSET
    country: str | UnsetType = UNSET
    """Two letters (ISO 3166-1); empty: not said."""
    timezone: str | UnsetType = UNSET
    """Of assets that name none, from their creation on."""
    retention_days: Days | UnsetType | None = UNSET
    """How long records live before only their summaries do; 0: for ever; null: as the installation says.
    What an earlier rule has taken does not come back."""


class TenantPatch(SettingsPatch, forbid_unknown_fields=True, rename="camel"):
    """What the platform changes of a tenant."""

    profile: str | UnsetType | None = UNSET
    """Its limits: `open`, `strict` …; null: the installation's."""


class TenantIn(TenantPatch, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """A new tenant."""

    name: str
    """2 to 8 of a-z, 0-9 and _, a letter at first; it never changes."""


class TenantOut(msgspec.Struct, rename="camel"):
    """A tenant with its settings."""

    name: str
    company_name: str
    display_name: str
    country: str
    timezone: str
    profile: str | None
    """None: the installation's."""
    retention_days: int | None
    """None: the installation's; 0: for ever."""
    suspended: bool
    created: str
    root_asset_id: str


class TenantMade(msgspec.Struct, rename="camel"):
    """A new tenant and its first administrator, whose secret is shown this once."""

    tenant: TenantOut
    admin: ClientOut


class TenantList(msgspec.Struct, rename="camel", omit_defaults=True):
    """A page of tenants, by name."""

    tenants: list[TenantOut]
    next: str | UnsetType = UNSET
    """What `after` must be for the next page; absent on the last one."""


class TenantInfo(msgspec.Struct, rename="camel"):
    """A tenant as the dialect shows it."""

    etag: int = msgspec.field(name="ETag")
    allowed_to_create_subtenant: bool
    company_name: str
    country: str
    display_name: str
    name: str
    prefix: str
    """Of the ids of its types: its name."""
    type: str
    """`DEVELOPER`: nobody is kept from anything by it."""


class TenantInfoPatch(msgspec.Struct, rename="camel"):
    """What changes of it; members that cannot change are ignored."""

    company_name: str | UnsetType = UNSET
    display_name: str | UnsetType = UNSET
    country: str | UnsetType = UNSET


class LogoForm(msgspec.Struct):
    """The one part of the form that is read."""

    file: str
    """The picture, at most 256 kB, with its name and media type."""


class LogoMetaData(msgspec.Struct):
    """What is known of the logo; no name and no bytes where there is none."""

    name: str
    size: int


def tenant_out(tenant: Tenant) -> TenantOut:
    """Write a tenant."""
    return TenantOut(
        name=tenant.name,
        company_name=tenant.company,
        display_name=tenant.display_name or tenant.name,
        country=tenant.country,
        timezone=tenant.timezone,
        profile=tenant.profile,
        retention_days=tenant.retention_days,
        suspended=tenant.suspended,
        created=format_time(tenant.created_ms),
        root_asset_id=tenant.root_asset,
    )


def tenant_info(tenant: Tenant, version: int) -> TenantInfo:
    """Write a tenant as the dialect has it."""
    return TenantInfo(
        etag=version,
        allowed_to_create_subtenant=True,
        company_name=tenant.company,
        country=tenant.country,
        display_name=tenant.display_name or tenant.name,
        name=tenant.name,
        prefix=tenant.name,
        type="DEVELOPER",
    )


def patched(tenant: Tenant, patch: SettingsPatch) -> Tenant:
    """Give a tenant with what is given; nothing is checked yet."""
    given = {
        field: value
        for field in patch.__struct_fields__
        if field != "name" and (value := getattr(patch, field)) is not UNSET
    }
    return msgspec.structs.replace(tenant, **given)


def info_patched(tenant: Tenant, patch: TenantInfoPatch) -> Tenant:
    """Give a tenant with what the dialect may change; nothing is checked yet."""
    members = {"company": patch.company_name, "display_name": patch.display_name, "country": patch.country}
    given = {name: value for name, value in members.items() if value is not UNSET}
    return msgspec.structs.replace(tenant, **given)
