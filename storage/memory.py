"""The memory adapter: a store of dicts, for tests and as an oracle."""
