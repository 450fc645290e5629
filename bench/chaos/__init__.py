"""Kills and damages small searches in every way that is known, and compares what is left."""
