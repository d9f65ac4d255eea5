"""What the command says when a person can mend it: one line and exit code 2, never a traceback."""

from __future__ import annotations


class Complaint(Exception):
    """The input or the surroundings do not fit; the message is one line that says what to do."""

    def __init__(self, message: str) -> None:
        """Keep the message on one line, whatever was quoted into it."""
        super().__init__(" ".join(message.split()))
