"""Exports: what is asked for made into a plan, seen, fetched."""
