"""Which models are kept: the leader, whose weights may still lead, and the folders they lie in."""
