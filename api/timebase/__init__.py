"""The door for clients of TimeBase: streams, and messages in and out (TB-20 … TB-33, TB-70 … TB-76)."""
