"""The Cassandra 5 adapter of the storage port.

Statements live in `.cql` files beside the code; nothing outside the wiring imports this package.
"""
