"""The block codec: columns to bytes and back; pure."""
