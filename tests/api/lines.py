"""What tests of line protocol send, and the credential that they show."""

from __future__ import annotations

WRITE, OLD_WRITE = "/api/v2/write", "/write"
BUCKETS, INLETS, KEYS = "/api/v2/buckets", "/api/aspectstore/v1/inlets", "/api/aspectstore/v1/api-keys"
NS = 1_000_000


class Lines:
    """An inlet `birds` of the tenant of a site, and the writes of a client to it."""

    def __init__(self, site, mast):
        self.site, self.mast = site, mast
        self.key = ""
        self.id = ""

    async def begin(self, **rule):
        """Make the inlet and an API key."""
        inlet = await self.mast.send("POST", INLETS, {"name": "birds", **rule})
        assert inlet.status_code == 201, inlet.text
        self.id = (await self.mast.send("GET", INLETS)).json()["inlets"][0]["id"]
        self.key = await self.new_key()
        return self

    async def new_key(self, **asked):
        """Make an API key, as it is shown."""
        key = await self.mast.send("POST", KEYS, {"client": f"{self.mast.tenant}-tech", **asked})
        assert key.status_code == 201, key.text
        return f"{key.json()['id']}:{key.json()['secret']}"

    async def send(self, text, path=WRITE, key=None, parameters=None, **headers):
        """Write lines; the answer."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        shown = {"authorization": f"Token {key or self.key}", "content-type": "text/plain; charset=utf-8"}
        place = {"db": "birds"} if path == OLD_WRITE else {"bucket": "birds", "org": self.mast.tenant}
        return await self.site.http.request(
            "POST",
            path,
            content=text if isinstance(text, bytes) else text.encode(),
            params={"precision": "ms", **place, **(parameters or {})},
            headers={**shown, **named},
        )

    async def wrote(self, text, **others):
        """Write lines that must be taken."""
        answer = await self.send(text, **others)
        assert (204, b"") == (answer.status_code, answer.content), answer.text
        return answer

    def assets(self):
        """Give the ids of the assets that were made, by external id."""
        kept = self.site.door.services.index.of(self.mast.tenant).assets.values()
        labels = {each.value.external_id: each.value.id for each in kept if each.value.external_id}
        return {label.removeprefix("birds:") or "birds": asset_id for label, asset_id in labels.items()}

    async def rows(self, label, aspect):
        """Read all records of an aspect of an asset that was made."""
        return await self.mast.of(self.assets()[label], aspect).rows()
