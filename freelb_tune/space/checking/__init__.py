"""Whether a value may stand at its setting, and how to say that it may not."""
