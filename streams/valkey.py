"""The Valkey and Redis adapter of the stream port."""
