"""Tenants, subtenants and the accounts in them: made, changed, erased (design 7, wire 10)."""
