"""Every operation of the description, called with generated data: no 5xx, nothing undocumented.

Seeded, so the same data on each run, and bounded to about a minute.
`ASPECTSTORE_FUZZ_EXAMPLES` asks for more examples an operation, `ASPECTSTORE_FUZZ_RANDOM=1` for other ones.
"""

import asyncio
import json
import os
import warnings

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what it imports has deprecations of its own
    import requests
    import schemathesis
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import strategies as st
    from schemathesis import GenerationMode
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi.checks import (
        content_type_conformance,
        response_schema_conformance,
        status_code_conformance,
    )

from api.app import ROUTES
from api.http.docs import describe
from api.identity.passwords import Passwords
from api.identity.setup import Credentials, bootstrap
from runtime.clock import ManualClock
from tests.api.doors import NOW_MS, bearer, fresh_catalog, running_door, token_of
from tests.api.test_assets import ENVIRONMENT, PUMP

EXAMPLES = int(os.environ.get("ASPECTSTORE_FUZZ_EXAMPLES", "15"))
RANDOM = os.environ.get("ASPECTSTORE_FUZZ_RANDOM") == "1"
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
BASE = "/api/assetmanagement/v3"

SCHEMA = schemathesis.openapi.from_dict(json.loads(json.dumps(describe(ROUTES))))
OPERATIONS = {
    f"{operation.method.upper()} {operation.path}": operation
    for operation in (result.ok() for result in SCHEMA.get_all_operations())
}


class Live:
    """A door on a loop of its own, with a type and an asset, so that some requests meet something."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.opened = self._open()
        self.http, self.headers, self.known = self.loop.run_until_complete(anext(self.opened))

    async def _open(self):
        catalog, clock = await fresh_catalog(), ManualClock(NOW_MS)
        await bootstrap(catalog, Passwords(8), NOW_MS, Credentials("acme", "acme-tech", "s3cret"))
        async with running_door(catalog, clock) as running:
            headers = bearer(await token_of(running.http, "acme-tech", "s3cret"))
            for path, body in (("aspecttypes/acme.Environment", ENVIRONMENT), ("assettypes/acme.Pump", PUMP)):
                answer = await running.http.put(f"{BASE}/{path}", json=body, headers=headers)
                assert answer.status_code == 201
            root = (await running.http.get(f"{BASE}/assets/root", headers=headers)).json()["assetId"]
            body = {"name": "P", "typeId": "acme.Pump", "parentId": root}
            asset = (await running.http.post(f"{BASE}/assets", json=body, headers=headers)).json()["assetId"]
            records = [{"_time": "2026-01-01T00:00:00Z", "temperature": 1.5}]
            path = f"/api/iottimeseries/v3/timeseries/{asset}/env"
            assert (await running.http.put(path, json=records, headers=headers)).status_code == 204
            yield running.http, headers, {
                "asset_id": [asset, root], "asset": [asset], "aspect": ["env"], "assetId": [asset],
                "type_id": ["acme.Environment", "acme.Pump", "acme.New", "core.BasicAsset"],
                "aspectName": ["env"],
            }  # fmt: skip

    def send(self, request):
        """Send a prepared request."""
        headers = [(_bytes(name), _bytes(value)) for name, value in request.headers.items()]
        return self.loop.run_until_complete(
            self.http.request(request.method, request.url, headers=headers, content=request.body)
        )

    def close(self):
        """End the door and the loop."""
        self.loop.run_until_complete(self.opened.aclose())
        self.loop.close()


def _bytes(text):
    return text if isinstance(text, bytes) else text.encode("latin-1")


@pytest.fixture(scope="module")
def live():
    """One door for all operations: what one creates, another may meet."""
    door = Live()
    yield door
    door.close()


@pytest.mark.parametrize("name", OPERATIONS)
def test_operation_keeps_its_description(live, name):
    """Good and bad generated requests get documented statuses, media types and bodies; never a 5xx."""
    operation = OPERATIONS[name]
    modes = [operation.as_strategy(generation_mode=mode) for mode in GenerationMode]

    @settings(
        max_examples=EXAMPLES, derandomize=not RANDOM, database=None, deadline=None,
        phases=[Phase.generate], suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=st.one_of(modes), real=st.booleans(), token=st.integers(0, 9), data=st.data())
    def run(case, real, token, data):
        if real:
            for given_values in (case.path_parameters, case.query):
                for parameter in set(given_values or ()) & set(live.known):
                    given_values[parameter] = data.draw(st.sampled_from(live.known[parameter]))
        headers = live.headers if token else {}
        prepared = requests.Request(**case.as_transport_kwargs(base_url="http://door")).prepare()
        prepared.headers.pop("Authorization", None)
        prepared.headers.update(headers)

        case.validate_response(live.send(prepared), checks=CHECKS)

    run()
