"""Measurements anyone can repeat: `python -m bench.freelb`, `python -m bench.search`."""
