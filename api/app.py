"""The door's application: ports in, Litestar out."""
