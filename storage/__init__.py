"""The store: deltas, blocks and heads behind one port, and the pure code that folds them.

The port and its pure parts are for everyone; an adapter is named by the wiring only.
"""
