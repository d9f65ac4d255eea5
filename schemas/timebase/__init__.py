"""What clients of TimeBase send and read: streams, symbols and messages (TB-20 … TB-33, TB-72). Pure."""
