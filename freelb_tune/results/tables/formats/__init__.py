"""The table as people and machines read it: Markdown, LaTeX, HTML, CSV, JSON."""
