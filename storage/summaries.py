"""Summaries of a block, one cell of 15 minutes each; pure."""
