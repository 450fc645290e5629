"""Which cell runs next, and which are ended early. No Ray."""
