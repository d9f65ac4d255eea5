"""What every route stands on: bodies in, errors, formats, lists and preconditions out (wire 0)."""
