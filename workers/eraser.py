"""The eraser: tenants and deleted assets to their end, and whatever else is over (design 4.16).

Whatever else: bytes of files that nobody names (`workers.orphans`), old records of the quarantine.

One in an installation is at work: that of the writer that holds the first shard. All that it knows stands in
catalogue and store, every step may be repeated, and two at once do no harm; so a kill costs a look.

A tenant: an ERASE into every shard (`workers.erasing` does what it orders) → documents, names, contents,
events, audit lines, jobs, what the stream server keeps → the tenant itself → the proof. What the proof finds
is erased again, until it finds nothing. More than an hour later, when the longest request that was under way
has ended, all of it once more. An asset: the same with an ERASE into its shard and what lies under its id.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Final, NamedTuple, TypeVar

import msgspec
import structlog

from runtime.ports import Ports
from schemas.durations import DAY_MS, SECOND_MS
from schemas.erasures import (
    ERASED,
    ERASED_NAMES,
    ERASING,
    KIND,
    PROVED,
    Erasure,
    is_clean,
)
from schemas.errors import ServiceError, Unavailable
from schemas.files import Content, StoredFile, Upload, UploadPart
from schemas.ids import CORE, Erased, TenantId
from schemas.limits import FILE_ORPHAN_AGE_MS_MIN
from schemas.subscriptions import KIND as SUBSCRIPTION
from schemas.tenants import Tenant
from storage.port import Document
from streams.entries import encode_erasure, erasure_series
from streams.notice_port import LogId
from streams.port import Admission, Admitted
from streams.shards import shard_of
from workers import failpoints
from workers.expiring import expire
from workers.exports.expiring import expire_downloads
from workers.orphans import sweep
from workers.proof import found_in, prove

log = structlog.get_logger("eraser")

LOOK_S: Final = 5.0
"""How often it is looked for what is asked; erasing takes seconds at the least anyway."""

ORDER_AGAIN_S: Final = 60.0
"""After which an order that nothing came of is given once more."""

ASSETS_S: Final = 3_600.0
"""How often deleted assets are looked for whose time is over: it counts in days."""

SWEEP_S: Final = 24 * 3_600.0
"""How often nobody's contents are looked for, and records of the quarantine whose time is over."""

AT_ONCE: Final = 32
"""Documents removed side by side."""

ASSETS_A_LOOK: Final = 100

STAMPS_AT_ONCE: Final = 5_000
"""Assets looked at while nobody else is served: some 5 ms."""

_erasure = msgspec.json.Decoder(Erasure)
_upload = msgspec.json.Decoder(Upload)
_part = msgspec.json.Decoder(UploadPart)
_file = msgspec.json.Decoder(StoredFile)

_Item = TypeVar("_Item")


class _Stamp(msgspec.Struct):
    """What is read of an asset."""

    deleted_ms: int | None = None


_stamp = msgspec.json.Decoder(_Stamp)


class Waits(NamedTuple):
    """How long the erasing of a tenant waits."""

    again_s: float = FILE_ORPHAN_AGE_MS_MIN / SECOND_MS
    """After which it is erased once more: no request lasts so long that may leave anything."""
    retry_s: float = 30.0
    """After which what was not clean is erased again: applied entries are trimmed within a minute or two."""


