"""Fixtures that every test may ask for: real input, a real Cassandra, a real Valkey."""

import pytest

pytest.register_assert_rewrite("storage.testing", "storage.catalog_testing", "streams.testing")
