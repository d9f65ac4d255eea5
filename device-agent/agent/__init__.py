"""The agent of a board: measures, keeps in flash, sends, and forgets only what the server has."""
