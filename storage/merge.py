"""The merge rules: replace, merge, clear and attach over columns; pure."""
