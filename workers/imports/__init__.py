"""Imports: records out of files, staged as blocks and attached in the order of their shards (R21)."""
