"""Settings to adapters: the one module that names an adapter."""
