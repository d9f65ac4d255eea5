"""Agents: which there are, how they get in, by what they prove who they are, when they were heard of."""
