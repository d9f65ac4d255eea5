"""The catalogue in the door's memory, and how its documents are changed (design 4)."""