class Eraser:
    """What erases in an installation; it works while `leads` says so."""

    def __init__(
        self, ports: Ports, leads: Callable[[], bool], erase_days: int, waits: Waits | None = None
    ) -> None:
        """Take every port; a deleted asset is erased after so many days."""
        self._waits = waits or Waits()
        self._ports = ports
        self._leads = leads
        self._erase_ms = erase_days * DAY_MS
        self._ordered: dict[tuple[int, Erased], float] = {}
        """When an order was given last."""
        self._later_s: dict[TenantId, float] = {}
        """When a tenant that was not clean is looked at again."""
        self._assets: dict[tuple[TenantId, str], Document] = {}
        """Deleted, and their time is over."""
        self._assets_s = self._sweep_s = 0.0

    async def run(self, stop: asyncio.Event) -> None:
        """Look again and again until told to stop; an outage of a store or the stream is waited for."""
        while not stop.is_set():
            try:
                await self.look()
            except ServiceError as error:
                log.warning("eraser_waits", reason=error.message)
            except Exception:
                log.exception("eraser_failed")  # What it could not do now it tries again.
            try:
                async with asyncio.timeout(LOOK_S):
                    await stop.wait()
            except TimeoutError:
                continue

    async def look(self) -> None:
        """Take every erasing as far as it goes now."""
        if not self._leads():
            return
        for document in await self._ports.catalog.list(CORE, KIND):
            erasure = _erasure.decode(document.body)
            if erasure.state == ERASING:
                await self._erase_tenant(document, erasure)
            elif erasure.state == ERASED:
                await self._erase_again(document, erasure)
        now_s = self._ports.clock.monotonic_s()
        if now_s >= self._assets_s:
            self._assets_s = now_s + ASSETS_S
            await self._find_assets()
        for tenant, asset in list(self._assets)[:ASSETS_A_LOOK]:
            await self._erase_asset(tenant, asset)
        if now_s >= self._sweep_s:
            self._sweep_s = now_s + SWEEP_S
            await self._sweep_contents()

    # -- tenants -------------------------------------------------------------------------------

    async def _erase_tenant(self, document: Document, erasure: Erasure) -> None:
        """Take the erasing of a tenant on: order, wait for the shards, erase the rest, prove."""
        erased = Erased(erasure.tenant)
        await self._shut(erasure.tenant)
        if not erasure.before:
            erasure = msgspec.structs.replace(erasure, before=await prove(self._ports, erasure.tenant))
            document = await self._keep(document, erasure)
        states = await asyncio.gather(*map(self._ports.series.read_erased, range(erasure.shards)))
        await self._order([shard for shard, known in enumerate(states) if erased not in known], erased)
        done = sum(known.get(erased, False) for known in states)
        if done != erasure.shards_done:
            erasure = msgspec.structs.replace(erasure, shards_done=done)
            document = await self._keep(document, erasure)
        if done < erasure.shards or self._ports.clock.monotonic_s() < self._later_s.get(erasure.tenant, 0.0):
            return
        await self._erase_rest(erasure)
        left = await self._proved(erasure)
        if is_clean(left, but_log=True):
            now_ms = self._ports.clock.now_ms()
            log.info("tenant_erased", tenant=erasure.tenant, erasure=erasure.id)
            erasure = msgspec.structs.replace(erasure, state=ERASED, erased_ms=now_ms)
        await self._keep(document, msgspec.structs.replace(erasure, left=left))

    async def _shut(self, name: TenantId) -> None:
        """Keep a tenant suspended: somebody may have let it in again just when this was asked for."""
        document = await self._ports.catalog.get(CORE, "tenant", name)
        tenant = None if document is None else msgspec.json.decode(document.body, type=Tenant)
        if document is not None and tenant is not None and not tenant.suspended:
            body = msgspec.json.encode(msgspec.structs.replace(tenant, suspended=True))
            await self._ports.catalog.replace(CORE, "tenant", name, body, document.version)

    async def _erase_again(self, document: Document, erasure: Erasure) -> None:
        """When no request can be under way any more that began before: once more, the change log too."""
        now_ms = self._ports.clock.now_ms()
        not_yet = self._ports.clock.monotonic_s() < self._later_s.get(erasure.tenant, 0.0)
        if not_yet or now_ms < (erasure.erased_ms or 0) + self._waits.again_s * SECOND_MS:
            return
        await self._erase_rest(erasure)
        await self._ports.catalog.forget_changes(erasure.tenant)
        left = await self._proved(erasure)
        if is_clean(left):
            log.info("tenant_erasure_proved", tenant=erasure.tenant, erasure=erasure.id)
            erasure = msgspec.structs.replace(erasure, state=PROVED, proved_ms=now_ms)
        await self._keep(document, msgspec.structs.replace(erasure, left=left))

    async def _erase_rest(self, erasure: Erasure) -> None:
        """Erase all but series; the tenant itself last, so that until then every step finds its way."""
        ports, tenant = self._ports, erasure.tenant
        for name in await ports.catalog.names_of(tenant):
            await ports.catalog.release(*name, tenant)
        for kind in await ports.catalog.kinds(tenant):
            await self._remove_all(await ports.catalog.list(tenant, kind))
            failpoints.reach("while_erasing_documents")
        if ports.files is not None:
            await ports.files.erase(tenant)
        if ports.events is not None:
            await ports.events.erase(tenant)
        if ports.audit is not None:
            await ports.audit.erase(tenant)
        if ports.jobs is not None:
            await ports.jobs.forget(tenant)
        await ports.stream.forget(tenant)
        failpoints.reach("before_the_tenant_goes")
        # First the name, so that nobody is given it in between.
        await ports.catalog.reserve(ERASED_NAMES, tenant, erasure.id)
        found = await ports.catalog.get(CORE, "tenant", tenant)
        if found is not None:
            await ports.catalog.remove(CORE, "tenant", tenant, found.version)

    async def _proved(self, erasure: Erasure) -> dict[str, int]:
        """Count what is left; series are ordered to be erased once more where there are any."""
        left = await prove(self._ports, erasure.tenant)
        if found_in(left, "series"):
            await self._order(range(erasure.shards), Erased(erasure.tenant))
        if not is_clean(left):
            self._later_s[erasure.tenant] = self._ports.clock.monotonic_s() + self._waits.retry_s
            found = {place: count for place, count in left.items() if count}
            log.info("tenant_not_clean_yet", tenant=erasure.tenant, left=found)
        return left

    async def _keep(self, document: Document, erasure: Erasure) -> Document:
        """Store how far an erasing is; where another eraser was faster, its word stands."""
        body = msgspec.json.encode(erasure)
        if body == document.body:
            return document
        stored = await self._ports.catalog.replace(CORE, KIND, document.id, body, document.version)
        if stored is None:
            raise Unavailable(f"another eraser is at work on {erasure.tenant}")
        return stored

    # -- assets --------------------------------------------------------------------------------

    async def _find_assets(self) -> None:
        """Find the deleted assets whose time is over."""
        catalog = self._ports.catalog
        before_ms = self._ports.clock.now_ms() - self._erase_ms
        self._assets = {}
        for tenant in await catalog.list(CORE, "tenant"):
            for number, document in enumerate(await catalog.list(tenant.id, "asset")):
                if number % STAMPS_AT_ONCE == 0:
                    await asyncio.sleep(0)
                deleted_ms = _stamp.decode(document.body).deleted_ms
                if deleted_ms is not None and deleted_ms <= before_ms:
                    self._assets[TenantId(tenant.id), document.id] = document

    async def _erase_asset(self, tenant: TenantId, asset: str) -> None:
        """Take the erasing of an asset on: order, wait for its shard, erase the rest, at last itself."""
        ports, erased = self._ports, Erased(tenant, asset)
        shard = shard_of(tenant, asset, ports.policy.shards)
        is_gone = (await ports.series.read_erased(shard)).get(erased)
        if is_gone is None:
            await self._order([shard], erased)
        if not is_gone:
            return
        if ports.events is not None:
            await ports.events.erase(tenant, asset)
        await self._erase_files(tenant, asset)
        if ports.notices is not None:
            for told in await ports.catalog.list(tenant, SUBSCRIPTION):
                await ports.notices.forget(LogId(tenant, told.id), asset)
        document = self._assets.pop((tenant, asset))
        await ports.catalog.remove(tenant, "asset", asset, document.version)
        log.info("asset_erased", tenant=tenant, asset=asset)

    async def _erase_files(self, tenant: TenantId, asset: str) -> None:
        """Remove the rows of an asset's files and uploads, then the contents that they named."""
        catalog, files = self._ports.catalog, self._ports.files
        stored = await catalog.list(tenant, f"file:{asset}")
        uploads = await catalog.list(tenant, f"upload:{asset}")
        parts = [
            part
            for upload in uploads
            for part in await catalog.list(tenant, f"part:{_upload.decode(upload.body).id}")
        ]
        contents = [content for row in stored for content in _file.decode(row.body).contents]
        contents += [found for part in parts for found in _contents_of(part)]
        await self._remove_all([*stored, *parts, *uploads])
        if files is not None:
            for content in contents:
                await files.remove(tenant, content)

    # -- both ----------------------------------------------------------------------------------

    async def _order(self, shards: Collection[int], erased: Erased) -> None:
        """Append the order to shards, where that was not just done."""
        now_s = self._ports.clock.monotonic_s()
        due = [
            shard
            for shard in shards
            if now_s >= self._ordered.get((shard, erased), -ORDER_AGAIN_S) + ORDER_AGAIN_S
        ]
        if not due:
            return
        series, body = erasure_series(erased), encode_erasure(erased)
        answers = await self._ports.stream.append([Admission(shard, series, body) for shard in due])
        for shard, answer in zip(due, answers, strict=True):
            if isinstance(answer, Admitted):
                self._ordered[shard, erased] = now_s
            else:
                log.warning("erasing_not_ordered", shard=shard, tenant=erased.tenant, answer=str(answer))

    async def _remove_all(self, documents: Sequence[Document]) -> None:
        """Remove documents; one that was changed meanwhile stays for the next look."""
        catalog = self._ports.catalog
        await _in_waves(documents, lambda each: catalog.remove(each.tenant, each.kind, each.id, each.version))

    async def _sweep_contents(self) -> None:
        if self._ports.files is None:
            return
        catalog, files, now_ms = self._ports.catalog, self._ports.files, self._ports.clock.now_ms()
        for tenant in await catalog.list(CORE, "tenant"):
            await expire(catalog, files, tenant.id, now_ms)
            await expire_downloads(catalog, files, TenantId(tenant.id), now_ms)
            await sweep(catalog, files, tenant.id, now_ms)


async def _in_waves(items: Sequence[_Item], act: Callable[[_Item], Awaitable[object]]) -> None:
    for first in range(0, len(items), AT_ONCE):
        await asyncio.gather(*map(act, items[first : first + AT_ONCE]))


def _contents_of(part: Document) -> list[Content]:
    """Give the content of a part of an upload; the row `open` names none."""
    return [] if part.body == b"{}" else [_part.decode(part.body).content]
