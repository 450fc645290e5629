"""Room: space."""
