"""What a tenant may still do, and whose turn it is (design 7)."""
