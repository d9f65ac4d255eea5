"""The dialect's bulk import and read (wire 3)."""
