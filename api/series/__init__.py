"""The time-series service of the dialect, and what is asked of many series at once (wire 1, 2)."""
