"""Credentials that only upload: they import files, see what became of their own, and read nothing (SM-15)."""

import pytest

from api.identity.roles import ROLES, UPLOAD_ONLY
from tests.api.bulk import FILES, JOBS
from tests.api.masts import technical_user
from tests.api.test_imports import PATH, TYPE, TYPES, done, imports, text_of

__all__ = ["imports"]


async def uploader(imports, name):
    """Make a technical user that only uploads; gives its mast."""
    return await technical_user(imports.site, name, "upload-only")


@pytest.fixture
async def gate(imports):
    """A technical user that only uploads."""
    return await uploader(imports, "gate")


async def ask(imports, mast, path="a.csv"):
    """Store a file and ask for its import, as somebody."""
    await imports.put_file(mast, path, text_of(["level", "{0},1", "{1},x"]))
    body = {"entity": mast.asset, "files": [path], "type": "tower", "aspect": "weather"}
    return await mast.send("POST", PATH, body)


async def test_it_imports_and_sees_its_own(imports, gate):
    """The file is stored, the job is followed to its end, cancelled or replayed by whom it belongs to."""
    answer = await ask(imports, gate)
    assert 201 == answer.status_code, answer.text
    await imports.run()
    job = await imports.job(gate, answer.json()["id"])
    assert ("done", 1, 1) == (job["state"], job["counts"]["stored"], job["counts"]["refused"])
    assert [job["id"]] == [each["id"] for each in (await gate.send("GET", JOBS)).json()["jobs"]]
    assert 201 == (await gate.send("POST", f"{PATH}/{job['id']}/replay", {})).status_code


async def test_jobs_of_others_are_unknown_to_it(imports, gate):
    """In the words for an unknown one; who reads the tenant's records sees all of its jobs."""
    theirs = await done(imports, text_of(["level", "{0},1"]), path="b.csv")
    other = await uploader(imports, "other-gate")
    asked = (await ask(imports, other)).json()

    assert {"jobs": []} == (await gate.send("GET", JOBS)).json()
    for job in (theirs, asked):
        told = [await gate.send("GET", f"{JOBS}/{job['id']}")]
        told.append(await gate.send("POST", f"{JOBS}/{job['id']}/cancel"))
        told.append(await gate.send("POST", f"{PATH}/{job['id']}/replay", {}))
        unknown = await gate.send("GET", f"{JOBS}/{'0' * 8}-0000-0000-0000-{'0' * 12}")
        assert [404] * 3 == [answer.status_code for answer in told]
        assert {answer.json()["errors"][0]["message"] for answer in (unknown, *told)} == {
            "There is no such job."
        }
    ids = {each["id"] for each in (await imports.site.open.send("GET", JOBS)).json()["jobs"]}
    assert ids == {theirs["id"], asked["id"]}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/assetmanagement/v3/assets"),
        ("GET", f"{FILES}/<asset>/a.csv"),
        ("GET", "/api/iotfile/v3/fileslist/<asset>/x"),
        ("DELETE", f"{FILES}/<asset>/a.csv"),
        ("GET", "/api/iottimeseries/v3/timeseries/<asset>/weather"),
        ("GET", "/api/aspectstore/v1/sensors"),
        ("POST", f"{JOBS}/<job>/undo"),
        ("GET", "/api/iottsbulk/v3/timeseries/<asset>/weather"),
        ("PUT", f"{TYPES}/tower"),
    ],
)
async def test_it_reads_and_changes_nothing_else(imports, gate, method, path):
    """Not even what it has stored itself."""
    job = (await ask(imports, gate)).json()["id"]
    path = path.replace("<asset>", gate.asset).replace("<job>", job)
    body = TYPE if method == "PUT" else None
    assert 403 == (await gate.send(method, path, body)).status_code


def test_the_role_names_what_it_brings():
    """Records, files and exchange, all to write."""
    assert ("iot.tim.w", "exc.w", "iot.fil.w") == ROLES[UPLOAD_ONLY]
