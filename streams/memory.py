"""The memory adapter of the stream port, single process."""
