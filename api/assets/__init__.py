"""Asset management: assets, aspect types, asset types (wire 4)."""
