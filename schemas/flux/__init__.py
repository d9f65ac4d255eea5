"""A part of Flux: the pipelines that existing clients send most, read from text (IX-10, IX-11)."""
