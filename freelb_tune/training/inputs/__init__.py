"""What a cell is trained on: its model, its tokens, its arguments."""
