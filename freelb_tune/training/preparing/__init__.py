"""What the driver does once before anything trains: checks, tokens, the number of epochs."""
