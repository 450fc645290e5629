"""The table of a search: configurations in rows, and its formats."""
