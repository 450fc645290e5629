"""The table before anything is printed: its rows, its columns, its ranking."""
