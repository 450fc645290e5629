"""What the driver keeps while a search runs. No Ray."""
