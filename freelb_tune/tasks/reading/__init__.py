"""From a file to checked rows: its form, its lines, its labels."""
