"""The contract suite of the storage port, shipped with it."""
