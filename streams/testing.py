"""The contract suite of the stream port, shipped with it."""
