"""Sealing and purging a slice; knows the port and pure files only."""
