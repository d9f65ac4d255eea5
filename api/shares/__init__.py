"""Who reaches which assets: own ones, a subtenant's, and what others share (design 7)."""
