"""What the fault suites share: the compiled shim."""

from pathlib import Path

import pytest

from tests.faults.rollback import require


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of the compiled shim."""
    require()
    return tmp_path_factory.mktemp("shim")
