"""The door for clients of InfluxDB: inlets, line protocol, queries in a part of Flux (IX-03 … IX-10)."""
