"""Files of assets and of asset management: rows in the catalogue, bytes in the file store (wire 8, 4.1)."""
