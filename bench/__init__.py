"""Measurements: one file per question, each a command (`python -m bench.<name>`) and a test at tiny size.

`run` asks all of them of a running service and writes the table of design 10 into `results.md`.
Nothing here is imported by the product.
"""
