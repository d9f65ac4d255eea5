"""The pure core: types, columns, validation and arithmetic.

No clock, socket, file or await may live here; rules take values and return values.
"""
