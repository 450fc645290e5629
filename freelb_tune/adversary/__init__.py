"""Room: adversary."""
