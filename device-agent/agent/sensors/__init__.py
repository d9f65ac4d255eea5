"""Sensors: `channels` (places of the weather source) and `read(values)`, which fills in or gives False."""
