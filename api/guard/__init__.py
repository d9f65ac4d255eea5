"""Who calls, whether he may, and the line in the audit log (design 7)."""
