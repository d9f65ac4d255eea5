"""Who calls: tokens, keys and passwords.

The one package that may import authlib, joserfc and argon2.
"""
