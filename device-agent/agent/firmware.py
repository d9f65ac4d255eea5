"""The number of this firmware; it only grows."""

FIRMWARE = 1
