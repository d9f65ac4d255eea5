"""The Cassandra adapters of the storage ports, for production.

Statements live in `.cql` files beside the code, tables in `schema/`; nothing outside the wiring
imports this package.
"""
