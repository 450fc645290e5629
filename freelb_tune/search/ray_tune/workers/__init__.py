"""What happens in a worker's process: one trial trains one cell."""
