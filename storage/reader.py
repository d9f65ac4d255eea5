"""Reading a slice: head, then blocks, then later deltas; knows the port and pure files only."""
