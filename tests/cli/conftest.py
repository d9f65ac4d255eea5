"""The command against a stand-in for the service, which each module names as its fixture `fake`."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from cli.main import main
from tests.client.fake_service import served


@pytest.fixture
def run(fake, monkeypatch, tmp_path):
    """Give a function that runs the command against the stand-in in an empty folder."""
    monkeypatch.chdir(tmp_path)
    with served(fake.handle) as url:
        for name, value in {"URL": url, "CLIENT": "loader", "SECRET": "s3cret"}.items():
            monkeypatch.setenv(f"ASPECTSTORE_{name}", value)
        yield lambda *words, **more: CliRunner().invoke(main, [str(word) for word in words], **more)
