"""The typed Python client of the REST API: it knows the wire only."""
