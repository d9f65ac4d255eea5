"""Line protocol at its door: bodies of lines, and the rule of an inlet (IX-03 … IX-10)."""
