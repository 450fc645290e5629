"""The columns of the tidy files, each declared once."""
