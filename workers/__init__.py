"""The hands: the writers of the shards and the job workers.

A writer is the only one that writes a series.
"""
