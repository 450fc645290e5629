"""Simulation studies of the statistics: `python -m bench.statistics`, see docs/statistics.md."""
