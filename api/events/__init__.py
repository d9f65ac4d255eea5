"""Event management (wire 9)."""
