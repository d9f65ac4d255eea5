"""The SQLite adapters of the storage ports, for the embedded mode.

Statements live in `.sql` files beside the code; nothing outside the wiring imports this package.
"""
