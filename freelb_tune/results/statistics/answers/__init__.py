"""What a search has shown, in plain sentences."""
