"""What is kept of one cell: its log, its predictions, its checkpoint, its sign of life."""
