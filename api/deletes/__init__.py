"""Deletes of stored records: rules, dry run, progress and the way back (MS-50 … MS-53)."""
