"""Exports: what one is told, how files are written by arrays, and how they are put together; no I/O."""
