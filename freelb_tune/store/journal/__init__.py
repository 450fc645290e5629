"""What the driver writes down of a search, and what can be read from it again."""
