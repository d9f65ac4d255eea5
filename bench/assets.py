"""How long lists of many assets take: a page, the filters that clients send, and a list after a change.

Run as `python -m bench.assets`: a service with SQLite gets the assets over HTTP, then is asked for one page
after the other. The door keeps the order, and columns of what was filtered, so what comes first after a
change is measured on its own.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import NamedTuple
from urllib.parse import quote

from bench.service import Service
from bench.tenant import MODEL, Tenant

ASSETS = 100_000
PAGE = 100
"""What the command of existing clients asks for at once."""


class Question(NamedTuple):
    """A list, and how many assets there must be on all its pages."""

    label: str
    query: str
    total: int | None = None


class Answered(NamedTuple):
    """How long a question took."""

    label: str
    median_ms: float
    worst_ms: float
    first_ms: float
    """The first of them, behind a change of an asset."""


def questions(tenant: str, assets: int, root: str) -> list[Question]:
    """List what is asked of a tenant with so many assets below its root."""
    kind = f"{tenant}.bench_machine_type"
    prefix, hundred = f"machine-{assets - 1:06}"[:-2], (assets - 1) % 100 + 1
    last = assets // PAGE

    def filtered(text: str) -> str:
        return f"page=0&size={PAGE}&sort=name%2Casc&filter={quote(text, safe='')}"

    return [
        Question("ten assets, nothing else asked", "", assets + 1),
        Question("a page of 100 by name", f"page=0&size={PAGE}&sort=name%2Casc", assets + 1),
        Question("the last page of 100", f"page={last}&size={PAGE}&sort=name%2Casc", assets + 1),
        Question("a page of 100 by name, descending", f"size={PAGE}&sort=name%2Cdesc", assets + 1),
        Question("by type", filtered(f'{{"typeId":"{kind}"}}'), assets),
        Question("by a type above", filtered('{"hasType":"core.basicasset"}'), assets + 1),
        Question("name begins with", filtered(f'{{"name":{{"startsWith":"{prefix}"}}}}'), hundred),
        Question("name contains, few", filtered(f'{{"name":{{"contains":"{prefix[-4:]}"}}}}')),
        Question("name contains, all", filtered('{"name":{"contains":"machine"}}'), assets),
        Question(
            "name contains and type contains, as the command sends it",
            filtered('{"and":{"name":{"contains":"1"},"typeId":{"contains":"machine"}}}'),
        ),
        Question("one asset by its name", filtered(f'{{"name":{{"eq":"machine-{assets - 1:06}"}}}}'), 1),
        Question("children of the root", filtered(f'{{"parentId":"{root}"}}'), assets),
    ]


def measure(tenant: Tenant, assets: int, rounds: int) -> Iterator[Answered]:
    """Create the assets, then ask every question `rounds` times, after one time behind a change."""
    tenant.create_assets(assets)
    shown = tenant.ask("GET", f"{MODEL}/assets/root")
    root, etag = shown["assetId"], int(shown["etag"])
    for question in questions(tenant.name, assets, root):
        match = {"If-Match": str(etag)}
        etag = tenant.ask("PATCH", f"{MODEL}/assets/{root}", {"description": "x"}, **match)["etag"]
        path = f"{MODEL}/assets?{question.query}"
        times = [_asked(tenant, path, question.total) for _ in range(rounds + 1)]
        yield Answered(question.label, median(times[1:]), max(times[1:]), times[0])


def _asked(tenant: Tenant, path: str, total: int | None) -> float:
    began = perf_counter()
    answer = tenant.ask("GET", path)
    took_ms = (perf_counter() - began) * 1e3
    found = answer["page"]["totalElements"]
    if total is not None and found != total:
        raise ValueError(f"{path}: {found} assets, {total} expected")
    return took_ms


def main(assets: int = ASSETS, rounds: int = 50, say: Callable[[str], None] = print) -> list[Answered]:
    """Measure and print a line a question; gives the lines."""
    answers = []
    with tempfile.TemporaryDirectory(prefix="aspectstore-assets-") as directory:
        service = Service(Path(directory) / "data")
        service.start()
        try:
            with Tenant(service.url, service.credentials) as tenant:
                say(f"{assets} assets, {rounds} times each; ms: median, worst, first after a change")
                for one in measure(tenant, assets, rounds):
                    say(f"{one.label:58} {one.median_ms:7.1f} {one.worst_ms:7.1f} {one.first_ms:7.1f}")
                    answers.append(one)
        finally:
            service.stop()
    return answers


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--assets", type=int, default=ASSETS)
    parser.add_argument("--rounds", type=int, default=50)
    given = parser.parse_args()
    main(given.assets, given.rounds)
