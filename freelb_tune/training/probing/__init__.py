"""What a model is asked before it trains: its own loss, and which paths keep its numbers."""
