"""Reading a series with everything acknowledged in it (design 4.17)."""
