"""What choosing the best of several does, and which get another seed."""
