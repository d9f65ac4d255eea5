"""The peers: other systems that take the same workload, each started by hand on a directory of the run.

`make bench-peers` fetches them (`install`); each says what it lacks, and one that lacks something is reported
as absent.
"""
