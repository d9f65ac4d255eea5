"""Exports: series read window by window, written part by part, kept for a time."""
