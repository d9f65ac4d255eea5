"""The ordered queue between door and writer: one shard, one order.

The port and its pure parts are for everyone; an adapter is named by the wiring only.
"""
