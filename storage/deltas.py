"""The delta codec: one blob a series and turn of the writer; pure."""
